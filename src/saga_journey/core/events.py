"""The facts of a run: frozen, in the past tense, each with a stable wire name. What is not here did not happen.

A turn writes its events as one journal row. The intent that follows (the next action, the next undo, the next attempt)
is not an event of its own: it is implied by the state after the row, so that the row that records a result is also
the record of what is called next (docs/decisions/0003).
"""

from __future__ import annotations

from typing import Literal

from saga_journey.core.canonical import Json
from saga_journey.core.fact import fact

Op = Literal["do", "undo"]
DO: Op = "do"
UNDO: Op = "undo"

AttentionKind = Literal[
    "stuck_undo",  # an undo was refused, or its attempts are spent
    "pivot_in_doubt",  # did the point of no return happen? nobody knows
    "cannot_go_on",  # a milestone after the pivot failed: no way on by itself, no way back
    "milestone_failed",  # structured journeys: a person decides
    "participant_misconfigured",  # it turns our calls away: wrong key, wrong route
    "handler_missing",  # no worker has the code; clears by itself when one opens
    "cannot_decode",  # stored input or result does not fit today's types; as above
    "crash_loop",  # claimed five times, and every worker died before it could write anything
    "no_arm",  # no condition of a choice held, or one could not be read
    "child_resolved",  # the child of a milestone was closed by a person: what it did may stand
]
Fact = Literal["happened", "did_not_happen", "undone"]


@fact
class Because:
    """Why a run turned back: a milestone that failed, the run's deadline, or a person."""

    kind: Literal["failure", "deadline", "cancelled", "requested"]
    milestone: str | None = None
    error: str | None = None
    who: str | None = None
    reason: str | None = None

    def __str__(self) -> str:
        if self.kind == "failure":
            return f"{self.milestone}: {self.error}"
        by = f" by {self.who}" if self.who else ""
        why = f": {self.reason}" if self.reason else ""
        return {"deadline": "deadline passed", "cancelled": "cancelled", "requested": "compensation requested"}[
            self.kind
        ] + (by + why)


@fact
class Parent:
    """The run that a child belongs to, and the milestone there that waits for it."""

    saga_id: str
    milestone: str


@fact
class SagaStarted:
    input: Json
    user: str | None = None
    parent: Parent | None = None


@fact
class AttemptStarted:
    """One of several actions that one commit starts: each has a seq of its own, so that undos have an order.

    An action that is started alone is implied by the event before it.
    """

    milestone: str


@fact
class ArmChosen:
    """Where the journey goes on after a choice; what can no longer be reached is not taken. `who`: a person chose."""

    milestone: str
    arm: str
    who: str | None = None


@fact
class ChildRecalled:
    """The child of this milestone is told to undo itself; the milestone waits on until the child has ended."""

    milestone: str
    why: str


@fact
class MilestoneCompleted:
    """The action ended ok. `who` is set when a person or another system said so (`advance`, a skipped pivot)."""

    milestone: str
    result: Json | None = None
    who: str | None = None


@fact
class MilestoneWaiting:
    """The request of an external milestone was answered; its outcome comes from outside."""

    milestone: str


@fact
class MilestoneRefused:
    """A definite no, and no earlier attempt is in doubt: nothing happened, nothing to undo."""

    milestone: str
    reason: str
    who: str | None = None


@fact
class MilestoneGaveUp:
    """Nothing more is tried, and nobody knows what happened: the outcome is unknown, and is undone."""

    milestone: str
    error: str


@fact
class MilestoneSkipped:
    """A person went on without it. Doubt stays: what may have happened is still undone."""

    milestone: str
    result: Json | None = None
    who: str | None = None
    reason: str | None = None


@fact
class AttemptEnded:
    """An attempt failed and another one follows, not before `retry_at`. `clean`: it certainly had no effect.

    `retry_at` is None when no other one follows by itself (participant_misconfigured waits for a person).
    """

    milestone: str
    op: Op
    error: str
    retry_at: float | None = None
    clean: bool = False


@fact
class AttemptLost:
    """The worker that was calling died, or lost its claim; nobody knows what happened."""

    milestone: str
    op: Op
    retry_at: float | None = None


@fact
class AttemptWorking:
    """The participant is still at it: the same attempt asks again at `ask_at`."""

    milestone: str
    op: Op
    ask_at: float


@fact
class AttemptWithdrawn:
    """An intent that was certainly never performed is taken back."""

    milestone: str
    op: Op
    why: str


@fact
class AttemptHastened:
    """A person asked for the next attempt now instead of after its backoff."""

    milestone: str
    op: Op
    who: str | None = None
    reason: str | None = None


@fact
class MilestoneRetried:
    """A person re-opened a milestone in attention, in the run's direction, with a fresh budget."""

    milestone: str
    op: Op
    who: str | None = None
    reason: str | None = None


@fact
class InputRevised:
    """A person edited the input: for this milestone and those not yet started, under a new revision of the key."""

    milestone: str
    input: Json
    revision: int
    who: str | None = None
    reason: str | None = None


