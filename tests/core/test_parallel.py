"""Parallel blocks: several milestones at once, one way back (rule 36; what table B says about siblings)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.commands import (
    Advance,
    Cancel,
    Command,
    Compensate,
    HandlersBack,
    Pause,
    Resolve,
    Resume,
    RetryMilestone,
    Skip,
    StateFact,
    TakeOver,
    TimePassed,
)
from saga_journey.core.definition import Retry
from saga_journey.core.events import AttentionRaised
from saga_journey.core.walk import intents
from saga_journey.testing.scenario import (
    Scenario,
    child_ended,
    given,
    ok,
    refused,
    turned_away,
    uncallable,
    unknown,
    working,
)
from tests.core.journeys import AT_ONCE, block, nested, saga, step, structured, timer, wait

SLOWLY = Retry(attempts=3, first=30.0, lost=3)
ONE = Retry(attempts=1, first=0.0, most=0.0, lost=1)

TRIP = saga(step("plan"), block(step("flight"), step("hotel"), (step("car"), step("seat"))), step("pay"))
"""Three branches between two milestones; one branch has two."""


def booking() -> Scenario:
    """All three branches have been started."""
    return given(TRIP).when(ok("plan"))


THREE = ["attempt_started flight", "attempt_started hotel", "attempt_started car"]


# --- there -----------------------------------------------------------------------------------------------------------


def test_all_branches_start_in_the_commit_that_finishes_what_stands_before_them() -> None:
    booking().then(
        "milestone_completed plan", *THREE, calls=["do flight 1", "do hotel 1", "do car 1"], status="in_progress"
    )


def test_a_journey_may_begin_with_a_block() -> None:
    given(saga(block(step("a"), step("b")))).then(
        "saga_started", "attempt_started a", "attempt_started b", calls=["do a", "do b"]
    )


def test_a_branch_goes_on_by_itself() -> None:
    booking().when(ok("car")).then(
        "milestone_completed car", calls=["do flight 1", "do hotel 1", "do seat 1"], status="in_progress"
    )


def test_what_follows_a_block_waits_for_all_of_its_branches() -> None:
    (
        booking()
        .when(ok("hotel"))
        .then("milestone_completed hotel", calls=["do flight", "do car"])
        .when(ok("car"))
        .then("milestone_completed car", calls=["do flight", "do seat"])
        .when(ok("flight"))
        .then("milestone_completed flight", calls="do seat")
        .when(ok("seat"))
        .then("milestone_completed seat", calls="do pay 1")
        .when(ok("pay"))
        .then("milestone_completed pay", "saga_completed", status="completed")
    )


def test_a_block_that_ends_a_journey_ends_with_its_last_branch() -> None:
    last = given(saga(block(step("a"), step("b")))).when(ok("b")).then("milestone_completed b", calls="do a")
    last.when(ok("a")).then("milestone_completed a", "saga_completed", status="completed")


def test_results_that_arrive_in_one_turn_are_all_recorded() -> None:
    booking().when(ok("flight"), ok("hotel"), ok("car")).then(
        "milestone_completed flight", "milestone_completed hotel", "milestone_completed car", calls="do seat 1"
    )


def test_one_block_after_another() -> None:
    two = saga(block(step("a"), step("b")), block(step("c"), step("d")))
    (
        given(two)
        .when(ok("a"))
        .then("milestone_completed a", calls="do b")
        .when(ok("b"))
        .then("milestone_completed b", "attempt_started c", "attempt_started d", calls=["do c", "do d"])
    )


def test_every_call_has_a_fence_of_its_own() -> None:
    """Also when one commit opens the next attempt of one branch and the next milestone of another one (rule 35)."""
    for arrived in (
        (ok("car"), unknown("flight")),
        (ok("car"), working("flight")),
        (unknown("flight"), ok("car"), working("hotel")),
    ):
        scenario = booking().when(*arrived)
        fences = [intent.fence for intent in intents(scenario.state)]
        assert len(set(fences)) == len(fences) >= 3


def test_a_branch_backs_off_alone() -> None:
    slow = saga(block(step("a", retry=SLOWLY), step("b")), step("c"))
    scenario = given(slow).when(unknown("a"), at=1)
    later = intents(scenario.state)[0].not_before
    assert later > 1
    scenario.then("attempt_ended a", calls=[f"do a 2 not before {later:g}", "do b 1"])
    scenario.when(ok("b")).then("milestone_completed b", calls=f"do a 2 not before {later:g}")


def test_a_branch_that_is_still_working_is_asked_again_alone() -> None:
    scenario = booking().when(working("flight", 5), at=10)
    scenario.then("attempt_working flight", calls=["do flight 1 not before 15", "do hotel 1", "do car 1"])
    scenario.when(ok("hotel")).then("milestone_completed hotel", calls=["do flight 1 not before 15", "do car 1"])


def test_a_wait_and_a_timer_beside_a_call() -> None:
    mixed = saga(block(step("a"), wait("approval"), timer("pause", 50)), step("b"))
    (
        given(mixed)
        .then(
            "saga_started",
            "attempt_started a",
            "attempt_started approval",
            "attempt_started pause",
            calls="do a",
            waits=["approval", "pause"],
        )
        .when(ok("a"))
        .then("milestone_completed a", waits=["approval", "pause"], status="in_progress")
        .when(TimePassed(), at=50)
        .then("milestone_completed pause", waits="approval")
        .when(Advance("approval"))
        .then("milestone_completed approval", calls="do b 1")
    )


def test_two_that_wait_have_to_be_named() -> None:
    scenario = given(saga(block(wait("boss"), wait("bank")))).when(Advance())
    scenario.then(answers="not_waiting", waits=["boss", "bank"])
    scenario.when(Advance("bank")).then("milestone_completed bank", waits="boss")
    scenario.when(Advance()).then("milestone_completed boss", "saga_completed")


# --- an optional branch ----------------------------------------------------------------------------------------------


GREETED = saga(step("plan"), block(step("greet", optional=True, retry=ONE), step("hotel")), step("pay"))


@pytest.mark.parametrize("gave", [refused("greet"), unknown("greet")])
def test_a_block_goes_on_without_an_optional_branch(gave: Command) -> None:
    told = "milestone_refused greet" if gave == refused("greet") else "milestone_gave_up greet"
    scenario = given(GREETED).when(ok("plan")).when(gave, calling="hotel").then(told, calls="do hotel 1")
    scenario.when(ok("hotel")).then("milestone_completed hotel", calls="do pay 1")


def test_an_optional_branch_in_doubt_is_undone_with_the_others() -> None:
    scenario = given(GREETED).when(ok("plan")).when(unknown("greet")).when(ok("hotel")).when(refused("pay"))
    scenario.then("milestone_refused pay", "compensation_decided", calls="undo hotel 1")
    scenario.when(ok("hotel")).then("milestone_compensated hotel", calls="undo greet 1")
    scenario.when(ok("greet")).then("milestone_compensated greet", calls="undo plan 1")


def test_an_optional_branch_that_refused_is_not_undone() -> None:
    scenario = given(GREETED).when(ok("plan")).when(refused("greet"), ok("hotel")).when(refused("pay"))
    scenario.then("milestone_refused pay", "compensation_decided", calls="undo hotel 1")
    scenario.when(ok("hotel")).then("milestone_compensated hotel", calls="undo plan 1")


def test_a_branch_goes_on_behind_an_optional_milestone_that_refused() -> None:
    branch = (step("a", optional=True), step("b"))
    scenario = given(saga(block(branch, step("c")))).when(refused("a"), calling="c")
    scenario.then("milestone_refused a", calls=["do c 1", "do b 1"])


# --- one branch fails ------------------------------------------------------------------------------------------------


def test_a_refusal_takes_back_what_is_queued_and_undoes_what_is_done() -> None:
    booking().when(ok("hotel")).when(refused("flight")).then(
        "milestone_refused flight",
        "attempt_withdrawn car",
        "compensation_decided",
        calls="undo hotel 1",
        status="compensating",
    )


def test_a_refusal_lets_what_is_being_called_end_and_then_undoes_it_first() -> None:
    """Undone in the reverse order of the first intents, whatever came to its end first."""
    scenario = booking().when(refused("flight"), calling=["hotel", "car"])
    scenario.then("milestone_refused flight", "compensation_decided", calls=["do hotel 1", "do car 1"])
    scenario.when(ok("car"), calling="hotel").then("milestone_completed car", calls="do hotel 1")
    scenario.when(ok("hotel")).then("milestone_completed hotel", calls="undo car 1")
    scenario.when(ok("car")).then("milestone_compensated car", calls="undo hotel 1")
    scenario.when(ok("hotel")).then("milestone_compensated hotel", calls="undo plan 1")
    scenario.when(ok("plan")).then("milestone_compensated plan", "saga_compensated", status="compensated")


def test_while_it_drains_no_branch_goes_on() -> None:
    scenario = booking().when(refused("flight"), calling="car").when(ok("car"))
    scenario.then("milestone_completed car", calls="undo car 1")


def test_while_it_drains_nothing_is_tried_again() -> None:
    for gave, told in (
        (unknown("car"), "milestone_gave_up car"),
        (working("car"), "milestone_gave_up car"),
        (turned_away("car"), "milestone_refused car"),
        (refused("car"), "milestone_refused car"),
        (uncallable("car"), "attempt_withdrawn car"),
    ):
        scenario = booking().when(refused("flight"), calling=["hotel", "car"]).when(gave, calling="hotel")
        scenario.then(told, calls="do hotel 1", status="compensating")


def test_what_backs_off_after_a_doubt_is_unknown_and_undone() -> None:
    scenario = given(saga(block(step("a"), step("b", retry=SLOWLY)))).when(unknown("b"), calling="a")
    scenario.when(refused("a")).then(
        "milestone_refused a", "milestone_gave_up b", "compensation_decided", calls="undo b 1"
    )


def test_what_backs_off_and_certainly_had_no_effect_is_not_undone() -> None:
    scenario = given(saga(block(step("a"), step("b", retry=SLOWLY)))).when(turned_away("b"), calling="a")
    scenario.when(refused("a")).then(
        "milestone_refused a", "milestone_refused b", "compensation_decided", "saga_compensated", status="compensated"
    )


def test_what_waits_is_interrupted() -> None:
    mixed = saga(block(step("a"), wait("approval"), timer("pause", 50), step("slow")), step("b"))
    scenario = given(mixed).when(working("slow"), calling="a").when(refused("a"))
    scenario.then(
        "milestone_refused a",
        "milestone_gave_up approval",
        "milestone_refused pause",
        "milestone_gave_up slow",
        "compensation_decided",
        calls="undo slow 1",
    )
    scenario.when(ok("slow")).then("milestone_compensated slow", calls="undo approval 1")
    scenario.when(ok("approval")).then("milestone_compensated approval", "saga_compensated")


def test_a_child_is_told_and_waited_for() -> None:
    scenario = given(saga(step("plan"), block(step("a"), nested("c")))).when(ok("plan")).when(refused("a"))
    scenario.then("milestone_refused a", "child_recalled c", "compensation_decided", waits="c", status="compensating")
    scenario.when(child_ended("c", "compensated")).then("milestone_refused c", calls="undo plan 1")


def test_a_refusal_after_a_doubt_is_no_clean_one() -> None:
    scenario = booking().when(unknown("flight"), calling="hotel").when(refused("flight"), calling="hotel")
    scenario.then("milestone_gave_up flight", "attempt_withdrawn car", "compensation_decided", calls="do hotel 1")
    scenario.when(ok("hotel")).then("milestone_completed hotel", calls="undo hotel 1")
    scenario.when(ok("hotel")).then("milestone_compensated hotel", calls="undo flight 1")


def test_two_branches_refuse() -> None:
    scenario = booking().when(refused("flight"), calling=["hotel", "car"])
    scenario.when(refused("hotel"), calling="car").then("milestone_refused hotel", calls="do car 1")
    scenario.when(ok("car")).then("milestone_completed car", calls="undo car 1")


def test_a_result_beside_a_refusal_in_one_turn_is_not_lost() -> None:
    """What has reported is as good as being called: nobody may take back what has had its effect."""
    for arrived in ((refused("flight"), ok("hotel")), (ok("hotel"), refused("flight"))):
        scenario = booking().when(*arrived, calling="car").when(ok("car"))
        scenario.then("milestone_completed car", calls="undo car 1")
        scenario.when(ok("car")).then("milestone_compensated car", calls="undo hotel 1")


def test_two_that_end_unknown_in_one_turn() -> None:
    once = saga(step("plan"), block(step("a", retry=ONE), step("b", retry=ONE)))
    given(once).when(ok("plan")).when(unknown("a"), unknown("b")).then(
        "milestone_gave_up a", "compensation_decided", "milestone_gave_up b", calls="undo b 1"
    )


def test_an_order_of_starts_is_the_order_of_undos_also_after_retries() -> None:
    scenario = booking().when(unknown("flight")).when(ok("car")).when(ok("flight"), ok("hotel"), ok("seat"))
    scenario.when(refused("pay")).then("milestone_refused pay", "compensation_decided", calls="undo seat 1")
    order = ["seat", "car", "hotel", "flight", "plan"]
    for name, following in pairwise(order):
        scenario.when(ok(name)).then(f"milestone_compensated {name}", calls=f"undo {following} 1")
    scenario.when(ok("plan")).then("milestone_compensated plan", "saga_compensated", status="compensated")


def test_three_before_a_block_and_three_in_it_are_undone_one_at_a_time() -> None:
    long = saga(*(step(n) for n in "abc"), block(step("x"), (step("y"), step("z"))), step("end"))
    scenario = given(long)
    for name in ("a", "b", "c", "x", "y", "z"):
        scenario.when(ok(name))
    scenario.when(refused("end")).then("milestone_refused end", "compensation_decided", calls="undo z 1")
    for name, following in pairwise(["z", "y", "x", "c", "b", "a"]):
        scenario.when(ok(name)).then(f"milestone_compensated {name}", calls=f"undo {following} 1")


def test_a_stuck_undo_in_a_block_stops_the_others() -> None:
    scenario = booking().when(ok("flight"), ok("hotel")).when(refused("car")).when(refused("hotel"))
    scenario.then("undo_given_up hotel", 'attention_raised hotel kind="stuck_undo"', status="failed")
    scenario.when(RetryMilestone("hotel")).then('milestone_retried hotel op="undo"', calls="undo hotel 2")
    scenario.when(ok("hotel")).then("milestone_compensated hotel", calls="undo flight 1")


def test_a_stuck_undo_in_a_block_may_be_gone_round() -> None:
    lenient = saga(step("plan"), block(step("flight"), step("hotel"), step("car")), on_stuck_undo="continue")
    scenario = given(lenient).when(ok("plan")).when(ok("flight"), ok("hotel")).when(refused("car"))
    scenario.when(refused("hotel")).then("undo_given_up hotel", calls="undo flight 1")
    scenario.when(ok("flight")).when(ok("plan")).then(
        "milestone_compensated plan", 'attention_raised hotel kind="stuck_undo"', status="failed"
    )


# --- cancel, deadline, within, pause ---------------------------------------------------------------------------------


def test_a_cancel_with_several_open() -> None:
    mixed = saga(step("plan"), block(step("a"), step("b"), wait("approval"), step("slow", retry=SLOWLY)))
    scenario = given(mixed).when(ok("plan")).when(unknown("slow"), calling=["a", "b"])
    scenario.when(Cancel("ann"), calling="a").then(
        "attempt_withdrawn b",
        "milestone_gave_up approval",
        "milestone_gave_up slow",
        "compensation_decided",
        calls="do a 1",
        answers="applied",
    )
    scenario.when(Cancel("ann"), calling="a").then(calls="do a 1", answers="no_change")
    scenario.when(ok("a")).then("milestone_completed a", calls="undo slow 1")


def test_a_cancel_beside_results_of_the_same_turn() -> None:
    """Results first: what came back is recorded, what is still being called is waited for."""
    booking().when(Cancel(), ok("flight"), calling=["hotel", "car"]).then(
        "milestone_completed flight", "compensation_decided", calls=["do hotel 1", "do car 1"], answers="applied"
    )


@pytest.mark.parametrize("stop", [Cancel(), Compensate()])
def test_a_stop_interrupts_what_backs_off_since_this_turn(stop: Command) -> None:
    scenario = booking().when(unknown("flight"), stop, calling=["hotel"])
    scenario.then(
        "attempt_ended flight",
        "milestone_gave_up flight",
        "attempt_withdrawn car",
        "compensation_decided",
        calls="do hotel 1",
        answers="applied",
    )


def test_the_deadline_of_the_run_stops_all_branches() -> None:
    hurried = saga(step("plan"), block(step("a"), wait("approval", timeout=500), step("b")), deadline=60)
    scenario = given(hurried).when(ok("plan"), at=1).when(TimePassed(), at=60, calling="a")
    scenario.then("milestone_gave_up approval", "attempt_withdrawn b", "compensation_decided", calls="do a 1")


def test_the_time_of_one_branch_is_up() -> None:
    hurried = saga(block(step("a", within=10.0, retry=SLOWLY), step("b")), step("c"))
    scenario = given(hurried).when(unknown("a"), at=1, calling="b").when(TimePassed(), at=10, calling="b")
    scenario.then("milestone_gave_up a", "compensation_decided", calls="do b 1")


def test_the_time_of_a_branch_that_was_never_called_is_up() -> None:
    hurried = saga(block(step("a", within=10.0), step("b")), step("c"))
    given(hurried).when(TimePassed(), at=10, calling="b").then(
        'milestone_refused a reason="not_attempted', "compensation_decided", calls="do b 1"
    ) if False else given(hurried).when(TimePassed(), at=10, calling="b").then(
        "milestone_refused a", "compensation_decided", calls="do b 1"
    )
