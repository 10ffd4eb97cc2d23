"""Everybody gets a share of the places: what is undone and what goes forward, each tenant, each journey.

Handlers that many sagas share wait at a door; nothing of them is asked of the participant. Time stands still unless a
test says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from saga_journey import Completed, Context, Journeys, Refused, Run, Saga, Working, external, milestone, open_journeys
from saga_journey.core import events as ev
from saga_journey.errors import Overloaded
from saga_journey.testing.clock import some_turns, store_on
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.participant import PATIENCE
from tests.acceptance.stage import Stage, ended

pytestmark = pytest.mark.anyio

T = TypeVar("T")
LATER = 10.0
"""An undo says that it is asked again after so many seconds; meanwhile its saga has no place."""


class Door:
    """Handlers stand before it until they are let through. `came`: who did, in order; `inside` counts the others."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.waiting: list[tuple[str, asyncio.Future[None]]] = []
        self.is_open = False
        self.runs: list[Run] = []
        self._news = asyncio.Event()

    async def passed(self, name: str) -> None:
        self.came.append(name)
        self._news.set()
        if not self.is_open:
            gate = asyncio.get_running_loop().create_future()
            self.waiting.append((name, gate))
            await gate

    async def stand(self, *, before: int, came: str = "") -> None:
        """Waits until so many of that name have come in all."""
        try:
            async with asyncio.timeout(PATIENCE):
                while sum(name.startswith(came) for name in self.came) < before:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"there came only {Counter(self.came)}") from None

    def let(self, count: int) -> None:
        """The first so many who wait go through."""
        for _, gate in self.waiting[:count]:
            gate.set_result(None)
        del self.waiting[:count]

    def open(self) -> None:
        self.is_open = True
        self.let(len(self.waiting))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """At the end of the block, and then all of them come to their end."""
        try:
            yield
        finally:
            self.open()
            await asyncio.gather(*map(ended, self.runs))


@pytest.fixture
async def door() -> Door:
    return Door()


@asynccontextmanager
async def moving(stage: Stage, door: Door, *sagas: Saga[Any], **options: Any) -> AsyncIterator[Journeys]:
    async with stage.moving(*sagas, **options) as journeys, door.opened():
        yield journeys


def slow(door: Door, name: str = "slow") -> Saga[Any]:
    """One milestone, which waits at the door under the name of its tenant and journey."""

    async def act(ctx: Context[Any]) -> None:
        await door.passed(f"{ctx.tenant} {name}")

    return Saga(name, version=1, milestones=[milestone(act, undo=None, name=name)])


def coming_undone(door: Door) -> Saga[Any]:
    """It turns back, and its undo is asked twice: it says "later" first, and the second time it waits at the door."""
    asked: set[str] = set()

    async def reserve(ctx: Context[Any]) -> None: ...

    async def release(ctx: Context[Any], result: None) -> None:
        if ctx.saga_id not in asked:
            asked.add(ctx.saga_id)
            raise Working(retry_in=LATER)
        await door.passed("undo")

    async def charge(ctx: Context[Any]) -> None:
        raise Refused("declined")

    milestones = [milestone(reserve, undo=release), milestone(charge, undo=None)]
    return Saga("coming_undone", version=1, milestones=milestones)


async def started(door: Door, journeys: Journeys, saga: Saga[Any], count: int, tenant: str = "default") -> list[Run]:
    who: Any = {"tenant_id": tenant}
    runs = await asyncio.gather(*(journeys.start(saga, {"n": n}, user_context=who) for n in range(count)))
    door.runs += runs
    return runs


async def to_be_undone(stage: Stage, door: Door, journeys: Journeys, saga: Saga[Any], count: int) -> list[Run]:
    """So many runs that have turned back and wait; they fall due together, when LATER has passed."""
    runs = await started(door, journeys, saga, count)
    for run in runs:
        await stage.story.happened(ev.CompensationDecided, saga=run.saga_id)
    await waiting(journeys, runs)
    return runs


async def waiting(journeys: Journeys, runs: list[Run]) -> None:
    """None of them has a place any more."""
    async with asyncio.timeout(PATIENCE):
        for run in runs:
            while (record := await journeys.store.find("default", run.saga_id)) and record.owner is not None:
                await some_turns()


# --- what is undone, and what goes forward --------------------------------------------------------------------------


async def test_a_rush_of_new_sagas_does_not_hold_up_what_is_undone(stage: Stage, door: Door) -> None:
    """A thousand new ones with slow handlers have all places that they may have; an undo falls due, and is called."""
    rush, undone = slow(door), coming_undone(door)
    async with moving(stage, door, rush, undone, concurrency=16) as journeys:
        await to_be_undone(stage, door, journeys, undone, 1)
        await started(door, journeys, rush, 1000)
        await door.stand(before=12)
        stage.clock.advance(LATER)
        await door.stand(before=1, came="undo")
        assert Counter(door.came) == {"default slow": 12, "undo": 1}


async def test_a_rush_of_new_sagas_does_not_hold_up_a_saga_that_is_cancelled(stage: Stage, door: Door) -> None:
    """It waits for an approval; it is cancelled in the rush, and its undo starts at once."""
    rush = slow(door)

    async def reserve(ctx: Context[Any]) -> None: ...

    async def release(ctx: Context[Any], result: None) -> None:
        await door.passed("undo")

    approval = external("approval", undo=None, timeout=1000)
    saga = Saga("checkout", version=1, milestones=[milestone(reserve, undo=release), approval])
    async with moving(stage, door, rush, saga, concurrency=16) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        await waiting(journeys, [run])
        await started(door, journeys, rush, 1000)
        await door.stand(before=12)
        cancelling = asyncio.create_task(run.cancel())
        try:
            async with asyncio.timeout(3):
                await door.stand(before=1, came="undo")
        finally:
            door.open()
            await cancelling


