"""The ledger refuses nonsense, and its participants answer as good services do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from saga_journey import Compensated, Retry, Saga, open_journeys
from saga_journey.core.events import Op
from saga_journey.testing.journal import open_intents, recorded_intents
from saga_journey.testing.ledger import BARRIER, NOTHING_TO_UNDO, REPLAY, Ledger, Nonsense, Request, read_ledger
from saga_journey.testing.participants import Participant, Reply


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger
        ledger.nonsense.clear()  # the tests look for themselves


def request(op: Op, milestone: str, key: str | None = None) -> Request:
    action = f"saga/{milestone}/do"
    own = key or (action if op == "do" else f"saga/{milestone}/undo")
    return Request("acme", own, "saga", milestone, op, "body", 1, action, undoable=True, emits=0)


def ask(ledger: Ledger, *requests: Request) -> list[str]:
    for each in requests:
        ledger.receive(each)
    return ledger.story()


def test_an_effect_happens_once_for_each_key(ledger: Ledger) -> None:
    story = ask(
        ledger, request("do", "stock"), request("do", "stock"), request("undo", "stock"), request("undo", "stock")
    )
    assert story == ["do stock", f"do stock: {REPLAY}", "undo stock", f"undo stock: {REPLAY}"]


def test_an_undo_that_came_first_turns_the_action_away(ledger: Ledger) -> None:
    story = ask(ledger, request("undo", "stock"), request("do", "stock"))
    assert story == [f"undo stock: {NOTHING_TO_UNDO}", f"do stock: {BARRIER}"]


@pytest.mark.parametrize("op", ["do", "undo"])
def test_two_effects_of_one_milestone_are_nonsense(ledger: Ledger, op: Op) -> None:
    ask(ledger, request("do", "stock"), *([request("undo", "stock")] if op == "undo" else []))
    with pytest.raises(Nonsense, match="a second time, under another key"):
        ask(ledger, request(op, "stock", key="another"))


def test_an_undo_out_of_order_is_nonsense(ledger: Ledger) -> None:
    with pytest.raises(Nonsense, match="undo stock before card, which was done after it"):
        ask(ledger, request("do", "stock"), request("do", "card"), request("undo", "stock"))


def test_what_has_nothing_to_undo_is_in_nobodys_way(ledger: Ledger) -> None:
    mail = replace(request("do", "mail"), undoable=False)
    assert ask(ledger, request("do", "stock"), mail, request("undo", "stock"))[-1] == "undo stock"


def test_nonsense_fails_the_test_that_did_not_look(tmp_path: Path) -> None:
    def careless() -> None:
        with Ledger(tmp_path / "ledger.db") as ledger:
            ledger.receive(request("do", "stock"))
            try:
                ledger.receive(request("do", "stock", key="another"))
            except Nonsense:
                return  # as an engine does, that takes it for one more failure

    with pytest.raises(Nonsense):
        careless()


def test_a_ledger_that_is_not_strict_notes_nonsense_for_the_checker(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", strict=False) as ledger:
        ask(ledger, request("do", "stock"), request("do", "stock", key="another"))
    assert [entry.applied for entry in read_ledger(tmp_path / "ledger.db")] == [True, True]


@pytest.mark.parametrize("sql", ["update entry set applied = 0", "delete from entry"])
def test_what_is_written_stays(ledger: Ledger, tmp_path: Path, sql: str) -> None:
    ask(ledger, request("do", "stock"))
    other = sqlite3.connect(tmp_path / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(sql)
    other.close()


def test_processes_share_a_ledger(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as other:
        ask(other, request("do", "stock"))
        assert ask(ledger, request("do", "stock")) == ["do stock", f"do stock: {REPLAY}"]


Saw = Callable[[str], list[str]]


async def run_saga(folder: Path, ledger: Ledger, *participants: Participant, retry: Retry) -> str:
    steps = [p.milestone(retry=retry, timeout=0.05, undo_retry=retry) for p in participants]
    saga: Saga[object] = Saga("checkout", version=1, milestones=steps)
    async with open_journeys(f"sqlite:///{folder}/journeys.db", sagas=[saga], handle_sigterm=False) as journeys:
        run = await journeys.start(saga, {})
        assert isinstance(await run.outcome(), Compensated)
    return run.saga_id


AT_ONCE = Retry(attempts=3, first=0.0, most=0.0)


async def test_participants_answer_by_their_script(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", database=tmp_path / "journeys.db") as ledger:
        stock = Participant(ledger, "stock", do=[Reply.WORKING, Reply.ERROR, Reply.OK], undo=[Reply.ERROR, Reply.OK])
        card = Participant(ledger, "card", do=[Reply.TIME_OUT, Reply.REFUSE])
        await run_saga(tmp_path, ledger, stock, card, retry=AT_ONCE)
        assert ledger.story() == [
            "do stock: working",
            "do stock: error",
            "do stock",
            "do card",
            "do card: refuse",
            "undo card",
            "undo stock: error",
            "undo stock",
        ]
        assert all(entry.visible for entry in ledger.entries())


async def test_the_journal_says_which_calls_it_holds(tmp_path: Path) -> None:
    database = tmp_path / "journeys.db"
    with Ledger(tmp_path / "ledger.db", database=database) as ledger:
        stock, card = Participant(ledger, "stock"), Participant(ledger, "card", do=[Reply.ERROR, Reply.REFUSE])
        saga_id = await run_saga(tmp_path, ledger, stock, card, retry=AT_ONCE)
    assert open_intents(database, saga_id) == []
    held = [(intent.op, intent.milestone, intent.attempt) for intent in recorded_intents(database, saga_id)]
    assert held == [("do", "stock", 1), ("do", "card", 1), ("do", "card", 2), ("undo", "card", 1), ("undo", "stock", 1)]
    assert open_intents(database, "saga_unknown") == []
