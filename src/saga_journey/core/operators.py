"""What people and other systems may say to a run, and what follows. Everything refused here changes nothing."""

from __future__ import annotations

from collections.abc import Collection

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.events import DO, UNDO, Event
from saga_journey.core.reports import completed, gave_up, refused
from saga_journey.core.shape import is_choice
from saga_journey.core.state import (
    PENDING,
    RUNNING,
    WAITING,
    Attention,
    RunState,
    SagaStatus,
    UndoStatus,
)
from saga_journey.core.stopping import after_failure, in_doubt, stop, turn_back
from saga_journey.core.walk import owes_undo
from saga_journey.errors import Rejected


def on_advance(state: RunState, c: cmd.Advance, now: float, calling: Collection[int]) -> list[Event]:
    """The outcome of a milestone that waits for the outside."""
    index = _waiting(state, c.milestone)
    calls = state.calls(index)
    if c.expected_attempt is not None and c.expected_attempt != calls.number:
        raise Rejected(
            "stale",
            f"attempt {calls.number} of {_name(state, index)!r} is the current one, not "
            f"{c.expected_attempt}: look again",
        )
    others = [i for i in calling if i != index]
    if c.next_step is not None:
        _must_lead_to(state, index, c.next_step)
    if c.outcome == "ok":
        chosen = [ev.ArmChosen(_name(state, index), c.next_step, c.who)] if c.next_step is not None else []
        return [*completed(state, index, c.result, c.who), *chosen]
    if c.outcome == "refused":
        return refused(state, index, c.reason or "refused", others, c.who)
    return gave_up(state, index, c.reason or "answered: unknown", others)


def _waiting(state: RunState, milestone: str | None) -> int:
    waiting = [i for i in state.open if state.op_of(i) == DO and _accepts_answer(state, i)]
    if state.direction == UNDO or state.final is not None:
        raise Rejected("not_waiting", f"the saga is {state.status}: nothing of it waits for an answer")
    if milestone is None:
        if not waiting:
            raise Rejected("not_waiting", "nothing of it waits for an answer now: `status` shows where it stands")
        if len(waiting) > 1:
            names = ", ".join(_name(state, i) for i in waiting)
            raise Rejected("not_waiting", f"{names} wait for an answer: name the one you mean")
        return waiting[0]
    index = _index(state, milestone)
    if index in waiting:
        return index
    if state.milestones[index].status is PENDING:
        first = ", ".join(_name(state, i) for i in state.open) or "what stands before it"
        raise Rejected(
            "not_waiting_yet", f"{milestone!r} has not been started, {first} comes first: send it again then"
        )
    raise Rejected("not_waiting", f"{milestone!r} is {state.milestones[index].status}: it waits for no answer")


def _accepts_answer(state: RunState, index: int) -> bool:
    m, kind = state.milestones[index], state.definition.milestones[index].kind
    return (m.status is WAITING and kind not in ("timer", "child")) or (m.status is RUNNING and kind == "external")


def on_choose(state: RunState, c: cmd.Choose, now: float, calling: Collection[int]) -> list[Event]:
    """Where the journey goes on, when its conditions did not say."""
    _must_move(state)
    asked = [a.milestone for a in state.attention if a.kind == "no_arm" and c.milestone in (None, a.milestone)]
    if len(asked) != 1 or asked[0] is None:
        raise Rejected("no_choice", f"{c.milestone or 'nothing'} waits for nobody to choose where the journey goes on")
    _must_lead_to(state, _index(state, asked[0]), c.next_step)
    return [ev.ArmChosen(asked[0], c.next_step, c.who or "a person")]


def _must_lead_to(state: RunState, index: int, target: str) -> None:
    spec = state.definition.milestones[index]
    arms = [step.milestone for step in spec.next_steps]
    if target not in arms or not is_choice(spec):
        leads = f"it goes on to {', '.join(map(repr, arms))}" if is_choice(spec) else "there is no choice after it"
        raise Rejected("no_such_step", f"{spec.id!r} does not lead to {target!r}: {leads}")


def on_cancel(state: RunState, c: cmd.Cancel, now: float, calling: Collection[int]) -> list[Event]:
    """Undo what is done, unless there is no way back. While the undo is under way it changes nothing."""
    _must_be_its_own(state)
    if state.final is SagaStatus.COMPLETED:
        raise Rejected("finished", "the saga is completed: `compensate` undoes a completed saga")
    return _stop_running(state, c, calling)


