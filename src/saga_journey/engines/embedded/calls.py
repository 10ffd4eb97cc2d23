"""Calls under a time limit, and what is left of one that does not end.

No timeout object and no task per attempt: a handler is awaited in its run's own task, and one sweep looks at all calls
a few times a second (limits under a second get a timer of their own).

A call that is over time is cancelled when it can be (`async def`) and otherwise only watched (a thread). Either way its
outcome is unknown, and the next call of that run waits until it has really ended, at most `linger` seconds; then it is
left behind: its task goes on alone and can report nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable

from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.ports import Call, Clock, Timer

TICK = 0.1
"""How often calls are looked at (seconds): a limit is kept to within this."""


class LiveCalls:
    """The calls under way in this process."""

    def __init__(
        self,
        clock: Clock,
        linger: float,
        *,
        left_behind: Callable[[OwnedRun, Call], None],
        deadline: Callable[[OwnedRun], None],
    ) -> None:
        self._clock = clock
        self._linger = linger
        self._left_behind = left_behind
        self._deadline = deadline
        self._live: dict[Call, OwnedRun] = {}
        self._sweep: Timer | None = None

    def begin(self, run: OwnedRun, call: Call) -> None:
        """From now on the call is kept to its deadline."""
        self._live[call] = run
        if call.deadline - call.began < 10 * TICK:
            self._clock.call_at(call.deadline, lambda: self._check(run, call))
        if self._sweep is None:
            self._sweep = self._clock.call_at(call.began + TICK, self._look)

    def end(self, call: Call) -> bool:
        """False when the call was left behind: it is nobody's any more."""
        return self._live.pop(call, None) is not None

    def _look(self) -> None:
        self._sweep = None
        for call, run in list(self._live.items()):
            self._check(run, call)
        if self._live:
            self._sweep = self._clock.call_at(self._clock.now() + TICK, self._look)

    def _check(self, run: OwnedRun, call: Call) -> None:
        if call not in self._live:
            return  # it has ended
        now = self._clock.now()
        if run.deadline_at is not None and now >= run.deadline_at:
            run.deadline_at = None
            self._deadline(run)
        if now < call.deadline:
            return
        if not call.over_time:
            call.over_time = True
            task = run.lanes.get(call.milestone, run.task)
            if call.stoppable and task is not None:
                call.cancelled = True
                task.cancel()
        elif now - call.deadline >= self._linger:
            del self._live[call]
            self._left_behind(run, call)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
