"""SIGTERM and Ctrl-C, whatever the process is doing: it ends as it should, no attempt is lost, the next one goes on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Outcome, Run, Search, open_journeys
from saga_journey.ports import Store
from saga_journey.testing.clock import store_on
from saga_journey.testing.databases import look_into
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import Received, done, fail, hold, refuse
from tests.acceptance.processes import Program, spawned
from tests.acceptance.programs import phases
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

HOW = [signal.SIGTERM, signal.SIGINT]
STATUS = {signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 130}
"""SIGTERM takes its usual course in the end; what Ctrl-C ends a program with is that program's choice."""
APP = phases.phases.__name__


# --- what can be going on -----------------------------------------------------------------------------------------

Held = Sequence[Received]


async def nothing(cluster: Cluster, worker: Program) -> Held:
    return []


async def an_action_is_called(cluster: Cluster, worker: Program) -> Held:
    cluster.participant.will("charge", hold())
    worker.say("start charged 1")
    return [await cluster.participant.called("charge")]


async def an_action_is_called_in_a_thread(cluster: Cluster, worker: Program) -> Held:
    cluster.participant.will("print", hold())
    worker.say("start printed 1")
    return [await cluster.participant.called("print")]


async def an_undo_is_called(cluster: Cluster, worker: Program) -> Held:
    cluster.participant.will("refuse", refuse())
    cluster.participant.will("book", hold(), op="undo")
    worker.say("start turned_back 1")
    return [await cluster.participant.called("book", "undo")]


async def some_back_off_for_a_moment(cluster: Cluster, worker: Program) -> Held:
    """Up to a quarter of a second, by lot: of eight, several are in the middle of it."""
    cluster.participant.will("soon", *[fail()] * 8)
    worker.say("start tried_soon 8")
    for _ in range(8):
        await worker.line("attempt_ended")
    return []


async def one_backs_off_for_an_hour(cluster: Cluster, worker: Program) -> Held:
    cluster.participant.will("late", fail())
    worker.say("start tried_late 1")
    await worker.line("attempt_ended")
    return []


async def one_waits_for_the_outside(cluster: Cluster, worker: Program) -> Held:
    worker.say("start approved 1")
    await worker.line("saga_started")
    return []


# --- and how the next process finishes it -------------------------------------------------------------------------


async def alone(run: Run) -> None:
    """It needs nobody for that."""


async def answered(run: Run) -> None:
    await run.advance("approval", "yes")


async def hastened(run: Run) -> None:
    await run.retry("late")


@dataclass(frozen=True)
class Phase:
    begin: Callable[[Cluster, Program], Awaitable[Held]]
    finish: Callable[[Run], Awaitable[None]] = alone
    outcome: type[Outcome] = Completed


PHASES = [
    Phase(nothing),
    Phase(an_action_is_called),
    Phase(an_action_is_called_in_a_thread),
    Phase(an_undo_is_called, outcome=Compensated),
    Phase(some_back_off_for_a_moment),
    Phase(one_backs_off_for_an_hour, finish=hastened),
    Phase(one_waits_for_the_outside, finish=answered),
]


@pytest.mark.anyio
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.begin.__name__)
async def test_told_to_stop_while(cluster: Cluster, phase: Phase, how: signal.Signals) -> None:
    """What is called gets its answer, what waits is given back; then it ends, silently."""
    async with cluster.worker(APP, name=APP) as worker:
        held = await phase.begin(cluster, worker)
        worker.signal(how)
        await worker.line("closing")
        for call in held:
            call.answer(done())
        assert await worker.ended() == STATUS[how]
    assert (worker.logged, worker.errors) == ([], "")
    ends = set() if phase.begin is nothing else {phase.outcome}
    assert await finished(cluster, phase) == {"outcomes": ends, "lost": 0}


async def finished(cluster: Cluster, phase: Phase) -> dict[str, Any]:
    """By the next process, which is this one: how the sagas ended, and how many attempts were lost on the way."""
    async with open_journeys(cluster.url, sagas=[*cluster.sagas(APP).values()]) as journeys:
        runs = [journeys.run(record.saga_id) for record in await journeys.search(Search(limit=100))]
        for run in runs:
            await phase.finish(run)
        ends = await asyncio.gather(*map(ended, runs))
        told = [sentence for run in runs for sentence in await journal(run)]
    return {"outcomes": {*map(type, ends)}, "lost": sum(sentence.startswith("attempt_lost") for sentence in told)}


# --- a synchronous program ----------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("how", HOW)
async def test_a_synchronous_program_is_told_to_stop(cluster: Cluster, how: signal.Signals) -> None:
    """As an asynchronous one: the call that is under way gets its answer."""
    async with cluster.worker(APP, name=APP, blocking=True) as worker:
        (call,) = await an_action_is_called(cluster, worker)
        worker.signal(how)
        await worker.line("closing")
        call.answer(done())
        assert await worker.ended() == STATUS[how]
    assert (worker.logged, worker.errors) == ([], "")
    assert await finished(cluster, Phase(an_action_is_called)) == {"outcomes": {Completed}, "lost": 0}