def on_compensate(state: RunState, c: cmd.Compensate, now: float, calling: Collection[int]) -> list[Event]:
    """As cancel, and of a completed saga too."""
    _must_be_its_own(state)
    if c.expected is not None and c.expected != state.seq:
        raise Rejected("conflict", f"the saga has moved on since that preview (event {state.seq}): look at a new one")
    if state.definition.kind == "structured":
        raise Rejected("not_a_saga", "a structured journey is undone milestone by milestone, by hand")
    if state.final is SagaStatus.COMPLETED and not state.past_pivot:
        return turn_back(state, c.because(), calling)
    if state.final is SagaStatus.COMPLETED:
        raise Rejected("past_pivot", "the saga is completed past its pivot: there is no way back")
    return _stop_running(state, c, calling)


def _must_be_its_own(state: RunState) -> None:
    if state.parent is not None:
        belongs = f"it belongs to {state.parent.saga_id}, milestone {state.parent.milestone!r}"
        raise Rejected("owned_by_parent", f"{belongs}: cancel or compensate that one, it takes its children along")


def _stop_running(state: RunState, c: cmd.Cancel | cmd.Compensate, calling: Collection[int]) -> list[Event]:
    if state.final in (SagaStatus.COMPENSATED, SagaStatus.CANCELLED):
        return []
    if state.final is not None:
        raise Rejected("final", f"the saga is {state.final}: it can no longer be undone")
    if state.direction == UNDO:
        return []
    if any(a.kind == "pivot_in_doubt" for a in state.attention):
        raise Rejected("pivot_in_doubt", "state first whether the pivot happened: `resolve`, or `retry` it")
    return stop(state, c.because(), calling)


def on_pause(state: RunState, c: cmd.Pause, now: float, calling: Collection[int]) -> list[Event]:
    if state.final is not None:
        raise Rejected("final", f"the saga is {state.final}: there is nothing to pause")
    if _waits_for_a_person(state):
        raise Rejected("in_attention", "the saga waits for a person already: nothing is called meanwhile")
    return [] if state.paused_at is not None else [ev.Paused(c.who, c.reason)]


def on_resume(state: RunState, c: cmd.Resume, now: float, calling: Collection[int]) -> list[Event]:
    if state.paused_at is None:
        raise Rejected("not_paused", f"the saga is {state.status}, not paused")
    return [ev.Resumed(c.who)]


def on_retry(state: RunState, c: cmd.RetryMilestone, now: float, calling: Collection[int]) -> list[Event]:
    """Re-open what is in attention, in the run's direction; cut a backoff short. Never forward after the decision."""
    _must_move(state)
    if not _is_about_attention(state, c.milestone):
        return _hasten(state, c, now, calling)
    attention = _attention(state, c.milestone)
    if attention.milestone is None:
        if c.input is not None:
            raise Rejected("no_milestone", "this attention is about the whole saga: `retry` it without an input first")
        return [ev.AttentionCleared(attention.kind, c.who, c.reason)]
    if attention.kind in ONLY_STATED:
        raise Rejected("not_retried", f"{attention.milestone!r} is not tried again: {ONLY_STATED[attention.kind]}")
    index = _index(state, attention.milestone)
    undoing = state.milestones[index].undo_status in (UndoStatus.FAILED, UndoStatus.RUNNING)  # also in a rollback
    if (undoing or not _side_by_side(state)) and any(i != index for i in state.open):
        raise Rejected("one_at_a_time", f"{_name(state, state.open[0])!r} has not ended: it goes on before another one")
    retried = ev.MilestoneRetried(attention.milestone, UNDO if undoing else state.direction, c.who, c.reason)
    runs_a_child = state.definition.milestones[index].kind == "child" and retried.op == DO
    edited = c.input or (state.input_of(index) if runs_a_child else None)  # its old child has ended: a new revision
    if edited is None:
        return [retried]
    _may_edit(state, index)
    revision = len(state.inputs) + 1
    return [ev.InputRevised(attention.milestone, edited, revision, c.who, c.reason), retried]


ONLY_STATED = {
    "no_arm": "it is done, `choose` where the journey goes on",
    "child_resolved": "its child has ended for good, `skip` it or say what is so",
}


def _hasten(state: RunState, c: cmd.RetryMilestone, now: float, calling: Collection[int]) -> list[Event]:
    if c.input is not None:
        raise Rejected("not_in_attention", "an input can be edited only for a milestone that waits for a person")
    index = _backing_off(state, c.milestone, now, calling)
    return [ev.AttemptHastened(_name(state, index), state.op_of(index), c.who, c.reason)]


