"""What should happen: a journey as data. It holds names and policies, never code, and is versioned by its hash.

The authoring API builds these objects, `design()` reads them out of a request; both pass through `problems()`, so a
definition that exists can run.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, TypeGuard

from saga_journey.core.canonical import Json, decode, encode
from saga_journey.core.shape import (
    END,
    Parallel,
    Stage,
    To,
    Ways,
    flat,
    is_choice,
    problems_of_shape,
    stages,
)
from saga_journey.errors import DefinitionError, brief

MAX_MILESTONES = 1000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,99}")

JourneyKind = Literal["saga", "structured"]
MilestoneKind = Literal["action", "external", "timer", "child"]
OnStuckUndo = Literal["stop", "continue"]
Effects = Literal["reversible", "compensable", "irreversible", "read_only"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and how far apart. Times are in seconds.

    The delay before attempt n+1 is drawn between 0 and min(most, first * factor**(n-1)): full jitter
    ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). `attempts` bounds the calls that were answered or
    timed out, `lost` those whose worker died; either limit ends the milestone.
    """

    attempts: int = 4
    first: float = 1.0
    factor: float = 2.0
    most: float = 30.0
    lost: int = 5

    def ceiling(self, failures: int) -> float:
        """The longest delay after so many failures, in seconds."""
        return min(self.most, self.first * self.factor ** min(failures - 1, 64))


ACTION_RETRY = Retry()
UNDO_RETRY = Retry(attempts=20, most=600.0)
ONE_CALL = Retry(attempts=1, lost=0)
"""What `at_most_once` means: one call, and a lost one is not repeated."""


@dataclass(frozen=True, slots=True)
class ChildJourney:
    """The journey that a milestone of kind `child` runs, pinned by its hash. `pivot`: it has a point of no return."""

    name: str
    version: int
    hash: str
    pivot: bool = False


@dataclass(frozen=True, slots=True)
class Milestone:
    """A unit of a journey: an action, and what undoes it. `undo=None` says that there is nothing to undo.

    `timeout` and `undo_timeout` bound one attempt (for an `external` milestone or a `timer`, `timeout` is the whole
    wait), `within` bounds the milestone from its first intent; all in seconds. `action` is None for an external
    milestone that nobody has to be asked for, for a timer and for a child. `params` is the milestone's own data, for
    milestones made in a loop. `effects` says what the action does to the world, for the lint of a definition.
    """

    id: str
    action: str | None
    undo: str | None = None
    kind: MilestoneKind = "action"
    timeout: float = 60.0
    undo_timeout: float = 60.0
    within: float | None = None
    retry: Retry = ACTION_RETRY
    undo_retry: Retry = UNDO_RETRY
    pivot: bool = False
    optional: bool = False
    at_most_once: bool = False
    params: Json | None = None
    next_steps: tuple[To, ...] = ()
    child: ChildJourney | None = None
    given: str | None = None
    """The milestone whose result is the child's input; the journey's own input when left out."""
    effects: Effects | None = None

    @property
    def undoable(self) -> bool:
        """Something undoes it: its undo, or the compensation of the child that it ran."""
        return self.undo is not None or (self.kind == "child" and not self.pivot)


