"""The journal against what really reached the participants. An effect counts when its request was applied."""

from __future__ import annotations

from collections import defaultdict

from saga_journey.core import events as ev
from saga_journey.core.events import DO, UNDO
from saga_journey.core.state import COMPLETED, SKIPPED, UNKNOWN, SagaStatus, UndoStatus
from saga_journey.testing.evidence import SagaEvidence
from saga_journey.testing.laws import Broken
from saga_journey.testing.ledger import NOTHING_TO_UNDO, Entry


def intent_first(s: SagaEvidence) -> Broken:
    """I3: at receipt of a call its intent was in the journal."""
    for entry in s.strange:
        yield "I3", f"request {entry.n} ({entry}) is about no milestone of its saga"
    fences = {(i.key, i.fence) for i in s.intents}
    for entry in s.calls:
        if entry.visible is False:
            yield "I3", f"request {entry.n} ({entry}) arrived before its intent was written"
        elif s.readable and (entry.key, entry.fence) not in fences:
            yield "I3", f"request {entry.n} ({entry}) has no intent at event {entry.fence}"


def once_for_each_key(s: SagaEvidence) -> Broken:
    """I4: one effect, one key and one body for each milestone, op and revision of the input."""
    revisions = {(i.milestone, i.fence): i.revision for i in s.intents}
    asked: dict[tuple[str, str, int], list[Entry]] = defaultdict(list)
    for entry in s.calls:
        asked[entry.milestone, entry.op, revisions.get((entry.milestone, entry.fence), 1)].append(entry)
    for (milestone, op, _), entries in asked.items():
        applied = [e.n for e in entries if e.applied]
        if len(applied) > 1:
            yield "I4", f"{op} {milestone} took effect {len(applied)} times, by requests {applied}"
        if len(keys := {e.key for e in entries}) > 1:
            yield "I4", f"{op} {milestone} was asked for under {len(keys)} keys: {sorted(keys)}"
        if len({e.body for e in entries}) > 1:
            yield "I4", f"{op} {milestone} was asked for with different bodies under one key"
    if shared := {e.key for e in s.entries(DO)} & {e.key for e in s.entries(UNDO)}:
        yield "I4", f"an action and an undo share the key {min(shared)}"


def no_invented_success(s: SagaEvidence) -> Broken:
    """I5: what the journal calls done was done; what it calls undone was undone, or was never there."""
    for fact in s.facts_of(ev.MilestoneCompleted):
        event = fact.event
        assert isinstance(event, ev.MilestoneCompleted)
        by_call = event.who is None and s.spec(event.milestone).action is not None
        if by_call and not s.entries(DO, event.milestone, applied=True):
            yield "I5", f"{event.milestone} is completed (event {fact.seq}), and nobody did it"
    for fact in s.facts_of(ev.MilestoneCompensated):
        event = fact.event
        assert isinstance(event, ev.MilestoneCompensated)
        if s.spec(event.milestone).kind == "child":
            continue  # `families` asks the child
        if not any(e.applied or e.why == NOTHING_TO_UNDO for e in s.entries(UNDO, event.milestone)):
            yield "I5", f"{event.milestone} is compensated (event {fact.seq}), and nobody undid it"


def completed_means_all(s: SagaEvidence) -> Broken:
    """I6: every milestone that was neither skipped nor optional was done, and nothing was undone."""
    if s.final is not SagaStatus.COMPLETED or not s.readable:
        return
    said = {f.event.milestone for f in s.facts if isinstance(f.event, ev.FactStated)}
    said |= {f.event.milestone for f in s.facts if isinstance(f.event, ev.MilestoneCompleted) and f.event.who}
    for spec, m in zip(s.definition.milestones, s.state.milestones, strict=True):
        exempt = spec.optional or spec.action is None or spec.id in said or m.status is SKIPPED
        if not exempt and not s.entries(DO, spec.id, applied=True):
            yield "I6", f"it is completed, and {spec.id} was never done"
    for entry in s.entries(UNDO):
        if not _rolled_back(s, entry):
            yield "I6", f"it is completed, and request {entry.n} asked to undo {entry.milestone}"


def _rolled_back(s: SagaEvidence, entry: Entry) -> bool:
    """A person went back before that milestone, and the journey has done it again since, or never came back to it."""
    started = [f.seq for f in s.facts_of(ev.RollbackStarted) if f.event.milestone == entry.milestone]  # type: ignore[union-attr]
    return any(seq <= entry.fence for seq in started)


def compensated_means_none(s: SagaEvidence) -> Broken:
    """I7: every effect that there was is gone, whether the journal knew of it or not."""
    if s.final is not SagaStatus.COMPENSATED or not s.turns:
        return
    for done in s.entries(DO, applied=True):
        index = s.definition.index[done.milestone]
        by_hand = s.state.milestones[index].undo_status is UndoStatus.MANUAL
        if s.definition.milestones[index].undo is None or by_hand:
            continue
        if not any(u.n > done.n for u in s.entries(UNDO, done.milestone, applied=True)):
            yield "I7", f"it is compensated, and what request {done.n} did ({done.milestone}) still stands"


def no_needless_undo(s: SagaEvidence) -> Broken:
    """I8: an undo is asked for only of what ended ok, unknown, or was skipped in doubt."""
    for entry in s.entries(UNDO):
        turn = s.turn_at(entry.fence)
        if turn is None:
            continue  # I3 says so
        m = turn.after.milestones[s.definition.index[entry.milestone]]
        owed = m.status in (COMPLETED, UNKNOWN) or (m.status is SKIPPED and m.doubt)
        if not owed or not (turn.after.direction == UNDO or _rolled_back(s, entry)):
            yield "I8", f"request {entry.n} asks to undo {entry.milestone}, which is {m.status}"


LAWS = (
    intent_first,
    once_for_each_key,
    no_invented_success,
    completed_means_all,
    compensated_means_none,
    no_needless_undo,
)