@fact
class FactStated:
    """A person said what nobody could know: it happened, it did not happen, or it is undone by hand."""

    milestone: str
    fact: Fact
    result: Json | None = None
    who: str | None = None
    reason: str | None = None
    evidence: str | None = None


@fact
class CompensationDecided:
    """From here on no action is started; everything done is undone in reverse order."""

    because: Because


@fact
class MilestoneCompensated:
    milestone: str


@fact
class RollbackStarted:
    """Structured journeys: a person goes back before the milestone that was completed last; its undo is called now."""

    milestone: str
    who: str | None = None
    reason: str | None = None


@fact
class MilestoneRolledBack:
    """It is undone, and to be done again under a new key; the journey is paused before it."""

    milestone: str


@fact
class UndoGivenUp:
    """The undo was refused, or its attempts are spent: what the milestone did still stands."""

    milestone: str
    error: str


@fact
class UndoSkipped:
    milestone: str
    who: str | None = None
    reason: str | None = None


@fact
class StopRequested:
    """A stop came while the pivot was being called or in doubt: applied if the pivot does not happen."""

    because: Because


@fact
class StopTooLate:
    """The pivot happened: the stop that waited for it cannot be applied any more."""


@fact
class DeadlineMissed:
    """The deadline passed where there is no way back; the run goes on."""


@fact
class Paused:
    who: str | None = None
    reason: str | None = None


@fact
class Resumed:
    """Waits, `within` and the deadline move by the paused span."""

    who: str | None = None


@fact
class DefinitionMoved:
    """A person moved the run to another definition of its journey, which differs in policies only. `before`: a hash.

    The whole definition is in the journal, so that the journal alone says under which policies what was decided.
    """

    definition: Json
    before: str
    who: str | None = None
    reason: str | None = None


@fact
class AttentionRaised:
    kind: AttentionKind
    milestone: str | None
    detail: str


@fact
class AttentionCleared:
    """What blocked the run is gone: a worker with the handlers opened, or a person looked into a crash loop."""

    kind: AttentionKind
    who: str | None = None
    reason: str | None = None


@fact
class SagaCompleted:
    pass


@fact
class SagaCompensated:
    pass


@fact
class SagaResolved:
    """Closed by a person; `left` are the milestones whose effects may still stand."""

    reason: str
    left: tuple[str, ...] = ()
    who: str | None = None


@fact
class SagaCancelled:
    """A structured journey was stopped; nothing was undone."""

    because: Because


Event = (
    SagaStarted
    | AttemptStarted
    | ArmChosen
    | ChildRecalled
    | MilestoneCompleted
    | MilestoneWaiting
    | MilestoneRefused
    | MilestoneGaveUp
    | MilestoneSkipped
    | AttemptEnded
    | AttemptLost
    | AttemptWorking
    | AttemptWithdrawn
    | AttemptHastened
    | MilestoneRetried
    | InputRevised
    | FactStated
    | CompensationDecided
    | MilestoneCompensated
    | RollbackStarted
    | MilestoneRolledBack
    | UndoGivenUp
    | UndoSkipped
    | StopRequested
    | StopTooLate
    | DeadlineMissed
    | Paused
    | Resumed
    | DefinitionMoved
    | AttentionRaised
    | AttentionCleared
    | SagaCompleted
    | SagaCompensated
    | SagaResolved
    | SagaCancelled
)

WIRE_NAMES: dict[type, str] = {
    SagaStarted: "saga_started",
    AttemptStarted: "attempt_started",
    ArmChosen: "arm_chosen",
    ChildRecalled: "child_recalled",
    MilestoneCompleted: "milestone_completed",
    MilestoneWaiting: "milestone_waiting",
    MilestoneRefused: "milestone_refused",
    MilestoneGaveUp: "milestone_gave_up",
    MilestoneSkipped: "milestone_skipped",
    AttemptEnded: "attempt_ended",
    AttemptLost: "attempt_lost",
    AttemptWorking: "attempt_working",
    AttemptWithdrawn: "attempt_withdrawn",
    AttemptHastened: "attempt_hastened",
    MilestoneRetried: "milestone_retried",
    InputRevised: "input_revised",
    FactStated: "fact_stated",
    CompensationDecided: "compensation_decided",
    MilestoneCompensated: "milestone_compensated",
    RollbackStarted: "rollback_started",
    MilestoneRolledBack: "milestone_rolled_back",
    UndoGivenUp: "undo_given_up",
    UndoSkipped: "undo_skipped",
    StopRequested: "stop_requested",
    StopTooLate: "stop_too_late",
    DeadlineMissed: "deadline_missed",
    Paused: "paused",
    Resumed: "resumed",
    DefinitionMoved: "definition_moved",
    AttentionRaised: "attention_raised",
    AttentionCleared: "attention_cleared",
    SagaCompleted: "saga_completed",
    SagaCompensated: "saga_compensated",
    SagaResolved: "saga_resolved",
    SagaCancelled: "saga_cancelled",
}
"""The names in the journal, for ever. A later shape of an event gets `name@2`, and the codec an upcaster."""
