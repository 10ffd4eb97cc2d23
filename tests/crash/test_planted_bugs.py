"""A checker that finds nothing proves nothing: every known bug is planted, and found; without one there is silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.bugs import BUGS
from tests.crash.clean_process import told_by
from tests.crash.hunt import AT_MOST, SEEDS
from tests.crash.on_stores import on_stores, server_for
from tests.thorough import thorough


@pytest.mark.parametrize(("bug", "store"), on_stores(BUGS, quick="epoch by worker name"))
def test_the_checker_finds(bug: str, store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    arguments = ("--store", store, "--bug", bug, "--lanes", "1")
    told = told_by("tests.crash.hunt", *arguments, folder=tmp_path, environment=server_for(store, request))
    (found,) = told["bugs"]
    assert found["found"], f"{bug}: not found in {AT_MOST} seeds"


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=[thorough])])
def test_the_checker_is_silent_on_the_same_seeds_without_a_bug(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    arguments = ("--store", store, "--clean", "--lanes", "1")
    told = told_by("tests.crash.hunt", *arguments, folder=tmp_path, environment=server_for(store, request))
    assert told["clean_seeds"] == SEEDS
    assert told["false_alarms"] == []
