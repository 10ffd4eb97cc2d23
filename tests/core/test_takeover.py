"""A worker died: what it may have been calling is lost, and is counted before anything is called again (3, 21, 22)."""

from saga_journey.core.canonical import Json
from saga_journey.core.commands import (
    Cancel,
    Command,
    HandlersBack,
    Pause,
    RetryMilestone,
    Skip,
    StateFact,
    TakeOver,
    TimePassed,
)
from saga_journey.core.definition import Retry
from saga_journey.core.events import (
    AttemptEnded,
    AttentionRaised,
    Because,
    CompensationDecided,
    MilestoneCompleted,
    MilestoneRefused,
)
from saga_journey.testing.scenario import given, ok, refused, turn, unknown
from tests.core.journeys import ORDER, PAID, REFUNDABLE, saga, step, structured

RESERVED = MilestoneCompleted("reserve")


def test_a_lost_attempt_is_tried_again_at_once() -> None:
    (
        given(ORDER, RESERVED)
        .when(TakeOver(), at=30)
        .then('attempt_lost charge op="do" retry_at=30.0', calls="do charge 2")
    )


def test_losses_have_their_own_limit() -> None:
    poison = saga(step("poison", retry=Retry(attempts=1, lost=2)))
    (
        given(poison)
        .when(TakeOver())
        .then("attempt_lost poison", calls="do poison 2")
        .when(TakeOver())
        .then("attempt_lost poison", "milestone_gave_up poison", "compensation_decided", calls="undo poison 1")
    )


