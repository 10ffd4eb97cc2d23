"""A declared journey: order and pairs stand on one screen, and importing it runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from saga_journey.authoring.milestones import BlockOf, MilestoneOf
from saga_journey.core.definition import JourneyDefinition, JourneyKind, Milestone, OnStuckUndo
from saga_journey.core.shape import Parallel, problems_of_conditions
from saga_journey.errors import DefinitionError
from saga_journey.handlers.conditions import problem_with_condition
from saga_journey.handlers.curator import Curator, JourneyTypes
from saga_journey.handlers.types import UNDECLARED, shape_of

I = TypeVar("I")  # noqa: E741 - the input type of a saga


class Journey(Generic[I]):
    """A declared journey: a core definition, and the functions and types it names."""

    kind: JourneyKind

    def __init__(
        self,
        name: str,
        *,
        version: int,
        milestones: Sequence[MilestoneOf[I, Any] | BlockOf[I]],
        input: type[I] | None = None,
        deadline: float | None = None,
        on_stuck_undo: OnStuckUndo = "stop",
    ) -> None:
        """Raises DefinitionError with every problem of the definition at once."""
        self.name = name
        given: Sequence[object] = milestones
        if strange := [m for m in given if not isinstance(m, MilestoneOf | BlockOf)]:
            raise DefinitionError(name, [_no_milestone(m) for m in strange])
        written = [m for step in milestones for branch in _branches(step) for m in branch]
        found = [problem for m in written for problem in m.problems]
        handlers = _handlers(written, found)
        for m in written:
            steps = m.spec.next_steps if m.spec is not None else ()
            found += problems_of_conditions(m.id, steps, problem_with_condition)
        specs = tuple(spec for step in milestones if (spec := _spec(step)) is not None)
        try:
            self.definition: JourneyDefinition = JourneyDefinition(
                name, version, specs, self.kind, deadline, on_stuck_undo
            )
        except DefinitionError as error:
            known = [p for p in error.problems if specs or not found or "no milestones" not in p]
            raise DefinitionError(name, [*found, *known]) from None
        self.children: list[Saga[Any]] = [m.child for m in written if m.child is not None]
        self._curate(handlers, found, written, input)
        if found:
            raise DefinitionError(name, found)

    def _curate(
        self,
        handlers: Mapping[str, Callable[..., Any]],
        found: list[str],
        milestones: Sequence[MilestoneOf[I, Any]],
        input: type[I] | None,
    ) -> None:
        self.handlers = handlers
        trial = Curator()
        for name, fn in handlers.items():
            try:
                trial.register(fn, name)
            except DefinitionError as error:
                found += error.problems
        try:
            results = {m.id: shape_of(m.result) for m in milestones if m.result is not UNDECLARED}
            self._types = JourneyTypes(shape_of(cast(Any, input)), results) if input is not None else None
            self._results = results
        except TypeError as error:
            found.append(str(error))

    def family(self) -> list[Saga[Any]]:
        """Its children, and theirs."""
        return [one for child in self.children for one in (child, *child.family())]

    def register_in(self, curator: Curator) -> None:
        """Binds the names of this journey, and of its children, to their functions there."""
        for child in self.children:
            child.register_in(curator)
        for name, fn in self.handlers.items():
            curator.register(fn, name)
        if self._types is not None or self._results:
            curator.declare(self.name, self._types or JourneyTypes(None, self._results))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, version={self.definition.version})"


class Saga(Journey[I]):
    """A journey that finishes, or undoes itself."""

    kind: JourneyKind = "saga"


class Structured(Journey[I]):
    """A journey in a fixed order that waits for a person when a milestone fails; nothing is undone by itself."""

    kind: JourneyKind = "structured"


def _no_milestone(thing: object) -> str:
    shown = getattr(thing, "__name__", repr(thing))
    return f"{shown} is no milestone: milestone({shown}, undo=…)"


def _branches(step: MilestoneOf[Any, Any] | BlockOf[Any]) -> Sequence[Sequence[MilestoneOf[Any, Any]]]:
    return step.branches if isinstance(step, BlockOf) else ((step,),)


def _spec(step: MilestoneOf[Any, Any] | BlockOf[Any]) -> Milestone | Parallel | None:
    """The step as data; None where a milestone cannot be written as such, which is told as its problem."""
    if isinstance(step, MilestoneOf):
        return step.spec
    branches = tuple(tuple(m.spec for m in branch if m.spec is not None) for branch in step.branches)
    complete = all(m.spec is not None for branch in step.branches for m in branch)
    return Parallel(branches) if complete else None


def _handlers(milestones: Sequence[MilestoneOf[Any, Any]], found: list[str]) -> dict[str, Callable[..., Any]]:
    handlers: dict[str, Callable[..., Any]] = {}
    for m in milestones:
        for name, fn in m.handlers.items():
            if handlers.setdefault(name, fn) != fn:
                found.append(f"two functions share the handler name {name!r}: give one of them name= (or undo_name=)")
    return handlers
