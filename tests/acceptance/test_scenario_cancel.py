"""Scenario 4: cancel at every event of reserve -> charge (the pivot, 0.2 s) -> ship (refuses once)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Failed, Journeys, Rejected, Retry, Run
from saga_journey.authoring import Journey
from saga_journey.core import events as ev
from saga_journey.core.codec import encode_command
from saga_journey.core.commands import Answer, Cancel
from tests.acceptance.participant import Received, done, fail, hold, refuse
from tests.acceptance.sagas import AT_ONCE
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

PIVOT = 0.2
SLOWLY = Retry(attempts=4, first=10, factor=1, most=10)


def ordering(stage: Stage, *, undo: bool = False, retry: Retry = AT_ONCE) -> Journey[Any]:
    """Each call waits until the test answers it; ship refuses the first time."""
    charge = stage.step("charge", pivot=True, undo=undo, timeout=PIVOT, retry=retry)
    for milestone in ("reserve", "charge"):
        stage.participant.will(milestone, hold())
    stage.participant.will("ship", hold(), hold())
    return stage.saga("reserve", charge, stage.step("ship", undo=False))


async def tried(run: Run) -> str:
    """What a cancel is answered."""
    try:
        return (await run.cancel(who="ann")).code
    except Rejected as no:
        return no.code


BEFORE_THE_PIVOT = [
    "saga_started",
    "compensation_decided cancelled",
    "milestone_completed reserve",
    "milestone_compensated reserve",
    "saga_compensated",
]
TO_THE_END = [
    "saga_started",
    "milestone_completed reserve",
    "milestone_completed charge",
    "milestone_refused ship",
    "attention_raised ship cannot_go_on",
    "milestone_retried ship do",
    "milestone_completed ship",
    "saga_completed",
]
DEFERRED = [
    *TO_THE_END[:2],
    "stop_requested cancelled",
    "milestone_completed charge",
    "stop_too_late",
    *TO_THE_END[3:],
]
SHIPPED = [
    "do reserve #1: applied",
    "do charge #1: applied",
    "do ship #1: refused",
    "do ship #2: applied",
]

LIVE = [
    ("reserve is called", "applied", BEFORE_THE_PIVOT),
    ("charge is called", "deferred", DEFERRED),
    ("ship is called", "past_pivot", TO_THE_END),
    ("ship waits for a person", "past_pivot", TO_THE_END),
    ("ship is called again", "past_pivot", TO_THE_END),
    ("the end", "finished", TO_THE_END),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("when", "answer", "told"), LIVE, ids=[row[0] for row in LIVE])
async def test_cancel_while_the_worker_is_there(stage: Stage, when: str, answer: str, told: list[str]) -> None:
    """At each event the call that follows is under way, or the saga waits or has ended: then somebody cancels."""
    saga = ordering(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        answers = {moment: await tried(run) async for moment in through(stage, run) if moment == when}
        assert answers == {when: answer}
        outcome = await ended(run)
        assert await journal(run) == told
    if told is BEFORE_THE_PIVOT:
        assert isinstance(outcome, Compensated)
        assert stage.participant.ledger() == ["do reserve #1: applied", f"undo reserve #1 with {OF}: undone"]
    else:
        assert isinstance(outcome, Completed)
        assert stage.participant.ledger() == SHIPPED


OF = '{"of": "reserve"}'


async def through(stage: Stage, run: Run) -> AsyncIterator[str]:
    """Takes the saga to its end, and tells of each moment when something can be said to it."""
    for name, reply in (("reserve", done()), ("charge", done()), ("ship", refuse("no lorry"))):
        call = await stage.participant.called(name)
        yield f"{name} is called"
        call.answer(reply)
        if stage.story.events() and any(isinstance(e, ev.CompensationDecided) for e in stage.story.events()):
            return
    assert isinstance(await ended(run), Failed)
    yield "ship waits for a person"
    await run.retry("ship")
    call = await stage.participant.called("ship")
    yield "ship is called again"
    call.answer(done())
    assert isinstance(await ended(run), Completed)
    yield "the end"


# --- stored for a worker that is away -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_cancel_before_the_first_call(stage: Stage) -> None:
    """Queued, never called: nothing is undone, and it is one commit."""
    saga = ordering(stage)
    async with stage.moving(saga, working=False) as outside:
        run = await outside.start(saga, {})
        await stored_cancel(outside, run)
    told = await go_on(stage, saga, run)
    assert told == [
        "saga_started",
        "attempt_withdrawn reserve do",
        "compensation_decided cancelled",
        "saga_compensated",
    ]
    assert stage.participant.ledger() == []


@pytest.mark.anyio
async def test_cancel_between_reserve_and_the_pivot(stage: Stage) -> None:
    """The pivot is intended and not called: a cancel that was stored meanwhile beats the fresh attempt."""
    saga = ordering(stage)
    run = await left_after(stage, saga, "reserve")
    told = await go_on(stage, saga, run)
    assert told == [
        "saga_started",
        "milestone_completed reserve",
        "attempt_withdrawn charge do",
        "compensation_decided cancelled",
        "milestone_compensated reserve",
        "saga_compensated",
    ]
    assert stage.participant.ledger() == ["do reserve #1: applied", f"undo reserve #1 with {OF}: undone"]


@pytest.mark.anyio
async def test_cancel_between_the_pivot_and_ship(stage: Stage) -> None:
    """Past the pivot: refused, and the saga goes on."""
    saga = ordering(stage)
    run = await left_after(stage, saga, "reserve", "charge")
    async with stage.moving(saga) as journeys:
        (await stage.participant.called("ship")).answer(done())
        assert isinstance(await ended(journeys.run(run.saga_id)), Completed)
        assert await answer_of(journeys, run) == Answer(False, "past_pivot", PAST_PIVOT)
    assert stage.participant.ledger() == [*SHIPPED[:2], "do ship #1: applied"]


PAST_PIVOT = "the pivot 'charge' has happened: this saga can only go forward"


async def left_after(stage: Stage, saga: Journey[Any], *milestones: str) -> Run:
    """The worker closes during the last of these calls; a cancel is stored; nobody is there."""
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        for milestone in milestones[:-1]:
            (await stage.participant.called(milestone)).answer(done())
        answered_while_closing(await stage.participant.called(milestones[-1]))
    async with stage.moving(working=False) as outside:
        await stored_cancel(outside, run)
    return run


def answered_while_closing(call: Received) -> None:
    """The worker, told to stop in the next moment, still gets the answer: it records it, and calls nothing more."""
    asyncio.get_running_loop().call_soon(call.answer, done())


async def stored_cancel(journeys: Journeys, run: Run) -> None:
    record = await journeys.store.find("default", run.saga_id)
    assert record is not None
    assert await journeys.store.send(record.key, "cancel", *encode_command(Cancel("ann"))) is None


async def answer_of(journeys: Journeys, run: Run) -> Answer | None:
    record = await journeys.store.find("default", run.saga_id)
    assert record is not None
    return await journeys.store.answer_to(record.key, "cancel")


async def go_on(stage: Stage, saga: Journey[Any], run: Run) -> list[str]:
    """A worker opens, finds the cancel, and takes the saga to its end."""
    async with stage.moving(saga) as journeys:
        run = journeys.run(run.saga_id)
        assert isinstance(await ended(run), Compensated)
        assert await answer_of(journeys, run) == Answer(True, "applied")
        return await journal(run)


# --- a pivot that ends unknown --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_deferred_cancel_is_applied_when_the_pivot_is_unknown_and_can_be_undone(stage: Stage) -> None:
    """Cancelled during the call, which then runs past its 0.2 s: not tried again, undone with None."""
    saga = ordering(stage, undo=True)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        (await stage.participant.called("reserve")).answer(done())
        await stage.participant.called("charge")
        assert await tried(run) == "deferred"
        stage.clock.advance(PIVOT)
        assert isinstance(await ended(run), Compensated)
        told = await journal(run)
    assert told == [
        "saga_started",
        "milestone_completed reserve",
        "stop_requested cancelled",
        "milestone_gave_up charge",
        "compensation_decided cancelled",
        "milestone_compensated charge",
        "milestone_compensated reserve",
        "saga_compensated",
    ]
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        "do charge #1: held (abandoned)",
        "undo charge #1 with null: nothing to undo",
        f"undo reserve #1 with {OF}: undone",
    ]


@pytest.mark.anyio
async def test_a_cancel_in_the_backoff_of_a_pivot_that_can_be_undone(stage: Stage) -> None:
    """In doubt, not being called, and it has an undo: the cancel is applied at once."""
    saga = ordering(stage, undo=True, retry=SLOWLY)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        (await stage.participant.called("reserve")).answer(done())
        (await stage.participant.called("charge")).answer(fail(effect=True))
        await stage.story.happened(ev.AttemptEnded)
        assert await tried(run) == "applied"
        assert isinstance(await ended(run), Compensated)
        told = await journal(run)
    assert told[2:] == [
        "attempt_ended charge do",
        "milestone_gave_up charge",
        "compensation_decided cancelled",
        "milestone_compensated charge",
        "milestone_compensated reserve",
        "saga_compensated",
    ]
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        "do charge #1: applied",
        "undo charge #1 with null: undone",
        f"undo reserve #1 with {OF}: undone",
    ]


UNSURE = [
    "saga_started",
    "milestone_completed reserve",
    "stop_requested cancelled",
    "attempt_ended charge do",
    "attempt_ended charge do",
    "attempt_ended charge do",
    "milestone_gave_up charge",
    "attention_raised charge pivot_in_doubt",
]
ENDINGS = {
    "it_happened": [
        *UNSURE,
        "fact_stated charge happened who=bob",
        "stop_too_late",
        "milestone_completed ship",
        "saga_completed",
    ],
    "it_did_not_happen": [
        *UNSURE,
        "fact_stated charge did_not_happen who=bob",
        "compensation_decided cancelled",
        "milestone_compensated reserve",
        "saga_compensated",
    ],
    "retry": [
        *UNSURE,
        "milestone_retried charge do who=bob",
        "milestone_completed charge",
        "stop_too_late",
        "milestone_completed ship",
        "saga_completed",
    ],
}


@pytest.mark.anyio
@pytest.mark.parametrize("verb", ENDINGS)
async def test_a_pivot_in_doubt_without_an_undo_asks_a_person(stage: Stage, verb: str) -> None:
    """Cancelled during the call; every attempt ends unknown: nothing else is called until a person has said what is."""
    saga = ordering(stage)
    stage.participant.will("charge", fail(), fail(), fail(effect=verb == "it_happened"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        (await stage.participant.called("reserve")).answer(done())
        call = await stage.participant.called("charge")
        assert await tried(run) == "deferred"
        call.answer(fail())
        failed = await ended(run)
        assert isinstance(failed, Failed)
        assert failed.verbs == ("retry", "it_happened", "it_did_not_happen", "resolve")
        assert await tried(run) == "pivot_in_doubt"
        assert await journal(run) == UNSURE
        stage.participant.will("ship", done())
        await said(run, verb)
        if verb != "it_did_not_happen":
            (await stage.participant.called("ship")).answer(done())
        await ended(run)
        assert await journal(run) == ENDINGS[verb]
    assert stage.participant.standing() == ([] if verb == "it_did_not_happen" else ["reserve", "charge", "ship"])


async def said(run: Run, verb: str) -> None:
    match verb:
        case "it_happened":
            await run.it_happened("charge", reason="found it in the books", result="receipt", who="bob")
        case "it_did_not_happen":
            await run.it_did_not_happen("charge", reason="not in the books", who="bob")
        case _:
            await run.retry("charge", who="bob")


@pytest.mark.anyio
async def test_a_cancel_in_the_backoff_of_a_pivot_without_an_undo_is_deferred(stage: Stage) -> None:
    """It may have happened, and nothing can take it back: the pivot is tried again, and the cancel comes too late."""
    saga = ordering(stage, retry=SLOWLY)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        (await stage.participant.called("reserve")).answer(done())
        (await stage.participant.called("charge")).answer(fail(effect=True))
        await stage.story.happened(ev.AttemptEnded)
        assert await tried(run) == "deferred"
        stage.clock.advance(10)
        (await stage.participant.called("ship")).answer(done())
        assert isinstance(await ended(run), Completed)
        told = await journal(run)
    assert told[2:] == [
        "attempt_ended charge do",
        "stop_requested cancelled",
        "milestone_completed charge",
        "stop_too_late",
        "milestone_completed ship",
        "saga_completed",
    ]
