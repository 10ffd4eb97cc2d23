"""Definitions: what cannot run is refused when it is written, all of it at once; what can run has a stable hash."""

from typing import Any

import pytest

from saga_journey.core.canonical import encode
from saga_journey.core.codec import decode_definition, encode_definition
from saga_journey.core.definition import (
    MAX_MILESTONES,
    ONE_CALL,
    UNDO_RETRY,
    JourneyDefinition,
    Milestone,
    Retry,
    plain,
)
from saga_journey.errors import DefinitionError, brief

NAN, INF = float("nan"), float("inf")


def a(id: str = "a", **options: Any) -> Milestone:
    return Milestone(id, options.pop("action", id), **{"undo": "undo", **options})


def problems(*milestones: Milestone, **options: Any) -> str:
    """All that is said against it."""
    with pytest.raises(DefinitionError) as refused:
        JourneyDefinition(options.pop("name", "order"), options.pop("version", 1), milestones, **options)
    assert str(refused.value).startswith(
        f"journey {brief(refused.value.name)} has {len(refused.value.problems)} problem"
    )
    return "\n".join(refused.value.problems)


def test_it_needs_milestones_but_not_too_many() -> None:
    assert problems() == "it has no milestones"
    many = [a(f"m{n}") for n in range(MAX_MILESTONES + 1)]
    assert problems(*many) == "it has 1001 milestones, at most 1000 can be run"
    assert len(JourneyDefinition("order", 1, tuple(many[:-1])).milestones) == 1000


@pytest.mark.parametrize("name", ["", "1st", "a b", "a/b", "x" * 101, "é", "a\n", 7, None])
def test_names_can_be_used_everywhere(name: Any) -> None:
    assert "is not usable" in problems(a(), name=name)
    assert "the id is not usable" in problems(a(name, action="do"))


@pytest.mark.parametrize("name", ["a", "_", "order.v2", "A-b_c", "x" * 100])
def test_usable_names(name: str) -> None:
    assert JourneyDefinition(name, 1, (a(name),)).index == {name: 0}


def test_versions_count_from_one() -> None:
    for version in (0, -1, "2", True, 1.5, None):
        assert problems(a(), version=version) == f"version is {version}: versions count from 1"


def test_ids_are_there_once() -> None:
    assert problems(a(), a("b"), a()) == "milestone 'a' is there twice: give each its own id"


def test_an_action_needs_a_handler() -> None:
    assert problems(Milestone("a", None)) == "milestone 'a' has no action: only an external milestone may have none"
    assert JourneyDefinition("order", 1, (Milestone("a", None, kind="external"),)).handlers() == ()


@pytest.mark.parametrize("seconds", [0, -1.0, NAN, INF, "10", None, True])
def test_times_are_finite_and_above_zero(seconds: Any) -> None:
    assert "timeout is" in problems(a(timeout=seconds))
    assert "undo_timeout is" in problems(a(undo_timeout=seconds))
    if seconds is not None:
        assert "within is" in problems(a(within=seconds))
        assert "the journey: deadline is" in problems(a(), deadline=seconds)


@pytest.mark.parametrize(
    "policy",
    [
        Retry(attempts=0),
        Retry(lost=-1),
        Retry(first=-1.0),
        Retry(first=40.0),
        Retry(factor=0.5),
        Retry(most=INF),
        Retry(first=NAN),
        Retry(factor=NAN),
        Retry(factor=INF),
        Retry(most=NAN),
        Retry(attempts=2.5),  # type: ignore[arg-type]
        Retry(attempts=NAN),  # type: ignore[arg-type]
        Retry(attempts=True),
        Retry(attempts="3"),  # type: ignore[arg-type]
        Retry(lost=None),  # type: ignore[arg-type]
        Retry(first="1"),  # type: ignore[arg-type]
    ],
)
def test_retry_policies_are_bounded(policy: Retry) -> None:
    assert "milestone 'a': retry " in problems(a(retry=policy))
    assert "milestone 'a': undo_retry " in problems(a(undo_retry=policy))


def test_there_is_one_pivot_and_no_way_back_after_it() -> None:
    found = problems(a(pivot=True), a("b"), a("c", undo=None, pivot=True))
    assert "milestone 'b' declares undo 'undo' after the pivot 'a': there is no way back there" in found
    assert "milestones 'a' and 'c' are both the pivot: a journey has one point of no return" in found
    definition = JourneyDefinition("order", 1, (a(), a("b", pivot=True), a("c", undo=None)))
    assert definition.pivot == 1  # its own undo serves while it is in doubt