async def test_its_places_are_kept_again_when_an_undo_has_ended(stage: Stage, door: Door) -> None:
    """One of four places is for undoing. It was used, and is free again: four new ones do not get it."""
    rush, undone = slow(door), coming_undone(door)
    async with moving(stage, door, rush, undone, concurrency=4) as journeys:
        first, second = await to_be_undone(stage, door, journeys, undone, 2)
        stage.clock.advance(LATER)
        await door.stand(before=2, came="undo")
        door.let(1)
        await stage.story.happened(ev.SagaCompensated)
        door.let(1)
        await stage.story.happened(ev.SagaCompensated, 2)
        await to_be_undone(stage, door, journeys, undone, 1)
        await started(door, journeys, rush, 10)
        await door.stand(before=3, came="default")
        stage.clock.advance(LATER)
        await door.stand(before=3, came="undo")
        assert Counter(door.came) == {"default slow": 3, "undo": 3}
        door.open()
        await asyncio.gather(ended(first), ended(second))


class HeldStarts(WrappedStore):
    """While there is a gate, nothing is started before it."""

    gate: asyncio.Event | None = None

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        if name == "start" and self.gate is not None:
            await self.gate.wait()
        return await write()


async def test_starts_under_way_and_claims_leave_them_as_well(stage: Stage, door: Door) -> None:
    """Two starts have been promised a place, then twenty sagas are claimed: six of eight places are theirs together."""
    rush = slow(door)
    store = HeldStarts(await store_on(stage.clock, stage.url))
    async with (
        stage.moving(rush, working=False) as outside,
        open_journeys(store, sagas=[rush], clock=stage.clock, concurrency=8) as journeys,
        door.opened(),
    ):
        await some_turns()
        store.gate = asyncio.Event()
        starting = asyncio.create_task(started(door, journeys, rush, 2))
        await some_turns()
        await started(door, outside, rush, 20)
        await door.stand(before=4)
        store.gate.set()
        await starting
        await door.stand(before=6)
        await some_turns()
        assert len(door.came) == 6


async def test_what_is_undone_does_not_hold_up_new_sagas(stage: Stage, door: Door) -> None:
    """A thousand are to be undone, slowly, in all places; of those that become free, new sagas get every other one."""
    new, undone = slow(door), coming_undone(door)
    async with moving(stage, door, new, undone, concurrency=8) as journeys:
        await to_be_undone(stage, door, journeys, undone, 1000)
        stage.clock.advance(LATER)
        await door.stand(before=8, came="undo")
        await started(door, journeys, new, 3)
        for count in range(9, 15):
            door.let(1)
            await door.stand(before=count)
        came = Counter(door.came)
        door.open()
        assert came["default slow"] == 3


# --- tenants and journeys -------------------------------------------------------------------------------------------


async def test_two_thousand_sagas_of_one_tenant_do_not_hold_up_three_of_another(stage: Stage, door: Door) -> None:
    """They get three of the next eight places."""
    saga = slow(door)
    async with moving(stage, door, saga, concurrency=8, undo_share=0) as journeys:
        await started(door, journeys, saga, 2000, "big")
        await door.stand(before=8, came="big")
        await started(door, journeys, saga, 3, "small")
        door.let(8)
        await door.stand(before=16)
        assert Counter(door.came[8:16]) == {"big slow": 5, "small slow": 3}


async def test_two_thousand_sagas_of_one_journey_do_not_hold_up_three_of_another(stage: Stage, door: Door) -> None:
    big, small = slow(door, "big"), slow(door, "small")
    async with moving(stage, door, big, small, concurrency=8, undo_share=0) as journeys:
        await started(door, journeys, big, 2000)
        await door.stand(before=8, came="default big")
        await started(door, journeys, small, 3)
        door.let(8)
        await door.stand(before=16)
        assert Counter(door.came[8:16]) == {"default big": 5, "default small": 3}


# --- small workers, and full ones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 2, 3, 4, 256])
async def test_with_nothing_to_undo_a_worker_moves_what_is_started(stage: Stage, concurrency: int) -> None:
    """Four times as many as it has places: each that is freed is used at once."""
    saga = stage.saga("greet")
    async with stage.moving(saga, concurrency=concurrency) as journeys:
        for _ in range(2):
            runs = await asyncio.gather(*(journeys.start(saga, {"n": n}) for n in range(min(4 * concurrency, 400))))
            assert all([isinstance(await ended(run), Completed) for run in runs])


async def test_places_that_are_kept_do_not_hide_that_sagas_wait(stage: Stage, door: Door) -> None:
    """The door of `start` closes at the backlog, though some places are free."""
    saga = slow(door)
    async with moving(stage, door, saga, concurrency=8, backlog=10) as journeys:
        await started(door, journeys, saga, 6)
        await door.stand(before=6)
        runs = []
        for _ in range(10):
            runs.append(await journeys.start(saga, {}))
            await some_turns()
        with pytest.raises(Overloaded, match="10 sagas wait to be moved"):
            await journeys.start(saga, {})
        door.open()
        assert all([isinstance(await ended(run), Completed) for run in runs])
