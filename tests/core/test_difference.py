"""What two definitions differ in, in sentences; and what that means for a run where it stands."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from saga_journey.core.commands import Cancel
from saga_journey.core.definition import ChildJourney, JourneyDefinition, Milestone, Retry
from saga_journey.core.difference import Consequence, consequences, difference
from saga_journey.core.events import MilestoneCompleted
from saga_journey.core.shape import Parallel, To
from saga_journey.testing.scenario import Scenario, given, ok, refused, unknown
from tests.core.journeys import ORDER, PAID, saga, step, structured, wait
from tests.walks.random_shapes import Shapes


def sentences(old: JourneyDefinition, new: JourneyDefinition) -> list[str]:
    return [f"{change.kind}: {change.sentence}" for change in difference(old, new).changes]


def altered(place: int, **fields: Any) -> JourneyDefinition:
    """The order, with one milestone changed."""
    milestones = list(ORDER.milestones)
    milestones[place] = replace(milestones[place], **fields)
    return saga(*milestones)


# --- what differs -----------------------------------------------------------------------------------------------------


def test_the_same() -> None:
    same = difference(ORDER, saga(*ORDER.milestones))
    assert (same.same, same.only_policies, same.changes) == (True, True, ())


def test_added_removed_and_moved() -> None:
    new = saga(step("check", undo=None), step("ship"), step("reserve"), step("mail"))
    assert sentences(ORDER, new) == [
        "removed: charge is removed, undone by undo_charge",
        "added: check is added as the first",
        "added: mail is added after reserve, undone by undo_mail",
        "moved: ship is moved: it comes first",
    ]


def test_as_little_as_possible_is_said_to_be_moved() -> None:
    old = saga(*(step(name) for name in "abcdef"))
    new = saga(*(step(name) for name in "bcdefa"))
    assert sentences(old, new) == ["moved: a is moved: it comes after f"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"timeout": 5.0}, "policy: charge: timeout 5 s, was 60 s"),
        ({"undo_timeout": 5.0}, "policy: charge: undo_timeout 5 s, was 60 s"),
        ({"within": 5.5}, "policy: charge: within 5.5 s, was none"),
        ({"retry": Retry(attempts=9, first=0.0, most=0.0, lost=3)}, "policy: charge: retry.attempts 9, was 3"),
        ({"undo_retry": Retry(attempts=3, first=0.0, most=2.0, lost=3)}, "policy: charge: undo_retry.most 2, was 0"),
        ({"effects": "compensable"}, "said: charge: effects compensable, was none"),
    ],
)
def test_policies(fields: dict[str, Any], said: str) -> None:
    assert sentences(ORDER, altered(1, **fields)) == [said]
    assert difference(ORDER, altered(1, **fields)).only_policies


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action": "charge_v2"}, "action: charge: action charge_v2, was charge"),
        ({"params": '{"a":1}'}, "action: charge: other params"),
        ({"undo": "refund"}, "undo: charge: undone by refund, was undo_charge"),
        ({"undo": None}, "undo: charge: undone by nothing, was undo_charge"),
        ({"optional": True}, "shape: charge: optional"),
        ({"kind": "external"}, "shape: charge: kind external, was action"),
        (
            {"next_steps": (To("ship", "input.x"), To("end"))},
            "shape: charge: goes on to ship when input.x, else to end, was with the next one",
        ),
    ],
)
def test_more_than_policies(fields: dict[str, Any], said: str) -> None:
    assert sentences(ORDER, altered(1, **fields)) == [said]
    assert not difference(ORDER, altered(1, **fields)).only_policies


def test_of_the_whole_journey() -> None:
    other = JourneyDefinition("trip", 2, ORDER.milestones, "structured", 60.0, "continue")
    assert sentences(ORDER, other) == [
        "shape: it is another journey: trip, was order",
        "said: version 2, was 1",
        "shape: it is a structured journey, was a saga one",
        "policy: deadline 60 s, was none",
        "policy: on_stuck_undo continue, was stop",
    ]
    assert difference(ORDER, JourneyDefinition("order", 2, ORDER.milestones, deadline=9)).only_policies


def test_the_pivot() -> None:
    assert sentences(saga(step("a"), step("b")), saga(step("a"), step("b", pivot=True))) == ["shape: b: pivot"]
    back = sentences(saga(step("a", pivot=True)), saga(step("a")))
    assert back == ["shape: a: no longer pivot"]


def trip(hash: str, version: int = 1, **options: Any) -> Milestone:
    return Milestone("trip", None, kind="child", child=ChildJourney("travel", version, hash), **options)


def test_another_child() -> None:
    old = saga(step("a"), trip("1" * 32))
    assert sentences(old, saga(step("a"), trip("2" * 32, 2))) == [
        "action: trip: its child is travel version 2, was travel version 1"
    ]
    assert sentences(old, saga(step("a"), trip("2" * 32))) == [
        "action: trip: its child is travel version 1, which means something else now"
    ]
    assert sentences(old, saga(step("a"), trip("1" * 32, given="a"))) == ["action: trip: given a, was none"]


def test_what_runs_beside_what() -> None:
    line = saga(step("a"), step("b"), step("c"))
    block = JourneyDefinition("order", 1, (Parallel(((step("a"),), (step("b"),))), step("c")))
    wider = JourneyDefinition("order", 1, (Parallel(((step("a"),), (step("b"),), (step("d"),))), step("c")))
    assert sentences(line, block) == [
        "shape: a: runs beside b, was beside nothing",
        "shape: b: runs beside a, was beside nothing",
    ]
    assert sentences(block, wider) == ["added: d is added beside a, b, undone by undo_d"]
    assert not difference(line, block).only_policies


# --- what it means for a run ------------------------------------------------------------------------------------------

GIFT = saga(step("wrap"), step("reserve"), step("charge"))
PLAIN = JourneyDefinition("order", 2, (step("reserve"), step("charge")))
KEPT = [*GIFT.handlers()]


def kinds(scenario: Scenario, new: JourneyDefinition, handlers: Any = None) -> list[str]:
    """`kind milestone` of each consequence; those that lose something have a `!`."""
    between = difference(scenario.state.definition, new)
    found = consequences(between, scenario.state, new.handlers() if handlers is None else handlers)
    return [f"{c.kind} {c.milestone or '-'}{'!' * c.loses}" for c in found]


def test_a_run_of_the_same_definition_notices_nothing() -> None:
    assert kinds(given(ORDER), saga(*ORDER.milestones)) == []


def test_a_run_that_is_past_a_removed_milestone() -> None:
    past = given(GIFT, MilestoneCompleted("wrap"))
    assert kinds(past, PLAIN, KEPT) == ["past_removed wrap"]
    assert kinds(past, PLAIN) == ["undo_lost wrap!", "parked -!", "past_removed wrap"]
    assert kinds(past, PLAIN, [*PLAIN.handlers(), "undo_wrap"]) == ["parked -!", "past_removed wrap"]


def test_a_run_that_is_in_it_or_before_it() -> None:
    assert kinds(given(GIFT), PLAIN, KEPT) == ["in_removed wrap"]
    asked = saga(step("a"), wait("ask"))
    assert kinds(
        given(asked, MilestoneCompleted("a")), JourneyDefinition("order", 2, (step("a"),)), ["a", "undo_a"]
    ) == [
        "undo_lost ask!",
        "parked -!",
        "in_removed ask",
    ]
    late = saga(step("reserve"), step("wrap"))
    assert kinds(given(late), JourneyDefinition("order", 2, (step("reserve"),)), late.handlers()) == []


def test_an_undo_that_is_done_or_never_needed_is_not_lost() -> None:
    back = given(GIFT, MilestoneCompleted("wrap"), MilestoneCompleted("reserve")).when(Cancel())
    assert kinds(back, PLAIN)[0] == "undo_lost wrap!"
    back.when(ok("reserve")).when(refused("wrap", "it cannot be unwrapped"))
    assert kinds(back, PLAIN)[0] == "undo_lost wrap!"  # it is stuck, and a person may try again
    done = given(GIFT, MilestoneCompleted("wrap"), MilestoneCompleted("reserve")).when(Cancel())
    done.when(ok("reserve")).when(ok("wrap"))
    assert kinds(done, PLAIN) == ["parked -!", "past_removed wrap"]
    never = given(saga(step("wrap", optional=True), step("reserve"))).when(refused("wrap"))
    assert kinds(never, PLAIN) == ["parked -!", "past_removed wrap"]


def test_past_the_pivot_no_undo_is_lost() -> None:
    paid = given(PAID, MilestoneCompleted("reserve"), MilestoneCompleted("charge"))
    new = JourneyDefinition("order", 2, PAID.milestones[1:])
    assert kinds(paid, new) == ["parked -!", "past_removed reserve"]
    assert kinds(given(PAID, MilestoneCompleted("reserve")), new)[0] == "undo_lost reserve!"


def test_a_doubtful_effect_may_have_to_be_undone() -> None:
    doubtful = given(saga(step("wrap", optional=True), step("reserve"))).when(unknown("wrap", exhausted=True))
    assert kinds(doubtful, PLAIN)[0] == "undo_lost wrap!"


def test_an_undo_that_gets_another_handler() -> None:
    new = JourneyDefinition("order", 2, (step("reserve", undo="release_v2"), *ORDER.milestones[1:]))
    run = given(ORDER, MilestoneCompleted("reserve"))
    assert kinds(run, new) == ["undo_lost reserve!", "parked -!"]
    assert kinds(run, new, [*new.handlers(), "undo_reserve"]) == []


def test_one_version_with_two_meanings() -> None:
    assert kinds(given(ORDER), saga(*ORDER.milestones[:2]), ORDER.handlers()) == ["same_version -!"]


def test_only_other_policies() -> None:
    new = JourneyDefinition("order", 2, tuple(replace(m, timeout=5.0) for m in ORDER.milestones))
    assert kinds(given(ORDER), new) == ["policies -"]


def test_structured_journeys_are_rolled_back_by_hand() -> None:
    form = structured(step("name"), step("photo"))
    new = JourneyDefinition("onboarding", 2, (step("photo"),), kind="structured")
    assert kinds(given(form, MilestoneCompleted("name")), new)[0] == "undo_lost name!"


def test_the_sentences_fit_one_run_and_many() -> None:
    run = given(GIFT, MilestoneCompleted("wrap"))
    found = consequences(difference(GIFT, PLAIN), run.state, PLAIN.handlers())
    assert [f"3 runs {c.sentence}" for c in found] == [
        "3 runs would lose the undo of wrap: nothing has undo_wrap",
        "3 runs would wait until a worker has undo_wrap, wrap",
        "3 runs went past wrap, which is removed",
    ]
    assert found[0] == Consequence("undo_lost", "wrap", True, "would lose the undo of wrap: nothing has undo_wrap")


def test_of_two_shapes_the_same_is_said_as_their_hashes_say() -> None:
    for seed in range(300):
        shapes = Shapes(Random(seed))
        old, new = shapes.journey(), shapes.journey()
        there, back = difference(old, new), difference(new, old)
        assert there.only_policies == back.only_policies
        assert bool(there.changes) == (old.hash != new.hash), seed
        kinds_there = {change.kind for change in there.changes} - {"policy", "said"}
        assert bool(kinds_there) == (not there.only_policies), (seed, there.changes)
