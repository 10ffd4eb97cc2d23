"""The parts together: starts runs, moves them, takes commands, waits for outcomes, stops gracefully."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from saga_journey.config import Settings
from saga_journey.core.codec import decode_turn, encode_command, encode_turn
from saga_journey.core.commands import Answer, Answered, External, Report, TakeOver, TimePassed, Uncallable, Unknown
from saga_journey.core.events import DO, Event
from saga_journey.core.machine import Turn
from saga_journey.core.state import RunState, SagaStatus
from saga_journey.core.timers import bound_of, call_limit, next_due, overdue
from saga_journey.engines.embedded.calls import LiveCalls
from saga_journey.engines.embedded.clock import pass_until
from saga_journey.engines.embedded.family import Family
from saga_journey.engines.embedded.outgoing import outbox_rows
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.engines.embedded.pace import COME_AGAIN, STAND, Pace
from saga_journey.engines.embedded.scheduler import Scheduler
from saga_journey.engines.embedded.turn import NEVER, Turns, is_settled, to_call
from saga_journey.errors import Closed, StoreError
from saga_journey.ports import (
    PRUNED,
    AttemptEnded,
    AttemptStarting,
    Call,
    Clock,
    Invoker,
    NewRun,
    Observation,
    Observer,
    RunKey,
    Started,
    StartKey,
    Store,
    StoredCommand,
    TurnCommitted,
    TurnWrite,
)

log: logging.Logger = logging.getLogger("saga_journey.engine")

ASK_AGAIN = 5.0
"""How often a waiting caller looks into the store although nobody has written (seconds)."""

REST = 10.0
"""How long a run whose moving failed for an unforeseen reason is left alone (seconds)."""


class EmbeddedEngine:
    """Moves runs inside this process (`ports.Engine`). With `working=False` it only starts, asks and commands."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        invoker: Invoker,
        settings: Settings,
        *,
        publishing: bool,
        working: bool = True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._invoker = invoker
        self._settings = settings
        self._working = working
        self._publishing = publishing
        self._observers: list[Observer] = []
        self._calls = LiveCalls(clock, settings.linger, left_behind=self._leave_behind, deadline=self._deadline_struck)
        self._family = Family(store, publishing=publishing)
        self._turns = Turns(
            store,
            clock,
            invoker,
            family=self._family,
            publishing=publishing,
            told=self._told,
            observe=self._turn_seen,
        )
        self._scheduler = Scheduler(
            store, clock, invoker, self._turns, self._family, settings, self._observe, self._spawn
        )
        self._lease = self._scheduler.lease
        rates = settings.limits.handlers
        self._pace = Pace(rates, clock) if rates else None
        self._attempt = self._call if self._pace is None else self._paced
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0  # starts whose commit is under way
        self._none_starting: asyncio.Future[None] | None = None
        self._watchers: dict[RunKey, list[asyncio.Future[RunState | None]]] = {}
        self._asked: dict[tuple[RunKey, str], asyncio.Future[Answer]] = {}
        self._others: asyncio.Future[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._look_again = False  # others wrote while it was looking
        self._closed = False

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_listening = self._store.on_change(self._others_wrote)
        if self._working:
            try:
                await self._scheduler.open()
            except BaseException:
                await self.close()
                raise

    def add_observer(self, observer: Observer) -> None:
        self._observers.append(observer)
        self._turns.observed = True

    # --- starting ---

    async def start(
        self, tenant: str, turn: Turn, definition: int, tenant_number: int, key: StartKey | None
    ) -> Started:
        """A run for which a place is free is claimed by the commit that starts it; another one waits unclaimed."""
        if self._closed:
            raise _closed()
        if not turn.state.definition.is_line:
            await self._family.meet(tenant_number, turn.state.definition)
        place = self._scheduler.take_place(tenant, turn.state.definition.name) if self._working else False
        self._starting += 1
        try:
            new = self._new_run(turn, definition, tenant_number, key, here=place)
            started = await self._store.start(new)
            if started.existing is None:
                self._begin(OwnedRun(started.key, tenant, 1, turn.state), turn, here=place)
                self._starts_seen(tenant, new.children)
        except asyncio.CancelledError:
            if place:
                self._starting += 1  # closing waits for it
                _ = self._background(self._pick_up(tenant, turn))
            raise
        finally:
            self._scheduler.give_place_back(place)
            self._start_ended()
        return started

    async def _pick_up(self, tenant: str, turn: Turn) -> None:
        """A caller that gives up waiting does not stop a saga that was started: if it was, it is moved."""
        try:
            assert self._scheduler.owner is not None
            await self._store.through()
            record = await self._store.find(tenant, turn.state.saga_id)
            if record is not None and record.owner == self._scheduler.owner:
                self._begin(OwnedRun(record.key, tenant, record.epoch, turn.state), turn, here=True)
        finally:
            self._start_ended()

    def _start_ended(self) -> None:
        self._starting -= 1
        waiter = self._none_starting
        if not self._starting and waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _new_run(self, turn: Turn, definition: int, tenant: int, key: StartKey | None, *, here: bool) -> NewRun:
        state, nothing = turn.state, RunState(turn.state.definition, turn.state.saga_id)
        return NewRun(
            tenant=tenant,
            saga_id=state.saga_id,
            definition=definition,
            journey=state.definition.name,
            turn=encode_turn(turn.events),
            at=state.at,
            due_at=state.at,
            owner=self._scheduler.owner if here else None,
            start_key=key,
            outbox=outbox_rows(nothing, turn.events, ()) if self._publishing else (),
            children=() if state.definition.is_line else self._family.born(tenant, nothing, state),
        )

    def _begin(self, run: OwnedRun, turn: Turn, *, here: bool) -> None:
        """The start is durable: from now on the run is moved, here or by whoever claims it."""
        if not turn.state.definition.is_line:
            self._scheduler.nudge()  # it may have started children
        if self._observers:
            self._turn_seen(run, turn.events)
        if here:
            self._scheduler.owned[run.key] = run
            run.task = self._spawn(run)
        elif self._working:
            self._scheduler.wait_for_place(run.key)

    # --- moving a run ---

    def _spawn(self, run: OwnedRun) -> asyncio.Task[None]:
        return self._loop.create_task(self._drive(run))  # the run, which is owned as long as the task lives, keeps it

    def _background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _drive(self, run: OwnedRun) -> None:
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
        lane = self._background(self._lane(run, index, now))
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
        if self._observers:
            self._observe(_starting(run, call))
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
        if call.over_time or self._observers:
            outcome = self._seen(run, call, outcome)
        run.calling = _without(run.calling, index)
        await self._turns.take(run, Report(index, op, call.attempt, outcome))
        return True

    def _seen(self, run: OwnedRun, call: Call, outcome: Answered) -> Answered:
        """What is recorded of a call: when it ran over its time, whatever it said does not count."""
        if call.over_time:
            outcome = Unknown(f"no answer within {call.deadline - call.began:g} s")
        self._observe(_ended(run, call, outcome, self._clock.now()))
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
                await self._drive(run)

        task = self._background(go_on())
        if run.state.definition.is_line:
            run.task = task

    def _deadline_struck(self, run: OwnedRun) -> None:
        """The run's deadline struck during a call: it is decided now, the call ends by itself."""
        _ = self._background(self._turns.take(run, TimePassed()))

    async def _sleep(self, run: OwnedRun, until: float | None = None) -> None:
        """Until then, or else until the next attempt is due; or something else arrives for the run."""
        run.sleeper = self._loop.create_future()
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
        if run.gone or self._closed:
            return
        run.calling = ()
        try:
            await self._turns.take(run, TakeOver())  # what was called and not recorded is lost, and counted as such
        except Exception:
            log.exception("%s: nor can be written that a call was lost", run.saga_id)
        if not run.gone:
            await self._turns.release(run, rest=REST)

    def _told(self, run: OwnedRun, write: TurnWrite, answers: Sequence[tuple[str, Answer]]) -> None:
        """A turn is durable: whoever waited for it hears of it."""
        for command_id, answer in answers:
            asked = self._asked.pop((run.key, command_id), None)
            if asked is not None and not asked.done():
                asked.set_result(answer)
        if write.starts or write.messages:
            self._starts_seen(run.tenant, write.starts)
            self._scheduler.nudge()
        if run.gone:
            self._scheduler.released(run, write)
            if run.key in self._watchers:
                self._tell_watchers(run)

    def _tell_watchers(self, run: OwnedRun) -> None:
        """The outcome, if there is one; else that this process moves the run no longer (None)."""
        told = run.state if is_settled(run.state.status) else None
        for watcher in self._watchers.pop(run.key):
            if not watcher.done():
                watcher.set_result(told)

    # --- asking and commanding ---

    async def send(self, key: RunKey, command_id: str, command: External) -> Answer:
        """Stores the command, and returns the answer of the run's owner. The same id again gives the same answer."""
        name, body = encode_command(command)
        asked = self._asked.setdefault((key, command_id), self._loop.create_future())
        try:
            answer = await self._store.send(key, command_id, name, body)
            if answer is not None:
                return answer
            if not self._scheduler.deliver(StoredCommand(key, command_id, name, body)):
                self._scheduler.nudge()
            while not asked.done():
                change = self.change()
                if (answer := await self._store.answer_to(key, command_id)) is not None:
                    return answer
                await self.wait_for(asked, change)
                if not asked.done() and not await self._store.statuses([key]):
                    return PRUNED
            return asked.result()
        finally:
            self._asked.pop((key, command_id), None)

    def watch(self, key: RunKey) -> asyncio.Future[RunState | None]:
        """The future of the run's next settled state, as far as this process moves it."""
        if self._closed:
            raise _closed()
        watcher: asyncio.Future[RunState | None] = self._loop.create_future()
        self._watchers.setdefault(key, []).append(watcher)
        return watcher

    def unwatch(self, key: RunKey, watcher: asyncio.Future[RunState | None]) -> None:
        waiting = self._watchers.get(key)
        if waiting is not None and watcher in waiting:
            waiting.remove(watcher)
            if not waiting:
                del self._watchers[key]

    def moves(self, key: RunKey) -> bool:
        """This process owns the run now, so its watchers will be told."""
        return key in self._scheduler.owned

    async def wait_for(self, future: asyncio.Future[Any], change: asyncio.Future[None]) -> None:
        await asyncio.wait({future, change}, timeout=ASK_AGAIN, return_when=asyncio.FIRST_COMPLETED)

    def change(self) -> asyncio.Future[None]:
        if self._others is None or self._others.done():
            self._others = self._loop.create_future()
        return self._others

    def _others_wrote(self) -> None:
        if self._others is not None and not self._others.done():
            self._others.set_result(None)
        self._look_again = True
        if self._watchers and self._looking is None:
            self._looking = self._background(self._look_at_others())

    async def _look_at_others(self) -> None:
        """One question for all runs that somebody watches here and that are moved elsewhere."""
        try:
            while self._look_again:
                self._look_again = False
                elsewhere = [key for key in self._watchers if not self.moves(key)]
                found = await self._store.statuses(elsewhere) if elsewhere else {}
                for key in [key for key in elsewhere if key not in found or is_settled(found[key])]:
                    for watcher in self._watchers.pop(key, ()):
                        if not watcher.done():
                            watcher.set_result(None)
        except StoreError as error:
            log.debug("could not look for outcomes: %s", error)
        finally:
            self._looking = None

    # --- being watched ---

    def _turn_seen(self, run: OwnedRun, events: Sequence[Event]) -> None:
        s = run.state
        self._observe(TurnCommitted(run.saga_id, run.tenant, s.definition.name, tuple(events), s.status, s.seq, s.at))

    def _starts_seen(self, tenant: str, children: Sequence[NewRun]) -> None:
        """A child starts in its parent's turn."""
        for new in children if self._observers else ():
            events = tuple(decode_turn(new.turn))
            started = SagaStatus.IN_PROGRESS
            self._observe(TurnCommitted(new.saga_id, tenant, new.journey, events, started, len(events), new.at))
            self._starts_seen(tenant, new.children)

    def _observe(self, seen: Observation) -> None:
        for observer in self._observers:
            try:
                observer(seen)
            except Exception:
                log.exception("an observer failed on %s", type(seen).__name__)

    # --- stopping ---

    async def close(self) -> None:
        """Starts nothing new, lets the calls under way end (`grace` seconds at most), releases every claim.

        What still runs then counts as lost for the next owner: it is called again with the same key.
        """
        if self._closed:
            return
        self._closed = self._turns.stopping = True
        self._stop_listening()
        if self._starting:
            self._none_starting = self._loop.create_future()
            await self._none_starting  # what is being started is ours to release
        if self._working:
            await self._scheduler.close()
            await self._finish()
        self._calls.close()
        for watcher in [watcher for watchers in self._watchers.values() for watcher in watchers]:
            if not watcher.done():
                watcher.set_exception(_closed())

    async def _finish(self) -> None:
        for run in list(self._scheduler.owned.values()):
            run.wake()
        moving = {run.task for run in self._scheduler.owned.values() if run.task is not None}
        if moving:
            await self._grace(moving)
        left = [run for run in self._scheduler.owned.values() if run.task is not None]
        if left:
            log.warning("%d sagas are left in the middle: a call that has not ended counts as lost", len(left))
        torn = [*self._tasks, *(run.task for run in left if run.task is not None)]
        for task in torn:
            task.cancel()
        await asyncio.gather(*torn, return_exceptions=True)
        await self._leave()

    async def _leave(self) -> None:
        if self._scheduler.owner is not None:
            try:
                await self._store.leave(self._scheduler.owner)
            except StoreError as error:
                log.warning("this worker could not sign off (%s); others notice by its lock", error)

    async def _grace(self, moving: set[asyncio.Task[None]]) -> None:
        """Waits for them on the port's clock, so that a test decides how long that is."""
        over = asyncio.create_task(pass_until(self._clock, self._clock.now() + self._settings.grace))
        ended = asyncio.create_task(asyncio.wait(moving))
        await asyncio.wait({over, ended}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        ended.cancel()


def _closed() -> Closed:
    return Closed("these journeys are closed: open them again")


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


def _starting(run: OwnedRun, call: Call) -> AttemptStarting:
    definition = run.state.definition
    milestone = definition.milestones[call.milestone].id
    return AttemptStarting(run.saga_id, run.tenant, definition.name, milestone, call.op, call.attempt, call.began)


def _ended(run: OwnedRun, call: Call, outcome: Answered, now: float) -> AttemptEnded:
    definition = run.state.definition
    milestone = definition.milestones[call.milestone].id
    late = max(0.0, now - call.deadline) if call.over_time else 0.0
    seconds = now - call.began
    return AttemptEnded(
        run.saga_id, run.tenant, definition.name, milestone, call.op, call.attempt, now, seconds, outcome, late
    )
