"""Time that moves only when told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Compensated, Context, Saga, external, milestone, open_journeys
from saga_journey.authoring import MilestoneOf
from saga_journey.testing.clock import DAY, START, ManualClock, store_on
from saga_journey.testing.wrapping import WatchedStore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_timers_fire_in_their_order_each_at_its_own_time() -> None:
    clock, fired = ManualClock(), []
    for delay in (3, 1, 2, 1):
        clock.call_at(START + delay, lambda delay=delay: fired.append((delay, clock.now() - START)))  # type: ignore[misc]
    clock.advance(2.5)
    assert fired == [(1, 1), (1, 1), (2, 2)]
    assert clock.now() == START + 2.5
    assert clock.next_timer == START + 3


def test_a_cancelled_timer_does_not_fire() -> None:
    clock, fired = ManualClock(), []
    clock.call_at(START + 1, lambda: fired.append("cancelled")).cancel()
    clock.call_at(START + 1, lambda: fired.append("kept"))
    clock.advance(1)
    assert fired == ["kept"]


def test_a_timer_set_by_a_timer_fires_in_the_same_move() -> None:
    clock, fired = ManualClock(), []

    def set_another() -> None:
        clock.call_at(START + 2, lambda: fired.append(clock.now()))

    clock.call_at(START + 1, set_another)
    clock.advance(10)
    assert fired == [START + 2]


async def test_what_is_due_already_is_called_on_the_next_turn_of_the_loop() -> None:
    clock, fired = ManualClock(), []
    clock.call_at(START - 1, lambda: fired.append("now"))
    assert fired == []
    await asyncio.sleep(0)
    assert fired == ["now"]


async def test_tasks_come_to_rest_between_two_timers() -> None:
    clock, seen = ManualClock(), []

    async def tick() -> None:
        await asyncio.sleep(0)
        seen.append(clock.now() - START)

    tasks: list[asyncio.Task[None]] = []
    for delay in (1, 2):
        clock.call_at(START + delay, lambda: tasks.append(asyncio.create_task(tick())))
    await clock.pass_time(5)
    assert seen == [1, 2]


async def book(ctx: Context[Any]) -> str:
    return "booked"


async def cancel_booking(ctx: Context[Any], booking: str | None) -> None: ...


async def test_a_journey_of_thirty_days(tmp_path: Path) -> None:
    approval: MilestoneOf[Any, Any] = external("approval", undo=None, timeout=30 * DAY)
    trip: Saga[Any] = Saga("trip", version=1, milestones=[milestone(book, undo=cancel_booking), approval])
    clock = ManualClock()
    store = WatchedStore(await store_on(clock, f"sqlite:///{tmp_path}/journeys.db"))
    async with open_journeys(store, sagas=[trip], clock=clock, handle_sigterm=False) as journeys:
        run = await journeys.start(trip, {})
        await clock.leap(29 * DAY, store.quiet)
        assert (await run.status()).waiting_for == "an answer to approval"
        await clock.leap(1 * DAY - 1, store.quiet)
        await clock.pass_time(2, store.quiet)
        outcome = await run.outcome()
    assert isinstance(outcome, Compensated)
    assert outcome.because.milestone == "approval"
    assert clock.now() == START + 30 * DAY + 1
