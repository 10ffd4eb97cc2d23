"""The command looks after sagas: sessions beside them are not listed, and no id means one of them."""

from typing import Any

import pytest

from saga_journey import blocking
from saga_journey.cli.problems import NOT_FOUND
from tests.cli.stage import Cli, Worker

CONFIG: dict[str, Any] = {"areas": [{"id": "reading"}], "initial_area": "reading"}


@pytest.fixture
def session(cli: Cli, worker: Worker) -> str:
    with blocking.open_journeys(cli.url, working=False) as journeys:
        return journeys.session.start_session("ann", CONFIG)["session_id"]


def test_sessions_are_not_among_the_sagas(cli: Cli, worker: Worker, session: str) -> None:
    saga = worker.start("order")
    assert cli.outcome(saga) == 0
    assert [row["saga_id"] for row in cli.here("ls", "--json").lines()] == [saga]
    assert cli.here("ls", "--status", "in_progress", "--json").lines() == []


def test_no_id_means_a_session(cli: Cli, session: str) -> None:
    for said in (session, session[:-1], "session_", "@last"):
        assert cli.here("get", said).code == NOT_FOUND
        assert cli.here("history", said).code == NOT_FOUND


def test_the_doctor_finds_nothing_wrong_with_a_session(cli: Cli, worker: Worker, session: str) -> None:
    worker.stop()
    findings = {finding["check"]: finding for finding in cli.here("doctor", "--json").lines()}
    assert (findings["workers"]["level"], findings["attention"]["level"]) == ("ok", "ok")
