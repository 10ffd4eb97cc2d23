"""The benchmark runs from end to end. What it says about speed is for `python -m bench --judge`, not for a test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.workload import AT_ONCE, MODES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file that one quick run leaves."""
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "figures.json"
    command = [sys.executable, "-m", "bench", "--quick", "--dir", str(folder), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def test_a_quick_run_takes_every_point_of_ours(written: dict[str, Any]) -> None:
    points = [point for bout in written["bouts"] for played in bout["rounds"] for point in played["points"]]
    ours = {(point["mode"], point["at_once"]) for point in points if point["contestant"] == "ours"}
    assert ours == {(mode, at_once) for mode in MODES for at_once in AT_ONCE}
    assert all(point["sagas"] >= point["at_once"] and point["commits_per_saga"] != 0 for point in points)


def test_the_floor_takes_part_or_is_said_to_be_absent(written: dict[str, Any]) -> None:
    here = {point["contestant"] for bout in written["bouts"] for point in bout["rounds"][0]["points"]}
    assert ("floor" in here) != ("floor" in written["absent"])


def test_a_quick_run_judges_nothing(written: dict[str, Any]) -> None:
    assert written["gates"] == []
