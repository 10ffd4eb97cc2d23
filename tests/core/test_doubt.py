"""Doubt: an attempt that ended without an answer may have had its effect, whatever a later one says (rules 1, 2)."""

from saga_journey.core.commands import Cancel, TakeOver
from saga_journey.core.events import AttemptEnded, MilestoneCompleted
from saga_journey.testing.scenario import given, ok, refused, turned_away, unknown
from tests.core.journeys import ORDER, saga, step

CHARGING = (MilestoneCompleted("reserve"),)


def test_a_no_without_doubt_is_clean_and_is_not_undone() -> None:
    (
        given(ORDER, *CHARGING)
        .when(refused("charge", "card declined"))
        .then(
            'milestone_refused charge reason="card declined"',
            "compensation_decided",
            calls="undo reserve 1",
        )
    )


def test_a_no_after_an_unknown_attempt_is_unknown_and_is_undone_with_none() -> None:
    # Given the charge took effect and timed out, when the second attempt is refused as a duplicate,
    # then the charge is undone first, and its undo learns that nobody knows the result.
    scenario = (
        given(ORDER, *CHARGING)
        .when(unknown("charge", "timed out"))
        .then("attempt_ended charge", calls="do charge 2")
        .when(refused("charge", "duplicate"))
        .then(
            'milestone_gave_up charge error="refused (duplicate) after an attempt whose outcome is unknown"',
            "compensation_decided",
            calls="undo charge 1",
        )
    )
    assert scenario.state.milestones[1].result is None
    (
        scenario.when(ok("charge"))
        .then("milestone_compensated charge", calls="undo reserve 1")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated", status="compensated")
    )


def test_an_ok_after_an_unknown_attempt_settles_the_doubt() -> None:
    scenario = given(ORDER, *CHARGING).when(unknown("charge")).when(ok("charge", "c1"))
    assert not scenario.state.milestones[1].doubt
    scenario.then("milestone_completed charge", calls="do ship 1")


def test_a_lost_attempt_is_doubt_as_well() -> None:
    (
        given(ORDER, *CHARGING)
        .when(TakeOver())
        .then("attempt_lost charge", calls="do charge 2")
        .when(refused("charge"))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_an_attempt_that_was_turned_away_leaves_no_doubt() -> None:
    (
        given(ORDER, *CHARGING)
        .when(turned_away("charge"))
        .then("attempt_ended charge", calls="do charge 2")
        .when(refused("charge"))
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    )


def test_a_cancel_in_the_backoff_of_a_doubtful_attempt_undoes_it() -> None:
    (
        given(ORDER, *CHARGING, AttemptEnded("charge", "do", "timed out", retry_at=30.0))
        .when(Cancel())
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_a_cancel_in_the_backoff_of_a_clean_attempt_has_nothing_to_undo_there() -> None:
    (
        given(ORDER, *CHARGING, AttemptEnded("charge", "do", "401", retry_at=30.0, clean=True))
        .when(Cancel())
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    )


def test_a_doubtful_milestone_without_an_undo_stays_as_it_is() -> None:
    (
        given(saga(step("reserve"), step("notify", undo=None)), MilestoneCompleted("reserve"))
        .when(unknown("notify", exhausted=True))
        .then("milestone_gave_up notify", "compensation_decided", calls="undo reserve 1")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated", status="compensated")
    )
