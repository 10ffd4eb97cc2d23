"""The machine: what has arrived, in; what is now true, out. Pure: it knows no clock, no ids, no randomness, no I/O.

A turn folds everything that is ready into one decision, in the order results, commands as they arrived, takeover
losses, time (SEMANTICS 28), and opens intents once at the end. So a result beats a deadline of the same turn, a stored
cancel beats a fresh attempt, and a final state absorbs what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from saga_journey.core import children, operators, rollback
from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.commands import APPLIED, Answer, Command
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import DO, Event, Parent
from saga_journey.core.evolve import fold
from saga_journey.core.moving import on_move
from saga_journey.core.reports import doubtful, on_report, on_take_over
from saga_journey.core.state import RunState, UndoStatus
from saga_journey.core.stopping import draining
from saga_journey.core.timers import on_time_passed
from saga_journey.core.walk import may_start, next_forward, next_undo, open_intents, ready, undecided
from saga_journey.errors import Rejected


@dataclass(slots=True)
class Turn:
    """What one turn decided: its events, the state they lead to, an answer for each command (None: none is due)."""

    events: list[Event]
    state: RunState
    answers: list[Answer | None]


class NoArm(Exception):
    """No condition of a choice holds, or one could not be read; the message says which and why."""


Choice = Callable[[RunState, int], str]
"""Where a journey goes on after that milestone: the first of its `next_steps` whose condition holds. Raises NoArm."""


def first_unconditional(state: RunState, index: int) -> str:
    """The choice where conditions cannot be read: the step that has none."""
    for step in state.definition.milestones[index].next_steps:
        if step.when is None:
            return step.milestone
    raise NoArm("nothing here reads conditions")


def begin(
    definition: JourneyDefinition,
    saga_id: str,
    input: Json,
    user: str | None,
    now: float,
    parent: Parent | None = None,
) -> Turn:
    """The first turn of a run: started, and the intents of its first step."""
    state = RunState(definition, saga_id)
    events: list[Event] = [ev.SagaStarted(input, user, parent)]
    fold(state, events[0], now)
    if not definition.is_line:
        _go_on(state, now, events, first_unconditional)
    open_intents(state)
    return Turn(events, state, [])


def decide(
    state: RunState,
    arrived: Sequence[Command],
    now: float,
    calling: Collection[int] = (),
    choose: Choice = first_unconditional,
) -> Turn:
    """One turn. `calling` are the milestones whose handler is being called at this moment by this worker.

    `now` is store time in seconds; a clock that runs behind the journal counts as the time of its last event.
    `choose` reads conditions: a function of the state alone.
    """
    if now < state.at:
        now = state.at
    after = state.copy()
    if len(arrived) == 1 and type(arrived[0]) is cmd.Report:  # nearly every turn; a report is never rejected
        events, answers = on_report(after, arrived[0], now, calling), _NO_ANSWER
        for event in events:
            fold(after, event, now)
    elif len(arrived) == 1:
        events, answer = _take(after, arrived[0], now, calling)
        answers = [answer]
    else:
        events, answers = _take_all(after, arrived, now, calling)
    if events and not after.definition.is_line:
        _go_on(after, now, events, choose)
    open_intents(after)
    if not after.open:
        _conclude(after, now, events)
    return Turn(events, after, answers)


def _go_on(state: RunState, now: float, events: list[Event], choose: Choice) -> None:
    """Where the journey is not a line: which arms are taken, and what is started together."""
    while not draining(state) and state.final is None and (index := undecided(state)) is not None:
        events.append(_choice(state, index, choose))
        fold(state, events[-1], now)
    starting = ready(state) if may_start(state) else []
    if len(starting) > 1 or (starting and _opens_an_attempt(state)):
        for index in starting:
            events.append(ev.AttemptStarted(state.definition.milestones[index].id))
            fold(state, events[-1], now)


def _opens_an_attempt(state: RunState) -> bool:
    """The newest event implies an attempt already, whose fence is its seq: what starts beside it needs its own."""
    return any(state.calls(index).fence == state.seq for index in state.open)


def _choice(state: RunState, index: int, choose: Choice) -> Event:
    name = state.definition.milestones[index].id
    try:
        return ev.ArmChosen(name, choose(state, index))
    except NoArm as none:
        return ev.AttentionRaised("no_arm", name, str(none))


def _take_all(
    state: RunState, arrived: Sequence[Command], now: float, calling: Collection[int]
) -> tuple[list[Event], list[Answer | None]]:
    """Several commands in one turn, each on the state that the ones before it left."""
    events: list[Event] = []
    answers: list[Answer | None] = [None] * len(arrived)
    reported = [_reported(state, command) for command in arrived]
    called = {*calling, *reported}  # until its report is taken, what it did must not be taken back
    theirs = doubtful(state, now) if any(type(command) is cmd.TakeOver for command in arrived) else []
    for place in sorted(range(len(arrived)), key=lambda place: _precedence(arrived[place])):
        command = arrived[place]
        called.discard(reported[place])
        busy = called if type(command) is cmd.TimePassed else called.union(theirs)  # a dead owner may have called them
        new, answers[place] = _take(state, command, now, busy)
        events += new
        if not state.open:
            _conclude(state, now, events)
    return events, answers


def _reported(state: RunState, command: Command) -> int:
    """The milestone whose open attempt this reports on; NONE when it is no such report."""
    if type(command) is cmd.Report and state.expects(command.milestone, command.op, command.attempt):
        return command.milestone
    return NONE


NONE = -1


def _precedence(command: Command) -> int:
    return _ORDER.get(type(command), 1)


_ORDER: dict[type, int] = {cmd.Report: 0, cmd.TakeOver: 2, cmd.TimePassed: 3}


def _take(state: RunState, command: Command, now: float, calling: Collection[int]) -> tuple[list[Event], Answer | None]:
    """Decides one command on the state so far, folds what follows into it, and says what the answer is."""
    kind = type(command)
    try:
        new = _DECISIONS[kind](state, command, now, calling)
    except Rejected as rejection:
        return [], Answer(False, rejection.code, rejection.detail)
    for event in new:
        fold(state, event, now)
    if kind is cmd.TimePassed and new:
        new += _whatever_else_is_due(state, command, now, calling)
    return new, None if kind in _UNANSWERED else _answer(state, new)


_NO_ANSWER: list[Answer | None] = [None]
_UNANSWERED = frozenset({cmd.Report, cmd.TakeOver, cmd.TimePassed, cmd.HandlersBack})


def _whatever_else_is_due(state: RunState, command: Command, now: float, calling: Collection[int]) -> list[Event]:
    """One clock at a time, each on the state that the one before it left, until none has struck."""
    events: list[Event] = []
    if not state.open:
        _conclude(state, now, events)
    more, _ = _take(state, command, now, calling)
    return events + more


def _answer(state: RunState, new: Sequence[Event]) -> Answer:
    if not new:
        return Answer(True, "no_change", f"the saga is {state.status}")
    may_not_stop = state.definition.kind == "saga" and state.final is None
    if may_not_stop and any(type(e) is ev.StopRequested for e in new):
        return Answer(True, "deferred", "the pivot is being called: applied if it does not happen")
    return APPLIED


def _conclude(state: RunState, now: float, events: list[Event]) -> None:
    """The final row, when the walk has come to its end."""
    for event in _conclusion(state):
        fold(state, event, now)
        events.append(event)


def _conclusion(state: RunState) -> list[Event]:
    if state.final is not None:
        return []
    if state.direction == DO:
        if state.attention:
            return []
        if state.stop is not None and state.definition.kind == "structured":
            return [ev.SagaCancelled(state.stop)]
        through = next_forward(state) is None and (state.definition.is_line or undecided(state) is None)
        return [ev.SagaCompleted()] if through else []
    return _undone(state) if next_undo(state) is None else []


def _undone(state: RunState) -> list[Event]:
    """Compensated means that every member of the undo set is undone; anything less says so (SEMANTICS 17)."""
    spec = state.definition.milestones
    failed = [i for i, m in enumerate(state.milestones) if m.undo_status is UndoStatus.FAILED]
    if failed or state.attention:
        return [ev.AttentionRaised("stuck_undo", spec[i].id, _error(state, i)) for i in failed if not state.blocked(i)]
    if any(m.undo_status is UndoStatus.SKIPPED for m in state.milestones):
        return [ev.SagaResolved("undone, but for what was skipped", operators.standing(state))]
    return [ev.SagaCompensated()]


def _error(state: RunState, index: int) -> str:
    undo = state.milestones[index].undo
    return (undo.error if undo else None) or "its undo failed"


def _on_take_over(state: RunState, _: cmd.TakeOver, now: float, calling: Collection[int]) -> list[Event]:
    return on_take_over(state, now, calling)


def _on_time_passed(state: RunState, _: cmd.TimePassed, now: float, calling: Collection[int]) -> list[Event]:
    return on_time_passed(state, now, calling)


def _on_handlers_back(state: RunState, _: cmd.HandlersBack, now: float, calling: Collection[int]) -> list[Event]:
    blocked = {a.kind for a in state.attention}
    return [ev.AttentionCleared(kind) for kind in ("handler_missing", "cannot_decode") if kind in blocked]


_Decision = Callable[[RunState, Any, float, Collection[int]], list[Event]]
_DECISIONS: dict[type, _Decision] = {
    cmd.Report: on_report,
    cmd.TakeOver: _on_take_over,
    cmd.TimePassed: _on_time_passed,
    cmd.HandlersBack: _on_handlers_back,
    cmd.Advance: operators.on_advance,
    cmd.Cancel: operators.on_cancel,
    cmd.Compensate: operators.on_compensate,
    cmd.Pause: operators.on_pause,
    cmd.Resume: operators.on_resume,
    cmd.RetryMilestone: operators.on_retry,
    cmd.Skip: operators.on_skip,
    cmd.StateFact: operators.on_state_fact,
    cmd.Move: on_move,
    cmd.Resolve: operators.on_resolve,
    cmd.Choose: operators.on_choose,
    cmd.Rollback: rollback.on_rollback,
    cmd.Recall: children.on_recall,
    cmd.ChildEnded: children.on_child_ended,
}
