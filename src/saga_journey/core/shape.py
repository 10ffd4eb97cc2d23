"""The shape of a journey: what may run side by side, where it may go on, and which milestones that leaves out.

A journey is a list of steps, and goes only forward through it. A step is a milestone, or a block whose branches run
side by side; what follows a block waits for all of its branches. After a milestone with `next_steps` the journey goes
on at the first of them whose condition holds, and what can no longer be reached is not taken; after any other milestone
it goes on with the one that stands after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saga_journey.core.definition import Milestone

END = "end"
"""Where a journey goes on when it is to be over: `to("end")`."""


@dataclass(frozen=True, slots=True)
class To:
    """Where a journey may go on. `when` is a condition in CEL; without one it always holds."""

    milestone: str
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Parallel:
    """A block: its branches, each a sequence of milestones, run side by side."""

    branches: tuple[tuple[Milestone, ...], ...]


Step = "Milestone | Parallel"
Stage = tuple[tuple[int, ...], ...]
"""The branches of a step, each as the places of its milestones. A step that is no block has one branch of one."""


def flat(steps: Sequence[Milestone | Parallel]) -> tuple[Milestone, ...]:
    """All milestones in the order in which they are written."""
    return tuple([m for branches in map(branches_of, steps) for branch in branches for m in branch])


def branches_of(step: Milestone | Parallel) -> tuple[tuple[Milestone, ...], ...]:
    return step.branches if isinstance(step, Parallel) else ((step,),)


def stages(steps: Sequence[Milestone | Parallel]) -> tuple[Stage, ...]:
    """The steps, by the places of their milestones."""
    found, place = [], 0
    for step in steps:
        stage = []
        for branch in branches_of(step):
            stage.append(tuple(range(place, place + len(branch))))
            place += len(branch)
        found.append(tuple(stage))
    return tuple(found)


def is_choice(m: Milestone) -> bool:
    """After it somebody has to decide where the journey goes on."""
    return len(m.next_steps) > 1 or any(step.when is not None for step in m.next_steps)


class Ways:
    """Which milestones can still be reached from where."""

    def __init__(self, milestones: Sequence[Milestone], all_stages: Sequence[Stage]) -> None:
        self._places = {m.id: place for place, m in enumerate(milestones)}
        self._steps = [m.next_steps for m in milestones]
        self._stage_of = {place: n for n, stage in enumerate(all_stages) for branch in stage for place in branch}
        self._stages = all_stages
        self._from: dict[int, frozenset[int]] = {}

    def reached_from(self, target: str) -> frozenset[int]:
        """The places of that milestone and of all that may follow it; none for the end."""
        return frozenset() if target == END else self._reached(self._stage_of[self._places[target]])

    def reached_at_all(self) -> frozenset[int]:
        return self._reached(0)

    def _reached(self, stage: int) -> frozenset[int]:
        """Stages only lead forward, so the last ones are answered first."""
        for n in range(len(self._stages) - 1, stage - 1, -1):
            if n not in self._from:
                here = frozenset(place for branch in self._stages[n] for place in branch)
                self._from[n] = here.union(*[self._from[after] for after in self._after(n)])
        return self._from[stage]

    def _after(self, stage: int) -> Iterator[int]:
        steps = [step for branch in self._stages[stage] for place in branch for step in self._steps[place]]
        if not steps and stage + 1 < len(self._stages):
            yield stage + 1
        for step in steps:
            if step.milestone != END:
                yield self._stage_of[self._places[step.milestone]]


def problems_of_conditions(id: str, steps: Sequence[To], problem_with: Callable[[str], str | None]) -> list[str]:
    """Every condition after that milestone that cannot be read; `problem_with` says why, or None."""
    conditional = [step for step in steps if step.when is not None]
    return [
        f"milestone {id!r}: the condition {step.when!r} of to({step.milestone!r}) cannot be read: {why}"
        for step in conditional
        if (why := problem_with(str(step.when)))
    ]


def problems_of_shape(steps: Sequence[Milestone | Parallel], index: Mapping[str, int]) -> list[str]:
    """Why this shape cannot be gone through; empty when it can."""
    found = [problem for step in steps if isinstance(step, Parallel) for problem in _problems_of_block(step)]
    milestones = flat(steps)
    for m in milestones:
        found += _problems_of_steps(m, index)
    if found or len(index) < len(milestones):
        return found
    reached = Ways(milestones, stages(steps)).reached_at_all()
    if left := [repr(m.id) for place, m in enumerate(milestones) if place not in reached]:
        found.append(f"no path of next_steps reaches {', '.join(left)}")
    return found


def _problems_of_block(block: Parallel) -> list[str]:
    found = []
    if len(block.branches) < 2 or not all(block.branches):
        found.append("a parallel block needs two branches or more, each with a milestone")
    everywhere = {m.id for branch in block.branches for m in branch}
    for branch in block.branches:
        beside = everywhere - {m.id for m in branch}
        for m in branch:
            found += _problems_in_block(m, beside)
    return found


def _problems_in_block(m: Milestone, beside: Collection[str]) -> list[str]:
    found = []
    if m.pivot:
        found.append(f"milestone {m.id!r} is the pivot inside a parallel block: its siblings could not be undone")
    if m.next_steps:
        found.append(f"milestone {m.id!r} has next_steps inside a parallel block: a branch is a plain sequence")
    if m.given in beside:
        found.append(f"milestone {m.id!r} is given the result of {m.given!r}, which runs beside it and has none yet")
    return found


def _problems_of_steps(m: Milestone, index: Mapping[str, int]) -> list[str]:
    found = []
    for step in m.next_steps:
        if step.milestone == END:
            continue
        if step.milestone not in index:
            found.append(f"milestone {m.id!r} goes on to {step.milestone!r}, which does not exist")
        elif index[step.milestone] <= index[m.id]:
            found.append(
                f"milestone {m.id!r} goes on to {step.milestone!r}, which does not stand after it: a journey only goes "
                "forward, and next_steps never run in a circle"
            )
    names = [step.milestone for step in m.next_steps]
    if len(set(names)) < len(names):
        found.append(f"milestone {m.id!r} names one of its next steps twice")
    if any(step.when is None for step in m.next_steps[:-1]):
        found.append(f"milestone {m.id!r} has next steps after one without a condition: they could never be taken")
    return found