def _backing_off(state: RunState, milestone: str | None, now: float, calling: Collection[int]) -> int:
    backoff = [i for i in state.open if _in_backoff(state, i, now, calling)]
    wanted = backoff if milestone is None else [i for i in backoff if _name(state, i) == milestone]
    if len(wanted) != 1:
        waits = [i for i in state.open if _accepts_answer(state, i) and milestone in (None, _name(state, i))]
        if waits and not wanted:
            raise Rejected("not_in_attention", f"{_name(state, waits[0])!r} waits for an answer: `advance` it")
        raise Rejected("not_in_attention", f"{milestone or 'nothing'} waits neither for a person nor in a backoff")
    return wanted[0]


def _in_backoff(state: RunState, index: int, now: float, calling: Collection[int]) -> bool:
    clock = now if state.paused_at is None else state.paused_at  # a pause stops it
    return index not in calling and not state.waits_outside(index) and state.calls(index).not_before > clock


def _may_edit(state: RunState, index: int) -> None:
    if state.direction == UNDO:
        raise Rejected("undo", "an undo sees the input its action saw: it cannot be edited")
    if in_doubt(state, index):
        raise Rejected("in_doubt", f"{_name(state, index)!r} may have had an effect: state the fact first")


def on_skip(state: RunState, c: cmd.Skip, now: float, calling: Collection[int]) -> list[Event]:
    """Without the action (in attention, waiting, or in backoff), or without the undo that is stuck."""
    _must_be_open(state)
    if state.direction == UNDO:
        return _skip_undo(state, c)
    index = _skippable(state, c.milestone, now, calling)
    if state.definition.milestones[index].pivot:
        if c.result is None:
            raise Rejected("needs_result", "a pivot is skipped only with the result it would have given")
        return completed(state, index, c.result, c.who or "a person")
    return [ev.MilestoneSkipped(_name(state, index), c.result, c.who, c.reason)]


def _skippable(state: RunState, milestone: str | None, now: float, calling: Collection[int]) -> int:
    if _is_about_attention(state, milestone):
        attention = _attention(state, milestone)
        if attention.kind == "no_arm":
            raise Rejected("no_arm", f"{attention.milestone!r} is done: `choose` where the journey goes on")
        if attention.milestone is None:
            raise Rejected("no_milestone", "this attention is about the whole saga: `retry` or `resolve` it")
        return _index(state, attention.milestone)
    able = [i for i in state.open if i not in calling and _waits_or_backs_off(state, i, now, calling)]
    wanted = able if milestone is None else [i for i in able if _name(state, i) == milestone]
    if len(wanted) != 1:
        raise Rejected("not_skippable", "only what waits, backs off or is in attention can be skipped, nothing ahead")
    return wanted[0]


def _waits_or_backs_off(state: RunState, index: int, now: float, calling: Collection[int]) -> bool:
    waits = state.milestones[index].status is WAITING and state.definition.milestones[index].kind != "child"
    return waits or _in_backoff(state, index, now, calling)


def _skip_undo(state: RunState, c: cmd.Skip) -> list[Event]:
    if not _waits_for_a_person(state):
        raise Rejected("not_in_attention", "an undo can be skipped only when it is stuck")
    named = _attention(state, c.milestone).milestone
    if named is None:
        raise Rejected("no_milestone", "this attention is about the whole saga: `retry` or `resolve` it")
    return [ev.UndoSkipped(named, c.who, c.reason)]


def on_state_fact(state: RunState, c: cmd.StateFact, now: float, calling: Collection[int]) -> list[Event]:
    """It happened, it did not happen, it is undone: what only a person can know."""
    _must_be_open(state)
    if c.fact == "undone":
        name = _undoable_by_hand(state, c.milestone, now, calling)
        return [_fact(c, name), *([ev.MilestoneRolledBack(name)] if state.direction == DO else [])]
    if state.direction == UNDO or not _is_about_attention(state, c.milestone):
        raise Rejected("not_in_attention", "a fact can be stated only about a milestone that waits for a person")
    named = _attention(state, c.milestone).milestone
    if named is None or not in_doubt(state, index := _index(state, named)):
        raise Rejected("not_in_doubt", f"what became of {named or 'it'!r} is known already")
    if c.fact == "did_not_happen":
        return after_failure(state, index, _fact(c, named), calling)
    if state.definition.milestones[index].pivot and state.stop is not None:
        return [_fact(c, named), ev.StopTooLate()]
    return [_fact(c, named)]


