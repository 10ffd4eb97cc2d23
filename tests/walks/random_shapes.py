"""Random journeys of every shape: blocks, choices, children, timers, pivots, in a saga or a structured journey."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from saga_journey.core.definition import ONE_CALL, ChildJourney, JourneyDefinition, Milestone, MilestoneKind, Retry
from saga_journey.core.shape import END, Parallel, To, flat
from saga_journey.errors import DefinitionError

DEEPEST = 2
"""A child may have a child."""


class Shapes:
    """Makes definitions out of one random source; `all` are those that it made, by hash."""

    def __init__(self, random: Random) -> None:
        self.all: dict[str, JourneyDefinition] = {}
        self._random = random
        self._count = 0

    def journey(self, *, depth: int = 0, pivot: bool | None = None) -> JourneyDefinition:
        """`pivot`: whether it must have one, or must not; by default as it comes."""
        random = self._random
        many = random.choice((1, 2, 2, 3, 3, 4) if depth == 0 else (1, 1, 2))
        has_pivot = random.random() < 0.35 if pivot is None else pivot
        at = random.randrange(many) if has_pivot else None
        steps = [self._step(depth, place, at) for place in range(many)]
        options: dict[str, object] = {
            "kind": "structured" if depth == 0 and random.random() < 0.2 else "saga",
            "deadline": random.choice((None, None, None, 40.0, 300.0)),
            "on_stuck_undo": random.choice(("stop", "continue")),
        }
        made = self._defined(depth, self._with_ways(steps), options) or self._defined(depth, steps, options, sure=True)
        assert made is not None
        return made

    def _defined(
        self, depth: int, steps: list[Milestone | Parallel], options: dict[str, object], *, sure: bool = False
    ) -> JourneyDefinition | None:
        """None when its ways leave something out."""
        try:
            definition = JourneyDefinition(f"level_{depth}", 1, tuple(steps), **options)  # type: ignore[arg-type]
        except DefinitionError:
            if sure:
                raise
            return None
        self.all[definition.hash] = definition
        return definition

    # --- steps ---

    def _step(self, depth: int, place: int, pivot: int | None) -> Milestone | Parallel:
        past = pivot is not None and place > pivot
        if place != pivot and self._random.random() < (0.45 if depth == 0 else 0.2):
            return self._block(depth, past=past)
        return self._milestone(depth, pivot=place == pivot, past=past)

    def _block(self, depth: int, *, past: bool) -> Parallel:
        sizes = self._random.choice(((1, 1), (1, 1), (1, 2), (2, 1), (1, 1, 1), (2, 2)))
        return Parallel(tuple(tuple(self._milestone(depth, past=past) for _ in range(size)) for size in sizes))

    def _milestone(self, depth: int, *, pivot: bool = False, past: bool = False) -> Milestone:
        kind = self._kind(depth, pivot=pivot, past=past)
        random, name = self._random, f"m{self._count}"
        self._count += 1
        if kind == "timer":
            return Milestone(name, None, kind="timer", timeout=random.choice((5.0, 30.0)))
        within = random.choice((None, None, None, 15.0, 60.0))
        optional = not pivot and random.random() < 0.15
        if kind == "child":
            of = self.journey(depth=depth + 1, pivot=pivot and random.random() < 0.7)
            child = ChildJourney(of.name, of.version, of.hash, of.pivot is not None)
            return Milestone(name, None, kind="child", child=child, within=within, pivot=pivot, optional=optional)
        once = kind == "action" and random.random() < 0.1
        return Milestone(
            name,
            None if kind == "external" and random.random() < 0.5 else f"do_{name}",
            None if past or random.random() < 0.2 else f"undo_{name}",
            kind,
            timeout=random.choice((20.0, 100.0)),
            within=within,
            retry=ONE_CALL if once else self._retry(),
            undo_retry=self._retry(),
            pivot=pivot,
            optional=optional,
            at_most_once=once,
        )

    def _kind(self, depth: int, *, pivot: bool, past: bool) -> MilestoneKind:
        kinds: tuple[MilestoneKind, ...] = ("action", "action", "action", "action", "external")
        if not pivot:
            kinds += ("timer",)
        if depth < DEEPEST and not past:
            kinds += ("child", "child") if depth == 0 else ("child",)
        return self._random.choice(kinds)

    def _retry(self) -> Retry:
        random = self._random
        attempts, first, lost = (
            random.choice((1, 2, 3)),
            random.choice((0.0, 0.0, 1.0, 4.0)),
            random.choice((0, 1, 2, 3)),
        )
        return Retry(attempts=attempts, first=first, lost=lost)

    # --- ways ---

    def _with_ways(self, steps: list[Milestone | Parallel]) -> list[Milestone | Parallel]:
        """Some milestones get a choice of what stands behind them; some arms skip what stands before another one."""
        found = list(steps)
        for place, (step, following) in enumerate(pairwise([*steps, None])):
            if isinstance(step, Milestone) and following is not None and self._random.random() < 0.5:
                heads = [flat([later])[0].id for later in steps[place + 1 :]]
                found[place] = _with(step, self._arms([*heads, END]))
        return found

    def _arms(self, heads: list[str]) -> tuple[To, ...]:
        random = self._random
        if random.random() < 0.2:
            return (To(random.choice(heads)),)
        chosen = random.sample(heads, min(len(heads), random.choice((2, 2, 3))))
        last_always = random.random() < 0.7
        return tuple(To(name, None if last_always and name == chosen[-1] else "true") for name in chosen)


def _with(milestone: Milestone, next_steps: tuple[To, ...]) -> Milestone:
    said = {name: getattr(milestone, name) for name in Milestone.__slots__}
    return Milestone(**{**said, "next_steps": next_steps})
