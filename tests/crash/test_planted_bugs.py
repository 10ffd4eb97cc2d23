"""A checker that finds nothing proves nothing: every known bug is planted, and found; without one there is silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.bugs import BUGS
from tests.crash.clean_process import told_by
from tests.crash.hunt import AT_MOST, SEEDS
from tests.crash.place import STORES
from tests.servers.postgres import GIVEN
from tests.thorough import thorough

ON_POSTGRES = "epoch by worker name"
"""There the others are left to `make thorough`."""
HUNTS = [
    pytest.param(bug, store, marks=[thorough] if store == "postgres" and bug != ON_POSTGRES else [])
    for store in STORES
    for bug in BUGS
]


@pytest.mark.parametrize(("bug", "store"), HUNTS)
def test_the_checker_finds(bug: str, store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server = {GIVEN: request.getfixturevalue("postgres_server").url()} if store == "postgres" else {}
    arguments = ("--store", store, "--bug", bug, "--lanes", "1")
    told = told_by("tests.crash.hunt", *arguments, folder=tmp_path, environment=server)
    (found,) = told["bugs"]
    assert found["found"], f"{bug}: not found in {AT_MOST} seeds"


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=[thorough])])
def test_the_checker_is_silent_on_the_same_seeds_without_a_bug(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server = {GIVEN: request.getfixturevalue("postgres_server").url()} if store == "postgres" else {}
    told = told_by("tests.crash.hunt", "--store", store, "--clean", "--lanes", "1", folder=tmp_path, environment=server)
    assert told["clean_seeds"] == SEEDS
    assert told["false_alarms"] == []
