"""Waiting for an outcome in a process that moves nothing: it hears of the end soon, and many who wait cost little."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from saga_journey import Completed, Run, external, open_journeys
from saga_journey.core import events as ev
from saga_journey.ports import Store
from saga_journey.testing.clock import some_turns, store_on
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import PATIENCE, done, hold
from tests.acceptance.stage import Stage, ended

pytestmark = pytest.mark.anyio

T = TypeVar("T")
MANY = 500
SOON = 3.0
"""How long it may take at most until another process hears of an end (seconds of real time): it looks every second."""


class Counted(WrappedStore):
    """Counts what is read."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.reads: Counter[str] = Counter()
        self._news = asyncio.Event()

    async def around_read(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        self.reads[name] += 1
        self._news.set()
        return await read()

    async def read(self, name: str, times: int) -> None:
        """Waits until that has been read so often."""
        async with asyncio.timeout(PATIENCE):
            while self.reads[name] < times:
                self._news.clear()
                await self._news.wait()


async def test_it_hears_of_the_end_soon(cluster: Cluster) -> None:
    """The worker is another process, and writes nothing else for a long time."""
    cluster.participant.will("work", hold())
    async with cluster.outside("crowd") as outside, cluster.worker("crowd", lease=3600):
        run = await outside.start(cluster.sagas("crowd")["crowd"], {})
        call = await cluster.participant.called("work")
        waiting = [asyncio.create_task(one.outcome()) for one in (run, outside.run(run.saga_id))]
        await some_turns()
        call.answer(done())
        async with asyncio.timeout(SOON):
            outcomes = await asyncio.gather(*waiting)
    assert [type(outcome) for outcome in outcomes] == [Completed] * 2


async def test_five_hundred_who_wait_cost_one_question_for_each_look(stage: Stage) -> None:
    """While nothing ends, nothing else is asked for them, however often somebody writes."""
    saga, other = stage.saga(external("approval", undo=None, timeout=1000)), stage.saga("greet", name="greeting")
    store = Counted(await store_on(stage.clock, stage.url))
    async with (
        stage.moving(saga, other) as worker,
        open_journeys(store, sagas=[saga], clock=stage.clock, working=False) as outside,
    ):
        runs = await asyncio.gather(*(outside.start(saga, {"n": n}) for n in range(MANY)))
        waiting = [asyncio.create_task(ended_elsewhere(run)) for run in runs]
        await store.read("find", MANY)
        await store.read("statuses", 1)
        await some_turns()
        before = store.reads.copy()
        for look in range(1, 4):
            await ended(await worker.start(other, {}))
            await store.read("statuses", before["statuses"] + look)
        assert set(store.reads - before) == {"statuses"}
        assert (store.reads - before)["statuses"] < 20
        await asyncio.gather(*(worker.run(run.saga_id).advance("approval") for run in runs))
        assert {type(outcome) for outcome in await asyncio.gather(*waiting)} == {Completed}


async def ended_elsewhere(run: Run) -> object:
    return await run.outcome(timeout=3 * PATIENCE)


class SlowLook(Counted):
    """The answer to its first look at many runs is on its way until somebody opens the gate."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.gate = asyncio.Event()

    async def around_read(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        answer = await super().around_read(name, read)
        if name == "statuses":
            await self.gate.wait()
        return answer


async def test_what_ends_while_it_looks_is_seen(stage: Stage) -> None:
    """The look under way is of before the end; nobody writes anything after it."""
    saga, other = stage.saga("work"), stage.saga("greet", name="greeting")
    stage.participant.will("work", hold())
    store = SlowLook(await store_on(stage.clock, stage.url))
    async with (
        stage.moving(saga, other) as worker,
        open_journeys(store, sagas=[saga], clock=stage.clock, working=False) as outside,
    ):
        run = await worker.start(saga, {})
        call = await stage.participant.called("work")
        waiting = asyncio.create_task(ended(outside.run(run.saga_id)))
        await store.read("find", 1)
        await some_turns()
        await ended(await worker.start(other, {}))
        await store.read("statuses", 1)
        heard = asyncio.Event()
        forget = store.on_change(heard.set)
        call.answer(done())
        await stage.story.happened(ev.SagaCompleted, 2)
        async with asyncio.timeout(PATIENCE):
            await heard.wait()
        forget()
        store.gate.set()
        assert isinstance(await waiting, Completed)
