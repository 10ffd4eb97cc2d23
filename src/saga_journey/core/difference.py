"""What two definitions of a journey differ in, and what that means for a run that is under way.

A run keeps the definition that it was started with, so a new one changes nothing for it by itself. Two things do: the
code that a deploy takes away, and a person who moves the run. *Policies* are what a run may be moved over: how long and
how often (`timeout`, `undo_timeout`, `within`, both retries, `deadline`) and `on_stuck_undo`. They are read when
something is decided and never when a journal is folded, so the same journal means the same under both definitions.
Version and `effects` are only said, and count with them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from saga_journey.core.definition import JourneyDefinition, Milestone, Retry
from saga_journey.core.events import UNDO
from saga_journey.core.shape import Parallel, To
from saga_journey.core.state import RunState, UndoStatus
from saga_journey.core.walk import owes_undo

Kind = Literal["added", "removed", "moved", "action", "undo", "shape", "policy", "said"]


class Change(NamedTuple):
    """One difference, as a sentence. `milestone` is None when it is about the journey."""

    kind: Kind
    milestone: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Difference:
    """From `old` to `new`. `only_policies`: a run of the one can be moved to the other."""

    old: JourneyDefinition
    new: JourneyDefinition
    changes: tuple[Change, ...]
    only_policies: bool

    @property
    def same(self) -> bool:
        return self.old.hash == self.new.hash


def difference(old: JourneyDefinition, new: JourneyDefinition) -> Difference:
    """What changes from the one to the other; the milestones in the order of the new one, removed ones first."""
    changes = [*_of_the_journey(old, new), *_removed(old, new), *_added(old, new), *_moved(old, new)]
    for m in new.milestones:
        if m.id in old.index:
            changes += _of_a_milestone(old.milestones[old.index[m.id]], m)
    changes += _beside(old, new)
    return Difference(old, new, tuple(changes), _bare(old) == _bare(new))


# --- the journey ------------------------------------------------------------------------------------------------------


def _of_the_journey(old: JourneyDefinition, new: JourneyDefinition) -> Iterator[Change]:
    if old.name != new.name:
        yield Change("shape", None, f"it is another journey: {new.name}, was {old.name}")
    if old.version != new.version:
        yield Change("said", None, f"version {new.version}, was {old.version}")
    if old.kind != new.kind:
        yield Change("shape", None, f"it is a {new.kind} journey, was a {old.kind} one")
    if old.deadline != new.deadline:
        yield Change("policy", None, _now_and_then("deadline", _span(old.deadline), _span(new.deadline)))
    if old.on_stuck_undo != new.on_stuck_undo:
        yield Change("policy", None, _now_and_then("on_stuck_undo", old.on_stuck_undo, new.on_stuck_undo))


def _removed(old: JourneyDefinition, new: JourneyDefinition) -> Iterator[Change]:
    for m in old.milestones:
        if m.id not in new.index:
            yield Change("removed", m.id, f"{m.id} is removed{_undone_by(m)}")


def _added(old: JourneyDefinition, new: JourneyDefinition) -> Iterator[Change]:
    companions = _companions(new)
    for place, m in enumerate(new.milestones):
        if m.id not in old.index:
            where = f"after {new.milestones[place - 1].id}" if place else "as the first"
            beside = [name for name in new.index if name in companions.get(m.id, ())]
            where = f"beside {', '.join(beside)}" if beside else where
            yield Change("added", m.id, f"{m.id} is added {where}{_undone_by(m)}")


def _undone_by(m: Milestone) -> str:
    return f", undone by {m.undo}" if m.undo is not None else ""


def _moved(old: JourneyDefinition, new: JourneyDefinition) -> Iterator[Change]:
    """The fewest milestones whose moving explains the new order."""
    both = [m.id for m in new.milestones if m.id in old.index]
    stayed = _longest_rise([old.index[name] for name in both])
    for place, name in enumerate(both):
        if old.index[name] not in stayed:
            where = f"after {both[place - 1]}" if place else "first"
            yield Change("moved", name, f"{name} is moved: it comes {where}")


def _longest_rise(numbers: list[int]) -> set[int]:
    """The members of one longest increasing subsequence."""
    ends: list[int] = []  # the smallest end of a rise of each length
    before: dict[int, int | None] = {}
    for number in numbers:
        at = bisect_left(ends, number)
        before[number] = ends[at - 1] if at else None
        ends[at : at + 1] = [number]
    found: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        found.add(last)
        last = before[last]
    return found


# --- a milestone that both have ---------------------------------------------------------------------------------------


def _of_a_milestone(old: Milestone, new: Milestone) -> Iterator[Change]:
    for kind, differs in (("action", _of_the_action), ("undo", _of_the_undo), ("shape", _of_the_kind)):
        for sentence in differs(old, new):
            yield Change(kind, new.id, f"{new.id}: {sentence}")  # type: ignore[arg-type]
    for sentence in _of_the_policies(old, new):
        yield Change("policy", new.id, f"{new.id}: {sentence}")
    if old.effects != new.effects:
        yield Change("said", new.id, f"{new.id}: {_now_and_then('effects', old.effects, new.effects)}")


def _of_the_action(old: Milestone, new: Milestone) -> Iterator[str]:
    if old.action != new.action:
        yield _now_and_then("action", old.action, new.action)
    if old.child != new.child:
        theirs = [None if m.child is None else f"{m.child.name} version {m.child.version}" for m in (old, new)]
        other = ", which means something else now" if theirs[0] == theirs[1] else f", was {theirs[0] or 'none'}"
        yield f"its child is {theirs[1] or 'none'}{other}"
    if old.given != new.given:
        yield _now_and_then("given", old.given, new.given)
    if old.params != new.params:
        yield "other params"


def _of_the_undo(old: Milestone, new: Milestone) -> Iterator[str]:
    if old.undo != new.undo:
        yield f"undone by {new.undo or 'nothing'}, was {old.undo or 'nothing'}"


def _of_the_kind(old: Milestone, new: Milestone) -> Iterator[str]:
    if old.kind != new.kind:
        yield _now_and_then("kind", old.kind, new.kind)
    for name in ("pivot", "optional", "at_most_once"):
        if getattr(old, name) != getattr(new, name):
            yield f"{'' if getattr(new, name) else 'no longer '}{name}"
    if old.next_steps != new.next_steps:
        yield f"goes on {_steps(new.next_steps)}, was {_steps(old.next_steps)}"


def _steps(steps: tuple[To, ...]) -> str:
    ways = [f"to {step.milestone}" + (f" when {step.when}" if step.when is not None else "") for step in steps]
    return ", else ".join(ways) or "with the next one"


def _of_the_policies(old: Milestone, new: Milestone) -> Iterator[str]:
    for name in ("timeout", "undo_timeout", "within"):
        if getattr(old, name) != getattr(new, name):
            yield _now_and_then(name, _span(getattr(old, name)), _span(getattr(new, name)))
    for name in ("retry", "undo_retry"):
        yield from _of_the_retry(name, getattr(old, name), getattr(new, name))


def _of_the_retry(name: str, old: Retry, new: Retry) -> Iterator[str]:
    for field in ("attempts", "first", "factor", "most", "lost"):
        if getattr(old, field) != getattr(new, field):
            yield f"{name}.{field} {getattr(new, field):g}, was {getattr(old, field):g}"


def _beside(old: JourneyDefinition, new: JourneyDefinition) -> Iterator[Change]:
    """Which of the milestones that both have run beside which."""
    then, now = _companions(old), _companions(new)
    both = [name for name in new.index if name in old.index]
    for name in [name for name in both if name in then or name in now]:
        sides = [[other for other in both if other in d.get(name, ())] for d in (then, now)]
        if sides[0] != sides[1]:
            was, runs = [", ".join(side) or "nothing" for side in sides]
            yield Change("shape", name, f"{name}: runs beside {runs}, was beside {was}")


def _companions(d: JourneyDefinition) -> dict[str, set[str]]:
    """For each milestone of a block those of its other branches."""
    found: dict[str, set[str]] = {}
    for stage in d.stages:
        branches = [{d.milestones[place].id for place in branch} for branch in stage]
        for branch in branches if len(branches) > 1 else ():
            found |= dict.fromkeys(branch, set().union(*branches) - branch)
    return found


def _now_and_then(name: str, old: object, new: object) -> str:
    return f"{name} {'none' if new is None else new}, was {'none' if old is None else old}"


def _span(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:g} s"


def _bare(d: JourneyDefinition) -> Any:
    """All of a definition but what is only said, and its policies. `at_most_once` is none: it comes with its retry."""
    steps = [
        Parallel(tuple(tuple(map(_bare_milestone, branch)) for branch in step.branches))
        if isinstance(step, Parallel)
        else _bare_milestone(step)
        for step in d.steps
    ]
    return d.name, d.kind, steps


def _bare_milestone(m: Milestone) -> Milestone:
    blank = Retry()
    return replace(m, timeout=0, undo_timeout=0, within=None, retry=blank, undo_retry=blank, effects=None)


# --- what it means for a run ------------------------------------------------------------------------------------------

ConsequenceKind = Literal["same_version", "undo_lost", "parked", "in_removed", "past_removed", "policies", "unreadable"]


class Consequence(NamedTuple):
    """What a deploy means for a run: "1 run …", "3 runs …". `loses`: something goes wrong unless somebody acts."""

    kind: ConsequenceKind
    milestone: str | None
    loses: bool
    sentence: str


def consequences(between: Difference, state: RunState, handlers: Collection[str]) -> list[Consequence]:
    """What it means for a run of the old definition, where it stands, when the new one is deployed; the worst first.

    `handlers` are the names that can be called from then on. An empty list: it notices nothing.
    """
    old, new = between.old, between.new
    if between.same:
        return []
    found = [*_refused(old, new), *_lost_undos(state, handlers), *_parked(old, handlers), *_removed_under(new, state)]
    if between.only_policies:
        found.append(Consequence("policies", None, False, "could be moved: only policies differ"))
    return found


def _refused(old: JourneyDefinition, new: JourneyDefinition) -> Iterator[Consequence]:
    if old.version == new.version:
        sentence = f"would keep a program from opening: to them version {new.version} means something else, so raise it"
        yield Consequence("same_version", None, True, sentence)


def _lost_undos(state: RunState, handlers: Collection[str]) -> Iterator[Consequence]:
    for index, m in enumerate(state.definition.milestones):
        if m.undo is not None and m.undo not in handlers and may_owe_undo(state, index):
            yield Consequence("undo_lost", m.id, True, f"would lose the undo of {m.id}: nothing has {m.undo}")


def may_owe_undo(state: RunState, index: int) -> bool:
    """What the run has done at that milestone may still have to be undone."""
    if state.final is not None or (state.direction != UNDO and state.past_pivot):
        return False
    m = state.milestones[index]
    finished = m.undo_status in (UndoStatus.DONE, UndoStatus.MANUAL, UndoStatus.SKIPPED)
    return not finished and (owes_undo(state, index) or index in state.open)


def _parked(old: JourneyDefinition, handlers: Collection[str]) -> Iterator[Consequence]:
    """Workers take only runs all of whose handlers they have, also those that a run is past (SEMANTICS 30)."""
    if missing := [name for name in old.handlers() if name not in handlers]:
        yield Consequence("parked", None, True, f"would wait until a worker has {', '.join(missing)}")


def _is_at(state: RunState, index: int) -> bool:
    """Its action is under way there, or a person has to say how it goes on."""
    if state.direction == UNDO:
        return False
    at_it = any(a.milestone == state.definition.milestones[index].id for a in state.attention)
    return at_it or (index in state.open and state.op_of(index) != UNDO)


def _removed_under(new: JourneyDefinition, state: RunState) -> Iterator[Consequence]:
    for index, m in enumerate(state.definition.milestones):
        if m.id in new.index:
            continue
        if _is_at(state, index):
            yield Consequence("in_removed", m.id, False, f"would still end {m.id}, which is removed, as before")
        elif state.milestones[index].order:
            yield Consequence("past_removed", m.id, False, f"went past {m.id}, which is removed")
