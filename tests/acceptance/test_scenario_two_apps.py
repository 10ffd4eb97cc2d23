"""Scenario 7, as far as one file goes: two applications, a command line that only commands, clocks that jump.

A serves checkout, B travel. Neither takes the other's sagas, whatever happens to either.
"""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import closing

import pytest

from saga_journey import Compensated, Completed, Failed, Journeys, Rejected, Run, SagaStatus
from saga_journey.core.commands import Answer
from saga_journey.core.state import FINAL
from saga_journey.testing.journal import JournalReader
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import done, fail, hold
from tests.acceptance.stage import ended
from tests.acceptance.story import journal

HOUR = 3600
LEASE = 1.0
CHECKED_OUT = [
    "saga_started",
    "milestone_completed reserve",
    "milestone_completed charge",
    "milestone_completed ship",
    "saga_completed",
]


async def started(journeys: Journeys, cluster: Cluster, app: str, count: int, name: str | None = None) -> list[Run]:
    saga = cluster.sagas(app)[name or app]
    return await asyncio.gather(*(journeys.start(saga, {"n": n}) for n in range(count)))


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_command_line_pauses_resumes_and_cancels_beside_two_applications(cluster: Cluster) -> None:
    """Six sagas of each are caught in mid-call; each is paused there and resumed later, every other is cancelled."""
    async with cluster.worker("checkout"), cluster.worker("travel"), cluster.outside("checkout", "travel") as line:
        cluster.participant.will("charge", *[hold()] * 6)
        cluster.participant.will("hotel", *[hold()] * 6)
        shops = await started(line, cluster, "checkout", 6)
        trips = await started(line, cluster, "travel", 6)
        caught = [(run, "charge") for run in shops] + [(run, "hotel") for run in trips]
        await asyncio.gather(*(paused_in_mid_call(cluster, line, run, milestone) for run, milestone in caught))
        told = [await journal(run) for run in (*shops, *trips)]
        assert told == [[*CHECKED_OUT[:2], "paused who=ann", CHECKED_OUT[2]]] * 6 + [PAUSED_AT_THE_END] * 6
        answers = await asyncio.gather(*(cancelled_or_resumed(n, run) for n, run in enumerate((*shops, *trips))))
        assert answers == ["applied"] * 6 + ["finished"] * 6
        outcomes = await asyncio.gather(*map(ended, (*shops, *trips)))
        told = [await journal(run) for run in (*shops, *trips)]
    assert [type(outcome) for outcome in outcomes] == [Compensated, Completed] * 3 + [Completed] * 6
    assert (
        told
        == [LIFTED_BY_THE_CANCEL, [*CHECKED_OUT[:2], "paused who=ann", CHECKED_OUT[2], *RESUMED]] * 3
        + [PAUSED_AT_THE_END] * 6
    )
    assert sorted(cluster.participant.standing()) == sorted(["reserve", "charge", "ship"] * 3 + ["flight", "hotel"] * 6)


PAUSED_AT_THE_END = [
    "saga_started",
    "milestone_completed flight",
    "paused who=ann",
    "milestone_completed hotel",
    "saga_completed",
]
LIFTED_BY_THE_CANCEL = [
    *CHECKED_OUT[:2],
    "paused who=ann",
    CHECKED_OUT[2],
    "compensation_decided cancelled",
    "milestone_compensated charge",
    "milestone_compensated reserve",
    "saga_compensated",
]
RESUMED = ["resumed who=ann", "milestone_completed ship", "saga_completed"]


async def paused_in_mid_call(cluster: Cluster, line: Journeys, run: Run, milestone: str) -> None:
    """Paused while it is being called; the call ends and is recorded, and nothing follows."""
    call = await cluster.participant.called(milestone, saga=run.saga_id)
    assert await run.pause("lunch", who="ann") == Answer(True, "applied")
    call.answer(done())

    async def is_recorded() -> bool:
        return f"milestone_completed {milestone}" in await journal(run)

    await cluster.seen(line, is_recorded)


