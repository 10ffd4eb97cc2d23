"""Who gets how many of the free places: laws that hold whoever waits, and a few cases to read."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_journey.config import EACH, NO_LIMITS, Limits
from saga_journey.stores.shares import Group, shares

JOURNEYS, TENANTS = ("checkout", "refund", "travel"), ("acme", "globex", "initech")
ALL = [Group(t, d, JOURNEYS[d % 3], TENANTS[t], 0) for t in range(3) for d in range(6)]
"""Three tenants with two versions of each of three journeys."""


class Case(NamedTuple):
    groups: list[Group]
    room: int
    limits: Limits
    in_use: dict[tuple[str, str], int]

    def given(self) -> dict[Group, int]:
        return dict(shares(self.groups, self.room, self.limits, self.in_use))


few = st.integers(1, 8)
waiting = st.dictionaries(st.sampled_from(ALL), st.integers(1, 30)).map(
    lambda some: [group._replace(due=due) for group, due in some.items()]
)
limited = st.builds(
    Limits,
    journeys=st.dictionaries(st.sampled_from(JOURNEYS), few, max_size=2),
    tenants=st.dictionaries(st.sampled_from((*TENANTS, EACH)), few, max_size=2),
)
used = st.dictionaries(st.tuples(st.sampled_from(TENANTS), st.sampled_from(JOURNEYS)), few, max_size=3)
cases = st.builds(Case, waiting, st.integers(0, 60), st.one_of(st.just(NO_LIMITS), limited), used)


def limits_of(case: Case, group: Group) -> dict[str, int]:
    """What limits that group, by name, and how many more runs each of them allows at the end; below 0: too many."""
    moved = Counter(case.in_use)
    for other, count in case.given().items():
        moved[other.tenant_name, other.journey] += count
    found = {}
    if (most := case.limits.journeys.get(group.journey)) is not None:
        found[f"journey {group.journey}"] = most - sum(n for (_, j), n in moved.items() if j == group.journey)
    if (most := case.limits.of_tenant(group.tenant_name)) is not None:
        found[f"tenant {group.tenant_name}"] = most - sum(n for (t, _), n in moved.items() if t == group.tenant_name)
    return found


def is_under(group: Group, limit: str) -> bool:
    return limit in (f"journey {group.journey}", f"tenant {group.tenant_name}")


@given(cases)
def test_never_more_than_there_is_room_for_and_never_more_than_is_due(case: Case) -> None:
    given = case.given()
    assert sum(given.values()) <= case.room
    assert all(0 < count <= group.due for group, count in given.items())


@given(cases)
def test_the_order_of_those_who_wait_is_kept(case: Case) -> None:
    given = case.given()
    assert list(given) == [group for group in case.groups if group in given]


@given(cases)
def test_no_limit_is_passed(case: Case) -> None:
    """What was over a limit before gets nothing more."""
    for group in case.given():
        assert all(left >= 0 for left in limits_of(case, group).values())


@given(cases)
def test_no_place_stays_free_that_somebody_may_have(case: Case) -> None:
    given = case.given()
    if sum(given.values()) < case.room:
        for group in case.groups:
            assert given.get(group, 0) == group.due or min(limits_of(case, group).values(), default=1) <= 0


@given(cases)
def test_nobody_gets_more_than_one_above_another_who_still_wants(case: Case) -> None:
    """Unless the other one is held back by a limit that is not for both."""
    given = case.given()
    for poor in case.groups:
        if given.get(poor, 0) == poor.due:
            continue
        tight = [name for name, left in limits_of(case, poor).items() if left <= 0]
        for rich in case.groups:
            if all(is_under(rich, name) for name in tight):
                assert given.get(rich, 0) <= given.get(poor, 0) + 1


# --- cases to read ----------------------------------------------------------------------------------------------------


def counts(
    room: int, due: dict[str, int], limits: Limits = NO_LIMITS, in_use: dict[str, int] | None = None
) -> list[int]:
    """Of journeys of one tenant."""
    groups = [Group(1, number, name, "acme", count) for number, (name, count) in enumerate(due.items())]
    given = Counter({g.journey: n for g, n in shares(groups, room, limits, held(in_use or {}))})
    return [given[name] for name in due]


def held(by_journey: dict[str, int]) -> dict[tuple[str, str], int]:
    return {("acme", journey): count for journey, count in by_journey.items()}


@pytest.mark.parametrize(
    ("room", "due", "given"),
    [
        (10, {"a": 1_000_000, "b": 3}, [7, 3]),
        (9, {"a": 2, "b": 100, "c": 100}, [2, 4, 3]),
        (2, {"a": 5, "b": 5, "c": 5}, [1, 1, 0]),
        (100, {"a": 5, "b": 6}, [5, 6]),
        (0, {"a": 5}, [0]),
        (5, {}, []),
    ],
)
def test_places_go_round_until_they_are_used_up(room: int, due: dict[str, int], given: list[int]) -> None:
    assert counts(room, due) == given


def test_a_limit_leaves_the_places_to_others() -> None:
    assert counts(10, {"a": 100, "b": 100}, Limits(journeys={"a": 3})) == [3, 7]
    assert counts(10, {"a": 100, "b": 100}, Limits(journeys={"a": 3}), {"a": 2}) == [1, 9]
    assert counts(10, {"a": 100, "b": 100}, Limits(journeys={"a": 3}), {"a": 5}) == [0, 10]


def test_what_a_tenant_may_have_is_shared_by_its_journeys() -> None:
    """The first one does not take it all."""
    assert counts(100, {"a": 100, "b": 100}, Limits(tenants={"acme": 5})) == [3, 2]
    assert counts(100, {"a": 100, "b": 100}, Limits(tenants={EACH: 5}), {"a": 3}) == [1, 1]
