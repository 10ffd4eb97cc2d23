"""Where sagas stand: nothing is forgotten, nothing hides, nothing belongs to somebody else."""

from __future__ import annotations

from saga_journey.core.state import SagaStatus, UndoStatus
from saga_journey.core.timers import next_due
from saga_journey.testing.evidence import Evidence, SagaEvidence
from saga_journey.testing.laws import Broken

REST = 60.0
"""A worker that failed to move a run may keep everybody away from it for so long, at most (seconds)."""


def has_a_way_on(s: SagaEvidence, everything: Evidence) -> Broken:
    """I15: an unfinished saga has a claim, a due or future timer, a wait, a pause or attention."""
    row = s.row
    if not s.readable or s.final is not None:
        return
    if row.owner is not None:
        if row.owner not in everything.owners:
            yield "I15", f"its owner {row.owner} is forgotten: nobody will ever take it over"
        return
    if row.due_at is None:
        yield "I15", "it is unfinished, and no worker will ever look for it"
        return
    due = next_due(s.state)
    if due is not None and row.due_at > max(due, row.updated_at) + REST:
        yield "I15", f"it is due at {due:.3f}, and its index row says {row.due_at:.3f}: the wake-up is lost"
    if due is None and not _waits_for_somebody(s):
        yield "I15", "it has no timer, no wait, no pause and no attention: nothing will ever move it"
    if any(not c.answered for c in s.commands) and row.due_at > everything.now():
        yield "I15", "a command waits for it, and it is not due"


def _waits_for_somebody(s: SagaEvidence) -> bool:
    state = s.state
    waits = any(state.waits_outside(index) for index in state.open)
    return waits or state.paused_at is not None or bool(state.attention)


def came_to_rest(s: SagaEvidence) -> Broken:
    """I15: some time after the last fault it is final, waiting, paused or in attention."""
    if not s.readable:
        return
    if s.final is None and not _waits_for_somebody(s):
        yield "I15", f"it is still {s.row.status}, long after the last fault"
    if s.final is not None and (s.row.owner is not None or s.row.due_at is not None):
        yield "I15", f"it is {s.final}, and still has an owner ({s.row.owner}) or a due time ({s.row.due_at})"
    for command in s.commands:
        if not command.answered:
            yield "I15", f"the command {command.name} ({command.command}) was never answered"


def failure_is_visible(s: SagaEvidence) -> Broken:
    """I20: an undo that was given up never ends as completed or compensated."""
    if not s.readable or s.final not in (SagaStatus.COMPLETED, SagaStatus.COMPENSATED):
        return
    for spec, m in zip(s.definition.milestones, s.state.milestones, strict=True):
        if m.undo_status in (UndoStatus.FAILED, UndoStatus.SKIPPED):
            yield "I20", f"it is {s.final}, and the undo of {spec.id} is {m.undo_status}"


def given_up_undo_waits_for_a_person(s: SagaEvidence) -> Broken:
    """I20: an undo that was given up shows as attention, unless others are still to be undone."""
    if not s.readable or s.final is not None:
        return
    state = s.state
    failed = [i for i, m in enumerate(state.milestones) if m.undo_status is UndoStatus.FAILED]
    if failed and not state.attention and not state.open:
        yield "I20", f"the undo of {s.definition.milestones[failed[0]].id} was given up, and nobody is told"


def tenant_closed(s: SagaEvidence) -> Broken:
    """I20: every row of a saga carries its tenant."""
    if s.definition_tenant != s.row.tenant:
        yield "I20", f"it runs a definition of tenant {s.definition_tenant}, and belongs to {s.row.tenant}"
    for entry in s.calls:
        if entry.tenant != s.tenant:
            yield "I20", f"request {entry.n} was made for {entry.tenant!r}, the saga belongs to {s.tenant!r}"


LAWS = (failure_is_visible, given_up_undo_waits_for_a_person, tenant_closed)
