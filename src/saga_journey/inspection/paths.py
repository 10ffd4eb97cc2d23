"""The ways through a journey, as a reader needs them: from which step to which, and what has to be so for it.

`shape.Ways` says what a running journey can still reach; this says why. Steps are counted as in `definition.stages`,
and the end is the step after the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.shape import END, To, is_choice


class Edge(NamedTuple):
    """A way from one step to another one. `said` is the next step that says so, None where it only stands after it."""

    start: int
    target: int
    said: To | None


def edges(definition: JourneyDefinition) -> list[Edge]:
    """Every way, in the order in which they are tried."""
    found = []
    step_of = steps_by_milestone(definition)
    for start, stage in enumerate(definition.stages):
        said = definition.milestones[stage[0][0]].next_steps  # a block has none
        found += [Edge(start, start + 1, None)] if not said else []
        for step in said:
            end = step.milestone == END
            found.append(Edge(start, len(definition.stages) if end else step_of[step.milestone], step))
    return found


def steps_by_milestone(definition: JourneyDefinition) -> dict[str, int]:
    """The number of the step in which each milestone stands."""
    return {
        definition.milestones[place].id: number
        for number, stage in enumerate(definition.stages)
        for branch in stage
        for place in branch
    }


def reached(definition: JourneyDefinition, ways: list[Edge]) -> frozenset[int]:
    """The steps that these ways, in their order, lead to from the first one; they only lead forward."""
    found = {0}
    for way in ways:
        if way.start in found:
            found.add(way.target)
    return frozenset(found)


def dead_arms(definition: JourneyDefinition) -> Iterator[tuple[str, To, str]]:
    """Next steps that are never taken, by their text alone: after which milestone, which one, and why."""
    for m in definition.milestones:
        earlier: set[str] = set()
        for step in m.next_steps if is_choice(m) else ():
            when = None if step.when is None else step.when.strip()
            if when == "false":
                yield m.id, step, "its condition is false"
            elif "true" in earlier:
                yield m.id, step, "a condition before it is always true"
            elif when in earlier:
                yield m.id, step, "the same condition stands before it"
            if when is not None:
                earlier.add(when)


def places_of(definition: JourneyDefinition, step: int) -> list[int]:
    """The milestones of a step, by their places."""
    return [place for branch in definition.stages[step] for place in branch]


def later(definition: JourneyDefinition, place: int) -> frozenset[int]:
    """The milestones that may be started, or be under way, once that one is done, by their places."""
    before = {p for stage in definition.stages for branch in stage if place in branch for p in branch if p <= place}
    return definition.ways.reached_from(definition.milestones[place].id) - before
