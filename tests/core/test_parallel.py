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
    Rollback,
    Skip,
    StateFact,
    TakeOver,
    TimePassed,
)
from saga_journey.core.definition import Milestone, Retry
from saga_journey.core.events import AttentionRaised
from saga_journey.core.progress import verbs
from saga_journey.core.shape import Parallel, To
from saga_journey.core.walk import intents
from saga_journey.errors import DefinitionError
from saga_journey.testing.scenario import (
    Gave,
    Scenario,
    child_ended,
    event_line,
    given,
    ok,
    refused,
    turned_away,
    uncallable,
    unknown,
    working,
)
from tests.core.journeys import block, nested, saga, step, structured, timer, wait

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


@pytest.mark.parametrize(
    ("gave", "told"),
    [(refused("greet"), "milestone_refused greet"), (unknown("greet"), "milestone_gave_up greet")],
)
def test_a_block_goes_on_without_an_optional_branch(gave: Gave, told: str) -> None:
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
    long = saga(*(step(n) for n in "abc"), block(step("x"), (step("y"), step("z"))), step("last"))
    scenario = given(long)
    for name in ("a", "b", "c", "x", "y", "z"):
        scenario.when(ok(name))
    scenario.when(refused("last")).then("milestone_refused last", "compensation_decided", calls="undo z 1")
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
        "milestone_refused a", "compensation_decided", calls="do b 1"
    )


def test_two_timers_of_one_time() -> None:
    scenario = given(saga(block(timer("a", 10), timer("b", 10), (timer("c", 5), step("d"))))).when(TimePassed(), at=10)
    scenario.then("milestone_completed a", "milestone_completed b", "milestone_completed c", calls="do d 1")


def test_a_pause_starts_nothing_and_records_what_comes_back() -> None:
    scenario = booking().when(Pause(), calling=["flight", "car"]).then("paused", status="paused")
    scenario.when(ok("car"), calling="flight").then("milestone_completed car", status="paused")
    scenario.when(unknown("flight")).then("attempt_ended flight", status="paused")
    scenario.when(Resume(), at=100).then(
        "resumed", calls=["do flight 2", "do hotel 1", "do seat 1"], status="in_progress"
    )


def test_a_pause_ends_with_the_starts_of_a_whole_block() -> None:
    scenario = given(TRIP).when(Pause(), calling="plan").when(ok("plan")).then("milestone_completed plan")
    scenario.when(Resume()).then("resumed", *THREE, calls=["do flight 1", "do hotel 1", "do car 1"])


def test_a_pause_stops_every_clock_of_a_block() -> None:
    clocks = saga(block(step("a", within=10.0), wait("boss", timeout=20.0), timer("nap", 30)), step("b"), deadline=90)
    scenario = given(clocks).when(Pause(), at=5, calling="a").when(TimePassed(), at=500).then(status="paused")
    scenario.when(Resume(), at=1000).then("resumed", calls="do a 1", waits=["boss", "nap"])
    scenario.when(TimePassed(), at=1004).then(calls="do a 1")
    scenario.when(ok("a")).when(TimePassed(), at=1015).then(
        "milestone_gave_up boss", "milestone_refused nap", "compensation_decided", calls="undo boss 1"
    )


def test_a_refusal_during_a_pause_is_decided_and_undone_after_it() -> None:
    scenario = booking().when(Pause(), calling=["flight", "hotel"]).when(refused("flight"), calling="hotel")
    scenario.then("milestone_refused flight", "attempt_withdrawn car", "compensation_decided", status="paused")
    scenario.when(ok("hotel")).then("milestone_completed hotel", status="paused")
    scenario.when(Resume()).then("resumed", calls="undo hotel 1", status="compensating")


def test_the_last_branch_may_complete_a_paused_journey() -> None:
    scenario = given(saga(block(step("a"), step("b")))).when(Pause(), calling=["a", "b"])
    scenario.when(ok("a"), ok("b")).then(
        "milestone_completed a", "milestone_completed b", "saga_completed", status="completed"
    )


