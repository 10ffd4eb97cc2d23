"""One turn: gather what has arrived -> decide -> commit -> be told. Every crash window of the engine is on this page.

before the commit                 nothing happened; the next owner sees the state before, and calls again
after the commit, before a call   the intent is durable, the call was not made; the next owner counts it as lost
after the call, before its commit the effect may be there, nobody knows; as above
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from saga_journey.core import events as ev
from saga_journey.core.codec import encode_turn
from saga_journey.core.commands import Advance, Answer, Command, Recall, Skip, StateFact
from saga_journey.core.events import DO, Event
from saga_journey.core.machine import Turn, decide
from saga_journey.core.progress import stopped_milestone
from saga_journey.core.state import FINAL, RunState, SagaStatus
from saga_journey.core.timers import next_due
from saga_journey.core.walk import calls_somebody, next_call
from saga_journey.engines.embedded.family import Family, messages
from saga_journey.engines.embedded.observers import Observers
from saga_journey.engines.embedded.outgoing import outbox_rows
from saga_journey.engines.embedded.owned import Arrival, OwnedRun, Sent
from saga_journey.ports import Clock, Conflict, Fenced, Invoker, RowChange, Store, TurnWrite

log: logging.Logger = logging.getLogger("saga_journey.engine")

NEVER = 1e18
"""A due time for "not by the clock alone": it keeps the run in the index of open runs."""

HOLD = 1.0
"""A run that has nothing to do for so long (seconds) gives its claim and its place back."""

PARKED_FOR_CODE = frozenset({"handler_missing", "cannot_decode"})


class _Decided(NamedTuple):
    """A turn that is to be committed, and what is true once it is."""

    write: TurnWrite
    events: Sequence[Event]
    after: RunState
    answers: list[tuple[str, Answer]]


class Turns:
    """Commits turns for the runs that this process owns."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        invoker: Invoker,
        *,
        family: Family,
        publishing: bool,
        told: Callable[[OwnedRun, TurnWrite, Sequence[tuple[str, Answer]]], None],
        observers: Observers,
    ) -> None:
        self._store = store
        self._clock = clock
        self._invoker = invoker
        self._family = family
        self._publishing = publishing
        self._told = told
        self._observers = observers
        self.owner: int | None = None
        self.stopping = False

    async def take(self, run: OwnedRun, *arrived: Arrival) -> None:
        """Commits what has arrived, with whatever else arrives meanwhile; returns when all of it is durable.

        Safe from several tasks: one of them commits, the others wait for it.
        """
        run.inbox += arrived
        if run.committing:
            await self.settled(run)
            return
        run.committing = True
        try:
            while run.inbox and not run.gone:
                ready, run.inbox = run.inbox, []
                decided = self._decided(run, ready)
                if decided is None:
                    continue
                try:
                    await self._store.commit(decided.write)
                except (Fenced, Conflict):
                    self._lost(run, decided.write)
                else:
                    self._is_durable(run, decided)
        finally:
            run.committing = False
            if run.settled is not None:
                run.has_settled()
            if run.sleeper is not None:
                run.wake()

    async def settled(self, run: OwnedRun) -> None:
        """Returns when no commit of the run is under way: until then nobody may build upon its state."""
        while run.committing:
            if run.settled is None:
                run.settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(run.settled)  # several may wait for it, and one of them may be cancelled

    def _decided(self, run: OwnedRun, arrived: list[Arrival]) -> _Decided | None:
        """What follows from what has arrived; None when nothing does."""
        before, now = run.state, self._clock.now()
        if len(arrived) == 1 and type(arrived[0]) is not Sent:
            turn, answers = decide(before, arrived, now, run.calling, self._invoker.choose), NO_ANSWERS  # type: ignore[arg-type]
        else:
            turn, answers = self._decide_all(run, arrived, now)
        events, after = turn.events, turn.state
        row = self._row(run, before, events, after, now)
        if events:
            outbox = outbox_rows(before, events, arrived) if self._publishing else ()
            at, text = after.at, encode_turn(events)
            write = TurnWrite(run.key, run.epoch, before.seq + 1, at, text, row, answers, outbox)
        elif row is not None or answers:
            write = TurnWrite(run.key, run.epoch, before.seq + 1, now, None, row, answers)
        else:
            return None
        if after.definition is not before.definition:
            write.moved = after.definition
        if after.parent is not None or not after.definition.is_line:
            self._tell_family(run, write, before, after, events, arrived)
        return _Decided(write, events, after, answers)

    def _is_durable(self, run: OwnedRun, decided: _Decided) -> None:
        write, events, run.state, answers = decided
        if events and self._observers.anybody:
            self._observers.turn(run, events)
        if write.row is not None or answers or write.starts or write.messages:
            run.gone = write.row is not None and write.row.owner is None
            self._told(run, write, answers)

    def _tell_family(
        self,
        run: OwnedRun,
        write: TurnWrite,
        before: RunState,
        after: RunState,
        events: Sequence[Event],
        arrived: Sequence[Arrival],
    ) -> None:
        """Children that start, and what is said to children and parent, ride in the same commit."""
        recalls = [a for a in arrived if type(a) is Sent and type(a.command) is Recall and a.command.undo]
        asked = recalls[-1].command_id if recalls else None
        write.starts = self._family.born(run.key.tenant, before, after)
        write.messages = messages(before, after, events, asked=asked)

    def _lost(self, run: OwnedRun, write: TurnWrite) -> None:
        log.warning("%s: another worker has claimed it; what was decided here is dropped", run.saga_id)
        run.gone = True
        self._told(run, write, NO_ANSWERS)
        run.stop()

    def lose(self, run: OwnedRun) -> None:
        """Another worker has claimed it, as the store says."""
        self._lost(run, TurnWrite(run.key, run.epoch, run.state.seq + 1, self._clock.now(), None))

    def _decide_all(self, run: OwnedRun, arrived: list[Arrival], now: float) -> tuple[Turn, list[tuple[str, Answer]]]:
        """Several arrivals, or such as want an answer."""
        refused = {a.command_id: answer for a in arrived if type(a) is Sent and (answer := self._misfit(run.state, a))}
        kept = [a for a in arrived if type(a) is not Sent or a.command_id not in refused]
        commands: list[Command] = [a.command if type(a) is Sent else a for a in kept]  # type: ignore[misc]
        turn = decide(run.state, commands, now, run.calling, self._invoker.choose)
        decided = zip(kept, turn.answers, strict=True)
        answers = [(a.command_id, answer) for a, answer in decided if type(a) is Sent and answer is not None]
        return turn, [*refused.items(), *answers]

    async def release(self, run: OwnedRun, rest: float = 0.0) -> None:
        """Gives the claim back, with nothing in doubt: no call of this run is under way.

        `rest`: nobody should claim it again for so many seconds.
        """
        state, now = run.state, self._clock.now()
        row = self._released(state)
        if row.due_at is not None:
            row.due_at = max(row.due_at, now + rest)
        write = TurnWrite(run.key, run.epoch, state.seq + 1, now, None, row)
        run.committing = True  # what arrives meanwhile is for the next owner: it is stored, and makes the run due
        try:
            await self._store.commit(write)
        except Fenced:
            self._lost(run, write)
        else:
            run.gone = True
            self._told(run, write, NO_ANSWERS)
        finally:
            run.committing = False
            if run.settled is not None:
                run.has_settled()

    def _row(
        self, run: OwnedRun, before: RunState, events: Sequence[Event], after: RunState, now: float
    ) -> RowChange | None:
        """The index row changes only when a reader, or another worker, must see something else than before."""
        ready = self._has_work(run, after, now) and not self.stopping
        if not ready and not run.calling:  # a claim is never released under a call
            return self._released(after)
        if len(events) == 1 and type(events[0]) in UNREMARKABLE and not run.lost:
            return None
        lost, run.lost = run.lost, lost_attempts(after)
        if lost == run.lost and before.status is after.status:
            return None
        return RowChange(after.status, self.owner, now, run.lost, needs=False, stopped=stopped_milestone(after))

    def _has_work(self, run: OwnedRun, after: RunState, now: float) -> bool:
        """Something is to be called now or soon, beside what is being called."""
        if after.definition.is_line:
            index = run.next = next_call(after)
            return index is not None and after.calls(index).not_before <= now + HOLD
        return any(after.calls(i).not_before <= now + HOLD for i in to_call(after, run.calling))

    def _released(self, after: RunState) -> RowChange:
        needs = bool(after.attention) and any(a.kind in PARKED_FOR_CODE for a in after.attention)
        due = NEVER if (due_at := next_due(after)) is None and after.final is None else due_at
        return RowChange(after.status, None, due, lost_attempts(after), needs, stopped_milestone(after))

    def _misfit(self, state: RunState, sent: Sent) -> Answer | None:
        """A result given from outside that does not fit its milestone's type is refused before it is decided."""
        command = sent.command
        if not isinstance(command, Advance | Skip | StateFact) or state.final is not None:
            return None
        open_ones = [state.definition.milestones[i].id for i in state.open] + [a.milestone for a in state.attention]
        name = command.milestone or next((m for m in open_ones if m), None)
        if name is None or (command.result is None and not (name in open_ones and _gives_a_result(state, command))):
            return None
        problem = self._invoker.problem_with(state.definition, name, command.result)
        return None if problem is None else Answer(False, "wrong_result" if command.result else "needs_result", problem)


