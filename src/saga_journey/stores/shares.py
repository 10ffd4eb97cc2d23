"""Who gets how many of the free places: every tenant and journey that waits gets a share, whatever others have waiting.

Max-min fairness, in whole runs: the places go round one by one until they are used up, so that nobody gets more than
another one who still wants (Bertsekas and Gallager, Data Networks, 6.5.2). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from saga_journey.config import Limits


class Group(NamedTuple):
    """The due runs of one tenant and one definition."""

    tenant: int
    definition: int
    journey: str
    tenant_name: str
    due: int


InUse = Counter[tuple[str, str]]
"""How many runs are moved now, by the names of tenant and journey."""


def shares(
    groups: Sequence[Group], room: int, limits: Limits, in_use: Mapping[tuple[str, str], int]
) -> list[tuple[Group, int]]:
    """How many runs each group may have, none left out that may have one, in the order given; at most `room` in all.

    `limits` are kept over what is in use already.
    """
    left = _Left(limits, in_use)
    given = dict.fromkeys(range(len(groups)), 0)
    hungry = list(given)
    while hungry and room > 0:
        each = 1 if limits.on_claims else max(1, room // len(hungry))  # several may share what a limit leaves
        still = []
        for place in hungry:
            group = groups[place]
            more = min(each, room, group.due - given[place], left.of(group))
            given[place] += more
            room -= more
            left.use(group, more)
            if more == each:
                still.append(place)
        hungry = still
    return [(groups[place], count) for place, count in given.items() if count]


class _Left:
    """How much of the limits is left while places are given out."""

    def __init__(self, limits: Limits, in_use: Mapping[tuple[str, str], int]) -> None:
        self._limits = limits
        self._journeys: dict[str, int] = {}
        self._tenants: dict[str, int] = {}
        for (tenant, journey), count in in_use.items():
            self._add(tenant, journey, count)

    def of(self, group: Group) -> int:
        """So many more of this group may be moved; its own `due` when nothing limits it."""
        found = group.due
        if (most := self._limits.journeys.get(group.journey)) is not None:
            found = min(found, most - self._journeys.get(group.journey, 0))
        if (most := self._limits.of_tenant(group.tenant_name)) is not None:
            found = min(found, most - self._tenants.get(group.tenant_name, 0))
        return max(0, found)

    def use(self, group: Group, count: int) -> None:
        self._add(group.tenant_name, group.journey, count)

    def _add(self, tenant: str, journey: str, count: int) -> None:
        self._journeys[journey] = self._journeys.get(journey, 0) + count
        self._tenants[tenant] = self._tenants.get(tenant, 0) + count