def test_a_cancel_lifts_the_pause_of_a_block() -> None:
    scenario = booking().when(ok("hotel")).when(Pause(), calling="car").when(Cancel(), calling="car")
    scenario.then("attempt_withdrawn flight", "compensation_decided", calls="do car 1", status="compensating")
    scenario.when(ok("car")).then("milestone_completed car", calls="undo car 1")


# --- lost workers ----------------------------------------------------------------------------------------------------


def test_every_call_of_a_dead_worker_is_lost() -> None:
    booking().when(TakeOver()).then(
        "attempt_lost flight",
        "attempt_lost hotel",
        "attempt_lost car",
        calls=["do flight 2", "do hotel 2", "do car 2"],
    )


def test_what_waits_or_backs_off_was_not_called_by_the_dead_worker() -> None:
    mixed = saga(block(step("a"), wait("boss"), step("b", retry=SLOWLY), nested("c"), timer("nap", 50)))
    scenario = given(mixed).when(unknown("b"), at=1, calling="a").when(TakeOver(), at=1)
    scenario.then("attempt_lost a", calls=["do a 2", f"do b 2 not before {intents(scenario.state)[1].not_before:g}"])


def test_a_loss_that_ends_the_way_forward_ends_the_other_losses_too() -> None:
    """What the dead worker may have been calling is in doubt in every branch, also in those with budget left."""
    fragile = saga(step("plan"), block(step("a", retry=ONE), step("b"), step("c")))
    for calling in ((), ("c",)):
        scenario = given(fragile).when(ok("plan")).when(TakeOver(), calling=calling)
        scenario.then(
            "attempt_lost a",
            "milestone_gave_up a",
            "compensation_decided",
            "attempt_lost b",
            "milestone_gave_up b",
            "attempt_lost c",
            "milestone_gave_up c",
            calls="undo c 1",
        )


def test_a_loss_after_others_were_to_be_tried_again() -> None:
    fragile = saga(step("plan"), block(step("a"), step("b", retry=ONE)))
    given(fragile).when(ok("plan")).when(TimePassed(), TakeOver(), HandlersBack()).then(
        "attempt_lost a",
        "attempt_lost b",
        "milestone_gave_up b",
        "milestone_gave_up a",
        "compensation_decided",
        calls="undo b 1",
    )


def test_a_cancel_that_was_stored_for_a_dead_worker_takes_back_nothing_that_it_called() -> None:
    booking().when(Cancel(), TakeOver()).then(
        "compensation_decided",
        "attempt_lost flight",
        "milestone_gave_up flight",
        "attempt_lost hotel",
        "milestone_gave_up hotel",
        "attempt_lost car",
        "milestone_gave_up car",
        calls="undo car 1",
        answers="applied",
    )


def test_a_crash_loop_parks_the_whole_block_and_doubts_all_of_it() -> None:
    scenario = given(TRIP).when(ok("plan")).happened([AttentionRaised("crash_loop", None, "five died")], at=1)
    scenario.then("attention_raised", status="failed")
    scenario.when(RetryMilestone()).then("attention_cleared", calls=["do flight 1", "do hotel 1", "do car 1"])
    scenario.when(Cancel()).then(
        "milestone_gave_up flight",
        "milestone_gave_up hotel",
        "milestone_gave_up car",
        "compensation_decided",
        calls="undo car 1",
    )


def test_nothing_of_a_block_is_called_after_a_crash_loop() -> None:
    scenario = given(TRIP).when(ok("plan")).when(ok("flight"), ok("car"))
    scenario.happened([AttentionRaised("crash_loop", None, "five died")], at=1)
    scenario.when(Pause()).then(answers="in_attention", status="failed")
    scenario.when(RetryMilestone()).then("attention_cleared", calls=["do hotel 1", "do seat 1"])


# --- attention in one branch -----------------------------------------------------------------------------------------