@dataclass(frozen=True)
class JourneyDefinition:
    """An ordered list of steps, the policy of the whole, and a hash of both. `milestones` are those of all steps."""

    name: str
    version: int
    steps: tuple[Milestone | Parallel, ...]
    kind: JourneyKind = "saga"
    deadline: float | None = None
    on_stuck_undo: OnStuckUndo = "stop"
    hash: str = field(init=False, compare=False, repr=False, default="")
    index: Mapping[str, int] = field(init=False, compare=False, repr=False, default_factory=dict)
    pivot: int | None = field(init=False, compare=False, repr=False, default=None)
    has_clocks: bool = field(init=False, compare=False, repr=False, default=False)
    """Something of it is bounded by the clock beyond the timeout of a call."""
    milestones: tuple[Milestone, ...] = field(init=False, compare=False, repr=False, default=())
    stages: tuple[Stage, ...] = field(init=False, compare=False, repr=False, default=())
    is_line: bool = field(init=False, compare=False, repr=False, default=True)
    """One action after the other: no block, no choice, no child."""
    ways: Ways = field(init=False, compare=False, repr=False, default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        set_once = object.__setattr__
        set_once(self, "milestones", flat(self.steps))
        set_once(self, "index", {m.id: i for i, m in enumerate(self.milestones)})
        if found := problems(self):
            raise DefinitionError(self.name, found)
        set_once(self, "pivot", next((i for i, m in enumerate(self.milestones) if m.pivot), None))
        clocks = any(m.within is not None or m.kind in ("external", "timer") for m in self.milestones)
        set_once(self, "has_clocks", self.deadline is not None or clocks)
        set_once(self, "stages", stages(self.steps))
        set_once(self, "ways", Ways(self.milestones, self.stages))
        bent = any(is_choice(m) or m.kind == "child" for m in self.milestones)
        set_once(self, "is_line", not bent and len(self.stages) == len(self.milestones))
        digest = hashlib.sha256(encode(plain(self)).encode()).hexdigest()
        set_once(self, "hash", digest[:32])

    def handlers(self) -> tuple[str, ...]:
        """The names of every handler that a run of this definition may call."""
        names = {name for m in self.milestones for name in (m.action, m.undo) if name is not None}
        return tuple(sorted(names))


def plain(definition: JourneyDefinition) -> dict[str, Any]:
    """The definition as JSON values. A field at its default is left out, so a field added later changes no hash."""
    return {
        "name": definition.name,
        "version": definition.version,
        **_set_fields(definition, skip=_SAID_ELSEWHERE),
        "milestones": [_plain_step(step) for step in definition.steps],
    }


_SAID_ELSEWHERE = frozenset({"name", "version", "steps"})


def _plain_step(step: Milestone | Parallel) -> dict[str, Any]:
    if isinstance(step, Parallel):
        return {"parallel": [[_plain_milestone(m) for m in branch] for branch in step.branches]}
    return _plain_milestone(step)


def _plain_milestone(m: Milestone) -> dict[str, Any]:
    said = _set_fields(m, skip=("retry", "undo_retry", "params", "next_steps", "child"))
    if m.next_steps:
        said["next_steps"] = [_set_fields(step, skip=()) for step in m.next_steps]
    if m.child is not None:
        said["child"] = _set_fields(m.child, skip=())
    for name, policy, default in (("retry", m.retry, ACTION_RETRY), ("undo_retry", m.undo_retry, UNDO_RETRY)):
        if policy != default:
            said[name] = {f.name: _one_form(getattr(policy, f.name), f.type) for f in fields(policy)}
    if m.params is not None:
        said["params"] = decode(m.params)
    return said


def _set_fields(thing: Any, skip: Collection[str]) -> dict[str, Any]:
    said = {}
    for f in fields(thing):
        value = getattr(thing, f.name)
        if f.init and f.name not in skip and (f.default is MISSING or value != f.default):
            said[f.name] = _one_form(value, f.type)
    return said


def _one_form(value: Any, declared: object) -> Any:
    """3600 seconds and 3600.0 seconds are one policy, and must have one hash."""
    return float(value) if type(value) is int and "float" in str(declared) else value


# --- what is wrong with it -------------------------------------------------------------------------------------------


def problems(definition: JourneyDefinition) -> list[str]:
    """Every reason why this definition cannot run, each a sentence; an empty list means that it can."""
    found = _whole_problems(definition)
    seen: set[str] = set()
    for m in definition.milestones:
        if m.id in seen:
            found.append(f"milestone {m.id!r} is there twice: give each its own id")
        seen.add(m.id)
        found += _milestone_problems(m)
        found += _kind_problems(m, seen)
    if not 0 < len(definition.milestones) <= MAX_MILESTONES:
        return found  # there is no way through nothing, and too many would take too long
    shape = problems_of_shape(definition.steps, definition.index)
    return found + shape + ([] if shape else _pivot_problems(definition))


def _pivot_problems(d: JourneyDefinition) -> list[str]:
    """There is one point of no return, and no way back on any path that leads on from it."""
    pivots = [place for place, m in enumerate(d.milestones) if m.pivot]
    found = [
        f"milestones {d.milestones[one].id!r} and {d.milestones[other].id!r} are both the pivot: "
        "a journey has one point of no return"
        for one, other in itertools.pairwise(pivots)
    ]
    if not pivots or len(d.index) < len(d.milestones):
        return found
    pivot = d.milestones[pivots[0]].id
    after = Ways(d.milestones, stages(d.steps)).reached_from(pivot) - {pivots[0]}
    for m in (d.milestones[place] for place in sorted(after)):
        if m.undoable:
            undo = f"declares undo {m.undo!r}" if m.undo is not None else "runs a child, which may have to be undone,"
            found.append(f"milestone {m.id!r} {undo} after the pivot {pivot!r}: there is no way back there")
    return found


def _whole_problems(d: JourneyDefinition) -> list[str]:
    found = []
    if not _is_name(d.name):
        found.append(
            f"the name {brief(d.name)} is not usable: letters, digits, '_', '.', '-', at most 100, no digit first"
        )
    if not _is_whole(d.version, 1):
        found.append(f"version is {d.version}: versions count from 1")
    if not d.milestones:
        found.append("it has no milestones")
    if len(d.milestones) > MAX_MILESTONES:
        found.append(f"it has {len(d.milestones)} milestones, at most {MAX_MILESTONES} can be run")
    if d.kind not in ("saga", "structured"):
        found.append(f"kind is {d.kind!r}: it is 'saga' or 'structured'")
    if d.on_stuck_undo not in ("stop", "continue"):
        found.append(f"on_stuck_undo is {d.on_stuck_undo!r}: it is 'stop' or 'continue'")
    if d.deadline is not None:
        found += _duration("the journey", "deadline", d.deadline)
    return found


def _milestone_problems(m: Milestone) -> list[str]:
    who = f"milestone {brief(m.id)}"
    found = []
    if not _is_name(m.id):
        found.append(f"{who}: the id is not usable: letters, digits, '_', '.', '-', at most 100, no digit first")
    if m.id == END:
        found.append(f"{who}: the id is taken: to({END!r}) is where a journey ends")
    if m.kind not in KINDS:
        found.append(f"{who}: kind is {m.kind!r}: it is 'action', 'external', 'timer' or 'child'")
    if m.kind == "action" and m.action is None:
        found.append(f"{who} has no action: only an external milestone may have none")
    if m.optional and m.pivot:
        found.append(f"{who} is optional and the pivot: a point of no return cannot be left out")
    if m.at_most_once and m.retry != ONE_CALL:
        found.append(f"{who} is at_most_once and has a retry policy: one call cannot be repeated, leave out retry")
    for name, seconds in (("timeout", m.timeout), ("undo_timeout", m.undo_timeout)):
        found += _duration(who, name, seconds)
    if m.within is not None:
        found += _duration(who, "within", m.within)
    for name, policy in (("retry", m.retry), ("undo_retry", m.undo_retry)):
        found += _policy_problems(who, name, policy)
    return found


def _kind_problems(m: Milestone, before: Collection[str]) -> list[str]:
    """What only an action can have, and what only a child can have. `before`: the milestones up to this one."""
    who, found = f"milestone {m.id!r}", []
    if m.kind in ("timer", "child") and (m.action is not None or m.undo is not None or m.at_most_once):
        found.append(f"{who} is a {m.kind}: it has no action, no undo and no at_most_once of its own")
    if m.kind == "timer" and (m.pivot or m.within is not None):
        found.append(f"{who} is a timer: it cannot be the pivot, and its timeout is all the time it takes")
    if (m.kind == "child") != (m.child is not None):
        found.append(f"{who}: kind {m.kind!r} {'needs' if m.child is None else 'cannot have'} a child journey")
    if m.child is not None and m.child.pivot and not m.pivot:
        found.append(f"{who} runs {m.child.name!r}, which has a pivot: then it must be the pivot here, too")
    if m.given is not None and (m.kind != "child" or m.given not in before or m.given == m.id):
        found.append(f"{who} is given the result of {m.given!r}: a child is given that of a milestone before it")
    if m.effects not in EFFECTS:
        found.append(f"{who}: effects is {m.effects!r}: it is {', '.join(repr(e) for e in EFFECTS if e)}")
    return found


KINDS: tuple[MilestoneKind, ...] = ("action", "external", "timer", "child")
EFFECTS: tuple[Effects | None, ...] = (None, "reversible", "compensable", "irreversible", "read_only")


def _duration(who: str, name: str, seconds: object) -> list[str]:
    if _is_finite(seconds) and seconds > 0:
        return []
    return [f"{who}: {name} is {seconds!r}: it is a number of seconds above 0, and always finite"]


def _policy_problems(who: str, name: str, policy: Retry) -> list[str]:
    found = []
    if not (_is_whole(policy.attempts, 1) and _is_whole(policy.lost, 0)):
        found.append(
            f"{who}: {name} allows attempts={policy.attempts!r}, lost={policy.lost!r}: whole numbers, at least 1 and 0"
        )
    numbers = all(_is_finite(value) for value in (policy.first, policy.factor, policy.most))
    if not (numbers and 0 <= policy.first <= policy.most and policy.factor >= 1):
        found.append(
            f"{who}: {name} waits first={policy.first!r}, factor={policy.factor!r}, most={policy.most!r}: "
            "0 <= first <= most, factor >= 1, all finite"
        )
    return found


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
