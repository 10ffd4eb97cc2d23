"""Lines before handlers that are called so fast only: who is called next, and who is forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Completed, Context, Saga, milestone, open_journeys
from saga_journey.authoring import parallel
from saga_journey.config import Limits, Rate
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.state import RunState
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.engines.embedded.pace import Pace
from saga_journey.ports import AttemptStarting, Observation, RunKey
from saga_journey.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

CHECKOUT = JourneyDefinition("checkout", 1, (Milestone("charge", "charge", None),))
PATIENCE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def runs(count: int) -> list[OwnedRun]:
    return [OwnedRun(RunKey(1, n), "acme", 1, RunState(CHECKOUT, f"saga_{n}")) for n in range(count)]


def asleep(*some: OwnedRun) -> None:
    for run in some:
        run.sleeper = asyncio.get_running_loop().create_future()


def woken(some: list[OwnedRun]) -> list[int]:
    """Which of them were told to ask again."""
    return [n for n, run in enumerate(some) if run.sleeper is not None and run.sleeper.done()]


async def standing(pace: Pace, count: int) -> list[OwnedRun]:
    """The first is called, the others stand in line."""
    first, *others = some = runs(count)
    assert pace.admits(first, "charge")
    assert not any(pace.admits(run, "charge") for run in others)
    asleep(*others)
    return some


async def test_a_handler_without_a_rate_has_no_line(clock: ManualClock) -> None:
    pace = Pace({"charge": Rate(at_once=1)}, clock)
    assert all(pace.admits(run, name) for run in runs(3) for name in ("greet", None))
    pace.ended("greet")


async def test_a_free_place_is_for_the_first(clock: ManualClock) -> None:
    """Whoever comes meanwhile, or asks before the first has woken up, stands behind it."""
    pace = Pace({"charge": Rate(at_once=1)}, clock)
    some = await standing(pace, 3)
    (late,) = runs(1)
    pace.ended("charge")
    assert woken(some) == [1]
    assert not pace.admits(late, "charge")
    assert not pace.admits(some[2], "charge")
    assert pace.admits(some[1], "charge")
    pace.ended("charge")
    assert woken(some) == [1, 2]


async def test_who_is_gone_or_wants_something_else_is_passed_over(clock: ManualClock) -> None:
    pace = Pace({"charge": Rate(at_once=1)}, clock)
    some = await standing(pace, 5)
    some[1].gone = True
    some[2].state.seq += 1
    some[3].spoiled = True
    pace.ended("charge")
    assert woken(some) == [4]


async def test_who_leaves_gives_way_at_once(clock: ManualClock) -> None:
    pace = Pace({"charge": Rate(at_once=1)}, clock)
    some = await standing(pace, 3)
    pace.ended("charge")
    pace.leave(some[1])
    assert woken(some) == [1, 2]


async def test_by_the_clock_one_after_the_other_is_woken(clock: ManualClock) -> None:
    """Though no call ends."""
    pace = Pace({"charge": Rate(per_second=4)}, clock)
    some = await standing(pace, 4)
    for n in (1, 2, 3):
        clock.advance(0.24)
        assert woken(some) == list(range(1, n))
        clock.advance(0.01)
        assert woken(some) == list(range(1, n + 1))
        assert pace.admits(some[n], "charge")


async def test_time_that_nobody_used_is_not_saved_up(clock: ManualClock) -> None:
    pace = Pace({"charge": Rate(per_second=4)}, clock)
    await standing(pace, 1)
    clock.advance(100)
    assert [pace.admits(run, "charge") for run in runs(3)] == [True, False, False]


async def test_half_of_the_places_may_stand_in_all_lines_together(clock: ManualClock) -> None:
    one = Pace({"charge": Rate(at_once=1)}, clock)
    some = await standing(one, 6)
    assert [one.is_far_behind(run, 4) for run in some[1:]] == [False, False, True, True, True]
    two = Pace({"charge": Rate(at_once=1), "greet": Rate(at_once=1)}, clock)
    some = await standing(two, 4)
    assert [two.is_far_behind(run, 4) for run in some[1:]] == [False, True, True]


async def test_a_call_that_is_cancelled_before_it_begins_gives_its_turn_back(tmp_path: Path) -> None:
    """Two branches are to be called; at the first call another worker has the run, so the second is never made."""
    called: list[str] = []

    async def flight(ctx: Context[str]) -> None: ...

    async def car(ctx: Context[str]) -> None:
        called.append(ctx.input)

    saga = Saga("travel", version=1, milestones=[parallel(milestone(flight, undo=None), milestone(car, undo=None))])
    limits = Limits(handlers={"car": Rate(at_once=1)})
    async with open_journeys(f"sqlite:///{tmp_path}/journeys.db", sagas=[saga], limits=limits) as journeys:
        engine: Any = journeys._runs.engine
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def others_have_the_first(seen: Observation) -> None:
            if isinstance(seen, AttemptStarting) and not lost.done():
                lost.set_result(seen.saga_id)
                engine._turns.lose(next(iter(engine._scheduler.owned.values())))

        journeys.observe(others_have_the_first)
        first = await journeys.start(saga, "first")
        assert await lost == first.saga_id
        second = await journeys.start(saga, "second")
        assert isinstance(await second.outcome(timeout=PATIENCE), Completed)
    assert called == ["second"]