def _fact(c: cmd.StateFact, milestone: str) -> Event:
    return ev.FactStated(milestone, c.fact, c.result, c.who, c.reason, c.evidence)


def _undoable_by_hand(state: RunState, milestone: str | None, now: float, calling: Collection[int]) -> str:
    rolling_back = any(m.undo_status is not UndoStatus.NONE for m in state.milestones)
    if state.direction == DO and not rolling_back:
        raise Rejected("not_compensating", "nothing is being undone: `compensate` or `cancel` first")
    if _waits_for_a_person(state):
        if (named := _attention(state, milestone).milestone) is None:
            raise Rejected("no_milestone", "this attention is about the whole saga: `retry` or `resolve` it")
        return named
    return _name(state, _backing_off(state, milestone, now, calling))


def on_resolve(state: RunState, c: cmd.Resolve, now: float, calling: Collection[int]) -> list[Event]:
    """Close a run that waits for a person, as it is; what still stands is listed."""
    if state.final is SagaStatus.RESOLVED:
        return []
    _must_be_open(state)
    if not _waits_for_a_person(state):
        raise Rejected("not_in_attention", "the saga can still move by itself: wait, or cancel it")
    return [ev.SagaResolved(c.reason, standing(state), c.who)]


def standing(state: RunState) -> tuple[str, ...]:
    """The milestones whose effects may still stand and that have an undo."""
    finished = (UndoStatus.DONE, UndoStatus.MANUAL)
    return tuple(
        _name(state, i)
        for i, m in enumerate(state.milestones)
        if m.undo_status not in finished and (owes_undo(state, i) or _may_yet_owe(state, i))
    )


def _may_yet_owe(state: RunState, index: int) -> bool:
    """It has no outcome, and may have had an effect that its undo would undo."""
    m = state.milestones[index]
    begun = m.status is WAITING or (m.status is RUNNING and m.doubt)
    return begun and state.definition.milestones[index].undoable


def _waits_for_a_person(state: RunState) -> bool:
    """Nothing of it moves by itself. While one stuck undo is tried again, the others have to wait for it."""
    return state.status is SagaStatus.FAILED


def _is_about_attention(state: RunState, milestone: str | None) -> bool:
    """That milestone waits for a person; going forward, its siblings need not wait for it, nor it for them."""
    if _waits_for_a_person(state):
        return True
    named = [a.milestone for a in state.attention if a.milestone is not None and milestone in (None, a.milestone)]
    return bool(named) and _side_by_side(state)


def _side_by_side(state: RunState) -> bool:
    """Several milestones of it may be at it together: it goes forward, and nobody is going back by hand."""
    forward = state.direction == DO and all(state.op_of(index) == DO for index in state.open)
    return forward and not state.definition.is_line


def _must_be_open(state: RunState) -> None:
    if state.final is not None:
        undo = ": `compensate` undoes it" if state.final is SagaStatus.COMPLETED and not state.past_pivot else ""
        raise Rejected("final", f"the saga is {state.final}{undo}")


def _must_move(state: RunState) -> None:
    _must_be_open(state)
    if state.paused_at is not None:
        raise Rejected("paused", "the saga is paused: resume it first")


def _attention(state: RunState, milestone: str | None) -> Attention:
    named = [a for a in state.attention if milestone is None or a.milestone == milestone]
    if milestone is None and (whole := [a for a in named if a.milestone is None]):
        return whole[0]  # it has no name to be called by, and comes before the others
    if not named:
        waiting = ", ".join(str(a.milestone or a.kind) for a in state.attention)
        raise Rejected("not_in_attention", f"{milestone!r} is not what waits for a person: {waiting} does")
    if len(named) > 1 and milestone is None:
        raise Rejected("ambiguous", "more than one milestone waits for a person: name the one you mean")
    return named[0]


def _index(state: RunState, milestone: str) -> int:
    if milestone not in state.definition.index:
        known = ", ".join(m.id for m in state.definition.milestones)
        raise Rejected("unknown_milestone", f"{milestone!r} is no milestone of {state.definition.name!r}: {known}")
    return state.definition.index[milestone]


def _name(state: RunState, index: int) -> str:
    return state.definition.milestones[index].id
