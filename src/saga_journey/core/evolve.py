"""The fold: what each event does to a state. `evolve` is the one place where a state comes from.

It folds the events of a turn in order into a copy, and then opens the intents that follow from where the run now
stands; so loading a run is `evolve` over its journal rows, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from saga_journey.core import events as ev
from saga_journey.core.codec import decode_definition
from saga_journey.core.events import DO, UNDO, Event, Op
from saga_journey.core.state import (
    COMPLETED,
    PENDING,
    REFUSED,
    RUNNING,
    SKIPPED,
    UNKNOWN,
    WAITING,
    Attention,
    MilestoneState,
    MilestoneStatus,
    RunState,
    SagaStatus,
    UndoStatus,
)
from saga_journey.core.stopping import draining
from saga_journey.core.walk import open_intents, start_action, start_undo


def evolve(state: RunState, turn: Sequence[Event], at: float) -> RunState:
    """The state after one turn. `at` is the time of the turn; the given state stays as it is."""
    after = state.copy()
    for event in turn:
        fold(after, event, at)
    open_intents(after)
    return after


def fold(state: RunState, event: Event, at: float) -> None:
    """One event, in place. Intents are opened once, at the end of the turn."""
    state.seq += 1
    state.at = at
    _FOLDS[type(event)](state, event)


_Fold = Callable[[RunState, Any], None]


def _saga_started(state: RunState, e: ev.SagaStarted) -> None:
    state.started_at = state.at
    state.inputs = (e.input,)
    state.user, state.parent = e.user, e.parent


def _attempt_started(state: RunState, e: ev.AttemptStarted) -> None:
    start_action(state, state.definition.index[e.milestone])


def _arm_chosen(state: RunState, e: ev.ArmChosen) -> None:
    state.change(state.definition.index[e.milestone]).arm = e.arm
    reached = state.definition.ways.reached_from(e.arm)
    for index, m in enumerate(state.milestones):
        if m.status is PENDING and index not in reached:
            state.change(index).status = SKIPPED
    if state.attention:
        state.clear_attention(e.milestone)


def _child_recalled(state: RunState, e: ev.ChildRecalled) -> None:
    state.change(state.definition.index[e.milestone]).recalled = True


def _milestone_completed(state: RunState, e: ev.MilestoneCompleted) -> None:
    index = state.definition.index[e.milestone]
    m = state.milestones[index] = state.milestones[index].copy()
    m.status = COMPLETED
    m.doubt = m.asking = False
    m.result = e.result
    state.close(index)
    if state.attention:
        state.clear_attention(e.milestone)


def _milestone_waiting(state: RunState, e: ev.MilestoneWaiting) -> None:
    m = state.change(state.definition.index[e.milestone])
    m.status, m.asking = WAITING, False


def _milestone_refused(state: RunState, e: ev.MilestoneRefused) -> None:
    _end_unanswered(state, e.milestone, REFUSED, e.reason, doubt=False)


def _milestone_gave_up(state: RunState, e: ev.MilestoneGaveUp) -> None:
    _end_unanswered(state, e.milestone, UNKNOWN, e.error, doubt=True)


def _end_unanswered(state: RunState, milestone: str, status: MilestoneStatus, error: str, *, doubt: bool) -> None:
    index = state.definition.index[milestone]
    state.change_calls(index, DO).error = error
    m = state.milestones[index]
    m.status, m.doubt, m.asking = status, doubt, False
    state.close(index)
    if state.attention:
        state.clear_attention(milestone)


def _milestone_skipped(state: RunState, e: ev.MilestoneSkipped) -> None:
    index = state.definition.index[e.milestone]
    m = state.change(index)
    has_effects = state.definition.milestones[index].kind != "timer"
    m.doubt = m.doubt or (has_effects and m.status in (UNKNOWN, WAITING))
    m.status, m.asking, m.result = SKIPPED, False, e.result
    state.close(index)
    state.clear_attention(e.milestone)


def _attempt_ended(state: RunState, e: ev.AttemptEnded) -> None:
    index = state.definition.index[e.milestone]
    calls = state.change_calls(index, e.op)
    calls.answered += 1
    calls.error = e.error
    _after_failure(state, index, e.op, e.retry_at, clean=e.clean)


def _attempt_lost(state: RunState, e: ev.AttemptLost) -> None:
    index = state.definition.index[e.milestone]
    calls = state.change_calls(index, e.op)
    calls.lost += 1
    calls.error = "the worker that was calling died"
    _after_failure(state, index, e.op, e.retry_at, clean=False)


def _after_failure(state: RunState, index: int, op: Op, retry_at: float | None, *, clean: bool) -> None:
    m = state.milestones[index]
    calls = m.do if op == DO else m.undo
    assert calls is not None
    if op == DO:
        m.doubt = m.doubt or not clean or m.asking  # what was accepted may yet happen, whatever asking again gave
        m.asking = False
        m.status = RUNNING
    if retry_at is not None:
        calls.again(retry_at, state.seq)
    elif op == DO:
        m.status = UNKNOWN if m.doubt else REFUSED
        state.close(index)


def _attempt_working(state: RunState, e: ev.AttemptWorking) -> None:
    index = state.definition.index[e.milestone]
    calls = state.change_calls(index, e.op)
    calls.not_before = e.ask_at
    calls.fence = state.seq
    if e.op == DO:
        m = state.milestones[index]
        m.status, m.asking = WAITING, True


def _attempt_withdrawn(state: RunState, e: ev.AttemptWithdrawn) -> None:
    index = state.definition.index[e.milestone]
    m = state.milestones[index]
    if state.calls(index).number > 1 or (e.op == DO and (m.doubt or m.asking)):
        return  # it was called before: the intent stays, and is performed when nothing blocks the run any more
    if e.op == UNDO and state.direction == DO:
        return  # nothing but this intent says that a person goes back
    m = state.change(index)
    if e.op == DO:
        m.status, m.order, m.do = PENDING, 0, None
    else:
        m.undo_status, m.undo = UndoStatus.NONE, None
    state.close(index)


def _attempt_hastened(state: RunState, e: ev.AttemptHastened) -> None:
    state.change_calls(state.definition.index[e.milestone], e.op).not_before = state.at


def _milestone_retried(state: RunState, e: ev.MilestoneRetried) -> None:
    index = state.definition.index[e.milestone]
    state.clear_attention(e.milestone)
    m = state.milestones[index]
    if (m.do if e.op == DO else m.undo) is None:
        return  # withdrawn before its first call: it starts by itself
    state.change_calls(index, e.op).renew(state.at, state.seq)
    m = state.milestones[index]
    if e.op == DO:
        m.doubt = m.doubt or m.asking
        calls_nobody = state.definition.milestones[index].action is None
        m.status, m.asking, m.recalled = WAITING if calls_nobody else RUNNING, False, False
    else:
        m.undo_status = UndoStatus.RUNNING
    if index not in state.open:
        state.open = (*state.open, index)


def _input_revised(state: RunState, e: ev.InputRevised) -> None:
    state.inputs = (*state.inputs, e.input)
    state.change(state.definition.index[e.milestone]).revision = e.revision


def _fact_stated(state: RunState, e: ev.FactStated) -> None:
    index = state.definition.index[e.milestone]
    m = state.change(index)
    state.close(index)
    if e.fact == "happened":
        m.status, m.doubt, m.asking, m.result = COMPLETED, False, False, e.result
    elif e.fact == "did_not_happen":
        m.status, m.doubt, m.asking = REFUSED, False, False
    else:
        m.undo_status = UndoStatus.MANUAL
    state.clear_attention(e.milestone)


def _compensation_decided(state: RunState, e: ev.CompensationDecided) -> None:
    state.direction = UNDO
    state.because = e.because
    state.final = state.stop = None
    state.attention = ()
    if e.because.kind != "failure":
        state.paused_at = None  # a person, or the deadline, lifts a pause; a failure that was under way does not


def _milestone_compensated(state: RunState, e: ev.MilestoneCompensated) -> None:
    _end_undo(state, e.milestone, UndoStatus.DONE)


def _rollback_started(state: RunState, e: ev.RollbackStarted) -> None:
    """What comes after it, or is still to be called, is as if it had never been started; its own undo is called now."""
    index = state.definition.index[e.milestone]
    order, left_out = state.milestones[index].order, _left_out(state)
    for other, m in enumerate(state.milestones):
        if m.order > order or other in state.open:
            state.milestones[other] = MilestoneState()
            state.close(other)
    _take_in_again(state, left_out)
    state.attention = tuple([a for a in state.attention if 0 < _order_of(state, a) < order])  # siblings that failed
    if state.paused_at is not None:
        _lift_pause(state, state.paused_at)
    state.inputs = (*state.inputs, state.inputs[-1])  # a revision of its own: what is done again has another key
    start_undo(state, index)


def _milestone_rolled_back(state: RunState, e: ev.MilestoneRolledBack) -> None:
    index, left_out = state.definition.index[e.milestone], _left_out(state)
    state.milestones[index] = MilestoneState()
    state.close(index)
    _take_in_again(state, left_out)
    state.clear_attention(e.milestone)
    state.paused_at = state.at


def _order_of(state: RunState, attention: Attention) -> int:
    named = attention.milestone
    return 0 if named is None else state.milestones[state.definition.index[named]].order


def _left_out(state: RunState) -> set[int]:
    """The milestones that the arms chosen so far do not lead to."""
    count, reached_from = len(state.milestones), state.definition.ways.reached_from
    arms = [(index, m.arm) for index, m in enumerate(state.milestones) if m.arm is not None]
    return {other for index, arm in arms for other in range(index + 1, count) if other not in reached_from(arm)}


def _take_in_again(state: RunState, left_out: set[int]) -> None:
    """A choice was taken back: what only that one had left out can be reached once more."""
    for index in left_out - _left_out(state):
        state.milestones[index] = MilestoneState()


def _undo_given_up(state: RunState, e: ev.UndoGivenUp) -> None:
    index = state.definition.index[e.milestone]
    state.change_calls(index, UNDO).error = e.error
    _end_undo(state, e.milestone, UndoStatus.FAILED)


def _undo_skipped(state: RunState, e: ev.UndoSkipped) -> None:
    _end_undo(state, e.milestone, UndoStatus.SKIPPED)
    state.clear_attention(e.milestone)


def _end_undo(state: RunState, milestone: str, status: UndoStatus) -> None:
    index = state.definition.index[milestone]
    state.change(index).undo_status = status
    state.close(index)


def _stop_requested(state: RunState, e: ev.StopRequested) -> None:
    state.stop = e.because
    if state.definition.kind == "structured":
        state.attention = ()
    if state.paused_at is not None:
        _lift_pause(state, state.paused_at)


def _stop_too_late(state: RunState, e: ev.StopTooLate) -> None:
    if state.stop is not None and state.stop.kind == "deadline":
        state.deadline_missed = True
    state.stop = None


def _deadline_missed(state: RunState, e: ev.DeadlineMissed) -> None:
    state.deadline_missed = True


def _paused(state: RunState, e: ev.Paused) -> None:
    state.paused_at = state.at


def _resumed(state: RunState, e: ev.Resumed) -> None:
    assert state.paused_at is not None
    _lift_pause(state, state.paused_at)


def _lift_pause(state: RunState, paused_at: float) -> None:
    span = state.at - paused_at
    for index in state.open:
        calls = state.change_calls(index, state.op_of(index))
        calls.since += span
        if calls.not_before > paused_at:
            calls.not_before += span
    state.shift += span
    state.paused_at = None


def _definition_moved(state: RunState, e: ev.DefinitionMoved) -> None:
    """Nothing that is folded depends on policies, so all that has happened means the same under the new definition."""
    state.definition = _read(e.definition)


_read = lru_cache(maxsize=256)(decode_definition)


def _attention_raised(state: RunState, e: ev.AttentionRaised) -> None:
    if e.milestone is None:
        _doubt_what_was_called(state)
    state.attention = (*state.attention, Attention(e.kind, e.milestone, e.detail))


def _doubt_what_was_called(state: RunState) -> None:
    """The run was parked unread, after owners that died: no attempt was recorded as lost, and any may have been."""
    for index in state.open:
        begun = not state.waits_outside(index) and state.calls(index).not_before <= state.at
        if not begun or state.op_of(index) == UNDO:
            continue
        m = state.change(index)
        m.doubt = True
        if draining(state):  # it was only to end
            m.status, m.asking = UNKNOWN, False
            state.close(index)


def _attention_cleared(state: RunState, e: ev.AttentionCleared) -> None:
    state.attention = tuple([a for a in state.attention if a.kind != e.kind])


def _saga_completed(state: RunState, e: ev.SagaCompleted) -> None:
    _end(state, SagaStatus.COMPLETED)


def _saga_compensated(state: RunState, e: ev.SagaCompensated) -> None:
    _end(state, SagaStatus.COMPENSATED)


def _saga_resolved(state: RunState, e: ev.SagaResolved) -> None:
    state.reason, state.left = e.reason, e.left
    _end(state, SagaStatus.RESOLVED)


def _saga_cancelled(state: RunState, e: ev.SagaCancelled) -> None:
    state.because = e.because
    _end(state, SagaStatus.CANCELLED)


def _end(state: RunState, final: SagaStatus) -> None:
    state.final = final
    state.open = ()
    state.attention = ()
    state.paused_at = None


_FOLDS: dict[type, _Fold] = {
    ev.SagaStarted: _saga_started,
    ev.AttemptStarted: _attempt_started,
    ev.ArmChosen: _arm_chosen,
    ev.ChildRecalled: _child_recalled,
    ev.MilestoneCompleted: _milestone_completed,
    ev.MilestoneWaiting: _milestone_waiting,
    ev.MilestoneRefused: _milestone_refused,
    ev.MilestoneGaveUp: _milestone_gave_up,
    ev.MilestoneSkipped: _milestone_skipped,
    ev.AttemptEnded: _attempt_ended,
    ev.AttemptLost: _attempt_lost,
    ev.AttemptWorking: _attempt_working,
    ev.AttemptWithdrawn: _attempt_withdrawn,
    ev.AttemptHastened: _attempt_hastened,
    ev.MilestoneRetried: _milestone_retried,
    ev.InputRevised: _input_revised,
    ev.FactStated: _fact_stated,
    ev.CompensationDecided: _compensation_decided,
    ev.MilestoneCompensated: _milestone_compensated,
    ev.RollbackStarted: _rollback_started,
    ev.MilestoneRolledBack: _milestone_rolled_back,
    ev.UndoGivenUp: _undo_given_up,
    ev.UndoSkipped: _undo_skipped,
    ev.StopRequested: _stop_requested,
    ev.StopTooLate: _stop_too_late,
    ev.DeadlineMissed: _deadline_missed,
    ev.Paused: _paused,
    ev.Resumed: _resumed,
    ev.DefinitionMoved: _definition_moved,
    ev.AttentionRaised: _attention_raised,
    ev.AttentionCleared: _attention_cleared,
    ev.SagaCompleted: _saga_completed,
    ev.SagaCompensated: _saga_compensated,
    ev.SagaResolved: _saga_resolved,
    ev.SagaCancelled: _saga_cancelled,
}