async def cancelled_or_resumed(number: int, run: Run) -> str:
    """Every other one is cancelled; the others are resumed. What has ended meanwhile can be neither."""
    try:
        answer = await (run.cancel(who="ann") if number % 2 == 0 else run.resume(who="ann"))
    except Rejected as no:
        return no.code if number % 2 == 0 else "finished"
    return answer.code


# --- a handler that is renamed ------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_only_the_sagas_whose_handler_is_gone_wait_and_they_go_on_alone(cluster: Cluster) -> None:
    """B is released with a renamed handler: three trips are parked, no checkout ever; the next release ends it."""
    async with cluster.worker("checkout") as shop, cluster.outside("checkout", "travel") as line:
        trips = await on_their_way(cluster, line)
        cluster.participant.will("charge", *[hold()] * 3)
        shops = await started(line, cluster, "checkout", 3)
        held = [await cluster.participant.called("charge") for _ in shops]
        async with cluster.worker("travel_renamed", handler_grace=0.2) as renamed:
            for outcome in await asyncio.gather(*map(ended, trips)):
                assert isinstance(outcome, Failed)
                assert [(a.kind, a.milestone) for a in outcome.attention] == [("handler_missing", "hotel")]
                assert re.fullmatch(GONE, outcome.attention[0].detail)
                assert outcome.verbs == ("retry", "cancel", "resolve")
            assert [await journal(run) for run in trips] == [PARKED] * 3
            assert [(await run.status()).status for run in shops] == [SagaStatus.IN_PROGRESS] * 3
            for call in held:
                call.answer(done())
            assert all(isinstance(outcome, Completed) for outcome in await asyncio.gather(*map(ended, shops)))
            await renamed.left()
        async with cluster.worker("travel_mended"):
            await asyncio.gather(*(finished(cluster, line, run) for run in trips))
            assert [await journal(run) for run in trips] == [MENDED] * 3
        assert [await journal(run) for run in shops] == [CHECKED_OUT] * 3
        await shop.left()
    assert shop.logged == []


GONE = r"no worker here has .*\bhotel, .*undo_hotel: open one that registers them"
"""A finds them as well as B, and A has none of B's handlers."""
PARKED = [
    "saga_started",
    "milestone_completed flight",
    "attempt_withdrawn hotel do",
    "attention_raised hotel handler_missing",
]
MENDED = [*PARKED, "attention_cleared handler_missing", "milestone_completed hotel", "saga_completed"]


async def on_their_way(cluster: Cluster, line: Journeys) -> list[Run]:
    """Three trips whose flight is booked and whose hotel is not called yet: B closes in that moment."""
    cluster.participant.will("flight", *[hold()] * 3)
    async with cluster.worker("travel") as before:
        trips = await started(line, cluster, "travel", 3)
        flights = [await cluster.participant.called("flight") for _ in trips]
        before.signal(signal.SIGTERM)
        await before.line("closing")
        for call in flights:
            call.answer(done())
        assert await before.ended() == -signal.SIGTERM
    return trips


async def finished(cluster: Cluster, line: Journeys, run: Run) -> None:
    """Ended for good: a saga that waits for a person has an outcome too, and goes on from it."""

    async def is_final() -> bool:
        return (await run.status()).status in FINAL

    await cluster.seen(line, is_final)


# --- clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_somebody_sets_the_wall_clock(cluster: Cluster, jump: int) -> None:
    """An hour on or back while sagas wait and back off, and again in a worker that opens later: no timer notices."""
    async with cluster.outside("checkout") as line:
        async with cluster.worker("checkout") as worker:
            worker.say(f"wall {jump}")
            await worker.line("set")
            cluster.participant.will("try", *[fail()] * 8)
            waiting = await started(line, cluster, "checkout", 1, "approved")
            trying = await started(line, cluster, "checkout", 4, "tried")
            for _ in range(4):
                await cluster.participant.called("try")
            worker.say("wall 0")
            await worker.killed()
        async with cluster.worker("checkout", wall=jump):
            outcomes = await asyncio.gather(*map(ended, (*waiting, *trying)))
            told = [await journal(run) for run in waiting]
            times = [await waited(run) for run in waiting]
    assert [type(outcome) for outcome in outcomes] == [Compensated] + [Completed] * 4
    assert told == [TIMED_OUT]
    assert all(2.0 <= seconds < 2.0 + SLACK for seconds in times)