def test_a_branch_whose_handler_is_missing_does_not_stop_the_others() -> None:
    scenario = booking().when(uncallable("flight"), calling=["hotel", "car"])
    scenario.then(
        "attempt_withdrawn flight",
        'attention_raised flight kind="handler_missing"',
        calls=["do hotel 1", "do car 1"],
        status="in_progress",
    )
    scenario.when(ok("hotel"), ok("car")).then(
        "milestone_completed hotel", "milestone_completed car", calls="do seat 1", status="in_progress"
    )
    scenario.when(ok("seat")).then("milestone_completed seat", status="failed")
    scenario.when(HandlersBack()).then("attention_cleared", calls="do flight 1", status="in_progress")
    scenario.when(ok("flight")).then("milestone_completed flight", calls="do pay 1")


def test_what_was_withdrawn_is_still_clean_when_its_handler_is_back() -> None:
    scenario = booking().when(uncallable("flight")).when(HandlersBack()).when(Cancel())
    scenario.then(
        "attempt_withdrawn hotel",
        "attempt_withdrawn car",
        "attempt_withdrawn flight",
        "compensation_decided",
        calls="undo plan 1",
    )


def test_two_branches_whose_handlers_are_missing_come_back_together() -> None:
    scenario = booking().when(uncallable("flight"), uncallable("hotel")).when(ok("car")).when(ok("seat"))
    scenario.then("milestone_completed seat", status="failed")
    scenario.when(HandlersBack()).then(
        "attention_cleared", "attempt_started flight", "attempt_started hotel", calls=["do flight 1", "do hotel 1"]
    )


def test_a_refusal_clears_the_attention_of_a_sibling() -> None:
    scenario = booking().when(uncallable("flight")).when(refused("hotel"), calling="car")
    scenario.then("milestone_refused hotel", "compensation_decided", calls="do car 1", status="compensating")
    scenario.when(ok("car")).then("milestone_completed car", calls="undo car 1")


def test_what_the_participant_turned_away_in_one_branch() -> None:
    away = saga(block(step("a", retry=ONE), step("b")), step("c"))
    scenario = given(away).when(turned_away("a"), calling="b")
    scenario.then(
        "attempt_ended a", 'attention_raised a kind="participant_misconfigured"', calls="do b 1", status="in_progress"
    )
    scenario.when(RetryMilestone("a"), calling="b").then("milestone_retried a", calls=["do b 1", "do a 2"])
    scenario.when(ok("a"), ok("b")).then("milestone_completed a", "milestone_completed b", calls="do c 1")


def test_a_branch_in_attention_is_retried_while_its_sibling_waits() -> None:
    """Its sibling may wait for thirty days; nobody has to wait with it."""
    both = structured(block(step("a"), wait("boss", timeout=3e6)), step("b"))
    scenario = given(both).when(refused("a"))
    scenario.then(
        "milestone_refused a", 'attention_raised a kind="milestone_failed"', waits="boss", status="in_progress"
    )
    scenario.when(RetryMilestone()).then("milestone_retried a", calls="do a 2", waits="boss")
    scenario.when(ok("a")).then("milestone_completed a", waits="boss")


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        (Skip("a", Json("1")), "milestone_skipped a"),
        (StateFact("happened", "a", Json("1")), "fact_stated a"),
        (RetryMilestone("a", Json("2")), "input_revised a"),
    ],
)
def test_every_verb_of_a_branch_in_attention_works_beside_a_sibling_that_moves(verb: Command, told: str) -> None:
    gave = unknown("a") if isinstance(verb, StateFact) else refused("a")
    scenario = given(structured(block(step("a", retry=ONE), step("slow")), step("b"))).when(gave, calling="slow")
    scenario.when(verb, calling="slow")
    assert event_line(scenario.events[0]).startswith(told)
    assert not scenario.state.attention


def test_a_person_names_the_branch_that_a_verb_is_about() -> None:
    scenario = given(structured(block(step("a"), step("b"), step("c")))).when(refused("a"), refused("b"), calling="c")
    scenario.when(RetryMilestone(), calling="c").then(calls="do c 1", answers="ambiguous")
    scenario.when(RetryMilestone("b"), calling="c").then("milestone_retried b", calls=["do c 1", "do b 2"])


def test_a_backoff_beside_a_branch_in_attention_is_cut_short_by_name() -> None:
    scenario = given(structured(block(step("a"), step("b", retry=SLOWLY)))).when(refused("a"), calling="b")
    scenario.when(unknown("b"), at=1).when(RetryMilestone("b"), at=2).then("attempt_hastened b", calls="do b 2")


