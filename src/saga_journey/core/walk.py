"""Where the walk goes next, forward or back: the only functions that know the shape of a journey.

Undo is the same walk in the other direction: one milestone at a time, the one started last first. Nearly every journey
is a line, and a line has a shorter way to the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from saga_journey.core.events import DO, UNDO, Op
from saga_journey.core.shape import is_choice
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


# --- forward ----------------------------------------------------------------------------------------------------------


def next_forward(state: RunState) -> int | None:
    """The first milestone that is still to be started; None when the journey has come to its end."""
    for index, m in enumerate(state.milestones):
        if m.status is PENDING:
            return index
    return None


def ready(state: RunState) -> list[int]:
    """The milestones that may be started now: of the first step that is not through, the next of each branch."""
    found: list[int] = []
    for stage in state.definition.stages:
        through = True
        for branch in stage:
            for index in branch:
                status, blocked = state.milestones[index].status, bool(state.attention) and state.blocked(index)
                if status is PENDING and not blocked:
                    found.append(index)
                if status in _NOT_THROUGH or blocked:
                    through = False
                    break
        if not through:
            return found
    return found


_NOT_THROUGH = frozenset({PENDING, RUNNING, WAITING})


def may_start(state: RunState) -> bool:
    """Actions may be started at all: the run goes forward, and nothing holds the whole of it."""
    if state.final is not None or state.paused_at is not None or state.direction == UNDO:
        return False
    if state.attention and (state.definition.is_line or any(a.milestone is None for a in state.attention)):
        return False
    if not state.definition.is_line and any(state.op_of(index) == UNDO for index in state.open):
        return False  # a person goes back; nothing goes forward beside it
    return state.stop is None or state.definition.kind == "saga"


def undecided(state: RunState) -> int | None:
    """A milestone that is through, and after which nobody has chosen where the journey goes on."""
    for index, spec in enumerate(state.definition.milestones):
        if spec.next_steps and is_choice(spec) and _awaits_choice(state, index):
            return index
    return None


def _awaits_choice(state: RunState, index: int) -> bool:
    m = state.milestones[index]
    through = m.order > 0 and m.status not in _NOT_THROUGH
    return through and m.arm is None and not state.blocked(index)


# --- back -------------------------------------------------------------------------------------------------------------


def owes_undo(state: RunState, index: int) -> bool:
    """Is this milestone in the undo set? Everything that was started and may have had an effect (SEMANTICS 2)."""
    m = state.milestones[index]
    if m.order == 0 or not state.definition.milestones[index].undoable:
        return False
    return m.status is COMPLETED or m.status is UNKNOWN or (m.status is SKIPPED and m.doubt)


def next_undo(state: RunState) -> int | None:
    """The milestone to undo next: the one started last of those that nothing was done about yet."""
    found, latest = None, 0
    index = len(state.milestones)
    for m in reversed(state.milestones):  # in a line the first hit is the last one started
        index -= 1
        if m.order > latest and m.undo_status is UndoStatus.NONE and owes_undo(state, index):
            found, latest = index, m.order
    return found


def undo_status(state: RunState, index: int) -> UndoStatus:
    """What a reader should see: an undo that has not begun is pending once the run has turned back."""
    own = state.milestones[index].undo_status
    if own is UndoStatus.NONE and state.direction == UNDO and owes_undo(state, index) and state.final is None:
        return UndoStatus.PENDING
    return own


# --- intents ----------------------------------------------------------------------------------------------------------


def open_intents(state: RunState) -> None:
    """What follows from where the run stands: the next action, or the next undo, one at a time.

    Of a step whose branches start together each start is an event of its own (`AttemptStarted`), and implied here is
    only what starts alone.
    """
    if state.open and (state.definition.is_line or state.direction == UNDO):
        return
    if state.direction == DO:
        if may_start(state):
            _start_next(state)
    elif state.final is None and state.paused_at is None and not state.attention:
        index = next_undo(state)
        if index is not None:
            start_undo(state, index)


def _start_next(state: RunState) -> None:
    if state.definition.is_line:
        if (index := next_forward(state)) is not None:
            start_action(state, index)
        return
    starting = ready(state)
    if len(starting) == 1 and undecided(state) is None:
        start_action(state, starting[0])


def start_action(state: RunState, index: int) -> None:
    """The first intent of a milestone; its place in the order of undos is the newest event's."""
    m = state.milestones[index] = MilestoneState()
    m.status = RUNNING if state.definition.milestones[index].action is not None else WAITING
    m.order = state.seq
    m.revision = len(state.inputs)
    m.do = Calls(state.seq, state.at)
    state.open += (index,)


def start_undo(state: RunState, index: int) -> None:
    """The first intent of an undo."""
    m = state.change(index)
    m.undo_status = UndoStatus.RUNNING
    m.undo = Calls(state.seq, state.at)
    state.open += (index,)


def next_call(state: RunState) -> int | None:
    """The milestone whose handler is to be called next; None while there is nothing to call."""
    if state.final is not None or state.paused_at is not None:
        return None
    for index in state.open:
        if calls_somebody(state, index):
            return index
    return None


def calls_somebody(state: RunState, index: int) -> bool:
    """This open milestone has a handler to be called: it waits for nobody, and no attention holds it."""
    return not state.waits_outside(index) and not (state.attention and state.blocked(index))


def intents(state: RunState) -> list[Intent]:
    """All that is to be called now or later, a function of the state alone."""
    if state.final is not None or state.paused_at is not None:
        return []
    found = []
    for index in state.open:
        if calls_somebody(state, index):
            calls = state.calls(index)
            found.append(Intent(index, state.op_of(index), calls.number, calls.not_before, calls.fence))
    return found
