"""Moves a run for as long as this process owns it: what arrived, then what is to be called, again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from saga_journey.config import Settings
from saga_journey.core.commands import Answered, Report, TakeOver, TimePassed, Uncallable, Unknown
from saga_journey.core.events import DO
from saga_journey.core.state import RunState
from saga_journey.core.timers import bound_of, call_limit, next_due, overdue
from saga_journey.engines.embedded.calls import LiveCalls
from saga_journey.engines.embedded.observers import Observers
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.engines.embedded.pace import COME_AGAIN, STAND, Pace
from saga_journey.engines.embedded.scheduler import Scheduler
from saga_journey.engines.embedded.tasks import Tasks
from saga_journey.engines.embedded.turn import NEVER, Turns, to_call
from saga_journey.ports import Call, Clock, Invoker, Store

log: logging.Logger = logging.getLogger("saga_journey.engine")

REST = 10.0
"""How long a run whose moving failed for an unforeseen reason is left alone (seconds)."""


class Driver:
    """`drive` is the task of a run: it ends when the run is not owned here any more."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        invoker: Invoker,
        settings: Settings,
        turns: Turns,
        scheduler: Scheduler,
        observers: Observers,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._clock = clock
        self._invoker = invoker
        self._settings = settings
        self._turns = turns
        self._scheduler = scheduler
        self._lease = scheduler.lease
        self._observers = observers
        self._tasks = tasks
        self._calls = LiveCalls(clock, settings.linger, left_behind=self._leave_behind, deadline=self._deadline_struck)
        rates = settings.limits.handlers
        self._pace = Pace(rates, clock) if rates else None
        self._attempt = self._call if self._pace is None else self._paced

    def close(self) -> None:
        """Calls that are left are watched no more."""
        self._calls.close()

    async def drive(self, run: OwnedRun) -> None:
        """Moves a run for as long as this process owns it: what arrived, then what is to be called, again and again."""
        try:
            if run.inbox:
                await self._turns.take(run)
            await self._store.writable() if self._store.stalled else None
            if not run.state.definition.is_line:
                await self._drive_side_by_side(run)
            while not run.gone:
                now, index = self._clock.now(), run.next
                if index is None or self._turns.stopping:
                    await self._turns.release(run)
                elif now >= self._lease.until:
                    await self._lease.renewed()
                elif run.state.definition.has_clocks and overdue(run.state, now):
                    await self._turns.take(run, TimePassed())
                elif run.state.calls(index).not_before > now:
                    await self._sleep(run)
                elif not self._may_call(run, index):
                    await self._stand_in_line(run, now, [index])
                elif not await self._attempt(run, index, now):
                    return  # left behind: another task drives the run now
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: moving it failed; the next claim goes on from the journal", run.saga_id)
            await self._drop(run)

    # --- side by side ---

    async def _drive_side_by_side(self, run: OwnedRun) -> None:
        """The same where several milestones may be called at once: each call has a task of its own, a lane."""
        lanes: dict[int, asyncio.Task[None]] = {}
        run.lanes = lanes
        while not run.gone:
            if run.committing:  # by a call that has ended, or for somebody's command
                await self._turns.settled(run)
                continue
            now, waiting = self._clock.now(), to_call(run.state, run.calling)
            through = self._calls_nothing_more(run)
            if not run.calling and (through or not waiting):
                if run.spoiled:  # what was called and not recorded is lost, and counted as such
                    await self._turns.take(run, TakeOver())
                await self._turns.release(run, rest=REST if run.spoiled else 0.0)
            elif not through and run.state.definition.has_clocks and overdue(run.state, now, run.calling):
                await self._turns.take(run, TimePassed())
            else:
                ready = [] if through else [i for i in waiting if run.state.calls(i).not_before <= now]
                if ready and now >= self._lease.until:
                    await self._lease.renewed()
                    continue
                called = [index for index in ready if self._may_call(run, index)]
                for index in called:
                    run.calling = (*run.calling, index)
                    lanes[index] = self._lane_begins(run, index, now)
                in_line = [index for index in ready if index not in called]
                await (self._stand_in_line(run, now, in_line) if in_line else self._sleep(run))

    def _lane_begins(self, run: OwnedRun, index: int, now: float) -> asyncio.Task[None]:
        lane = self._tasks.begin(self._lane(run, index, now))
        if self._pace is not None:  # one that is cancelled before it has begun has come to its end, too
            ended = partial(self._pace.ended, handler_of(run.state, index))
            lane.add_done_callback(lambda _: ended())
        return lane

    async def _lane(self, run: OwnedRun, index: int, now: float) -> None:
        try:
            await self._call(run, index, now)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: a call failed to be recorded; the next claim goes on from the journal", run.saga_id)
            run.spoiled, run.calling = True, _without(run.calling, index)
            run.wake()  # its siblings are let end first: a claim is never released under a call

    def _calls_nothing_more(self, run: OwnedRun) -> bool:
        return self._turns.stopping or run.spoiled

    # --- as fast as handlers may be called ---

    def _may_call(self, run: OwnedRun, index: int) -> bool:
        if self._pace is None or self._pace.admits(run, handler_of(run.state, index)):
            run.in_line_since = None
            return True
        return False

    async def _stand_in_line(self, run: OwnedRun, now: float, in_line: Sequence[int]) -> None:
        """Their handlers are called as often as they may be. Whoever is far behind leaves the place to others."""
        assert self._pace is not None
        if run.in_line_since is None:
            run.in_line_since = now
        crowd = self._scheduler.is_crowded and self._pace.is_far_behind(run, self._settings.concurrency)
        strikes = _next_clock(run, in_line)
        if now - run.in_line_since < STAND or run.calling or not crowd:
            await self._sleep(run, min(now + STAND, strikes))
        else:
            run.in_line_since = None
            self._pace.leave(run)
            await self._turns.release(run, rest=min(COME_AGAIN, strikes - now))

    async def _paced(self, run: OwnedRun, index: int, now: float) -> bool:
        """A call that counts for how fast its handler may be called."""
        assert self._pace is not None
        handler = handler_of(run.state, index)
        try:
            return await self._call(run, index, now)
        finally:
            self._pace.ended(handler)

    # --- one call ---

    async def _call(self, run: OwnedRun, index: int, now: float) -> bool:
        """Calls one handler and commits what came of it. False: the call was left behind and reports nothing."""
        state = run.state
        op, calls = state.current(index)
        limit = call_limit(state, index, op, now)
        call = Call(state, index, op, calls.number, calls.fence, run.tenant, now + limit, now)
        prepared = run.uncallable or self._invoker.prepare(call)
        if isinstance(prepared, Uncallable):
            run.calling = _without(run.calling, index)
            await self._turns.take(run, Report(index, op, call.attempt, prepared))
            return True
        if self._observers.anybody:
            self._observers.call_begins(run, call)
        if index not in run.calling:
            run.calling = (*run.calling, index)
        run.deadline_at = state.deadline_at if state.definition.has_clocks else None
        self._calls.begin(run, call)
        try:
            outcome = await prepared
        except asyncio.CancelledError:
            outcome = _cancelled(call, closing=self._turns.stopping)
        if call.cancelled:
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
        if not self._calls.end(call):
            return False
        if run.alone:
            self._scheduler.suspects_no_longer(run)
        if call.over_time or self._observers.anybody:
            outcome = self._seen(run, call, outcome)
        run.calling = _without(run.calling, index)
        await self._turns.take(run, Report(index, op, call.attempt, outcome))
        return True

    def _seen(self, run: OwnedRun, call: Call, outcome: Answered) -> Answered:
        """What is recorded of a call: when it ran over its time, whatever it said does not count."""
        if call.over_time:
            outcome = Unknown(f"no answer within {call.deadline - call.began:g} s")
        self._observers.call_ended(run, call, outcome, self._clock.now())
        return outcome

    def _leave_behind(self, run: OwnedRun, call: Call) -> None:
        name, late = run.state.definition.milestones[call.milestone].id, self._clock.now() - call.deadline
        log.warning(
            "%s: %s of %s still runs %.0f s past its limit; going on without it", run.saga_id, call.op, name, late
        )

        async def go_on() -> None:
            run.calling = _without(run.calling, call.milestone)
            outcome = self._seen(run, call, Unknown("left behind"))
            await self._turns.take(run, Report(call.milestone, call.op, call.attempt, outcome))
            if run.state.definition.is_line:  # else the run's own task is still there
                await self.drive(run)

        task = self._tasks.begin(go_on())
        if run.state.definition.is_line:
            run.task = task

    def _deadline_struck(self, run: OwnedRun) -> None:
        """The run's deadline struck during a call: it is decided now, the call ends by itself."""
        _ = self._tasks.begin(self._turns.take(run, TimePassed()))

    # --- between calls ---

    async def _sleep(self, run: OwnedRun, until: float | None = None) -> None:
        """Until then, or else until the next attempt is due; or something else arrives for the run."""
        run.sleeper = asyncio.get_running_loop().create_future()
        if until is None:
            due = None if self._calls_nothing_more(run) else next_due(run.state, run.calling)
            until = NEVER if due is None else due
        timer = self._clock.call_at(until, run.wake)
        try:
            await run.sleeper
        finally:
            timer.cancel()
            run.sleeper = None
        if run.committing:  # its time came just when something else was being decided
            await self._turns.settled(run)
        if self._store.stalled:
            await self._store.writable()  # no call of any kind while its result could not be written

    async def _drop(self, run: OwnedRun) -> None:
        """Something unforeseen: give the run back, so that it is claimed again, in a while, and not forgotten."""
        if run.gone or self._turns.stopping:
            return
        run.calling = ()
        try:
            await self._turns.take(run, TakeOver())  # what was called and not recorded is lost, and counted as such
        except Exception:
            log.exception("%s: nor can be written that a call was lost", run.saga_id)
        if not run.gone:
            await self._turns.release(run, rest=REST)


def handler_of(state: RunState, index: int) -> str | None:
    """The handler that is to be called for a milestone now."""
    spec = state.definition.milestones[index]
    return spec.action if state.op_of(index) == DO else spec.undo


def _next_clock(run: OwnedRun, in_line: Sequence[int]) -> float:
    """When something of the run is due, apart from the calls that stand in line: they are due, and have to wait."""
    other = next_due(run.state, (*run.calling, *in_line))
    bounds = [bound_of(run.state, index) for index in in_line if run.state.op_of(index) == DO]
    return min([NEVER if other is None else other, *bounds])


def _without(calling: tuple[int, ...], index: int) -> tuple[int, ...]:
    return () if calling == (index,) else tuple([i for i in calling if i != index])


def _cancelled(call: Call, *, closing: bool) -> Unknown:
    """A handler was cancelled: by its time limit, by itself, or with this worker, which then records nothing."""
    task = asyncio.current_task()
    assert task is not None
    if closing and not call.cancelled and task.cancelling():
        raise asyncio.CancelledError
    while not call.cancelled and task.cancelling():  # it cancelled its own task, which is its run's
        task.uncancel()
    return Unknown("the handler was cancelled")
