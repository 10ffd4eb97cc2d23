"""Where the walk goes next, forward or back: the only functions that know the shape of a journey.

Undo is the same walk in the other direction: one milestone at a time, the one started last first. Another shape
(parallel blocks, branches, children) changes what `next_forward` and `next_undo` answer, and nothing else
(docs/decisions/0004).
"""

from __future__ import annotations

from dataclasses import dataclass

from saga_journey.core.events import UNDO, Op
from saga_journey.core.state import (
    COMPLETED,
    PENDING,
    RUNNING,
    SKIPPED,
    UNKNOWN,
    WAITING,
    Calls,
    MilestoneState,
    RunState,
    UndoStatus,
)


@dataclass(frozen=True, slots=True)
class Intent:
    """A recorded decision to call: `attempt` of milestone number `milestone`, not before `not_before` (store time)."""

    milestone: int
    op: Op
    attempt: int
    not_before: float
    fence: int


def next_forward(state: RunState) -> int | None:
    """The milestone to start next, when nothing is open."""
    for index, m in enumerate(state.milestones):
        if m.status is PENDING:
            return index
    return None


def owes_undo(state: RunState, index: int) -> bool:
    """Is this milestone in the undo set? Everything that was started and may have had an effect (SEMANTICS 2)."""
    m = state.milestones[index]
    if m.order == 0 or state.definition.milestones[index].undo is None:
        return False
    return m.status is COMPLETED or m.status is UNKNOWN or (m.status is SKIPPED and m.doubt)


def next_undo(state: RunState) -> int | None:
    """The milestone to undo next: the one started last of those that nothing was done about yet."""
    index = len(state.milestones)
    for m in reversed(state.milestones):  # a line is started in its order
        index -= 1
        if m.order and m.undo_status is UndoStatus.NONE and owes_undo(state, index):
            return index
    return None


def undo_status(state: RunState, index: int) -> UndoStatus:
    """What a reader should see: an undo that has not begun is pending once the run has turned back."""
    own = state.milestones[index].undo_status
    if own is UndoStatus.NONE and state.direction == UNDO and owes_undo(state, index) and state.final is None:
        return UndoStatus.PENDING
    return own


def open_intents(state: RunState) -> None:
    """What follows from where the run stands: the next action, or the next undo, one at a time."""
    if state.open or state.final is not None or state.paused_at is not None or state.attention:
        return
    if state.direction == UNDO:
        _start_undo(state, next_undo(state))
    elif state.stop is None or state.definition.kind == "saga":
        _start_action(state, next_forward(state))


def _start_action(state: RunState, index: int | None) -> None:
    if index is None:
        return
    m = state.milestones[index] = MilestoneState()
    m.status = WAITING if state.definition.milestones[index].action is None else RUNNING
    m.order = state.seq
    m.revision = len(state.inputs)
    m.do = Calls(state.seq, state.at)
    state.open += (index,)


def _start_undo(state: RunState, index: int | None) -> None:
    if index is None:
        return
    m = state.change(index)
    m.undo_status = UndoStatus.RUNNING
    m.undo = Calls(state.seq, state.at)
    state.open += (index,)


def next_call(state: RunState) -> int | None:
    """The milestone whose handler is to be called next; None while there is nothing to call."""
    if state.final is not None or state.paused_at is not None:
        return None
    for index in state.open:
        m = state.milestones[index]
        if (m.status is not WAITING or m.asking) and not (state.attention and state.blocked(index)):
            return index
    return None


def intents(state: RunState) -> list[Intent]:
    """All that is to be called now or later, a function of the state alone."""
    if state.final is not None or state.paused_at is not None:
        return []
    found = []
    for index in state.open:
        if not state.waits_outside(index) and not (state.attention and state.blocked(index)):
            calls = state.calls(index)
            found.append(Intent(index, state.op_of(index), calls.number, calls.not_before, calls.fence))
    return found
