"""The worst days, short enough to be lived through each time; `make chaos` has the long ones.

`python -m tests.chaos.workers`, `….server`, `….failover` and `….colliding_keys` show the same as figures.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.server import RESUMED_WITHIN
from tests.chaos.workers import ENOUGH_FENCED, REST_WITHIN
from tests.crash.clean_process import told_by
from tests.servers.programs import PACKAGE, NoServer
from tests.thorough import thorough


@pytest.fixture(autouse=True)
def programs() -> None:
    """Servers of their own are needed, to be killed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise NoServer


def kept_every_promise(told: dict[str, Any]) -> None:
    assert told["violations"] == []
    assert told["problems"] == []
    assert told["unforeseen"] == []
    assert told["refused_starts"] == []


def test_workers_that_die_and_freeze_and_come_back(tmp_path: Path) -> None:
    told = told_by("tests.chaos.workers", "--seconds", "60", "--sagas", "500", folder=tmp_path)
    kept_every_promise(told)
    assert told["sagas"] == sum(told["ends"].values()) == 500
    assert told["ends"]["compensated"] >= 500 // 3
    assert told["fenced"] >= ENOUGH_FENCED
    assert told["rest_s"] is not None
    assert told["rest_s"] <= REST_WITHIN


def test_the_same_orders_from_eight_processes_at_once(tmp_path: Path) -> None:
    told = told_by("tests.chaos.colliding_keys", folder=tmp_path)
    assert told["ends"] == [0] * 8
    assert told["errors"] == []
    assert told["runs"] == told["journals"] == told["keys"] == 1000
    assert told["answered"] == [1000] * 8
    assert told["different"] == 0
    assert told["deadlocks"] == 0


@thorough
def test_a_server_that_is_killed_under_load(tmp_path: Path) -> None:
    told = told_by("tests.chaos.server", "--kills", "3", folder=tmp_path)
    kept_every_promise(told)
    assert told["silent"] == []
    assert told["resumed_ms"]["p99"] <= 1000 * RESUMED_WITHIN
    assert told["ended_connections"] > 0
    assert None not in (told["rest_s"], told["rest_after_restart_s"])
    assert set(told["ends"]) == {"completed", "compensated"}


@thorough
def test_a_primary_that_dies_under_load_and_its_standby(tmp_path: Path) -> None:
    told = told_by("tests.chaos.failover", "--failovers", "2", folder=tmp_path)
    kept_every_promise(told)
    assert told["silent"] == []
    assert told["resumed_ms"]["p99"] <= 1000 * RESUMED_WITHIN
    assert told["rest_s"] is not None
    assert set(told["ends"]) == {"completed", "compensated"}