# --- while it opens, while it closes ------------------------------------------------------------------------------


HINDERS = {"sqlite": "begin immediate", "postgres": "begin; lock table owner"}
"""A transaction that keeps others from opening."""


@pytest.mark.anyio
@pytest.mark.parametrize("how", HOW)
async def test_told_to_stop_while_it_is_opening(cluster: Cluster, how: signal.Signals) -> None:
    """Another process is writing, so it cannot have finished; it ends without having claimed anything."""
    async with cluster.outside(APP) as line:
        await line.start(cluster.sagas(APP)["charged"], {})
    with closing(look_into(cluster.url, writing=True)) as other:
        other.execute(HINDERS[other.dialect])
        worker = await spawned(APP, cluster.place, url=cluster.url, port=cluster.port, app=APP)
        try:
            await worker.line("begins")
            worker.signal(how)
            other.close()
            assert await worker.ended() == STATUS[how]
        finally:
            await worker.swept()
    assert (worker.said, worker.errors) == (["begins"], "")
    assert await finished(cluster, Phase(an_action_is_called)) == {"outcomes": {Completed}, "lost": 0}


@pytest.mark.anyio
@pytest.mark.parametrize("how", HOW)
async def test_told_to_stop_while_it_is_closing(cluster: Cluster, how: signal.Signals) -> None:
    """It had ended by itself and waits for the last call: told to stop, which it does already, it waits on."""
    async with cluster.worker(APP, name=APP) as worker:
        (call,) = await an_action_is_called(cluster, worker)
        worker.say("leave")
        await worker.line("closing")
        worker.signal(how)
        ending = asyncio.create_task(worker.ended())
        await asyncio.wait({ending}, timeout=MOMENT)
        assert not ending.done()
        call.answer(done())
        assert await ending == STATUS[how]
    assert (worker.logged, worker.errors) == ([], "")
    assert await finished(cluster, Phase(an_action_is_called)) == {"outcomes": {Completed}, "lost": 0}


@pytest.mark.anyio
@pytest.mark.parametrize("synchronous", [False, True], ids=["asynchronous", "synchronous"])
@pytest.mark.parametrize("how", HOW)
async def test_told_twice(cluster: Cluster, how: signal.Signals, synchronous: bool) -> None:
    """Whoever has no patience gets their way: it ends at once and says nothing; what was called is called again."""
    cluster.participant.will("reserve", hold(effect=True))
    async with cluster.worker(APP, name=APP, blocking=synchronous) as worker:
        worker.say("start reserved 1")
        await cluster.participant.called("reserve")
        worker.signal(how)
        await worker.line("closing")
        assert await told_until_it_ends(worker, how) in (STATUS[how], -how)  # the latter while Python itself ends
    assert worker.logged == []
    assert "Traceback" not in worker.errors
    assert (await finished(cluster, Phase(an_action_is_called)))["outcomes"] == {Completed}
    assert cluster.participant.ledger() == ["do reserve #1: applied (abandoned)", "do reserve #2: replayed"]


async def told_until_it_ends(worker: Program, how: signal.Signals) -> int:
    """Once more is enough, unless it comes in the very moment in which the program begins to close."""
    ending = asyncio.create_task(worker.ended())
    while not ending.done():
        worker.signal(how)
        await asyncio.wait({ending}, timeout=MOMENT)
    return await ending


# --- while a saga is being started --------------------------------------------------------------------------------


class Slow(WrappedStore):
    """A start is durable, and nobody has heard of it yet."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.written = asyncio.Event()

    async def start(self, new: Any) -> Any:
        await self.inner.start(new)
        self.written.set()
        await asyncio.Event().wait()


@pytest.mark.anyio
async def test_told_to_stop_while_a_saga_is_being_started(stage: Stage) -> None:
    """The saga is there, and its first action is called at most once: it is, by the next process, and is not undone."""
    saga = stage.saga(stage.step("charge", at_most_once=True))
    store = Slow(await store_on(stage.clock, stage.url))

    async def application() -> None:
        async with open_journeys(store, sagas=[saga], clock=stage.clock) as journeys:
            await journeys.start(saga, {})

    running = asyncio.create_task(application())
    await store.written.wait()
    running.cancel()  # as SIGTERM and Ctrl-C do
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.participant.ledger() == []
    async with stage.moving(saga) as journeys:
        (record,) = await journeys.search()
        run = journeys.run(record.saga_id)
        assert isinstance(await ended(run), Completed)
        assert await journal(run) == ["saga_started", "milestone_completed charge", "saga_completed"]
