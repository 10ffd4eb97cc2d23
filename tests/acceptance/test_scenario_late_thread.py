"""Scenario 3: the thread that came late. A plain `def` cannot be stopped, so its undo waits until it has ended."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from saga_journey import Compensated, Context, Retry, Run, Saga, milestone
from saga_journey.ports import AttemptEnded
from saga_journey.testing.journal import JournalReader
from tests.acceptance.participant import PATIENCE
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

TIMEOUT = 10.0


class Bank:
    """A participant without a barrier, behind plain functions. `answer` lets the charge have its effect and return."""

    def __init__(self) -> None:
        self.book: list[str] = []
        self.called = threading.Event()
        self.answer = threading.Event()
        self.charged = threading.Event()

    def charge(self, ctx: Context[dict[str, int]]) -> str:
        self.book.append("charge is called")
        self.called.set()
        assert self.answer.wait(PATIENCE)
        self.book.append("charged")
        self.charged.set()
        return "receipt"

    def refund(self, ctx: Context[dict[str, int]], receipt: str | None) -> None:
        self.book.append(f"refunded, with {receipt}")


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.answer.set()


def charging(bank: Bank) -> Saga[dict[str, int]]:
    """One milestone, one attempt."""
    charge = milestone(
        bank.charge, undo=bank.refund, timeout=TIMEOUT, retry=Retry(attempts=1), undo_retry=Retry(first=0, most=0)
    )
    return Saga("charging", version=1, milestones=[charge])


async def waited(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


@pytest.mark.anyio
async def test_the_undo_waits_for_the_late_effect(stage: Stage, bank: Bank) -> None:
    """The action writes its effect after three times its timeout; only then is the undo called."""
    saga = charging(bank)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"cents": 1999})
        await waited(bank.called)
        for span in (TIMEOUT + MOMENT, TIMEOUT, TIMEOUT):
            stage.clock.advance(span)
            assert await journal(run) == ["saga_started"]
        assert bank.book == ["charge is called"]
        bank.answer.set()
        assert isinstance(await ended(run), Compensated)
        told = await journal(run)
    assert bank.book == ["charge is called", "charged", "refunded, with None"]
    assert told == [
        "saga_started",
        "milestone_gave_up charge",
        "compensation_decided failure",
        "milestone_compensated charge",
        "saga_compensated",
    ]
    assert lingered(stage) == pytest.approx([2 * TIMEOUT + MOMENT, 0.0])


@pytest.mark.anyio
async def test_a_cancel_in_mid_call_waits_too(stage: Stage, bank: Bank) -> None:
    """Decided at once; the call runs to its own end, and what it says counts: the undo gets the receipt."""
    saga = charging(bank)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"cents": 1999})
        await waited(bank.called)
        assert (await run.cancel("changed my mind", who="ann")).code == "applied"
        assert await journal(run) == ["saga_started", "compensation_decided cancelled"]
        assert bank.book == ["charge is called"]
        bank.answer.set()
        outcome = await ended(run)
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert str(outcome.because) == "cancelled by ann: changed my mind"
    assert bank.book == ["charge is called", "charged", "refunded, with receipt"]
    assert told == [
        "saga_started",
        "compensation_decided cancelled",
        "milestone_completed charge",
        "milestone_compensated charge",
        "saga_compensated",
    ]


@pytest.mark.anyio
async def test_a_cancel_in_mid_call_that_then_runs_late(stage: Stage, bank: Bank) -> None:
    """Cancelled in mid-call, then past its timeout: unknown, and undone with None, but still after the write."""
    saga = charging(bank)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"cents": 1999})
        await waited(bank.called)
        await run.cancel()
        stage.clock.advance(3 * TIMEOUT)
        assert await journal(run) == ["saga_started", "compensation_decided cancelled"]
        bank.answer.set()
        await ended(run)
        told = await journal(run)
    assert bank.book == ["charge is called", "charged", "refunded, with None"]
    assert told == [
        "saga_started",
        "compensation_decided cancelled",
        "milestone_gave_up charge",
        "milestone_compensated charge",
        "saga_compensated",
    ]


@pytest.mark.anyio
async def test_nobody_waits_for_ever(stage: Stage, bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    """The limit: after `linger` seconds the undo is called beside the thread, with a warning; its answer is dropped."""
    saga = charging(bank)
    async with stage.moving(saga, linger=5) as journeys:
        run = await journeys.start(saga, {"cents": 1999})
        await waited(bank.called)
        stage.clock.advance(TIMEOUT + MOMENT)
        with caplog.at_level(logging.WARNING, "saga_journey.engine"):
            stage.clock.advance(5)
            await ended(run)
        told = await journal(run)
        assert bank.book == ["charge is called", "refunded, with None"]
        bank.answer.set()
        await waited(bank.charged)
    assert recorded_events(stage, run) == len(told)
    assert [record.getMessage() for record in caplog.records] == [
        f"{run.saga_id}: do of charge still runs 5 s past its limit; going on without it"
    ]
    assert lingered(stage) == pytest.approx([5.0, 0.0], abs=2 * MOMENT)


def recorded_events(stage: Stage, run: Run) -> int:
    with closing(JournalReader(stage.url)) as reader:
        return sum(len(turn.facts) for turn in reader.turns_of(run.saga_id))


def lingered(stage: Stage) -> list[float]:
    """How late each call ended, as observers saw it."""
    return [seen.lingered for seen in stage.story.attempts() if isinstance(seen, AttemptEnded)]
