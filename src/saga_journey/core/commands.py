"""All that can arrive at a run: what a call gave, the passing of time, what people and other systems say.

A command is a request, in the present tense; `machine.decide` turns it into events or into a rejection. What comes from
people carries who said it and why, and ends up in the journal so.
"""

from __future__ import annotations

from typing import Literal

from saga_journey.core.canonical import Json
from saga_journey.core.events import AttentionKind, Because, Fact, Op
from saga_journey.core.fact import fact

# --- what an attempt gave ---------------------------------------------------------------------------------------------


@fact
class Ok:
    """The handler returned. `emitted` are events for the outside, true only together with this answer."""

    result: Json | None = None
    emitted: tuple[tuple[str, Json], ...] = ()


@fact
class No:
    """A definite business no: the handler raised `Refused`, the participant answered 402, 409, 422 …"""

    reason: str


@fact
class StillWorking:
    """Accepted, not finished; ask again in so many seconds."""

    retry_in: float


@fact
class Unknown:
    """Anything else. `exhausted`: it makes no sense to try again (the answer cannot be recorded)."""

    error: str
    exhausted: bool = False


@fact
class TurnedAway:
    """Clean, but not business: wrong credentials, wrong route."""

    error: str


@fact
class Uncallable:
    """It failed before the handler's first line: the handler is missing, or what is stored does not decode."""

    kind: AttentionKind
    detail: str


Answered = Ok | No | StillWorking | Unknown | TurnedAway | Uncallable


@fact
class Report:
    """What one attempt gave. `milestone` is its index; only the current attempt number may report."""

    milestone: int
    op: Op
    attempt: int
    outcome: Answered


# --- what the engine notices ------------------------------------------------------------------------------------------


@fact
class TakeOver:
    """The claim was taken from an owner that did not release it: what it was calling is lost."""


@fact
class TimePassed:
    """Something may be due: `within`, a wait, the deadline."""


@fact
class HandlersBack:
    """A worker opened that has every handler of this definition."""


# --- what people and other systems say --------------------------------------------------------------------------------


@fact
class Advance:
    """The outcome of a milestone that waits. `milestone` may be left out when exactly one waits."""

    milestone: str | None = None
    outcome: Literal["ok", "refused", "unknown"] = "ok"
    result: Json | None = None
    reason: str | None = None
    expected_attempt: int | None = None
    who: str | None = None
    next_step: str | None = None
    """Where the journey is to go on, when the milestone has a choice."""


@fact
class Choose:
    """Where the journey goes on, when no condition of a choice said so."""

    next_step: str
    milestone: str | None = None
    who: str | None = None
    reason: str | None = None


@fact
class Cancel:
    who: str | None = None
    reason: str | None = None

    def because(self) -> Because:
        return Because("cancelled", who=self.who, reason=self.reason)


@fact
class Compensate:
    """Undo what is done, of a completed saga too. `expected` is the seq of the preview that was looked at."""

    expected: int | None = None
    who: str | None = None
    reason: str | None = None

    def because(self) -> Because:
        return Because("requested", who=self.who, reason=self.reason)


@fact
class Pause:
    who: str | None = None
    reason: str | None = None


@fact
class Resume:
    who: str | None = None


@fact
class RetryMilestone:
    """Re-open what is in attention, or cut a backoff short. `input` edits the saga's input under a new revision."""

    milestone: str | None = None
    input: Json | None = None
    who: str | None = None
    reason: str | None = None


@fact
class Rollback:
    """Structured journeys: undo the milestone that was completed last, and go back before it."""

    milestone: str | None = None
    who: str | None = None
    reason: str | None = None


@fact
class Skip:
    """Go on without this milestone, or without its undo. `result` stands in for what the action would have given."""

    milestone: str | None = None
    result: Json | None = None
    who: str | None = None
    reason: str | None = None


@fact
class StateFact:
    """What a person found out: it happened, it did not happen, or it is undone by hand."""

    fact: Fact
    milestone: str | None = None
    result: Json | None = None
    who: str | None = None
    reason: str | None = None
    evidence: str | None = None


@fact
class Move:
    """Go on under another definition of the same journey, which differs in policies only."""

    definition: Json
    who: str | None = None
    reason: str | None = None


@fact
class Resolve:
    """Close a run that waits for a person, as it is."""

    reason: str
    who: str | None = None


# --- what runs say to one another -------------------------------------------------------------------------------------


@fact
class Recall:
    """From a parent to its child: undo yourself, and say when you have ended.

    `undo`: also when you are completed already. Without it that is too late: the parent hears of the success first.
    """

    why: str
    undo: bool = False


@fact
class ChildEnded:
    """From a child to its parent. `result` are the results of its milestones, when it is completed."""

    milestone: str
    ended: Literal["completed", "compensated", "resolved"]
    result: Json | None = None
    reason: str | None = None


Internal = Report | TakeOver | TimePassed | HandlersBack
OfPeople = (
    Advance
    | Choose
    | Cancel
    | Compensate
    | Pause
    | Resume
    | RetryMilestone
    | Rollback
    | Skip
    | StateFact
    | Move
    | Resolve
)
External = OfPeople | Recall | ChildEnded
Command = Internal | External

COMMAND_NAMES: dict[type, str] = {
    Advance: "advance",
    Choose: "choose",
    Recall: "recall",
    ChildEnded: "child_ended",
    Cancel: "cancel",
    Compensate: "compensate",
    Pause: "pause",
    Resume: "resume",
    RetryMilestone: "retry",
    Rollback: "rollback",
    Skip: "skip",
    StateFact: "state_fact",
    Move: "move",
    Resolve: "resolve",
}
"""How a stored command is named; the codec writes its fields beside the name."""


@fact
class Answer:
    """What a command did. `code` is "applied", "no_change", "deferred", or why it was rejected."""

    accepted: bool
    code: str
    detail: str = ""


APPLIED = Answer(True, "applied")
