"""One attempt under a time limit, and what is left of it when it does not end.

No timeout object and no task per attempt: the handler is awaited in its run's own task, and one sweep looks at all calls
a few times a second (limits under a second get a timer of their own).

A call that is over time is cancelled when it can be (`async def`) and otherwise only watched (a thread). Either way its
outcome is unknown, and the next call of that run waits until it has really ended, at most `linger` seconds; then it is
left behind: its task goes on alone and can report nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from saga_journey.core.commands import Answered, Unknown
from saga_journey.ports import Clock, Timer

log = logging.getLogger("saga_journey.engine")

TICK = 0.1
"""How often calls are looked at (seconds): a limit is kept to within this."""


class LiveCall:
    """A call under way."""

    __slots__ = ("cancelled", "interrupt_at", "left_behind", "limit", "on_interrupt", "over_time", "started", "stoppable", "task")

    def __init__(self, task: asyncio.Task[None], started: float, limit: float, *, stoppable: bool) -> None:
        self.task = task
        self.started = started
        self.limit = limit
        self.stoppable = stoppable
        self.over_time = False
        self.cancelled = False
        self.left_behind: Callable[[Answered, float], None] | None = None
        self.interrupt_at: float | None = None
        self.on_interrupt: Callable[[], None] | None = None


class Calls:
    """Makes calls, and keeps them to their limits."""

    def __init__(self, clock: Clock, linger: float) -> None:
        self._clock = clock
        self._linger = linger
        self._live: dict[LiveCall, Callable[[Answered, float], None]] = {}
        self._sweep: Timer | None = None

    async def make(
        self,
        call: Awaitable[Answered],
        *,
        limit: float,
        stoppable: bool,
        leave_behind: Callable[[Answered, float], None],
        interrupt_at: float | None = None,
        on_interrupt: Callable[[], None] | None = None,
    ) -> tuple[Answered, float] | None:
        """The outcome, and how long the call ran past its limit. None: it was left behind, and is nobody's any more.

        `leave_behind` is told the outcome when the call does not end within `linger` after its limit; whoever is told
        goes on in a task of its own. `on_interrupt` is called once at `interrupt_at` (the run's deadline).
        """
        task = asyncio.current_task()
        assert task is not None
        live = LiveCall(task, self._clock.now(), limit, stoppable=stoppable)
        live.interrupt_at, live.on_interrupt = interrupt_at, on_interrupt
        self._live[live] = leave_behind
        if limit < 10 * TICK or self._sweep is None:
            self._arm(live)
        try:
            outcome = await call
        except asyncio.CancelledError:
            if not live.cancelled and task.cancelling():
                raise  # this worker is being torn down
            outcome = Unknown("the handler was cancelled")
        finally:
            owned = self._live.pop(live, None) is not None
        if live.cancelled:
            task.uncancel()
        if not owned:
            return None
        return (self._over_time(live), self._late(live)) if live.over_time else (outcome, 0.0)

    def _over_time(self, live: LiveCall) -> Unknown:
        return Unknown(f"no answer within {live.limit:g} s")

    def _late(self, live: LiveCall) -> float:
        return max(0.0, self._clock.now() - live.started - live.limit)

    def _arm(self, live: LiveCall) -> None:
        if live.limit < 10 * TICK:
            self._clock.call_at(live.started + live.limit, lambda: self._check(live))
        if self._sweep is None:
            self._sweep = self._clock.call_at(self._clock.now() + TICK, self._look)

    def _look(self) -> None:
        self._sweep = None
        for live in list(self._live):
            self._check(live)
        if self._live:
            self._sweep = self._clock.call_at(self._clock.now() + TICK, self._look)

    def _check(self, live: LiveCall) -> None:
        if live not in self._live:
            return
        now = self._clock.now()
        if live.interrupt_at is not None and live.on_interrupt is not None and now >= live.interrupt_at:
            live.interrupt_at = None
            live.on_interrupt()
        late = now - live.started - live.limit
        if late >= 0 and not live.over_time:
            live.over_time = True
            if live.stoppable:
                live.cancelled = True
                live.task.cancel()
        elif live.over_time and late >= self._linger:
            leave_behind = self._live.pop(live)
            leave_behind(self._over_time(live), late)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