def test_a_deploy_spends_no_attempt_and_an_answer_no_loss() -> None:
    mixed = saga(step("charge", retry=Retry(attempts=2, first=0.0, lost=2)))
    (
        given(mixed)
        .when(TakeOver())
        .then("attempt_lost charge", calls="do charge 2")
        .when(unknown("charge"))
        .then("attempt_ended charge", calls="do charge 3")
        .when(unknown("charge"))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_a_policy_without_losses_still_has_its_one_call() -> None:
    (
        given(saga(step("wire", retry=Retry(lost=0))))
        .when(TakeOver())
        .then("attempt_lost wire", "milestone_gave_up wire", "compensation_decided", calls="undo wire 1")
    )


def test_an_attempt_that_was_not_yet_due_was_not_called() -> None:
    (
        given(ORDER, RESERVED, AttemptEnded("charge", "do", "503", retry_at=10.0))
        .when(TakeOver(), at=9)
        .then(calls="do charge 2 not before 10")
        .when(TakeOver(), at=10)
        .then("attempt_lost charge", calls="do charge 3")
    )


def test_a_lost_undo_is_tried_again_until_its_limit() -> None:
    turned_back = turn(MilestoneRefused("charge", "no"), CompensationDecided(Because("failure", "charge", "no")))
    (
        given(ORDER, RESERVED, turned_back)
        .when(TakeOver())
        .when(TakeOver())
        .then('attempt_lost reserve op="undo"', calls="undo reserve 3")
        .when(TakeOver())
        .then("attempt_lost reserve", "undo_given_up reserve", "attention_raised reserve", status="failed")
    )


def test_an_action_that_drained_when_its_worker_died_is_unknown() -> None:
    (
        given(ORDER, RESERVED)
        .when(Cancel(), calling="charge")
        .when(TakeOver())
        .then("attempt_lost charge", "milestone_gave_up charge", calls="undo charge 1")
    )


def test_a_stored_cancel_does_not_make_the_lost_call_clean() -> None:
    # Given the worker died while it charged the card, and a cancel was stored meanwhile, when another worker takes
    # over, then the charge is not a queued intent: it is lost, unknown, and undone.
    (
        given(ORDER, RESERVED)
        .when(TimePassed(), TakeOver(), HandlersBack(), Cancel("ann"))
        .then(
            "compensation_decided",
            'attempt_lost charge op="do"',
            "milestone_gave_up charge",
            calls="undo charge 1",
            answers="applied",
        )
    )


def test_nor_does_a_stored_skip() -> None:
    # The first attempt was turned away, so there was no doubt; the second one was being called.
    (
        given(ORDER, RESERVED, AttemptEnded("charge", "do", "401", retry_at=0.0, clean=True))
        .when(Skip("charge"), TakeOver())
        .then("attempt_lost charge", calls="do charge 3", answers="not_skippable")
    )


def test_a_stored_cancel_waits_for_a_pivot_that_may_have_been_called() -> None:
    given(PAID, RESERVED).when(Cancel(), TakeOver()).then(
        "stop_requested", "attempt_lost charge", calls="do charge 2", answers="deferred"
    )
    (
        given(REFUNDABLE, RESERVED)
        .when(Cancel(), TakeOver())
        .then(
            "stop_requested",
            "attempt_lost charge",
            "milestone_gave_up charge",
            "compensation_decided",
            calls="undo charge 1",
            answers="deferred",
        )
    )


def test_a_stored_pause_keeps_the_next_attempt_back() -> None:
    given(ORDER, RESERVED).when(TakeOver(), Pause()).then("paused", "attempt_lost charge", status="paused")


def test_a_stored_cancel_of_a_structured_journey() -> None:
    (
        given(structured(step("form")))
        .when(Cancel(), TakeOver())
        .then(
            "stop_requested",
            "attempt_lost form",
            "milestone_gave_up form",
            "saga_cancelled",
            status="cancelled",
            answers="applied",
        )
    )


def test_time_that_passed_meanwhile_comes_last() -> None:
    soon = saga(step("reserve"), step("charge", within=20.0))
    (
        given(soon, RESERVED)
        .when(TimePassed(), TakeOver(), at=20)
        .then("attempt_lost charge", "milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


CRASHED = AttentionRaised("crash_loop", None, "five workers died")


def test_a_run_parked_unread_may_have_been_called() -> None:
    # The engine parks it without loading it, so no loss is recorded; the doubt is there all the same.
    parked = given(ORDER, RESERVED, CRASHED)
    parked.then('attention_raised kind="crash_loop"', status="failed")
    parked.when(Cancel()).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_a_person_lets_it_go_on() -> None:
    (
        given(ORDER, RESERVED, CRASHED)
        .when(RetryMilestone(who="ann", reason="looked into it"))
        .then('attention_cleared kind="crash_loop" who="ann"', calls="do charge 1", answers="applied")
        .when(refused("charge"))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_an_attempt_that_was_not_due_when_it_was_parked_is_clean() -> None:
    (
        given(ORDER, RESERVED, AttemptEnded("charge", "do", "401", retry_at=10.0, clean=True), CRASHED)
        .when(Cancel())
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    )


def test_an_action_that_was_to_drain_is_not_called_again_after_the_parking() -> None:
    (
        given(ORDER, RESERVED)
        .when(Cancel(), calling="charge")
        .happened([CRASHED], at=1)
        .when(RetryMilestone())
        .then("attention_cleared", calls="undo charge 1", answers="applied")
    )


def test_a_parked_undo_goes_on_as_it_was() -> None:
    (
        given(ORDER, RESERVED, turn(MilestoneRefused("charge", "no"), CompensationDecided(Because("failure"))), CRASHED)
        .when(RetryMilestone())
        .then("attention_cleared", calls="undo reserve 1", answers="applied")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated")
    )


def test_what_concerns_the_whole_saga_names_no_milestone() -> None:
    parked = given(ORDER, RESERVED, CRASHED)
    refusals: list[tuple[Command, str]] = [
        (Skip(), "no_milestone"),
        (Skip("charge"), "not_in_attention"),
        (StateFact("happened"), "not_in_doubt"),
        (RetryMilestone("charge"), "not_in_attention"),
        (RetryMilestone(None, Json("{}")), "no_milestone"),
    ]
    for command, code in refusals:
        parked.when(command).then(answers=code, status="failed")


def test_nor_does_it_while_it_compensates() -> None:
    parked = given(
        ORDER, RESERVED, turn(MilestoneRefused("charge", "no"), CompensationDecided(Because("failure"))), CRASHED
    )
    for command in (Skip(), StateFact("undone")):
        parked.when(command).then(answers="no_milestone", status="failed")
