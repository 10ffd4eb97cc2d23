"""Undo: the failure, the decision and the first undo are one commit; then strictly one after the other, in reverse."""

import pytest

from saga_journey.core.commands import Cancel, Compensate, TakeOver
from saga_journey.core.events import (
    Because,
    CompensationDecided,
    MilestoneCompleted,
    MilestoneRefused,
    SagaCompleted,
)
from saga_journey.testing.scenario import Gave, given, ok, refused, turn, turned_away, uncallable, unknown, working
from tests.core.journeys import ORDER, PAID, saga, step

REFUSED_AT_SHIP = (
    MilestoneCompleted("reserve"),
    MilestoneCompleted("charge"),
    turn(MilestoneRefused("ship", "no stock"), CompensationDecided(Because("failure", "ship", "no stock"))),
)


def test_the_whole_story_of_a_compensation() -> None:
    (
        given(ORDER)
        .when(ok("reserve", "h1"))
        .then("milestone_completed reserve", calls="do charge 1")
        .when(ok("charge", "c1"))
        .then("milestone_completed charge", calls="do ship 1")
        .when(refused("ship", "no stock"))
        .then(
            MilestoneRefused("ship", "no stock"),
            CompensationDecided(Because("failure", "ship", "no stock")),
            calls="undo charge 1",
            status="compensating",
        )
        .when(ok("charge"))
        .then("milestone_compensated charge", calls="undo reserve 1")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated", status="compensated")
    )


def test_what_has_no_undo_is_passed_over() -> None:
    mail = saga(step("reserve"), step("mail", undo=None), step("charge"))
    (
        given(mail, MilestoneCompleted("reserve"), MilestoneCompleted("mail"))
        .when(refused("charge"))
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    )


def test_an_empty_undo_set_is_compensated_in_the_deciding_commit() -> None:
    (
        given(ORDER)
        .when(refused("reserve"))
        .then("milestone_refused reserve", "compensation_decided", "saga_compensated", status="compensated")
    )


def test_an_undo_that_fails_is_tried_again_under_its_own_policy() -> None:
    (
        given(ORDER, *REFUSED_AT_SHIP)
        .when(unknown("charge"))
        .then('attempt_ended charge op="undo"', calls="undo charge 2")
        .when(TakeOver())
        .then('attempt_lost charge op="undo"', calls="undo charge 3")
        .when(ok("charge"))
        .then("milestone_compensated charge", calls="undo reserve 1")
    )


def test_an_undo_may_still_be_working() -> None:
    (
        given(ORDER, *REFUSED_AT_SHIP)
        .when(working("charge", 5))
        .then('attempt_working charge op="undo" ask_at=5.0', calls="undo charge 1 not before 5")
        .when(ok("charge"), at=5)
        .then("milestone_compensated charge", calls="undo reserve 1")
    )


def test_an_undo_that_works_for_longer_than_a_day_is_stuck() -> None:
    (
        given(ORDER, *REFUSED_AT_SHIP)
        .when(working("charge"), at=24 * 3600 - 1)
        .then("attempt_working charge", calls="undo charge 1 not before 86400")
        .when(working("charge"), at=24 * 3600)
        .then("undo_given_up charge", "attention_raised charge", status="failed")
    )


def test_the_decision_waits_for_what_is_being_called_and_the_undo_follows_its_outcome() -> None:
    (
        given(ORDER, MilestoneCompleted("reserve"))
        .when(Cancel("ann", "changed her mind"), calling="charge")
        .then("compensation_decided", calls="do charge 1", status="compensating")
        .when(ok("charge"))
        .then("milestone_completed charge", calls="undo charge 1")
    )


@pytest.mark.parametrize(
    ("gave", "event", "calls"),
    [
        (unknown("charge"), "milestone_gave_up charge", "undo charge 1"),
        (working("charge"), "milestone_gave_up charge", "undo charge 1"),
        (refused("charge"), "milestone_refused charge", "undo reserve 1"),
        (turned_away("charge"), "milestone_refused charge", "undo reserve 1"),
        (uncallable("charge"), "attempt_withdrawn charge", "undo reserve 1"),
    ],
)
def test_what_is_drained_is_not_tried_again(gave: Gave, event: str, calls: str) -> None:
    (
        given(ORDER, MilestoneCompleted("reserve"))
        .when(Cancel(), calling="charge")
        .when(gave)
        .then(event, calls=calls, status="compensating")
    )


def test_a_completed_saga_can_be_compensated_the_day_after() -> None:
    done = turn(MilestoneCompleted("ship"), SagaCompleted())
    (
        given(ORDER, MilestoneCompleted("reserve"), MilestoneCompleted("charge"), done)
        .when(Compensate(who="ann", reason="returned"), at=86_400)
        .then("compensation_decided", calls="undo ship 1", status="compensating", answers="applied")
        .when(ok("ship"))
        .then("milestone_compensated ship", calls="undo charge 1")
        .when(ok("charge"))
        .then("milestone_compensated charge", calls="undo reserve 1")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated", status="compensated")
    )


def test_a_plan_of_an_older_state_is_a_conflict() -> None:
    scenario = given(ORDER, MilestoneCompleted("reserve"))
    looked_at = scenario.state.seq
    (
        scenario.when(ok("charge"))
        .when(Compensate(expected=looked_at))
        .then(calls="do ship 1", answers="conflict")
        .when(Compensate(expected=scenario.state.seq))
        .then("attempt_withdrawn ship", "compensation_decided", calls="undo charge 1", answers="applied")
    )


def test_past_the_pivot_a_completed_saga_cannot_be_undone() -> None:
    done = turn(MilestoneCompleted("ship"), SagaCompleted())
    (
        given(PAID, MilestoneCompleted("reserve"), MilestoneCompleted("charge"), done)
        .when(Compensate())
        .then(answers="past_pivot", status="completed")
        .when(Cancel())
        .then(answers="finished")
    )
