"""Attempts: none is forgotten, none too many, none too early, by the store's clock."""

from __future__ import annotations

from collections import Counter

from saga_journey.core import events as ev
from saga_journey.core.definition import Retry
from saga_journey.core.events import DO, UNDO, Op
from saga_journey.core.state import COMPLETED, UndoStatus
from saga_journey.core.timers import bound_of
from saga_journey.testing.evidence import SagaEvidence
from saga_journey.testing.journal import Fact
from saga_journey.testing.laws import Broken
from saga_journey.testing.laws.soundness import FINAL_EVENTS
from saga_journey.testing.laws.transitions import can_be_undone


def doubt_is_resolved(s: SagaEvidence) -> Broken:
    """I9: before a final row each unknown outcome was followed by an answer, an undo, or a person."""
    for end in s.facts_of(*FINAL_EVENTS):
        for fact in s.facts_of(ev.AttemptEnded, ev.AttemptLost, ev.MilestoneGaveUp):
            if fact.seq < end.seq and _leaves_doubt(fact) and not _resolved(s, fact, end):
                yield "I9", f"what became of {_name(fact)} (event {fact.seq}) was never found out nor undone"


def _leaves_doubt(fact: Fact) -> bool:
    event = fact.event
    if isinstance(event, ev.AttemptEnded):
        return event.op == DO and not event.clean
    return isinstance(event, ev.MilestoneGaveUp) or (isinstance(event, ev.AttemptLost) and event.op == DO)


def _name(fact: Fact) -> str:
    return str(getattr(fact.event, "milestone", "?"))


_RESOLVES = (
    ev.MilestoneCompleted,
    ev.MilestoneCompensated,
    ev.MilestoneSkipped,
    ev.FactStated,
    ev.UndoSkipped,
    ev.UndoGivenUp,
    ev.AttentionRaised,
)


def _resolved(s: SagaEvidence, fact: Fact, end: Fact) -> bool:
    spec = s.spec(_name(fact))
    if spec.optional or not can_be_undone(spec):
        return True  # listed as doubtful; or said out loud that there is nothing to undo
    if isinstance(end.event, ev.SagaResolved) and spec.id in end.event.left:
        return True  # a person closed it over another one, and was told that this is left
    return any(_name(f) == spec.id and fact.seq < f.seq < end.seq for f in s.facts_of(*_RESOLVES))


def budgets_are_kept(s: SagaEvidence) -> Broken:
    """I16: answered and lost attempts stay within `Retry`, in the journal and at the participant."""
    budgets = [(s.budget(spec.id, DO), s.budget(spec.id, UNDO)) for spec in s.definition.milestones]
    for turn in s.turns:
        for spec, m, (do, undo) in zip(s.definition.milestones, turn.after.milestones, budgets, strict=True):
            for op, calls, retry in (("do", m.do, do), ("undo", m.undo, undo)):
                if calls is not None and calls.answered > retry.attempts:
                    yield "I16", f"{op} {spec.id}: {calls.answered} attempts were answered, {retry.attempts} allowed"
                if calls is not None and calls.lost > max(retry.lost, 1):
                    yield "I16", f"{op} {spec.id}: {calls.lost} attempts were lost, {retry.lost} allowed"
    received: Counter[tuple[str, Op]] = Counter((e.milestone, e.op) for e in s.calls)
    for (milestone, op), count in received.items():
        most = _requests_at_most(s, milestone, op, s.budget(milestone, op))
        if count > most:
            yield "I16", f"{op} {milestone} was asked for {count} times, at most {most} are allowed"


def _requests_at_most(s: SagaEvidence, milestone: str, op: Op, retry: Retry) -> int:
    asked_again = _count(s, ev.AttemptWorking, milestone, op)
    budgets = 1 + _count(s, ev.MilestoneRetried, milestone, op)
    return budgets * (retry.attempts + max(retry.lost, 1) - 1) + asked_again


def _count(s: SagaEvidence, kind: type, milestone: str, op: Op) -> int:
    return sum(_name(f) == milestone and getattr(f.event, "op", op) == op for f in s.facts_of(kind))


def each_intent_is_performed_once(s: SagaEvidence) -> Broken:
    """I16: an attempt that may have been made is counted before it is made again, so no two requests share a fence."""
    for (key, fence), count in Counter((e.key, e.fence) for e in s.calls).items():
        if count > 1:
            by = ", ".join(f"{e.worker} at {e.received:.3f}" for e in s.calls if (e.key, e.fence) == (key, fence))
            called = f"{key} was called {count} times for the one intent at event {fence}, by the processes {by}"
            yield "I16", f"{called}: a lost attempt was not counted"


def none_comes_early(s: SagaEvidence) -> Broken:
    """I16, I17: no request before its `not_before`, none from a journal that is ahead of the store's clock."""
    for entry in s.calls:
        times = [i.not_before for i in s.intents if (i.key, i.fence) == (entry.key, entry.fence)]
        if times and entry.received < min(times):
            yield "I16", f"request {entry.n} ({entry}) came {min(times) - entry.received:.3f} s before its time"
        turn = s.turn_at(entry.fence)
        if turn is not None and turn.at > entry.received:
            yield (
                "I17",
                f"event {turn.seq} is dated {turn.at - entry.received:.3f} s after the call that followed from it",
            )


def clocks_strike_in_time(s: SagaEvidence) -> Broken:
    """I17: a deadline, a wait or a `within` never strikes early."""
    for fact in s.facts_of(ev.CompensationDecided, ev.StopRequested, ev.DeadlineMissed):
        because = getattr(fact.event, "because", None)
        deadline = fact.before.definition.deadline
        if deadline is not None and (because is None or because.kind == "deadline"):
            due = fact.before.started_at + deadline + fact.before.shift
            if fact.at < due:
                yield "I17", f"the deadline struck {due - fact.at:.3f} s early (event {fact.seq})"
    for fact in s.facts_of(ev.MilestoneGaveUp, ev.MilestoneCompleted, ev.ChildRecalled):
        index = s.definition.index[_name(fact)]
        if _time_was_up(s, fact) and fact.at < (due := bound_of(fact.before, index)):
            yield "I17", f"the time of {_name(fact)} was up {due - fact.at:.3f} s early (event {fact.seq})"


def _time_was_up(s: SagaEvidence, fact: Fact) -> bool:
    """The clock did this: it gave something up, it called a child back, or it completed a timer."""
    event = fact.event
    if isinstance(event, ev.MilestoneCompleted):
        return s.spec(event.milestone).kind == "timer"
    said = event.error if isinstance(event, ev.MilestoneGaveUp) else getattr(event, "why", "")
    return said == "its time was up"


def undone_once(s: SagaEvidence) -> Broken:
    """I9: an undo that is given up shows: the milestone's effect is not counted as undone."""
    if not s.readable:
        return
    for spec, m in zip(s.definition.milestones, s.state.milestones, strict=True):
        ended = [f for f in s.facts_of(ev.MilestoneCompensated) if _name(f) == spec.id]
        if m.undo_status is UndoStatus.DONE and len(ended) != 1:
            yield "I9", f"{spec.id} is undone {len(ended)} times in the journal"
        if m.undo_status is UndoStatus.DONE and m.undo is None and m.status is COMPLETED:
            yield "I9", f"{spec.id} is undone without an attempt"


LAWS = (
    doubt_is_resolved,
    budgets_are_kept,
    each_intent_is_performed_once,
    none_comes_early,
    clocks_strike_in_time,
    undone_once,
)
