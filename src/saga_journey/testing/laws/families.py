"""Parents and children: each child belongs to one milestone, and what its parent says of it is what it says itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from saga_journey.core import events as ev
from saga_journey.core.children import child_id
from saga_journey.core.events import UNDO, Parent
from saga_journey.core.state import REFUSED, SagaStatus, UndoStatus
from saga_journey.testing.evidence import Evidence, SagaEvidence
from saga_journey.testing.journal import Fact
from saga_journey.testing.laws import Broken

FamilyLaw = Callable[[SagaEvidence, Evidence], Broken]


def parent_of(s: SagaEvidence) -> Parent | None:
    return s.last.parent


def children_of(s: SagaEvidence, everything: Evidence, index: int) -> list[SagaEvidence]:
    """The runs of a child milestone, one for each revision of its input that was tried, oldest first."""
    name = s.definition.milestones[index].id
    ids = [child_id(s.saga_id, name, revision) for revision in range(1, len(s.last.inputs) + 1)]
    return [everything.sagas[one] for one in ids if one in everything.sagas]


def _child_milestones(s: SagaEvidence) -> Iterator[int]:
    return (index for index, spec in enumerate(s.definition.milestones) if spec.kind == "child")


def every_child_has_its_place(s: SagaEvidence, everything: Evidence) -> Broken:
    """I1, I19, I20: a child is the run of one milestone of one parent, of its tenant, by the definition named there."""
    of = parent_of(s)
    if of is None:
        return
    parent = everything.sagas.get(of.saga_id)
    if parent is None or of.milestone not in parent.definition.index:
        yield "I1", f"it is a child of {of.saga_id}, milestone {of.milestone}, which does not exist"
        return
    if parent.row.tenant != s.row.tenant:
        yield "I20", f"it belongs to tenant {s.tenant!r}, its parent to {parent.tenant!r}"
    index = parent.definition.index[of.milestone]
    pinned = parent.definition.milestones[index].child
    if s not in children_of(parent, everything, index):
        yield "I1", f"its id is none that {of.saga_id} gives to the child of {of.milestone}"
    if pinned is None or (s.turns and s.turns[0].after.definition.hash != pinned.hash):
        yield "I19", f"{of.milestone} of its parent runs {pinned}, and it runs {s.definition.hash}"


def every_started_child_is_there(s: SagaEvidence, everything: Evidence) -> Broken:
    """I1: a child was started in the commit of its parent's intent."""
    for index in _child_milestones(s):
        m, name = s.last.milestones[index], s.definition.milestones[index].id
        if m.order > 0 and child_id(s.saga_id, name, m.revision) not in everything.sagas:
            yield "I1", f"{name} was started, and its child {child_id(s.saga_id, name, m.revision)} does not exist"


def parents_say_what_is_so(s: SagaEvidence, everything: Evidence) -> Broken:
    """I5: what a parent heard of its child, the child had come to before."""
    for fact in s.facts_of(ev.MilestoneCompleted, ev.MilestoneRefused, ev.MilestoneCompensated, ev.MilestoneRolledBack):
        name = str(getattr(fact.event, "milestone", ""))
        index = s.definition.index[name]
        if s.definition.milestones[index].kind != "child" or getattr(fact.event, "who", None) is not None:
            continue
        if _stated_by_hand(s, fact, name):
            continue
        child = everything.sagas.get(child_id(s.saga_id, name, fact.before.milestones[index].revision))
        wanted = ev.SagaCompleted if isinstance(fact.event, ev.MilestoneCompleted) else ev.SagaCompensated
        if child is not None and not any(s.knew(fact.seq, child, f.seq) for f in child.facts_of(wanted)):
            told = type(fact.event).__name__
            yield "I5", f"{told} of {name} (event {fact.seq}), and its child is {child.row.status}"


def _stated_by_hand(s: SagaEvidence, fact: Fact, name: str) -> bool:
    """A rollback that a person ended: what follows from a fact stands in the same turn."""
    turn = s.turn_at(fact.seq)
    stated = [f.event for f in turn.facts if isinstance(f.event, ev.FactStated)] if turn is not None else []
    return any(event.milestone == name for event in stated)


def children_end_as_their_parents(s: SagaEvidence, everything: Evidence) -> Broken:
    """I6, I7: a completed parent has completed children; of a compensated one no child still stands."""
    if not s.readable or s.final not in (SagaStatus.COMPLETED, SagaStatus.COMPENSATED):
        return
    stated = {f.event.milestone for f in s.facts if isinstance(f.event, ev.FactStated | ev.MilestoneSkipped)}
    for index in _child_milestones(s):
        m, spec = s.state.milestones[index], s.definition.milestones[index]
        by_hand = spec.id in stated or m.undo_status is UndoStatus.MANUAL
        for child in [] if by_hand else children_of(s, everything, index):
            newest = child.saga_id == child_id(s.saga_id, spec.id, m.revision)
            failed = not newest or m.status is REFUSED
            if s.final is SagaStatus.COMPLETED and not failed and child.final is not SagaStatus.COMPLETED:
                yield "I6", f"it is completed, and the child of {spec.id} is {child.row.status}"
            if s.final is SagaStatus.COMPENSATED and child.final is not SagaStatus.COMPENSATED:
                yield "I7", f"it is compensated, and the child of {spec.id} is {child.row.status}"


def only_parents_stop_children(s: SagaEvidence, everything: Evidence) -> Broken:
    """I8: a child turns back because it failed, or because its parent had said so."""
    of = parent_of(s)
    if of is None or of.saga_id not in everything.sagas:
        return
    parent = everything.sagas[of.saga_id]
    for fact in s.facts_of(ev.CompensationDecided):
        assert isinstance(fact.event, ev.CompensationDecided)
        kind = fact.event.because.kind
        if kind == "cancelled":
            yield "I8", f"somebody else than its parent stopped it (event {fact.seq})"
        if kind == "requested" and not _was_recalled(parent, of.milestone, s, fact.seq):
            yield "I8", f"it turned back at event {fact.seq}, and its parent had not asked for it"


def _was_recalled(parent: SagaEvidence, milestone: str, child: SagaEvidence, seq: int) -> bool:
    """Its parent had said so, or had begun to undo it, when the child wrote that event."""
    index = parent.definition.index.get(milestone)
    for turn in parent.turns:
        told = any(isinstance(f.event, ev.ChildRecalled) and f.event.milestone == milestone for f in turn.facts)
        undone = index is not None and turn.after.milestones[index].undo is not None
        if (told or undone) and child.knew(seq, parent, turn.seq):
            return True
    return False


def who_waits_will_hear(s: SagaEvidence, everything: Evidence) -> Broken:
    """I15: a parent that waits for a child which has ended has news in its mailbox, or its question is still there."""
    if not s.readable or s.final is not None:
        return
    for index in _child_milestones(s):
        m, name = s.state.milestones[index], s.definition.milestones[index].id
        child = everything.sagas.get(child_id(s.saga_id, name, m.revision))
        if index not in s.state.open or child is None or child.final is None:
            continue
        asking = s.state.op_of(index) == UNDO and any(c.name == "recall" and not c.answered for c in child.commands)
        if not asking and not any(c.name == "child_ended" and not c.answered for c in s.commands):
            yield "I15", f"it waits for the child of {name}, which is {child.row.status}, and will never hear of it"


LAWS: tuple[FamilyLaw, ...] = (
    every_child_has_its_place,
    every_started_child_is_there,
    parents_say_what_is_so,
    children_end_as_their_parents,
    only_parents_stop_children,
    who_waits_will_hear,
)
