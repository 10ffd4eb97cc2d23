"""The benchmark runs from end to end. What it says about speed is for `python -m bench --judge`, not for a test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.contestants import CONTESTANTS, Store, absent
from bench.workload import AT_ONCE, MODES
from tests.servers.programs import NoServer
from tests.thorough import thorough

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(
    scope="module",
    params=[pytest.param(there, marks=[thorough] if there == "postgres" else []) for there in CONTESTANTS],
)
def store(request: pytest.FixtureRequest) -> Store:
    there: Store = request.param
    if there == "postgres" and "ours" in absent(there):
        raise NoServer
    return there


@pytest.fixture(scope="module")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file that one quick run leaves."""
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "figures.json"
    command = [sys.executable, "-m", "bench", "--quick", "--store", store, "--dir", str(folder), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def test_a_quick_run_takes_every_point_of_ours(store: Store, written: dict[str, Any]) -> None:
    assert {bout["store"] for bout in written["bouts"]} == {store}
    ours = points_of_ours(written)
    assert {(point["mode"], point["at_once"]) for point in ours} == {
        (mode, at_once) for mode in MODES for at_once in AT_ONCE
    }
    assert all(point["sagas"] >= point["at_once"] and point["commits_per_saga"] != 0 for point in ours)


def test_what_a_server_does_is_counted_where_there_is_one(store: Store, written: dict[str, Any]) -> None:
    for point in points_of_ours(written):
        there_is_one = store == "postgres"
        assert (point["round_trips_per_saga"] is not None) == there_is_one
        assert (point["server_cpu_ms_per_saga"] is not None) == there_is_one
        if there_is_one:
            assert point["round_trips_per_saga"] >= point["commits_per_saga"]


def points_of_ours(written: dict[str, Any]) -> list[dict[str, Any]]:
    points = [point for bout in written["bouts"] for played in bout["rounds"] for point in played["points"]]
    return [point for point in points if point["contestant"] == "ours"]


def test_the_floor_takes_part_or_is_said_to_be_absent(store: Store, written: dict[str, Any]) -> None:
    here = {point["contestant"] for bout in written["bouts"] for point in bout["rounds"][0]["points"]}
    assert ("floor" in here) != ("floor" in written["absent"][store])


def test_a_quick_run_judges_nothing(written: dict[str, Any]) -> None:
    assert written["gates"] == []