TIMED_OUT = [
    "saga_started",
    "milestone_gave_up approval",
    "compensation_decided failure",
    "milestone_compensated approval",
    "saga_compensated",
]
SLACK = 20.0
"""A busy machine may be late, by seconds; a clock that jumped would be wrong by an hour."""


async def waited(run: Run) -> float:
    """How long, in store time, the saga waited for its approval."""
    history = await run.history()
    return history[1].at - history[0].at


# --- a worker that stands still -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_worker_that_was_stopped_for_three_leases_writes_nothing_any_more(cluster: Cluster) -> None:
    """A is stopped in mid-call; another A takes over; the first one is continued and finds its claim gone."""
    async with cluster.outside("checkout") as line, cluster.worker("travel", lease=LEASE) as other:
        async with cluster.worker("checkout", lease=LEASE) as frozen:
            cluster.participant.will("charge", hold())
            (run,) = await started(line, cluster, "checkout", 1)
            call = await cluster.participant.called("charge")
            waiting = await started(line, cluster, "checkout", 1, "approved")
            await cluster.seen(line, lambda: is_released(line, waiting[0]))
            frozen.signal(signal.SIGSTOP)
            call.answer(done("charged once"))
            async with cluster.worker("checkout", lease=LEASE) as successor:
                outcomes = await asyncio.gather(*map(ended, (run, *waiting)))
                told = await journal(run)
                frozen.signal(signal.SIGCONT)
                await frozen.line(f"{run.saga_id}: another worker has claimed it; what was decided here is dropped")
                assert await journal(run) == told
                await successor.left()
            await frozen.left()
        await other.left()
    assert [type(outcome) for outcome in outcomes] == [Completed, Compensated]
    assert told == [
        *CHECKED_OUT[:2],
        "attempt_lost charge do",
        *CHECKED_OUT[2:],
    ]
    assert cluster.participant.ledger(run.saga_id) == [
        "do reserve #1: applied",
        "do charge #1: applied",
        "do charge #2: replayed",
        "do ship #1: applied",
    ]
    assert (other.logged, successor.logged) == ([], [])


async def is_released(line: Journeys, run: Run) -> bool:
    record = await line.store.find("default", run.saga_id)
    return record is not None and record.owner is None


@pytest.mark.anyio
async def test_the_other_application_does_not_park_what_a_stopped_worker_owns(cluster: Cluster) -> None:
    """A is stopped for three leases, and only B is there: A is alive, so nothing of its sagas waits for a person."""
    async with cluster.outside("checkout", "travel") as line, cluster.worker("travel", lease=LEASE) as other:
        async with cluster.worker("checkout", lease=LEASE) as frozen:
            cluster.participant.will("charge", hold())
            (run,) = await started(line, cluster, "checkout", 1)
            call = await cluster.participant.called("charge")
            frozen.signal(signal.SIGSTOP)
            await three_leases(cluster, line)
            call.answer(done())
            frozen.signal(signal.SIGCONT)
            assert isinstance(await ended(run), Completed)
            told = await journal(run)
            await frozen.left()
        await other.left()
    assert told == CHECKED_OUT
    assert cluster.participant.ledger(run.saga_id) == [f"do {m} #1: applied" for m in ("reserve", "charge", "ship")]


async def three_leases(cluster: Cluster, line: Journeys) -> None:
    """B renews its lease three times a lease; nine renewals are three leases, and it has looked around in between."""
    renewals: set[float] = set()

    async def nine_renewals() -> bool:
        with closing(JournalReader(cluster.url)) as reader:
            renewals.add(max(row[0] for row in reader.rows("select lease_until from owner")))
        return len(renewals) > 9

    await cluster.seen(line, nine_renewals)