def _gives_a_result(state: RunState, command: Command) -> bool:
    """Others will read what this milestone gave: what stands in for it has to be said."""
    if type(command) is Advance:
        return command.outcome == "ok"
    return type(command) is Skip and state.direction == DO


UNREMARKABLE = frozenset({ev.MilestoneCompleted, ev.MilestoneCompensated, ev.AttemptEnded})
"""Alone in a turn, these change nothing that the index row says."""


def to_call(state: RunState, calling: Sequence[int]) -> list[int]:
    """The milestones that are to be called, now or later, and are not being called.

    An undo waits until every call has ended; one may outlive its milestone, when an answer came from elsewhere first.
    """
    if state.final is not None or state.paused_at is not None:
        return []
    able = [index for index in state.open if index not in calling and calls_somebody(state, index)]
    return [index for index in able if state.op_of(index) == DO] if calling else able


def lost_attempts(state: RunState) -> int:
    """How often a worker died while it called what is open now: what went well since then is no reason for care."""
    return max([state.calls(index).lost for index in state.open], default=0)


NO_ANSWERS: list[tuple[str, Answer]] = []


def is_settled(status: SagaStatus) -> bool:
    """The run has an outcome to tell: it ended, or waits for a person."""
    return status in FINAL or status is SagaStatus.FAILED
