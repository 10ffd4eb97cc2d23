"""A checker that finds nothing proves nothing: every known bug is planted, and found; without one there is silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.bugs import BUGS
from tests.crash.clean_process import told_by
from tests.crash.hunt import AT_MOST, SEEDS


@pytest.mark.parametrize("bug", BUGS)
def test_the_checker_finds(bug: str, tmp_path: Path) -> None:
    told = told_by("tests.crash.hunt", "--bug", bug, "--lanes", "1", folder=tmp_path)
    (found,) = told["bugs"]
    assert found["found"], f"{bug}: not found in {AT_MOST} seeds"


def test_the_checker_is_silent_on_the_same_seeds_without_a_bug(tmp_path: Path) -> None:
    told = told_by("tests.crash.hunt", "--clean", "--lanes", "1", folder=tmp_path)
    assert told["clean_seeds"] == SEEDS
    assert told["false_alarms"] == []