def test_nobody_closes_a_journey_of_which_a_branch_still_moves() -> None:
    scenario = given(structured(block(step("a"), step("b")))).when(refused("a"), calling="b")
    assert "resolve" not in verbs(scenario.state), "nobody is offered what is refused"
    scenario.when(Resolve("enough"), calling="b").then(calls="do b 1", answers="not_in_attention")
    scenario.when(ok("b")).then("milestone_completed b", status="failed")
    assert "resolve" in verbs(scenario.state)
    scenario.when(Resolve("enough")).then("saga_resolved", status="resolved")


def test_what_follows_a_block_waits_for_the_person_too() -> None:
    scenario = given(structured(block(step("a"), step("b")), step("c"))).when(refused("a"), ok("b"))
    scenario.then("milestone_refused a", "attention_raised a", "milestone_completed b", status="failed")
    scenario.when(Skip("a", Json("1"))).then("milestone_skipped a", calls="do c 1", status="in_progress")


# --- past the pivot, and without one ---------------------------------------------------------------------------------


PAID = saga(step("pay", pivot=True, undo=None), block(step("ship", undo=None), step("mail", undo=None)))


def test_past_the_pivot_a_failed_branch_waits_for_a_person_and_the_other_goes_on() -> None:
    scenario = given(PAID).when(ok("pay")).when(refused("ship"), calling="mail")
    scenario.then("milestone_refused ship", 'attention_raised ship kind="cannot_go_on"', calls="do mail 1")
    scenario.when(Cancel(), calling="mail").then(calls="do mail 1", answers="past_pivot")
    scenario.when(ok("mail")).then("milestone_completed mail", status="failed")
    scenario.when(RetryMilestone()).then("milestone_retried ship", calls="do ship 2")
    scenario.when(ok("ship")).then("milestone_completed ship", "saga_completed")


def test_a_pivot_behind_a_block_starts_when_the_block_is_done() -> None:
    behind = saga(block(step("a"), step("b")), step("pay", pivot=True, undo=None))
    scenario = given(behind).when(ok("a"), ok("b"))
    scenario.then("milestone_completed a", "milestone_completed b", calls="do pay 1")
    scenario.when(Cancel(), calling="pay").then("stop_requested", calls="do pay 1", answers="deferred")
    scenario.when(refused("pay")).then("milestone_refused pay", "compensation_decided", calls="undo b 1")


# --- a structured journey --------------------------------------------------------------------------------------------


STAGES = structured(step("plan"), block(step("a"), (step("b"), step("c"))), step("d"))


def test_a_cancelled_structured_journey_drains_its_block() -> None:
    scenario = given(STAGES).when(ok("plan")).when(Cancel(), calling="b")
    scenario.then("stop_requested", "attempt_withdrawn a", calls="do b 1", status="in_progress")
    scenario.when(ok("b")).then("milestone_completed b", "saga_cancelled", status="cancelled")


def test_going_back_before_a_block_starts_nothing_of_it_meanwhile() -> None:
    scenario = given(STAGES).when(ok("plan")).when(Pause()).when(Rollback())
    scenario.then("rollback_started plan", calls="undo plan 1")
    scenario.when(ok("plan")).then("milestone_rolled_back plan", status="paused")
    scenario.when(Resume()).then("resumed", calls="do plan 1")
    scenario.when(ok("plan")).then(
        "milestone_completed plan", "attempt_started a", "attempt_started b", calls=["do a 1", "do b 1"]
    )


def test_going_back_leaves_a_sibling_that_failed_to_the_person() -> None:
    scenario = given(structured(block(step("a"), step("b")), step("c"))).when(refused("a"), calling="b").when(ok("b"))
    scenario.when(Rollback()).then("rollback_started b", calls="undo b 1")
    scenario.when(ok("b")).then("milestone_rolled_back b", status="failed")
    scenario.when(Resume()).when(ok("b")).then("milestone_completed b", status="failed")
    scenario.when(RetryMilestone("a")).then("milestone_retried a", calls="do a 2")


