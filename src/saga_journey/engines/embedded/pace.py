"""Handlers that may only be called so fast: so many calls at once, so many begun in a second, in this process.

A run that has to wait for its turn is not being called, so whatever happens to it meanwhile, nothing is in doubt. Who
came first is called first. When others need the places, those far behind in a line give theirs back, and come again.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_journey.config import Rate
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.ports import Clock, Timer

STAND = 1.0
"""So long a run stands in line at least, and so often it looks about (seconds)."""
COME_AGAIN = 5.0
"""So long it is away when it gives its place back (seconds)."""


class Pace:
    """Counts the calls of the handlers that have a rate."""

    def __init__(self, rates: Mapping[str, Rate], clock: Clock) -> None:
        self._lines = {name: _Line(rate, clock) for name, rate in rates.items()}

    def admits(self, run: OwnedRun, handler: str | None) -> bool:
        """A call of that handler may begin, and is counted from now on. Else the run is in line, and woken in turn."""
        line = self._lines.get(handler or "")
        return line is None or line.admits(run)

    def ended(self, handler: str | None) -> None:
        """A call that was admitted has come to its end."""
        if (line := self._lines.get(handler or "")) is not None:
            line.ended()

    def is_far_behind(self, run: OwnedRun, places: int) -> bool:
        """Those before it fill its line's part of one half of the places."""
        part = places // (2 * len(self._lines))
        return all(line.before(run) >= part for line in self._lines.values() if run in line.waiting)

    def leave(self, run: OwnedRun) -> None:
        """It stands in line no more."""
        for line in self._lines.values():
            line.leave(run)


class _Line:
    """One handler, and who waits for it."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._running = 0
        self._next_at = 0.0
        self.waiting: dict[OwnedRun, int] = {}  # in the order in which they came; the seq of each when it asked last
        self._timer: Timer | None = None

    def admits(self, run: OwnedRun) -> bool:
        now = self._clock.now()
        self._forget()
        if next(iter(self.waiting), run) is not run or self._full or now < self._next_at:
            self.waiting[run] = run.state.seq  # who is in line already keeps the place
            self._call_first()
            return False
        self.waiting.pop(run, None)
        self._running += 1
        if self._rate.per_second is not None:
            self._next_at = now + 1 / self._rate.per_second
        self._call_first()
        return True

    def ended(self) -> None:
        self._running -= 1
        self._call_first()

    def before(self, run: OwnedRun) -> int:
        """How many came before it."""
        return list(self.waiting).index(run)

    def leave(self, run: OwnedRun) -> None:
        if self.waiting.pop(run, None) is not None:
            self._call_first()

    @property
    def _full(self) -> bool:
        return self._rate.at_once is not None and self._running >= self._rate.at_once

    def _struck(self) -> None:
        self._timer = None
        self._call_first()

    def _call_first(self) -> None:
        """Wakes the first when it may be called now; when it may be called later, then. It asks again."""
        self._forget()
        first = next(iter(self.waiting), None)
        if first is None or self._full:
            return
        if self._clock.now() >= self._next_at:
            first.wake()
        elif self._timer is None:
            self._timer = self._clock.call_at(self._next_at, self._struck)

    def _forget(self) -> None:
        """Whoever is first and does not want it any more: something else has become of that run."""
        while self.waiting:
            run, seq = next(iter(self.waiting.items()))
            if run.state.seq == seq and not run.gone and not run.spoiled:
                return
            del self.waiting[run]
