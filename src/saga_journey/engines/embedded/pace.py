"""Handlers that may only be called so fast: so many calls at once, so many begun in a second, in this process.

A run that has to wait for its turn is not being called, so whatever happens to it meanwhile, nothing is in doubt. It
waits here for a moment; then it gives its place back, and comes again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from saga_journey.config import Rate
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.ports import Clock, Timer

STAND = 1.0
"""So long a run stands in line (seconds) …"""
COME_AGAIN = 5.0
"""… before it goes away for so long (seconds)."""


class Pace:
    """Counts the calls of the handlers that have a rate."""

    def __init__(self, rates: Mapping[str, Rate], clock: Clock) -> None:
        self._lines = {name: _Line(rate, clock) for name, rate in rates.items()}

    def admits(self, run: OwnedRun, handler: str | None) -> bool:
        """A call of that handler may begin, and is counted from now on. Else the run is woken when its turn may be."""
        line = self._lines.get(handler or "")
        return line is None or line.admits(run)

    def ended(self, handler: str | None) -> None:
        """A call that was admitted has come to its end."""
        if (line := self._lines.get(handler or "")) is not None:
            line.ended()


class _Line:
    """One handler, and who waits for it."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._running = 0
        self._next_at = 0.0
        self._waiting: deque[OwnedRun] = deque()
        self._timer: Timer | None = None

    def admits(self, run: OwnedRun) -> bool:
        now = self._clock.now()
        if self._full or now < self._next_at:
            if run not in self._waiting:
                self._waiting.append(run)
            if not self._full and self._timer is None:
                self._timer = self._clock.call_at(self._next_at, self._struck)
            return False
        self._running += 1
        if self._rate.per_second is not None:
            self._next_at = max(now, self._next_at) + 1 / self._rate.per_second
        return True

    def ended(self) -> None:
        self._running -= 1
        self._wake_one()

    @property
    def _full(self) -> bool:
        return self._rate.at_once is not None and self._running >= self._rate.at_once

    def _struck(self) -> None:
        self._timer = None
        self._wake_one()

    def _wake_one(self) -> None:
        """Whoever is woken asks again; the others look by themselves now and then."""
        while self._waiting:
            run = self._waiting.popleft()
            if not run.gone and run.sleeper is not None:
                run.wake()
                return
