"""Where a run stands. A state comes from folding its journal (`evolve`) and is never changed after it was handed out.

Two facts of a milestone decide most rules: `order` (when it was first started, 0 = never) and `doubt` (an attempt ended
without an answer, and none has answered since).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from saga_journey.core.canonical import Json
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import DO, UNDO, AttentionKind, Because, Op, Parent


class SagaStatus(StrEnum):
    """Where a run stands, in one word. Final: completed, compensated, resolved, cancelled."""

    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    CANCELLED = "cancelled"
    FAILED = "failed"
    RESOLVED = "resolved"


FINAL = frozenset({SagaStatus.COMPLETED, SagaStatus.COMPENSATED, SagaStatus.RESOLVED, SagaStatus.CANCELLED})


class MilestoneStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class UndoStatus(StrEnum):
    NONE = "none"
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    MANUAL = "manual"


PENDING, RUNNING, WAITING = MilestoneStatus.PENDING, MilestoneStatus.RUNNING, MilestoneStatus.WAITING
COMPLETED, REFUSED = MilestoneStatus.COMPLETED, MilestoneStatus.REFUSED
UNKNOWN, SKIPPED = MilestoneStatus.UNKNOWN, MilestoneStatus.SKIPPED


class Calls:
    """The calls of one handler of one milestone: the current attempt, and what is spent of its budget."""

    __slots__ = ("answered", "error", "fence", "lost", "not_before", "number", "since")

    def __init__(self, fence: int, at: float) -> None:
        self.number: int = 1  # of the current attempt
        self.answered: int = 0  # attempts that were called and came back, one way or the other
        self.lost: int = 0  # attempts whose worker died
        self.not_before: float = at
        self.since: float = at  # when the first intent was recorded
        self.fence: int = fence  # seq of the event that opened the current attempt
        self.error: str | None = None

    def copy(self) -> Calls:
        other = Calls.__new__(Calls)
        other.number, other.answered, other.lost = self.number, self.answered, self.lost
        other.not_before, other.since, other.fence = self.not_before, self.since, self.fence
        other.error = self.error
        return other

    def again(self, at: float, fence: int) -> None:
        """The next attempt, not before `at`."""
        self.number += 1
        self.not_before = at
        self.fence = fence

    def renew(self, at: float, fence: int) -> None:
        """The next attempt at once, with a fresh budget."""
        self.again(at, fence)
        self.answered = self.lost = 0
        self.since = at


class MilestoneState:
    """One milestone of a run: its action's side, and its undo's once that has begun."""

    __slots__ = (
        "arm",
        "asking",
        "do",
        "doubt",
        "order",
        "recalled",
        "result",
        "revision",
        "status",
        "undo",
        "undo_status",
    )

    def __init__(self) -> None:
        self.status: MilestoneStatus = PENDING
        self.doubt: bool = False
        self.order: int = 0
        self.revision: int = 1
        self.result: Json | None = None
        self.asking: bool = False  # waiting on a participant that said "working", not on the outside
        self.arm: str | None = None  # where the journey went on after it, when there was a choice
        self.recalled: bool = False  # a child that was told to undo itself
        self.do: Calls | None = None
        self.undo: Calls | None = None
        self.undo_status: UndoStatus = UndoStatus.NONE

    def copy(self) -> MilestoneState:
        other = MilestoneState.__new__(MilestoneState)
        other.status, other.doubt, other.order = self.status, self.doubt, self.order
        other.revision, other.result, other.asking = self.revision, self.result, self.asking
        other.do, other.undo, other.undo_status = self.do, self.undo, self.undo_status
        other.arm, other.recalled = self.arm, self.recalled
        return other


_UNTOUCHED = MilestoneState()  # shared by every milestone that nothing has happened to


class Attention(NamedTuple):
    """Why a run waits for a person."""

    kind: AttentionKind
    milestone: str | None
    detail: str


class RunState:
    """A run, folded from its journal. Read it; only `evolve` makes new ones."""

    __slots__ = (
        "at",
        "attention",
        "because",
        "deadline_missed",
        "definition",
        "direction",
        "final",
        "inputs",
        "left",
        "milestones",
        "open",
        "parent",
        "paused_at",
        "reason",
        "saga_id",
        "seq",
        "shift",
        "started_at",
        "stop",
        "user",
    )

    def __init__(self, definition: JourneyDefinition, saga_id: str) -> None:
        self.definition: JourneyDefinition = definition
        self.saga_id: str = saga_id
        self.seq: int = 0  # of the last event
        self.at: float = 0.0  # time of the last event
        self.started_at: float = 0.0
        self.direction: Op = DO
        self.final: SagaStatus | None = None
        self.paused_at: float | None = None
        self.shift: float = 0.0  # seconds spent paused: waits and the deadline move by them
        self.attention: tuple[Attention, ...] = ()
        self.because: Because | None = None
        self.stop: Because | None = None  # asked for while the pivot was held
        self.deadline_missed: bool = False
        self.inputs: tuple[Json, ...] = ()  # by revision, the first is revision 1
        self.user: str | None = None
        self.parent: Parent | None = None
        self.reason: str | None = None  # of a resolved run
        self.left: tuple[str, ...] = ()
        self.milestones: list[MilestoneState] = [_UNTOUCHED] * len(definition.milestones)
        self.open: tuple[int, ...] = ()  # milestones with an attempt or a wait that has not ended

    def copy(self) -> RunState:
        other = RunState.__new__(RunState)
        other.definition, other.saga_id, other.seq, other.at = self.definition, self.saga_id, self.seq, self.at
        other.started_at, other.direction, other.final = self.started_at, self.direction, self.final
        other.paused_at, other.shift, other.attention = self.paused_at, self.shift, self.attention
        other.because, other.stop, other.deadline_missed = self.because, self.stop, self.deadline_missed
        other.inputs, other.user, other.reason, other.left = self.inputs, self.user, self.reason, self.left
        other.milestones, other.open, other.parent = self.milestones.copy(), self.open, self.parent
        return other

    # --- questions ---

    @property
    def status(self) -> SagaStatus:
        if self.final is not None:
            return self.final
        if self.attention and all(self.blocked(index) for index in self.open):
            return SagaStatus.FAILED
        if self.paused_at is not None:
            return SagaStatus.PAUSED
        return SagaStatus.IN_PROGRESS if self.direction == DO else SagaStatus.COMPENSATING

    @property
    def past_pivot(self) -> bool:
        pivot = self.definition.pivot
        return pivot is not None and self.milestones[pivot].status is COMPLETED

    def blocked(self, index: int) -> bool:
        """This milestone waits for a person: it is not called, whatever else of the run may go on."""
        name = self.definition.milestones[index].id
        return any(a.milestone is None or a.milestone == name for a in self.attention)

    @property
    def deadline_at(self) -> float | None:
        """When the run's deadline falls due, while it can still do something."""
        deadline = self.definition.deadline
        if deadline is None or self.final is not None or self.direction == UNDO:
            return None
        if self.paused_at is not None or self.stop is not None or self.deadline_missed:
            return None
        return self.started_at + deadline + self.shift

    def op_of(self, index: int) -> Op:
        """Which handler of an open milestone the open attempt belongs to."""
        return UNDO if self.milestones[index].undo_status is UndoStatus.RUNNING else DO

    def calls(self, index: int) -> Calls:
        """The calls of the open attempt of that milestone."""
        m = self.milestones[index]
        calls = m.undo if m.undo_status is UndoStatus.RUNNING else m.do
        assert calls is not None, "an open milestone has calls"
        return calls

    def current(self, index: int) -> tuple[Op, Calls]:
        """Which handler of an open milestone is at it, and its calls."""
        m = self.milestones[index]
        if m.undo_status is UndoStatus.RUNNING:
            assert m.undo is not None
            return UNDO, m.undo
        assert m.do is not None
        return DO, m.do

    def waits_outside(self, index: int) -> bool:
        """The milestone waits for somebody else (an answer, a time, a child): there is nothing to call."""
        m = self.milestones[index]
        if m.undo_status is UndoStatus.RUNNING:
            return self.definition.milestones[index].kind == "child"
        return m.status is WAITING and not m.asking

    def expects(self, index: int, op: Op, attempt: int) -> bool:
        """May that attempt still report? Only the current one of an open milestone may."""
        if index not in self.open:
            return False
        m = self.milestones[index]
        undoing = m.undo_status is UndoStatus.RUNNING
        calls = m.undo if undoing else m.do
        return calls is not None and calls.number == attempt and undoing == (op == UNDO)

    def input_of(self, index: int) -> Json:
        """The revision of the input that this milestone sees."""
        return self.inputs[self.milestones[index].revision - 1]

    # --- changes, on a private copy only ---

    def change(self, index: int) -> MilestoneState:
        m = self.milestones[index] = self.milestones[index].copy()
        return m

    def change_calls(self, index: int, op: Op) -> Calls:
        m = self.change(index)
        if op == DO:
            assert m.do is not None
            m.do = m.do.copy()
            return m.do
        assert m.undo is not None
        m.undo = m.undo.copy()
        return m.undo

    def close(self, index: int) -> None:
        self.open = () if self.open == (index,) else tuple([i for i in self.open if i != index])

    def clear_attention(self, milestone: str | None) -> None:
        self.attention = tuple([a for a in self.attention if a.milestone != milestone])
