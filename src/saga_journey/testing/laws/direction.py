"""One way there and one way back: the decision, the order of undos, the point of no return."""

from __future__ import annotations

from saga_journey.core import events as ev
from saga_journey.core.events import DO, UNDO
from saga_journey.core.state import COMPLETED, RunState, UndoStatus
from saga_journey.testing.evidence import SagaEvidence
from saga_journey.testing.laws import Broken
from saga_journey.testing.laws.transitions import FINISHED_UNDO, in_undo_set
from saga_journey.testing.ledger import Entry


def decided_at(s: SagaEvidence) -> int | None:
    """The seq of the decision to compensate."""
    return next((f.seq for f in s.facts_of(ev.CompensationDecided)), None)


def turns_once(s: SagaEvidence) -> Broken:
    """I11: the direction changes at most once."""
    decisions = [f.seq for f in s.facts_of(ev.CompensationDecided)]
    if len(decisions) > 1:
        yield "I11", f"it turned back more than once, at events {decisions}"


def no_forward_after_the_decision(s: SagaEvidence) -> Broken:
    """I11: after the decision no action is started, and none reaches a participant that undid it already."""
    decision = decided_at(s)
    if decision is None:
        return
    for intent in s.intents:
        if intent.op == DO and intent.fence >= decision:
            yield "I11", f"an action of {intent.milestone} was opened at event {intent.fence}, after the decision"
    for entry in s.entries(DO):
        if entry.fence >= decision:
            yield "I11", f"request {entry.n} asks to do {entry.milestone}, after the decision at event {decision}"


def late_actions_are_turned_away(s: SagaEvidence) -> Broken:
    """I11: an action that comes after its own undo has no effect."""
    for undo in s.entries(UNDO, applied=True):
        for entry in s.entries(DO, undo.milestone, applied=True):
            if entry.n > undo.n and entry.action_key == undo.action_key:
                yield "I11", f"request {entry.n} did {entry.milestone} after request {undo.n} had undone it"


def undos_run_one_by_one(s: SagaEvidence) -> Broken:
    """I10: at most one undo is open, and it was opened when all that was started later was finished."""
    before: RunState | None = None
    for turn in s.turns:
        undoing = _undoing(turn.after)
        if len(undoing) > 1:
            yield "I10", f"{len(undoing)} undos are open after event {turn.seq}"
        for index in undoing:
            if before is None or index not in _undoing(before):
                yield from _opened_rightly(turn.after, index)
        before = turn.after


def _undoing(state: RunState) -> list[int]:
    return [i for i in state.open if state.op_of(i) == UNDO]


def _opened_rightly(state: RunState, index: int) -> Broken:
    names = [spec.id for spec in state.definition.milestones]
    for other in state.open:
        if state.op_of(other) == DO:
            yield "I10", f"the undo of {names[index]} was opened while {names[other]} was still being done"
    for other, m in enumerate(state.milestones):
        later = m.order > state.milestones[index].order and in_undo_set(state, other)
        given_up = m.undo_status is UndoStatus.FAILED
        if later and not (m.undo_status in FINISHED_UNDO or given_up):
            yield "I10", f"the undo of {names[index]} was opened before that of {names[other]}, which came later"


def participants_saw_the_reverse(s: SagaEvidence) -> Broken:
    """I10: the first requests to undo came in the reverse order of the first requests to do, and so did the effects.

    By fence: a worker that lost its claim may repeat an old request late, and is turned away.
    """
    order = {spec.id: m.order for spec, m in zip(s.definition.milestones, s.last.milestones, strict=True) if m.order}
    for entry in s.entries(DO):
        order.setdefault(entry.milestone, entry.fence)  # called, and the journal does not know
    yield from _descends(order, sorted(s.entries(UNDO), key=lambda e: (e.fence, e.n)), "was asked to undo")
    yield from _descends(order, s.entries(UNDO, applied=True), "undid")


def _descends(order: dict[str, int], entries: list[Entry], what: str) -> Broken:
    seen: list[Entry] = []
    for entry in entries:
        if all(entry.milestone != e.milestone for e in seen):
            if seen and order.get(entry.milestone, 0) > order.get(seen[-1].milestone, 0):
                yield "I10", f"request {entry.n} {what} {entry.milestone}, though {seen[-1].milestone} came before it"
            seen.append(entry)


def no_way_back_past_the_pivot(s: SagaEvidence) -> Broken:
    """I14: after the pivot there is no decision, and nothing is undone."""
    pivot = s.definition.pivot
    passed = next((t for t in s.turns if pivot is not None and t.after.milestones[pivot].status is COMPLETED), None)
    if passed is None:
        return
    seq = passed.seq
    for fact in s.facts_of(ev.CompensationDecided):
        if fact.seq > seq:
            yield "I14", f"it turned back at event {fact.seq}, past its pivot (event {seq})"
    for entry in s.entries(UNDO):
        if entry.fence > seq:
            yield "I14", f"request {entry.n} asks to undo {entry.milestone}, past the pivot"


LAWS = (
    turns_once,
    no_forward_after_the_decision,
    late_actions_are_turned_away,
    undos_run_one_by_one,
    participants_saw_the_reverse,
    no_way_back_past_the_pivot,
)
