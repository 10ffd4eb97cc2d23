"""Time that moves only when told, so that a journey of thirty days runs in milliseconds and no test sleeps.

clock = ManualClock()
store = WatchedStore(await store_on(clock, "sqlite:///journeys.db"))
async with open_journeys(store, sagas=[checkout], clock=clock) as journeys:
    run = await journeys.start(checkout, order)
    await clock.pass_time(60, store.quiet)      # everything due on the way happens, in order
    await clock.leap(30 * DAY, store.quiet)     # everything due on the way happens now
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from saga_journey.ports import Timer
from saga_journey.testing.databases import open_store

if TYPE_CHECKING:
    from saga_journey.stores.postgres.store import PostgresStore
    from saga_journey.stores.sqlite import SqliteStore

DAY = 24 * 3600.0
START = 1_700_000_000.0
"""A time like any other, the same in every test."""

LOOP_TURNS = 50


class ManualClock:
    """`ports.Clock` that stands still. Timers fire while it is moved, each at its own time, in order."""

    def __init__(self, at: float = START) -> None:
        self._now = at
        self._timers: list[tuple[float, int, _ManualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls back when the clock reaches `when`; what is due already, on the loop's next turn."""
        timer = _ManualTimer(callback)
        if when <= self._now and (loop := _running_loop()) is not None:
            loop.call_soon(timer.fire)
        else:
            heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    @property
    def next_timer(self) -> float | None:
        """When the next timer is due; None when none is."""
        while self._timers and self._timers[0][2].over:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance(self, seconds: float) -> None:
        """Moves on, and fires what falls due on the way. What the callbacks start runs later, on the loop."""
        until = self._now + seconds
        while self._fire_next(until):
            pass
        self._now = until

    async def pass_time(self, seconds: float, settled: Callable[[], Awaitable[None]] | None = None) -> None:
        """As `advance`, and between two timers all that the first one started comes to rest.

        `settled` says when that is; by default after some turns of the loop, which is enough as long as nothing waits
        for a thread. `WatchedStore.quiet` waits for the store's.
        """
        until, rest = self._now + seconds, settled or some_turns
        await rest()
        while self._fire_next(until):
            await rest()
        self._now = until
        await rest()

    async def leap(self, seconds: float, settled: Callable[[], Awaitable[None]] | None = None) -> None:
        """At once, as a machine that slept: what fell due on the way fires now, late, in order.

        For long spans. The engine looks around once a second, so `pass_time` over a month fires millions of timers.
        """
        rest = settled or some_turns
        await rest()
        self._now += seconds
        due = [heapq.heappop(self._timers)[2] for _ in range(sum(when <= self._now for when, _, _ in self._timers))]
        for timer in due:
            timer.fire()
        await rest()

    def _fire_next(self, until: float) -> bool:
        when = self.next_timer
        if when is None or when > until:
            return False
        self._now = max(self._now, when)
        heapq.heappop(self._timers)[2].fire()
        return True


class _ManualTimer:
    __slots__ = ("_callback", "over")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.over = False

    def fire(self) -> None:
        if not self.over:
            self.over = True
            self._callback()

    def cancel(self) -> None:
        self.over = True


async def some_turns() -> None:
    """Lets the loop run what is ready, and what that makes ready, for a while."""
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)


async def store_on(clock: ManualClock, url: str) -> SqliteStore | PostgresStore:
    """The store at that URL, with the clock's time: what it calls due is what the engine calls due."""
    store = await open_store(url)
    store.now = clock.now
    return store


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None
