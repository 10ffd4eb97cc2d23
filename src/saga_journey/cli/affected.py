"""The runs in flight for which a deploy means something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from saga_journey.core.difference import Consequence, Difference

NAMED = 10
"""So many of them are named."""


@dataclass
class Affected:
    """One consequence, and the runs that it has it for; the first of them by their ids."""

    meant: Consequence
    runs: int = 0
    sagas: list[str] = field(default_factory=list)

    def count(self, saga_id: str) -> None:
        self.runs += 1
        if len(self.sagas) < NAMED:
            self.sagas.append(saga_id)


@dataclass
class Version:
    """The runs of one definition that are in flight, and what the deploy means for them."""

    between: Difference
    runs: int = 0
    affected: dict[Consequence, Affected] = field(default_factory=dict)

    @property
    def loses(self) -> bool:
        return any(meant.loses for meant in self.affected)

    def add(self, saga_id: str, found: Sequence[Consequence]) -> None:
        self.runs += 1
        for meant in found:
            self.affected.setdefault(meant, Affected(meant)).count(saga_id)

    def sorted(self) -> list[Affected]:
        """What loses something first, and then as `consequences` gives it: in the order of the milestones."""
        return sorted(self.affected.values(), key=lambda affected: not affected.meant.loses)
