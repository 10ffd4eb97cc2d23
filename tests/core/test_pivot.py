"""The pivot: before it everything can be undone, after it the saga only goes forward (rules 7, 8, 18)."""

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.commands import Cancel, Compensate, HandlersBack, RetryMilestone, Skip, StateFact, TakeOver
from saga_journey.core.events import MilestoneCompleted
from saga_journey.testing.scenario import Scenario, given, ok, refused, turned_away, uncallable, unknown, working
from tests.core.journeys import PAID, REFUNDABLE, saga, step, wait

CHARGING = MilestoneCompleted("reserve")
SHIPPING = (MilestoneCompleted("reserve"), MilestoneCompleted("charge"))


def test_before_the_pivot_is_called_a_cancel_is_applied() -> None:
    (
        given(PAID, CHARGING)
        .when(Cancel())
        .then("attempt_withdrawn charge", "compensation_decided", calls="undo reserve 1", answers="applied")
    )


def deferred() -> Scenario:
    return given(PAID, CHARGING).when(Cancel("ann"), calling="charge")


def test_during_the_call_a_cancel_waits_for_it() -> None:
    deferred().then("stop_requested", calls="do charge 1", status="in_progress", answers="deferred")


def test_and_comes_too_late_when_the_pivot_happens() -> None:
    (
        deferred()
        .when(ok("charge"))
        .then("milestone_completed charge", "stop_too_late", calls="do ship 1", status="in_progress")
    )


def test_and_is_applied_when_the_pivot_refuses() -> None:
    scenario = deferred().when(refused("charge"))
    scenario.then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    assert scenario.state.because is not None
    assert scenario.state.because.kind == "cancelled"


def test_and_waits_on_when_the_pivot_has_no_undo_and_is_in_doubt() -> None:
    (
        deferred()
        .when(unknown("charge"))
        .then("attempt_ended charge", calls="do charge 2")
        .when(Cancel())
        .then(calls="do charge 2", answers="no_change")
        .when(unknown("charge"))
        .when(unknown("charge"))
        .then("milestone_gave_up charge", 'attention_raised charge kind="pivot_in_doubt"', status="failed")
    )


