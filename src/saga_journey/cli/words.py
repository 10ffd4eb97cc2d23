"""What the states of the machine are called on a terminal: an icon, a word, and a colour that only adds to them."""

from __future__ import annotations

from saga_journey.cli.screen import Span
from saga_journey.cli.times import span
from saga_journey.core.definition import Milestone
from saga_journey.core.state import (
    Attention,
    Calls,
    MilestoneStatus,
    RunState,
    SagaStatus,
    UndoStatus,
)
from saga_journey.core.walk import undo_status

ICONS: dict[str, Span] = {"ok": ("✔", "good"), "look": ("!", "warn"), "bad": ("✘", "bad")}
"""How bad something is that was looked at."""
STATUS: dict[SagaStatus, tuple[str, str]] = {
    SagaStatus.IN_PROGRESS: ("●", "live"),
    SagaStatus.PAUSED: ("‖", "warn"),
    SagaStatus.COMPENSATING: ("↩", "undo"),
    SagaStatus.COMPLETED: ("✔", "good"),
    SagaStatus.COMPENSATED: ("↩", "undo"),
    SagaStatus.CANCELLED: ("■", "warn"),
    SagaStatus.FAILED: ("!", "bad"),
    SagaStatus.RESOLVED: ("=", "warn"),
}
ENDED: dict[MilestoneStatus, Span] = {
    MilestoneStatus.COMPLETED: ("✔ done", "good"),
    MilestoneStatus.REFUSED: ("✘ refused", "bad"),
    MilestoneStatus.UNKNOWN: ("? unknown", "warn"),
    MilestoneStatus.SKIPPED: ("» skipped", "warn"),
}
WAITS = {
    "action": "◌ waits for an answer",
    "external": "◌ waits for an answer",
    "timer": "◌ waits for its time",
    "child": "◌ its child is under way",
}
UNDONE: dict[UndoStatus, Span] = {
    UndoStatus.PENDING: ("○ to undo", "dim"),
    UndoStatus.DONE: ("↩ undone", "undo"),
    UndoStatus.FAILED: ("✘ not undone", "bad"),
    UndoStatus.SKIPPED: ("» undo skipped", "warn"),
    UndoStatus.MANUAL: ("↩ undone by hand", "undo"),
}


def status(of: SagaStatus) -> Span:
    icon, style = STATUS[of]
    return f"{icon} {of.replace('_', ' ')}", style


def action(state: RunState, index: int, now: float) -> Span:
    """How far the action of a milestone is."""
    m, spec = state.milestones[index], state.definition.milestones[index]
    if m.status is MilestoneStatus.SKIPPED and m.order == 0:
        return "» not taken", "dim"
    if m.status in ENDED:
        word, style = ENDED[m.status]
        return word + (", in doubt" if m.doubt and m.status is MilestoneStatus.SKIPPED else ""), style
    if m.do is None:
        return "○ to come", "dim"
    tried = _tried(m.do, spec.retry.attempts) + (", in doubt" if m.doubt else "")
    if state.waits_outside(index):
        return WAITS[spec.kind] + tried, "live"
    if m.asking:
        return f"◌ still working, asked again {_when(m.do, now)}{tried}", "live"
    return _open(state, index, m.do, now, ("● running", "◔ again")), "live"


def undo(state: RunState, index: int, now: float) -> Span | None:
    """How far the undo of a milestone is; None when there is nothing to say of it."""
    m, spec = state.milestones[index], state.definition.milestones[index]
    reached = undo_status(state, index)
    if reached is UndoStatus.RUNNING:
        assert m.undo is not None
        return _open(state, index, m.undo, now, ("● undoing", "◔ undo again")), "live"
    if reached is not UndoStatus.NONE:
        return UNDONE[reached]
    if spec.id in state.left:
        return "= left as it is", "warn"
    stands = m.status in (MilestoneStatus.COMPLETED, MilestoneStatus.UNKNOWN) or m.doubt
    return ("= stays", "dim") if not spec.undoable and spec.kind != "timer" and stands else None


def _open(state: RunState, index: int, calls: Calls, now: float, words: tuple[str, str]) -> str:
    """An attempt that has not ended: it is being called, it backs off, or something holds it."""
    m, spec = state.milestones[index], state.definition.milestones[index]
    policy = spec.undo_retry if calls is m.undo else spec.retry
    tail = _tried(calls, policy.attempts) + (", in doubt" if m.doubt and calls is m.do else "")
    if state.paused_at is not None:
        return f"‖ paused{tail}"
    if state.blocked(index):
        return f"! held{tail}"
    return f"{words[0]}{tail}" if calls.not_before <= now else f"{words[1]} {_when(calls, now)}{tail}"


def _tried(calls: Calls, most: int) -> str:
    return f", attempt {calls.number} of {max(most, calls.number)}" if calls.number > 1 else ""


def _when(calls: Calls, now: float) -> str:
    return f"in {span(calls.not_before - now)}" if calls.not_before > now else "now"


def attempts(state: RunState, index: int, now: float) -> tuple[int, int]:
    """How many attempts the action and the undo have had; one that is still to come does not count."""
    m = state.milestones[index]
    ahead = index in state.open and not state.waits_outside(index) and state.calls(index).not_before > now
    forward, back = m.do.number if m.do else 0, m.undo.number if m.undo else 0
    return forward - (ahead and not back and not m.asking), back - (ahead and back > 0)


def label(spec: Milestone) -> str:
    return spec.id + (" (optional)" if spec.optional else "")


def attention(a: Attention) -> str:
    """Why a saga waits for a person, in words."""
    return ATTENTION[a.kind].format(milestone=a.milestone or "the saga")


ATTENTION: dict[str, str] = {
    "stuck_undo": "the undo of {milestone} cannot be finished; what {milestone} did still stands",
    "pivot_in_doubt": "nobody knows whether the pivot {milestone} happened; there is no safe way on, and none back",
    "cannot_go_on": "{milestone} failed after the pivot; there is no way back, and none on by itself",
    "milestone_failed": "{milestone} failed; in a structured journey a person decides what follows",
    "participant_misconfigured": "the participant of {milestone} turns our calls away: wrong key or wrong route",
    "handler_missing": "no worker has the code of {milestone}; it goes on by itself when one opens that does",
    "cannot_decode": "what is stored of {milestone} does not fit today's types; it goes on by itself when it does",
    "crash_loop": "every worker that took {milestone} died before it could write anything",
    "no_arm": "{milestone} is done, and no condition says where the journey goes on",
    "child_resolved": "the child of {milestone} was closed by a person; what it did may stand",
}
VERB_WORDS: dict[str, str] = {
    "retry": "try again, with the same key and a fresh budget",
    "skip": "go on without it",
    "mark_undone": "say that it was undone by hand",
    "it_happened": "say that it did take place (--result JSON: what it gave)",
    "it_did_not_happen": "say that it did not take place",
    "cancel": "undo everything that is done",
    "resolve": "close the saga as it is",
    "choose": "say where it goes on (--next MILESTONE)",
}


def meaning(verb: str, a: Attention) -> str:
    """What a verb does, in words."""
    if verb == "skip" and a.kind == "stuck_undo":
        return "leave it as it is, and undo the others"
    return VERB_WORDS[verb]