def test_what_excludes_each_other() -> None:
    assert "is optional and the pivot" in problems(a(optional=True, pivot=True))
    assert "is at_most_once and has a retry policy" in problems(a(at_most_once=True))
    assert JourneyDefinition("order", 1, (a(at_most_once=True, retry=ONE_CALL),))


def test_kinds_are_known() -> None:
    assert problems(a(), kind="session") == "kind is 'session': it is 'saga' or 'structured'"
    assert problems(a(), on_stuck_undo="ask") == "on_stuck_undo is 'ask': it is 'stop' or 'continue'"
    said = "milestone 'a': kind is 'signal': it is 'action', 'external', 'timer' or 'child'"
    assert problems(a(kind="signal")) == said


def test_all_problems_are_told_at_once() -> None:
    found = problems(a("1", timeout=0), a("1", optional=True, pivot=True), name="", version=-1)
    assert len(found.splitlines()) == 7


def test_what_a_definition_knows_of_itself() -> None:
    definition = JourneyDefinition("order", 2, (a(), a("b", undo="a", kind="external")))
    assert definition.handlers() == ("a", "b", "undo")
    assert definition.has_clocks
    assert not JourneyDefinition("order", 1, (a(),)).has_clocks
    assert JourneyDefinition("order", 1, (a(),), deadline=1).has_clocks
    assert JourneyDefinition("order", 1, (a(within=1),)).has_clocks


# --- the hash --------------------------------------------------------------------------------------------------------


def full() -> JourneyDefinition:
    """Every field away from its default."""
    return JourneyDefinition(
        "order",
        3,
        (
            Milestone(
                "reserve",
                "reserve_stock",
                "release_stock",
                timeout=5.0,
                undo_timeout=6.0,
                within=50.0,
                retry=Retry(attempts=9),
                undo_retry=Retry(attempts=8),
                optional=True,
                params=encode({"floor": 2}),
            ),
            Milestone("approve", None, kind="external", pivot=True),
            Milestone("wire", "wire", at_most_once=True, retry=ONE_CALL),
        ),
        deadline=60.0,
        on_stuck_undo="continue",
    )


def test_the_hash_of_a_definition_is_for_ever() -> None:
    # Stored runs are pinned to it. When this fails, running sagas would lose their definition: do not edit it.
    assert JourneyDefinition("order", 1, (a(), a("b", undo=None))).hash == HASH_OF_SMALL
    assert full().hash == HASH_OF_FULL


HASH_OF_SMALL = "13e470e9160c6974f72b8deff3952abc"
HASH_OF_FULL = "e3366065350c2f0e9749b7bebcb0fa3b"


def test_a_definition_reads_back_with_its_hash() -> None:
    for definition in (full(), JourneyDefinition("order", 1, (a(),), kind="structured")):
        again = decode_definition(encode_definition(definition))
        assert again == definition
        assert again.hash == definition.hash


def test_what_is_at_its_default_is_not_written() -> None:
    assert plain(JourneyDefinition("order", 1, (Milestone("a", "a"),))) == {
        "name": "order",
        "version": 1,
        "milestones": [{"id": "a", "action": "a"}],
    }
    assert plain(JourneyDefinition("order", 1, (a(undo_retry=UNDO_RETRY),)))["milestones"][0].keys() == {
        "id",
        "action",
        "undo",
    }


def test_every_field_counts() -> None:
    small = JourneyDefinition("order", 1, (a(),)).hash
    others = [
        JourneyDefinition("order2", 1, (a(),)),
        JourneyDefinition("order", 2, (a(),)),
        JourneyDefinition("order", 1, (a(),), kind="structured"),
        JourneyDefinition("order", 1, (a(),), deadline=1.0),
        JourneyDefinition("order", 1, (a(timeout=1.0),)),
        JourneyDefinition("order", 1, (a(undo=None),)),
        JourneyDefinition("order", 1, (a(params=encode(1)),)),
        JourneyDefinition("order", 1, (a(), a("b"))),
        JourneyDefinition("order", 1, (a("b"), a())),
    ]
    assert len({small, *(d.hash for d in others)}) == len(others) + 1
