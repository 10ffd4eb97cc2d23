"""What may follow what: the transition tables, written down a second time, without the machine.

`problem_with(fact)` is None when the event may follow the state that it met.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saga_journey.core import events as ev
from saga_journey.core.definition import Milestone
from saga_journey.core.events import DO, UNDO
from saga_journey.core.state import (
    COMPLETED,
    PENDING,
    REFUSED,
    RUNNING,
    SKIPPED,
    UNKNOWN,
    WAITING,
    MilestoneState,
    RunState,
    SagaStatus,
    UndoStatus,
)
from saga_journey.testing.journal import Fact

FINISHED_UNDO = frozenset({UndoStatus.DONE, UndoStatus.MANUAL, UndoStatus.SKIPPED})
LEAVES_COMPLETED = frozenset({"requested"})


def problem_with(fact: Fact) -> str | None:
    """Why this event may not stand here; None when it may."""
    before, event = fact.before, fact.event
    if isinstance(event, ev.SagaStarted):
        return None if fact.seq == 1 else "a saga starts once, with its first event"
    if before.seq == 0:
        return "a saga starts with saga_started"
    if before.final is not None and not isinstance(event, ev.CompensationDecided):
        return f"nothing follows a final state, and it is {before.final}"
    rule = _RULES.get(type(event))
    return rule(before, event) if rule is not None else None


def in_undo_set(state: RunState, index: int) -> bool:
    """Was it started, may it have had an effect, and is there something that undoes it? (SEMANTICS 2)"""
    m, spec = state.milestones[index], state.definition.milestones[index]
    may_have_happened = m.status in (COMPLETED, UNKNOWN) or (m.status is SKIPPED and m.doubt)
    return m.order > 0 and can_be_undone(spec) and may_have_happened


def can_be_undone(spec: Milestone) -> bool:
    """By its undo; or by the child that it ran, unless that was the point of no return."""
    return spec.undo is not None or (spec.kind == "child" and not spec.pivot)


def _milestone(state: RunState, event: Any) -> MilestoneState:
    return state.milestones[state.definition.index[event.milestone]]


def _named(state: RunState, event: Any) -> bool:
    """Attention names this milestone."""
    return any(a.milestone == event.milestone for a in state.attention)


def _started(state: RunState, e: ev.AttemptStarted) -> str | None:
    m = _milestone(state, e)
    return None if m.status is PENDING else f"{e.milestone} cannot be started: it is {m.status}"


def _arm_chosen(state: RunState, e: ev.ArmChosen) -> str | None:
    m, spec = _milestone(state, e), state.definition.milestones[state.definition.index[e.milestone]]
    if e.arm not in [step.milestone for step in spec.next_steps]:
        return f"{e.milestone} does not lead to {e.arm}"
    if m.arm is not None:
        return f"after {e.milestone} the arm {m.arm} was taken already"
    return f"{e.milestone} is {m.status}: no choice is made yet" if m.status in (PENDING, RUNNING, WAITING) else None


def _recalled(state: RunState, e: ev.ChildRecalled) -> str | None:
    m, spec = _milestone(state, e), state.definition.milestones[state.definition.index[e.milestone]]
    if spec.kind != "child" or m.status is not WAITING:
        return f"{e.milestone} waits for no child"
    return f"the child of {e.milestone} was told already" if m.recalled else None


def _completed(state: RunState, e: ev.MilestoneCompleted) -> str | None:
    m = _milestone(state, e)
    if m.status in (RUNNING, WAITING) or (e.who is not None and _named(state, e)):
        return None
    return f"{e.milestone} cannot complete while it is {m.status}"


def _waiting(state: RunState, e: ev.MilestoneWaiting) -> str | None:
    m = _milestone(state, e)
    return (
        None if m.status is RUNNING and state.direction == DO else f"{e.milestone} cannot wait while it is {m.status}"
    )


def _refused(state: RunState, e: ev.MilestoneRefused) -> str | None:
    m = _milestone(state, e)
    if m.doubt:
        return f"{e.milestone} is in doubt: a no does not tell what its earlier attempts did"
    return None if m.status in (RUNNING, WAITING) else f"{e.milestone} cannot be refused while it is {m.status}"


def _gave_up(state: RunState, e: ev.MilestoneGaveUp) -> str | None:
    m = _milestone(state, e)
    lost_now = m.status is UNKNOWN and m.do is not None and m.do.lost > 0
    return None if m.status in (RUNNING, WAITING) or lost_now else f"{e.milestone} cannot give up: it is {m.status}"


def _skipped(state: RunState, e: ev.MilestoneSkipped) -> str | None:
    if state.direction == UNDO:
        return f"{e.milestone} cannot be skipped once the saga turned back"
    open_now = _milestone(state, e).status in (RUNNING, WAITING)
    return None if open_now or _named(state, e) else f"{e.milestone} cannot be skipped: nothing of it is open"


def _attempt(state: RunState, e: Any) -> str | None:
    index = state.definition.index[e.milestone]
    if index not in state.open or state.op_of(index) != e.op:
        return f"no {e.op} of {e.milestone} is open"
    return None


def _withdrawn(state: RunState, e: ev.AttemptWithdrawn) -> str | None:
    if problem := _attempt(state, e):
        return problem
    m = _milestone(state, e)
    return f"{e.milestone} is in doubt and cannot be taken back" if e.op == DO and m.status is WAITING else None


def _decided(state: RunState, e: ev.CompensationDecided) -> str | None:
    if state.direction == UNDO:
        return "a saga turns back once"
    if state.past_pivot:
        return "the pivot has happened: there is no way back"
    if state.final is None or (state.final is SagaStatus.COMPLETED and e.because.kind in LEAVES_COMPLETED):
        return None
    return f"a {state.final} saga is not left because of: {e.because}"


def _undone(state: RunState, e: Any) -> str | None:
    undo = _milestone(state, e).undo_status
    return None if undo is UndoStatus.RUNNING else f"the undo of {e.milestone} is {undo}, not running"


def _undo_skipped(state: RunState, e: ev.UndoSkipped) -> str | None:
    return None if _named(state, e) else f"the undo of {e.milestone} is not stuck: it cannot be skipped"


def _stop_requested(state: RunState, e: ev.StopRequested) -> str | None:
    return "the saga turned back already" if state.direction == UNDO else None


def _paused(state: RunState, e: ev.Paused) -> str | None:
    return "it is paused already" if state.paused_at is not None else None


def _resumed(state: RunState, e: ev.Resumed) -> str | None:
    return "it is not paused" if state.paused_at is None else None


def _saga_completed(state: RunState, e: ev.SagaCompleted) -> str | None:
    for spec, m in zip(state.definition.milestones, state.milestones, strict=True):
        over = m.status in (COMPLETED, SKIPPED) or (spec.optional and m.status in (REFUSED, UNKNOWN))
        if not over:
            return f"it cannot be completed: {spec.id} is {m.status}"
        choice = len(spec.next_steps) > 1 or any(step.when is not None for step in spec.next_steps)
        if choice and m.order > 0 and m.arm is None:
            return f"it cannot be completed: nobody has chosen where to go on after {spec.id}"
    return "it cannot be completed: it turned back" if state.direction == UNDO else None


def _saga_compensated(state: RunState, e: ev.SagaCompensated) -> str | None:
    if state.direction == DO:
        return "it cannot be compensated: it never turned back"
    for index, (spec, m) in enumerate(zip(state.definition.milestones, state.milestones, strict=True)):
        if m.status in (RUNNING, WAITING):
            return f"it cannot be compensated: {spec.id} is still {m.status}"
        if in_undo_set(state, index) and m.undo_status not in (UndoStatus.DONE, UndoStatus.MANUAL):
            return f"it cannot be compensated: the undo of {spec.id} is {m.undo_status}"
    return None


def _saga_resolved(state: RunState, e: ev.SagaResolved) -> str | None:
    skipped = any(m.undo_status is UndoStatus.SKIPPED for m in state.milestones)
    return None if state.attention or skipped else "nobody closes a saga that can still move"


def _retried(state: RunState, e: ev.MilestoneRetried) -> str | None:
    rolled_back = e.op == UNDO and _milestone(state, e).undo_status is UndoStatus.FAILED
    if e.op != state.direction and not rolled_back:
        return f"a retry never turns a saga round: it goes {state.direction}, not {e.op}"
    return None if _named(state, e) else f"{e.milestone} does not wait for a person"


def _fact_stated(state: RunState, e: ev.FactStated) -> str | None:
    in_backoff = e.fact == "undone" and _milestone(state, e).undo_status is UndoStatus.RUNNING
    return None if _named(state, e) or in_backoff else f"{e.milestone} does not wait for a person"


def _revised(state: RunState, e: ev.InputRevised) -> str | None:
    m = _milestone(state, e)
    in_doubt = m.status is UNKNOWN or (m.doubt and m.status not in (COMPLETED, REFUSED, PENDING))
    return f"{e.milestone} is in doubt: its input cannot be edited" if in_doubt or state.direction == UNDO else None


_RULES: dict[type, Callable[[RunState, Any], str | None]] = {
    ev.AttemptStarted: _started,
    ev.ArmChosen: _arm_chosen,
    ev.ChildRecalled: _recalled,
    ev.MilestoneCompleted: _completed,
    ev.MilestoneWaiting: _waiting,
    ev.MilestoneRefused: _refused,
    ev.MilestoneGaveUp: _gave_up,
    ev.MilestoneSkipped: _skipped,
    ev.AttemptEnded: _attempt,
    ev.AttemptLost: _attempt,
    ev.AttemptWorking: _attempt,
    ev.AttemptHastened: _attempt,
    ev.AttemptWithdrawn: _withdrawn,
    ev.CompensationDecided: _decided,
    ev.MilestoneCompensated: _undone,
    ev.UndoGivenUp: _undone,
    ev.UndoSkipped: _undo_skipped,
    ev.StopRequested: _stop_requested,
    ev.Paused: _paused,
    ev.Resumed: _resumed,
    ev.SagaCompleted: _saga_completed,
    ev.SagaCompensated: _saga_compensated,
    ev.SagaResolved: _saga_resolved,
    ev.MilestoneRetried: _retried,
    ev.FactStated: _fact_stated,
    ev.InputRevised: _revised,
}