def test_going_back_takes_back_a_sibling_that_was_not_called_yet() -> None:
    scenario = given(STAGES).when(ok("plan")).when(ok("b"))
    scenario.when(Rollback()).then("rollback_started b", calls="undo b 1")
    scenario.when(ok("b")).then("milestone_rolled_back b", status="paused")
    scenario.when(Resume()).then("resumed", "attempt_started a", "attempt_started b", calls=["do a 1", "do b 1"])


def test_going_back_waits_for_the_code_of_the_undo() -> None:
    for journey in (STAGES, structured(step("plan"), step("next"))):
        scenario = given(journey).when(ok("plan")).when(Pause()).when(Rollback()).when(uncallable("plan"))
        scenario.then("attempt_withdrawn plan", "attention_raised plan", status="failed")
        scenario.when(HandlersBack()).then("attention_cleared", calls="undo plan 1")
        scenario.when(uncallable("plan")).when(RetryMilestone()).then("milestone_retried plan", calls="undo plan 2")
        scenario.when(ok("plan")).then("milestone_rolled_back plan", status="paused")


def test_while_somebody_goes_back_nothing_is_tried_again_beside_it() -> None:
    both = structured(block(step("a"), step("b")), step("c"))
    scenario = given(both).when(refused("a"), calling="b").when(ok("b")).when(Rollback())
    scenario.when(RetryMilestone("a"), calling="b").then(calls="undo b 1", answers="not_in_attention")
    scenario.when(refused("b")).then("undo_given_up b", "attention_raised b", status="failed")
    scenario.when(RetryMilestone("a")).then("milestone_retried a", calls="do a 2")
    scenario.when(RetryMilestone("b"), calling="a").then(calls="do a 2", answers="one_at_a_time")


def test_an_undo_that_is_stuck_on_the_way_back_is_told_at_once() -> None:
    """Also where the undo of a whole saga would go round it: nothing goes forward behind it."""
    lenient = structured(*STAGES.steps, on_stuck_undo="continue")
    scenario = given(lenient).when(ok("plan")).when(Rollback()).when(refused("plan"))
    scenario.then("undo_given_up plan", 'attention_raised plan kind="stuck_undo"', status="failed")
    scenario.when(RetryMilestone()).then("milestone_retried plan", calls="undo plan 2")
    scenario.when(ok("plan")).then("milestone_rolled_back plan", status="paused")


def test_going_back_within_a_block() -> None:
    scenario = given(STAGES).when(ok("plan")).when(ok("a")).when(ok("b"))
    scenario.when(Rollback()).then("rollback_started b", calls="undo b 1")
    scenario.when(ok("b")).then("milestone_rolled_back b", status="paused")
    scenario.when(Rollback()).then("rollback_started a", calls="undo a 1")
    scenario.when(ok("a")).then("milestone_rolled_back a", status="paused")
    scenario.when(Resume()).then("resumed", "attempt_started a", "attempt_started b", calls=["do a 1", "do b 1"])


# --- by design -------------------------------------------------------------------------------------------------------


def test_a_pivot_inside_a_block_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'pay' is the pivot inside a parallel block"):
        saga(block(step("pay", pivot=True), step("a")))


def test_a_choice_inside_a_block_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'a' has next_steps inside a parallel block"):
        saga(block(step("a", next_steps=(To("c"),)), step("b")), step("c"))


@pytest.mark.parametrize("branches", [(), ((),), ((step("a"),),), ((step("a"),), ())])
def test_a_block_has_branches(branches: tuple[tuple[Milestone, ...], ...]) -> None:
    with pytest.raises(DefinitionError, match="two branches or more, each with a milestone"):
        saga(step("x"), Parallel(branches))


def test_an_undo_in_a_block_behind_the_pivot_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'b' declares undo 'undo_b' after the pivot 'pay'"):
        saga(step("pay", pivot=True), block(step("a", undo=None), step("b")))


def test_an_id_is_used_once_also_in_another_branch() -> None:
    with pytest.raises(DefinitionError, match="'a' is there twice"):
        saga(block(step("a"), step("a")))
