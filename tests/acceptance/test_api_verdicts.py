"""How a handler may end, and what follows: no retry, a retry, a person, an undo; and what it emits on the way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

from saga_journey import (
    Compensated,
    Completed,
    Context,
    Failed,
    Misconfigured,
    Refused,
    Rejected,
    Saga,
    Working,
    external,
    milestone,
)
from saga_journey.core import events as ev
from saga_journey.testing.databases import look_into
from tests.acceptance.participant import away, later
from tests.acceptance.sagas import AT_ONCE
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

Action = Callable[[Context[Any]], Awaitable[Any]]
DAY = 24 * 3600


async def wave(ctx: Context[Any]) -> str:
    """What a neighbour does."""
    return "hello"


async def nothing_to_do(ctx: Context[Any], result: Any) -> None:
    """An undo that does nothing."""


# --- working ------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_working_asks_again_under_the_same_key_and_attempt(stage: Stage) -> None:
    """Twice "not yet": not counted as attempts, asked again when the participant said so, and not before."""
    saga = stage.saga(stage.step("print", retry=AT_ONCE))
    stage.participant.will("print", later(30), later(60))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        for times, seconds in enumerate((30, 60), start=1):
            await stage.story.happened(ev.AttemptWorking, times)
            stage.clock.advance(seconds - 1)
            assert len(await journal(run)) == 1 + times
            assert (await run.status()).waiting_for == "print, which is still working"
            stage.clock.advance(1)
        assert isinstance(await ended(run), Completed)
        told = await journal(run)
    assert told == [
        "saga_started",
        "attempt_working print do",
        "attempt_working print do",
        "milestone_completed print",
        "saga_completed",
    ]
    assert stage.participant.ledger() == ["do print #1: working", "do print #1: working", "do print #1: applied"]


@pytest.mark.anyio
@pytest.mark.parametrize(("within", "bound"), [(None, DAY), (600, 600)], ids=["a day", "within"])
async def test_working_has_an_end(stage: Stage, within: float | None, bound: float) -> None:
    """After `within`, or a day: nobody knows what it did, so it is undone."""
    saga = stage.saga(stage.step("print", within=within))
    stage.participant.will("print", *[later(bound)] * 2)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.AttemptWorking)
        stage.clock.advance(bound)
        outcome = await ended(run)
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert told == [
        "saga_started",
        "attempt_working print do",
        "milestone_gave_up print",
        "compensation_decided failure",
        "milestone_compensated print",
        "saga_compensated",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -5, "soon", None], ids=repr)
async def test_working_with_a_time_that_means_nothing(stage: Stage, strange: Any) -> None:
    """The saga goes on, one way or the other: it is not lost, and does not spin."""
    calls = 0

    async def work(ctx: Context[Any]) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Working(retry_in=strange)
        return "done"

    saga = Saga("told", version=1, milestones=[milestone(work, undo=None, retry=AT_ONCE)])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, None)
        await stage.story.until(lambda: len(stage.story.events()) >= 2, "its first answer")
        stage.clock.advance(2 * 3600)
        assert isinstance(await ended(run), Completed)
    assert calls == 2


# --- misconfigured ------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_misconfigured_waits_for_a_person_and_undoes_nothing(stage: Stage) -> None:
    """Turned away as often as the policy says; then somebody mends the key, and it goes on where it stood."""
    saga = stage.saga("reserve", stage.step("charge", retry=AT_ONCE))
    stage.participant.will("charge", *[away("401: the API key has expired")] * 4)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        failed = await ended(run)
        assert isinstance(failed, Failed)
        assert [tuple(a) for a in failed.attention] == [
            ("participant_misconfigured", "charge", "401: the API key has expired")
        ]
        assert failed.verbs == ("retry", "skip", "cancel", "resolve")
        await run.retry(who="ann", reason="a new key")
        assert isinstance(await ended(run), Completed)
        told = await journal(run)
    assert told == [
        "saga_started",
        "milestone_completed reserve",
        *["attempt_ended charge do"] * 4,
        "attention_raised charge participant_misconfigured",
        "milestone_retried charge do who=ann",
        "milestone_completed charge",
        "saga_completed",
    ]
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        *[f"do charge #{attempt}: away" for attempt in (1, 2, 3, 4)],
        "do charge #5: applied",
    ]


# --- unknown: whatever else it raises -----------------------------------------------------------------------------


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class OwnSignal(BaseException):
    """What a library may raise to unwind everything."""


async def raises(error: BaseException) -> None:
    raise error


async def leaves(ctx: Context[Any]) -> None:
    sys.exit(3)


async def cancels_itself(ctx: Context[Any]) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def raises_cancelled(ctx: Context[Any]) -> None:
    raise asyncio.CancelledError


async def awaits_what_is_cancelled(ctx: Context[Any]) -> None:
    other = asyncio.ensure_future(asyncio.sleep(3600))
    other.cancel()
    await other


SURPRISES: dict[str, tuple[Action, str]] = {
    "an exception": (lambda ctx: raises(ConnectionError("reset")), "ConnectionError: reset"),
    "one without words": (lambda ctx: raises(KeyError()), "KeyError"),
    "one that cannot be printed": (lambda ctx: raises(Unprintable()), "Unprintable"),
    "NUL and a lone surrogate": (lambda ctx: raises(ValueError("a\0b\ud800")), "ValueError: a␀b?"),
    "a group": (lambda ctx: raises(ExceptionGroup("two", [KeyError("a")])), "ExceptionGroup: two (1 sub-exception)"),
    "a signal of its own": (lambda ctx: raises(OwnSignal("stop")), "OwnSignal: stop"),
    "SystemExit": (leaves, "SystemExit: 3"),
    "a cancel of itself": (cancels_itself, "the handler was cancelled"),
    "CancelledError": (raises_cancelled, "the handler was cancelled"),
    "a cancelled future": (awaits_what_is_cancelled, "the handler was cancelled"),
    "StopIteration": (lambda ctx: raises(RuntimeError("coroutine raised StopIteration")), "RuntimeError: coroutine"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("surprise", SURPRISES)
async def test_every_surprise_is_unknown(stage: Stage, surprise: str) -> None:
    """Tried again as often as the policy says, then undone with None; neighbours notice nothing."""
    act, error = SURPRISES[surprise]
    given: list[Any] = []

    async def take_back(ctx: Context[Any], result: Any) -> None:
        given.append(result)

    async def surprising(ctx: Context[Any]) -> None:
        await act(ctx)

    saga = Saga("told", version=1, milestones=[milestone(surprising, undo=take_back, retry=AT_ONCE)])
    neighbour = Saga("neighbour", version=1, milestones=[milestone(wave, undo=None)])
    async with stage.moving(saga, neighbour) as journeys:
        run = await journeys.start(saga, None)
        outcome = await ended(run)
        assert isinstance(await ended(await journeys.start(neighbour, None)), Completed)
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert str(outcome.because).startswith(f"surprising: {error}")
    assert told == [
        "saga_started",
        *["attempt_ended surprising do"] * 3,
        "milestone_gave_up surprising",
        "compensation_decided failure",
        "milestone_compensated surprising",
        "saga_compensated",
    ]
    assert given == [None]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), OwnSignal("stop"), Unprintable()], ids=repr
)
async def test_every_surprise_in_a_thread_is_unknown(stage: Stage, error: BaseException) -> None:
    """The same for a plain `def`."""

    def surprising(ctx: Context[Any]) -> None:
        raise error

    saga = Saga("told", version=1, milestones=[milestone(surprising, undo=nothing_to_do, retry=AT_ONCE)])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, None)
        assert isinstance(await ended(run), Compensated)
        assert (await journal(run)).count("attempt_ended surprising do") == 3


@pytest.mark.anyio
@pytest.mark.parametrize("verdict", [Refused, Misconfigured], ids=lambda v: v.__name__)
@pytest.mark.parametrize("reason", [None, 42, ["a"]], ids=repr)
async def test_a_reason_that_is_no_text(stage: Stage, verdict: Any, reason: Any) -> None:
    """It is a verdict all the same."""

    async def act(ctx: Context[Any]) -> None:
        raise verdict(reason)

    saga = Saga("told", version=1, milestones=[milestone(act, undo=None, retry=AT_ONCE)])
    async with stage.moving(saga) as journeys:
        outcome = await ended(await journeys.start(saga, None))
    assert isinstance(outcome, Compensated if verdict is Refused else Failed)


@pytest.mark.anyio
async def test_a_handler_that_swallows_its_cancellation(stage: Stage) -> None:
    """Past its timeout, it goes on and returns a result: too late, unknown; the undo waited until it had ended."""
    book: list[str] = []
    answer = asyncio.Event()
    called = asyncio.Event()

    async def stubborn(ctx: Context[Any]) -> str:
        called.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            book.append("told to stop")
        await answer.wait()
        book.append("done")
        return "done"

    async def take_back(ctx: Context[Any], result: str | None) -> None:
        book.append(f"undone, with {result}")

    policy: dict[str, Any] = {"timeout": 10, "retry": AT_ONCE, "within": 10}
    saga = Saga("told", version=1, milestones=[milestone(stubborn, undo=take_back, **policy)])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, None)
        await called.wait()
        stage.clock.advance(10 + MOMENT)
        assert await journal(run) == ["saga_started"]
        answer.set()
        assert isinstance(await ended(run), Compensated)
    assert book == ["told to stop", "done", "undone, with None"]


# --- results that cannot be recorded ------------------------------------------------------------------------------


@dataclass
class Invoice:
    cents: int


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


UNRECORDABLE: dict[str, tuple[Any, str]] = {
    "NaN": ({"rate": float("nan")}, "result.rate: nan is not JSON"),
    "infinity": ([float("inf")], "result[0]: inf is not JSON"),
    "NUL": ({"text": "a\0b"}, "result.text: contains a NUL character"),
    "a lone surrogate": ("\ud800", "result: contains a lone surrogate"),
    "bytes": (b"raw", "result: bytes is not JSON"),
    "a set": ({"ids": {1}}, "result.ids: set is not JSON"),
    "a key that is no text": ({1: "one"}, "result: key 1 is not a string"),
    "a big integer": (2**60, "result: integer beyond 2**53"),
    "65 levels": (nested(65), "more than 64 levels deep"),
    "1 MiB": ("x" * (1024 * 1024 + 1), "bytes of JSON, at most 1,048,576 can be recorded"),
    "an object": (object(), "result: object is not JSON"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", UNRECORDABLE)
async def test_a_result_that_cannot_be_recorded(stage: Stage, kind: str) -> None:
    """The action was done, and asking again would give the same: undone with None at once, and the reason told."""
    value, problem = UNRECORDABLE[kind]
    calls: list[str] = []

    async def act(ctx: Context[Any]) -> Any:
        calls.append("act")
        return value

    async def take_back(ctx: Context[Any], result: Any) -> None:
        calls.append(f"undo {result}")

    saga = Saga("told", version=1, milestones=[milestone(act, undo=take_back, retry=AT_ONCE)])
    async with stage.moving(saga) as journeys:
        outcome = await ended(await journeys.start(saga, None))
    assert isinstance(outcome, Compensated)
    assert str(outcome.because).startswith("act: act was called, but its result cannot be recorded: ")
    assert problem in str(outcome.because)
    assert calls == ["act", "undo None"]


@pytest.mark.anyio
async def test_a_result_of_another_type(stage: Stage) -> None:
    """Declared an invoice, returned a text: the sentence names the handler, the type and the place."""
    calls: list[Any] = []

    async def bill(ctx: Context[Any]) -> Invoice:
        return "nothing"  # type: ignore[return-value]

    async def unbill(ctx: Context[Any], invoice: Invoice | None) -> None:
        calls.append(invoice)

    saga = Saga("told", version=1, milestones=[milestone(bill, undo=unbill, retry=AT_ONCE)])
    async with stage.moving(saga) as journeys:
        outcome = await ended(await journeys.start(saga, None))
    assert isinstance(outcome, Compensated)
    assert str(outcome.because).startswith(
        "bill: bill was called, but its result cannot be recorded: result does not fit Invoice: "
    )
    assert calls == [None]


@dataclass
class Parcel:
    inside: Any


@pytest.mark.anyio
async def test_a_result_that_its_own_type_cannot_write(stage: Stage) -> None:
    """It fits its type, and still has no JSON form: once called, not called again."""
    calls: list[Any] = []

    async def pack(ctx: Context[Any]) -> Parcel:
        calls.append("pack")
        return Parcel(object())

    async def unpack(ctx: Context[Any], parcel: Parcel | None) -> None:
        calls.append(parcel)

    saga = Saga("told", version=1, milestones=[milestone(pack, undo=unpack, retry=AT_ONCE)])
    async with stage.moving(saga) as journeys:
        outcome = await ended(await journeys.start(saga, None))
    assert isinstance(outcome, Compensated)
    assert "pack was called, but its result cannot be recorded: " in str(outcome.because)
    assert calls == ["pack", None]


class Picky(BaseModel):
    cents: int

    @model_validator(mode="after")
    def stumble(self) -> Picky:
        if self.cents > 10:
            raise RuntimeError("no rate for so much")
        return self


@pytest.mark.anyio
async def test_a_type_whose_own_code_fails_when_it_reads(stage: Stage) -> None:
    """Nothing was called with it: the saga waits for a person, and does not spin."""
    calls: list[str] = []

    async def bill(ctx: Context[Any]) -> dict[str, int]:
        calls.append("bill")
        return {"cents": 11}

    async def unbill(ctx: Context[Any], invoice: Picky | None) -> None:
        calls.append("unbill")

    saga = Saga("told", version=1, milestones=[external("bill", undo=unbill, timeout=60, request=bill)])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, None)
        await stage.story.happened(ev.MilestoneWaiting)
        with pytest.raises(Rejected, match=r"wrong_result: .*no rate for so much"):
            await run.advance(result={"cents": 11})
        await run.advance(result={"cents": 9})
        assert isinstance(await ended(run), Completed)
    assert calls == ["bill"]


@pytest.mark.anyio
async def test_what_an_undo_returns_is_ignored(stage: Stage) -> None:
    """Also when it could not be recorded."""

    async def act(ctx: Context[Any]) -> str:
        return "done"

    async def take_back(ctx: Context[Any], result: str | None) -> None:
        return object()  # type: ignore[return-value]

    saga = Saga("told", version=1, milestones=[milestone(act, undo=take_back)])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, None)
        await ended(run)
        await run.compensate()
        await stage.story.happened(ev.SagaCompensated)


# --- emit ---------------------------------------------------------------------------------------------------------


class Broker:
    """A publisher that is configured: commits carry what it will be given."""

    async def publish(self, rows: Sequence[Mapping[str, Any]]) -> None:
        raise AssertionError("nothing relays yet")


@pytest.mark.anyio
@pytest.mark.parametrize("publishing", [True, False], ids=["with a publisher", "without one"])
async def test_only_what_the_ok_attempt_emitted_is_written(stage: Stage, publishing: bool) -> None:
    """Attempt 1 emits and fails, attempt 2 emits twice and is ok, the undo emits too; a refused one leaves nothing."""

    async def book(ctx: Context[Any]) -> str:
        ctx.emit("seat.asked", {"attempt": ctx.attempt})
        if ctx.attempt == 1:
            raise ConnectionError
        ctx.emit("seat.booked", {"seat": 7})
        return "7"

    async def unbook(ctx: Context[Any], seat: str | None) -> None:
        ctx.emit("seat.given_back", {"seat": seat})

    async def pay(ctx: Context[Any]) -> None:
        ctx.emit("money.asked", {})
        raise Refused("no money")

    saga = Saga("told", version=1, milestones=[milestone(book, undo=unbook, retry=AT_ONCE), milestone(pay, undo=None)])
    async with stage.moving(saga, publisher=Broker() if publishing else None) as journeys:
        await ended(await journeys.start(saga, None))
    emitted = [(2, 1, "seat.asked", '{"attempt":2}'), (2, 2, "seat.booked", '{"seat":7}')]
    told = outbox(stage)
    assert [row for row in told if row[1] > 0] == (
        [*emitted, (5, 1, "seat.given_back", '{"seat":"7"}')] if publishing else []
    )
    assert [(seq, kind) for seq, item, kind, _ in told if item == 0] == (EVENTS if publishing else [])


EVENTS = [
    (1, "saga_started"),
    (2, "attempt_ended"),
    (3, "milestone_completed"),
    (4, "milestone_refused"),
    (5, "compensation_decided"),
    (6, "milestone_compensated"),
    (7, "saga_compensated"),
]


def outbox(stage: Stage) -> list[tuple[int, int, str, str]]:
    with closing(look_into(stage.url)) as looking:
        return looking.rows("select seq, item, kind, body from outbox order by seq, item")


@pytest.mark.anyio
async def test_an_event_must_be_json(stage: Stage) -> None:
    """It is refused where it is emitted, and names the event."""

    async def book(ctx: Context[Any]) -> str:
        try:
            ctx.emit("seat.booked", {"when": object()})
        except Exception as error:  # noqa: BLE001 - the test looks at whatever it is
            return f"{type(error).__name__}: {error}"
        return "accepted"

    saga = Saga("told", version=1, milestones=[milestone(book, undo=None)])
    async with stage.moving(saga) as journeys:
        outcome = await ended(await journeys.start(saga, None))
    assert isinstance(outcome, Completed)
    assert outcome.results["book"].startswith("NotJson: event 'seat.booked'.when: object is not JSON")