def test_and_is_applied_when_the_pivot_has_an_undo_and_is_in_doubt() -> None:
    for gave in (unknown("charge"), refused("charge")):
        scenario = given(REFUNDABLE, CHARGING).when(unknown("charge")).when(Cancel(), calling="charge")
        scenario.then("stop_requested", calls="do charge 2", answers="deferred")
        scenario.when(gave).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_and_after_a_lost_call_of_a_pivot_that_can_be_undone() -> None:
    (
        given(REFUNDABLE, CHARGING)
        .when(Cancel(), calling="charge")
        .when(TakeOver())
        .then("attempt_lost charge", "milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


@pytest.mark.parametrize("stop", [Cancel(), Compensate()])
def test_past_the_pivot_there_is_no_way_back(stop: Cancel | Compensate) -> None:
    given(PAID, *SHIPPING).when(stop).then(calls="do ship 1", answers="past_pivot")


def test_past_the_pivot_a_no_waits_for_a_person() -> None:
    (
        given(PAID, *SHIPPING)
        .when(refused("ship", "no carrier"))
        .then(
            "milestone_refused ship",
            'attention_raised ship kind="cannot_go_on" detail="no carrier"',
            status="failed",
        )
        .when(Cancel())
        .then(answers="past_pivot", status="failed")
        .when(RetryMilestone("ship"))
        .then("milestone_retried ship", calls="do ship 2", status="in_progress", answers="applied")
        .when(ok("ship"))
        .then("milestone_completed ship", "saga_completed", status="completed")
    )


def test_past_the_pivot_an_unknown_outcome_waits_for_a_person() -> None:
    (
        given(PAID, *SHIPPING)
        .when(unknown("ship", exhausted=True))
        .then("milestone_gave_up ship", 'attention_raised ship kind="cannot_go_on"', status="failed")
        .when(StateFact("did_not_happen", "ship", who="ann"))
        .then(
            'fact_stated ship fact="did_not_happen" who="ann"',
            'attention_raised ship kind="cannot_go_on"',
            status="failed",
            answers="applied",
        )
        .when(RetryMilestone("ship", Json('{"to":"home"}')))
        .then("input_revised ship", "milestone_retried ship", calls="do ship 2", answers="applied")
    )


def in_doubt() -> Scenario:
    return given(PAID, CHARGING).when(unknown("charge", "timed out", exhausted=True))


def test_a_pivot_in_doubt_without_an_undo_parks_the_saga() -> None:
    in_doubt().then(
        "milestone_gave_up charge",
        'attention_raised charge kind="pivot_in_doubt" detail="timed out"',
        status="failed",
    )
    for stop in (Cancel(), Compensate()):
        in_doubt().when(stop).then(answers="pivot_in_doubt", status="failed")


def test_it_happened() -> None:
    (
        in_doubt()
        .when(StateFact("happened", "charge", Json('"c1"'), "ann", "seen in the bank's books"))
        .then("fact_stated charge", calls="do ship 1", answers="applied")
    )


def test_it_did_not_happen() -> None:
    (
        in_doubt()
        .when(StateFact("did_not_happen", who="ann"))
        .then("fact_stated charge", "compensation_decided", calls="undo reserve 1", answers="applied")
    )


def test_what_became_of_it_settles_a_stop_that_waits() -> None:
    def waiting() -> Scenario:
        return deferred().when(unknown("charge", exhausted=True))

    (
        waiting()
        .when(StateFact("happened", "charge"))
        .then("fact_stated charge", "stop_too_late", calls="do ship 1", answers="applied")
    )
    scenario = waiting().when(StateFact("did_not_happen", "charge"))
    scenario.then("fact_stated charge", "compensation_decided", calls="undo reserve 1", answers="applied")
    assert scenario.state.because is not None
    assert scenario.state.because.kind == "cancelled"
    (
        waiting()
        .when(Skip("charge", Json('"c1"')))
        .then("milestone_completed charge", "stop_too_late", calls="do ship 1", answers="applied")
    )


def test_a_pivot_is_skipped_only_with_a_result_and_then_counts_as_completed() -> None:
    in_doubt().when(Skip("charge")).then(answers="needs_result", status="failed")
    (
        in_doubt()
        .when(Skip("charge", Json('"c1"'), "ann"))
        .then('milestone_completed charge result="c1" who="ann"', calls="do ship 1", answers="applied")
        .when(Cancel())
        .then(calls="do ship 1", answers="past_pivot")
    )


def test_a_pivot_in_doubt_with_an_undo_is_undone_and_the_saga_compensates() -> None:
    (
        given(REFUNDABLE, CHARGING)
        .when(unknown("charge", exhausted=True))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_a_pivot_that_works_may_have_happened_so_a_cancel_waits() -> None:
    (
        given(PAID, CHARGING)
        .when(working("charge"))
        .when(Cancel())
        .then("stop_requested", calls="do charge 1 not before 5", answers="deferred")
    )
    (
        given(REFUNDABLE, CHARGING)
        .when(working("charge"))
        .when(Cancel())
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1", answers="applied")
    )


def test_a_pivot_that_waits_for_the_outside_may_have_happened_too() -> None:
    signing = saga(step("reserve"), wait("sign", pivot=True, undo=None))
    given(signing, CHARGING).when(Cancel()).then("stop_requested", answers="deferred")


def test_a_pivot_in_doubt_whose_participant_turns_us_away_still_may_have_happened() -> None:
    # Rule 8: undoing the rest while the card may have been charged would give the goods away.
    away = given(PAID, CHARGING).when(unknown("charge")).when(turned_away("charge")).when(turned_away("charge"))
    away.then("attempt_ended charge", 'attention_raised charge kind="participant_misconfigured"', status="failed")
    (
        away.when(Cancel())
        .then("stop_requested", status="failed", answers="deferred")
        .when(StateFact("did_not_happen", "charge"))
        .then("fact_stated charge", "compensation_decided", calls="undo reserve 1", answers="applied")
    )


def test_a_pivot_that_was_turned_away_certainly_did_not_happen() -> None:
    away = given(PAID, CHARGING).when(turned_away("charge")).when(turned_away("charge"))
    away.when(Cancel()).then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")


def test_a_stop_that_waits_is_applied_when_the_pivot_is_turned_away_for_good() -> None:
    (
        given(PAID, CHARGING)
        .when(turned_away("charge"))
        .when(turned_away("charge"))
        .when(Cancel(), calling="charge")
        .when(turned_away("charge"))
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    )


def test_a_pivot_that_cannot_be_called_waits_for_the_code_with_its_stop() -> None:
    (
        given(PAID, CHARGING)
        .when(unknown("charge"))
        .when(Cancel(), calling="charge")
        .when(uncallable("charge"))
        .then("attempt_withdrawn charge", "attention_raised charge", status="failed")
        .when(HandlersBack())
        .then("attention_cleared", calls="do charge 2")
        .when(ok("charge"))
        .then("milestone_completed charge", "stop_too_late", calls="do ship 1")
    )
