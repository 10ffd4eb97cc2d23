"""Store time on the event loop's timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from saga_journey.ports import Clock, Timer


async def pass_until(clock: Clock, when: float) -> None:
    """Returns at `when`, on the clock's own time."""
    struck: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def strike() -> None:
        if not struck.done():
            struck.set_result(None)

    timer = clock.call_at(when, strike)
    try:
        await struck
    finally:
        timer.cancel()


class LoopClock:
    """`ports.Clock`: the time is the store's, the waiting is the loop's. A timer that would fire early waits on."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return _LoopTimer(self.now, when, callback)


class _LoopTimer:
    __slots__ = ("_callback", "_handle", "_now", "_when")

    def __init__(self, now: Callable[[], float], when: float, callback: Callable[[], None]) -> None:
        self._now, self._when, self._callback = now, when, callback
        self._arm()

    def _arm(self) -> None:
        delay = min(max(0.0, self._when - self._now()), 3600.0)
        self._handle = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        if self._now() < self._when:
            self._arm()
        else:
            self._callback()

    def cancel(self) -> None:
        self._handle.cancel()
