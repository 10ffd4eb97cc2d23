"""Second thoughts about a definition: each rule, what answers it, and what it does not speak of."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

from saga_journey.core.definition import ONE_CALL, ChildJourney, JourneyDefinition, Milestone, Retry
from saga_journey.core.shape import Parallel, To
from saga_journey.inspection.lint import lint
from tests.core.journeys import saga, step, structured, wait
from tests.walks.random_shapes import Shapes

SOUND = saga(
    step("reserve", effects="reversible"),
    step("check", undo=None, effects="read_only"),
    step("charge", effects="compensable"),
    step("ship", undo=None, pivot=True, effects="irreversible"),
    step("receipt", undo=None),
)


def found(definition: JourneyDefinition) -> list[str]:
    """`code milestone` of each remark; the ones that contradict themselves have a `!`."""
    return [f"{r.code} {r.milestone or '-'}{'!' * (r.severity == 'bad')}" for r in lint(definition)]


def timer(id: str, seconds: float) -> Milestone:
    return Milestone(id, None, kind="timer", timeout=seconds)


def child(id: str, **options: Any) -> Milestone:
    return Milestone(id, None, kind="child", child=ChildJourney("travel", 1, "0" * 32), **options)


def test_nothing_is_said_of_what_is_right() -> None:
    assert found(SOUND) == []
    assert found(saga(step("a"))) == []
    assert found(structured(step("a", undo=None), step("b", undo=None), step("c"))) == []


# --- what is undone, and what is not ----------------------------------------------------------------------------------


def test_undo_coverage() -> None:
    assert found(saga(step("a", undo=None), step("b"))) == ["no_undo a"]
    assert found(saga(step("a"), step("b", undo=None))) == []  # nothing that follows can fail
    assert found(saga(step("a", undo=None, effects="read_only"), step("b"))) == []
    assert found(saga(step("a", undo=None, effects="compensable"), step("b"))) == ["no_undo a!"]
    assert found(saga(step("a", undo=None), step("b", optional=True))) == []
    assert found(saga(step("a", undo=None), timer("rest", 5))) == []
    assert found(saga(wait("ask", undo=None), step("b"))) == ["no_undo ask"]


def test_undo_coverage_side_by_side() -> None:
    block = Parallel(((step("a", undo=None),), (step("b"), step("c", undo=None))))
    assert found(JourneyDefinition("order", 1, (block,))) == ["no_undo a", "no_undo c"]  # its sibling may fail


def test_one_call_without_an_undo() -> None:
    once = step("wire", undo=None, at_most_once=True, retry=ONE_CALL)
    assert found(saga(once)) == ["at_most_once wire"]
    assert found(saga(step("wire", at_most_once=True, retry=ONE_CALL))) == []
    assert found(saga(step("charge", pivot=True), once)) == []


def test_an_irreversible_action_before_the_pivot() -> None:
    sent = step("send", undo=None, effects="irreversible")
    assert found(saga(sent, step("b"))) == ["irreversible_before_pivot send!"]
    assert found(saga(step("b"), sent)) == []
    assert found(saga(step("b", pivot=True), sent)) == []
    (remark,) = lint(saga(sent, step("charge", pivot=True), step("c", undo=None)))
    assert remark.advice == "move it behind the pivot charge"


def test_what_cannot_be_taken_back_and_is() -> None:
    assert found(saga(step("a", effects="irreversible"))) == ["irreversible_undo a!"]
    pivot = step("a", effects="irreversible", pivot=True)  # its undo serves while nobody knows whether it happened
    assert found(saga(pivot, step("b", undo=None))) == []
    assert found(saga(step("a", effects="read_only"), step("b"))) == ["read_only_undo a!"]


def test_an_undo_needs_a_result_that_a_later_milestone_destroys() -> None:
    used = step("produce", undo=None, effects="irreversible")
    assert found(saga(step("hold", effects="reversible"), used, step("c"))) == [
        "used_up hold!",
        "irreversible_before_pivot produce!",
    ]
    assert "used_up hold!" not in found(saga(step("hold", effects="compensable"), used, step("c")))
    assert "used_up hold!" not in found(saga(step("hold", effects="reversible"), used))
    pivot = step("produce", undo=None, effects="irreversible", pivot=True)
    assert found(saga(step("hold", effects="reversible"), pivot, step("c", undo=None))) == []


def test_a_milestone_that_undoes_an_earlier_one() -> None:
    give_back = Milestone("give_back", "undo_hold")
    assert found(saga(step("hold"), give_back, step("c"))) == ["undone_twice hold", "no_undo give_back"]


def test_an_undo_with_too_little_time_or_patience() -> None:
    assert found(saga(step("a", timeout=300.0))) == ["undo_timeout a"]
    assert found(saga(step("a", timeout=300.0, undo_timeout=300.0))) == []
    assert found(saga(step("a", undo=None, timeout=300.0))) == []
    assert found(saga(step("a", undo_retry=Retry(attempts=1)))) == ["undo_once a"]


def test_a_pivot_that_is_the_last() -> None:
    assert found(saga(step("a"), step("b", pivot=True))) == ["pivot_last b"]
    assert found(saga(step("a"), step("b", pivot=True, effects="irreversible", undo=None))) == []
    ways = step("a", pivot=True, next_steps=(To("end", "input.x"), To("b")))
    assert found(saga(ways, step("b", undo=None))) == []


# --- how long it takes ------------------------------------------------------------------------------------------------


def test_missing_timeouts() -> None:
    assert found(saga(wait("ask", timeout=60.0))) == ["default_wait ask"]
    assert found(saga(wait("ask", timeout=61.0))) == []
    assert found(saga(child("trip"))) == ["unbounded trip"]
    assert found(saga(child("trip", within=9.0))) == []
    assert found(saga(child("trip"), deadline=99.0)) == []


def test_what_the_deadline_cuts_off() -> None:
    assert found(saga(wait("ask", timeout=100.0), deadline=50.0)) == ["after_deadline ask"]
    assert found(saga(wait("ask", timeout=100.0), deadline=500.0)) == []
    past = saga(step("a", pivot=True), wait("ask", timeout=100.0, undo=None), deadline=50.0)
    assert found(past) == []  # there the deadline is only told


def test_timers_that_add_up_to_more_than_the_deadline() -> None:
    late = saga(timer("one", 30), step("a"), timer("two", 30), deadline=50.0)
    assert found(late) == ["after_deadline two!"]
    assert lint(late)[0].sentence == "two ends 60 s after the start at the soonest, and the deadline is 50 s"
    skipped = step("a", undo=None, effects="read_only", next_steps=(To("two", "input.quick"), To("one")))
    assert found(saga(skipped, timer("one", 30), timer("two", 30), deadline=50.0)) == ["falls_through one"]


# --- where it goes on -------------------------------------------------------------------------------------------------


def choice(*steps: To) -> Milestone:
    return step("ask", undo=None, effects="read_only", next_steps=steps)


def test_milestones_that_are_never_reached() -> None:
    never = saga(choice(To("a", "false"), To("b")), step("a", next_steps=(To("b"),)), step("b"))
    assert found(never) == ["dead_arm ask!", "unreachable a!"]
    twice = saga(choice(To("b", "input.x"), To("a", " input.x "), To("b2")), step("a"), step("b"), step("b2"))
    assert "dead_arm ask!" in found(twice)
    always = choice(To("a", "true"), To("end"))
    assert found(saga(always, step("a"))) == ["dead_arm ask!"]


def test_a_choice_where_nothing_may_hold() -> None:
    assert found(saga(choice(To("a", "input.x")), step("a"))) == ["no_default ask"]
    assert found(saga(choice(To("a", "input.x"), To("end")), step("a"))) == []


def test_a_way_that_falls_into_another_one() -> None:
    arms = choice(To("express", "input.express"), To("standard"))
    through = saga(arms, step("express"), step("label"), step("standard"), step("done"))
    assert found(through) == ["falls_through label"]
    (remark,) = lint(through)
    assert "the way of express after ask goes on with standard" in remark.sentence
    meant = step("label", next_steps=(To("standard"),))  # said out loud
    assert found(saga(arms, step("express"), meant, step("standard"), step("done"))) == []
    apart = step("label", next_steps=(To("done"),))
    assert found(saga(arms, step("express"), apart, step("standard"), step("done"))) == []


def test_a_block_may_stand_in_an_arm() -> None:
    arms = choice(To("a", "input.x"), To("c"))
    block = Parallel(((step("a"),), (step("b"),)))
    assert found(JourneyDefinition("order", 1, (arms, block, step("c")))) == ["falls_through b"]


# --- all of it --------------------------------------------------------------------------------------------------------


def test_remarks_come_in_the_order_of_the_milestones() -> None:
    many = saga(step("a", undo=None), step("b", timeout=99.0), wait("c", timeout=60.0), step("d", pivot=True))
    assert [r.milestone for r in lint(many)] == ["a", "b", "c", "d"]


def test_every_remark_is_a_sentence_with_something_to_do() -> None:
    for remark in lint(saga(step("a", undo=None, next_steps=(To("b", "false"), To("c", "x"))), step("b"), step("c"))):
        assert remark.sentence
        assert remark.advice
        assert not remark.sentence.endswith(".")


@pytest.mark.parametrize("effects", [None, "reversible"])
def test_a_thousand_milestones_take_no_time(effects: Any) -> None:
    long = saga(*(step(f"m{i}", undo=None if i % 2 else f"u{i}", effects=effects) for i in range(1000)))
    before = time.process_time()
    assert len(lint(long)) == 499
    assert time.process_time() - before < 2


def test_every_shape_can_be_looked_at() -> None:
    for seed in range(400):
        definition = Shapes(Random(seed)).journey()
        named = [remark.milestone for remark in lint(definition)]
        assert set(named) <= {None, *definition.index}, seed
