"""What a walk of shapes came across: the situations that rules 36 to 38 speak of, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.commands import Command
from saga_journey.core.state import RunState

SITUATIONS = frozenset(
    {
        "several start in one commit",
        "one starts beside an attempt of the same event",
        "it drains: one is still called",
        "it drains: several are still called",
        "a refusal beside another report of its turn",
        "two failures in one turn",
        "stopped: queued",
        "stopped: backing off in doubt",
        "stopped: backing off cleanly",
        "stopped: a wait",
        "stopped: a timer",
        "stopped: a child",
        "several are lost at once",
        "a loss that decides among several",
        "attention beside siblings that move",
        "attention cleared by the failure of a sibling",
        "a verb for a branch beside siblings that move",
        "a pause over several",
        "a deadline over several",
        "the time of one of several is up",
        "a crash loop over several",
        "an optional branch failed",
        "an arm is chosen",
        "an arm leads to the end",
        "a second choice",
        "nobody knows the way",
        "a person chooses",
        "an answer chooses",
        "undone in a block",
        "a stuck undo in a block",
        "a child is started",
        "a grandchild is started",
        "a child completed",
        "a child undid itself",
        "a child was closed",
        "an optional child undid itself",
        "a child ran out of time",
        "a child was faster than its stop",
        "a finished child is undone",
        "a finished child is undone long after its parent was completed",
        "a closed child cannot be undone",
        "a new child for a retry",
        "a pivot child completed",
        "a stop waits for a pivot child",
        "a stop came too late for a pivot child",
        "a recall waits for the pivot of the child",
        "a structured journey drained",
        "back in a block",
        "back before a child",
        "back before a choice",
    }
)

FAILED = (ev.MilestoneRefused, ev.MilestoneGaveUp)


def situations(
    before: RunState, after: RunState, events: Sequence[ev.Event], arrived: Sequence[Command]
) -> Iterator[str]:
    """Those of one turn."""
    if before.definition.is_line and before.parent is None:
        return
    kinds = [type(e) for e in events]
    yield from _of_starts(before, after, events, kinds)
    yield from _of_stops(before, after, events, kinds, arrived)
    yield from _of_people(before, after, events, kinds)
    yield from _of_choices(before, events)
    for event in events:
        yield from _of_children(before, event)
        yield from _of_undos(before, event)


def _of_starts(before: RunState, after: RunState, events: Sequence[ev.Event], kinds: Sequence[type]) -> Iterator[str]:
    starts = kinds.count(ev.AttemptStarted)
    if starts:
        yield "several start in one commit" if starts > 1 else "one starts beside an attempt of the same event"
    for index in after.open:
        if after.definition.milestones[index].kind == "child" and before.milestones[index].order == 0:
            yield "a grandchild is started" if after.parent is not None else "a child is started"


def _of_stops(
    before: RunState, after: RunState, events: Sequence[ev.Event], kinds: Sequence[type], arrived: Sequence[Command]
) -> Iterator[str]:
    reports = [c for c in arrived if isinstance(c, cmd.Report) and before.expects(c.milestone, c.op, c.attempt)]
    if kinds.count(ev.AttemptLost) > 1:
        yield "several are lost at once"
        if ev.CompensationDecided in kinds:
            yield "a loss that decides among several"
    if sum(isinstance(e, FAILED) for e in events) > 1 and len(reports) > 1:
        yield "two failures in one turn"
    if ev.CompensationDecided not in kinds:
        return
    decision = next(e for e in events if isinstance(e, ev.CompensationDecided))
    called = [i for i in after.open if after.op_of(i) == "do" and not after.waits_outside(i)]
    if called:
        yield "it drains: several are still called" if len(called) > 1 else "it drains: one is still called"
    if len(reports) > 1 and decision.because.kind == "failure":
        yield "a refusal beside another report of its turn"
    if decision.because.kind == "failure" and any(a.milestone != decision.because.milestone for a in before.attention):
        yield "attention cleared by the failure of a sibling"
    if decision.because.kind == "deadline" and len(before.open) > 1:
        yield "a deadline over several"
    for event in events:
        yield from _of_one_stopped(before, event)


def _of_one_stopped(before: RunState, event: ev.Event) -> Iterator[str]:
    match event:
        case ev.AttemptWithdrawn(_, "do", "not attempted"):
            yield "stopped: queued"
        case ev.ChildRecalled():
            yield "stopped: a child"
        case ev.MilestoneRefused(_, "not attempted again"):
            yield "stopped: backing off cleanly"
        case ev.MilestoneRefused(_, "not waited for any longer"):
            yield "stopped: a timer"
        case ev.MilestoneGaveUp(name, "interrupted while it waited"):
            waited = before.milestones[before.definition.index[name]].status == "waiting"
            yield "stopped: a wait" if waited else "stopped: backing off in doubt"


def _of_people(before: RunState, after: RunState, events: Sequence[ev.Event], kinds: Sequence[type]) -> Iterator[str]:
    moves = after.attention and after.status == "in_progress" and after.open
    if moves and any(not after.blocked(i) for i in after.open):
        yield "attention beside siblings that move"
    verbs = (ev.MilestoneRetried, ev.MilestoneSkipped, ev.FactStated)
    if before.attention and before.status == "in_progress" and any(isinstance(e, verbs) for e in events):
        yield "a verb for a branch beside siblings that move"
    if ev.Paused in kinds and len(before.open) > 1:
        yield "a pause over several"
    for event in events:
        match event:
            case ev.AttentionRaised("crash_loop"):
                if len(before.open) > 1:
                    yield "a crash loop over several"
            case ev.MilestoneGaveUp(_, "its time was up"):
                if len(before.open) > 1:
                    yield "the time of one of several is up"
            case ev.SagaCancelled():
                if before.stop is not None and before.open:
                    yield "a structured journey drained"
            case ev.MilestoneRefused(name) | ev.MilestoneGaveUp(name):
                spec = before.definition.milestones[before.definition.index[name]]
                if spec.optional and _in_block(before, name) and after.open:
                    yield "an optional branch failed"


def _of_choices(before: RunState, events: Sequence[ev.Event]) -> Iterator[str]:
    for event in events:
        match event:
            case ev.ArmChosen(name, arm, who):
                yield "an arm is chosen"
                if arm == "end":
                    yield "an arm leads to the end"
                if any(m.arm is not None for m in before.milestones):
                    yield "a second choice"
                if any(a.kind == "no_arm" for a in before.attention):
                    yield "a person chooses"
                elif who is not None or _answered(events, name):
                    yield "an answer chooses"
            case ev.AttentionRaised("no_arm"):
                yield "nobody knows the way"
            case ev.MilestoneRolledBack(name):
                if before.milestones[before.definition.index[name]].arm is not None:
                    yield "back before a choice"
                if _in_block(before, name):
                    yield "back in a block"


def _answered(events: Sequence[ev.Event], name: str) -> bool:
    """By somebody who named the way: the choice is not the last word of the turn then."""
    return any(isinstance(e, ev.MilestoneCompleted) and e.milestone == name and e.who is not None for e in events)


def _of_children(before: RunState, event: ev.Event) -> Iterator[str]:
    if isinstance(event, ev.StopRequested) and before.parent is not None:
        yield "a recall waits for the pivot of the child"
    pivot = before.definition.pivot
    by_child = pivot is not None and before.definition.milestones[pivot].kind == "child"
    if by_child and isinstance(event, ev.StopRequested):
        yield "a stop waits for a pivot child"
    if by_child and isinstance(event, ev.StopTooLate):
        yield "a stop came too late for a pivot child"
    name = getattr(event, "milestone", None)
    if name is not None and before.definition.milestones[before.definition.index[name]].kind == "child":
        yield from _of_a_child(before, before.definition.index[name], event)


def _of_a_child(before: RunState, index: int, event: ev.Event) -> Iterator[str]:
    spec, m = before.definition.milestones[index], before.milestones[index]
    match event:
        case ev.MilestoneCompleted():
            yield "a child completed"
            if m.recalled:
                yield "a child was faster than its stop"
            if spec.pivot:
                yield "a pivot child completed"
        case ev.MilestoneRefused():
            yield "a child undid itself"
            if spec.optional:
                yield "an optional child undid itself"
        case ev.AttentionRaised("child_resolved"):
            yield "a child was closed"
        case ev.ChildRecalled(_, "its time was up"):
            yield "a child ran out of time"
        case ev.MilestoneCompensated():
            yield "a finished child is undone"
            if before.because is not None and before.because.kind == "requested":
                yield "a finished child is undone long after its parent was completed"
        case ev.UndoGivenUp():
            yield "a closed child cannot be undone"
        case ev.InputRevised():
            yield "a new child for a retry"
        case ev.MilestoneRolledBack():
            yield "back before a child"


def _of_undos(before: RunState, event: ev.Event) -> Iterator[str]:
    if isinstance(event, ev.MilestoneCompensated) and _in_block(before, event.milestone):
        yield "undone in a block"
    if isinstance(event, ev.UndoGivenUp) and _in_block(before, event.milestone):
        yield "a stuck undo in a block"


def _in_block(state: RunState, name: str) -> bool:
    index = state.definition.index[name]
    return any(len(stage) > 1 for stage in state.definition.stages if any(index in branch for branch in stage))
