"""`at_most_once`: one call, whatever happens; only a person may order a second one (rule 20)."""

import pytest

from saga_journey.core.commands import Cancel, RetryMilestone, TakeOver
from saga_journey.core.definition import ONE_CALL, Retry
from saga_journey.core.events import AttemptWithdrawn, MilestoneCompleted
from saga_journey.errors import DefinitionError
from saga_journey.testing.scenario import given, ok, turned_away, uncallable, unknown
from tests.core.journeys import saga, step

WIRE = saga(step("reserve"), step("wire", at_most_once=True, retry=ONE_CALL))
LATE = saga(step("pay", pivot=True, undo=None), step("wire", at_most_once=True, retry=ONE_CALL, undo=None))


def test_an_unknown_outcome_is_not_tried_again() -> None:
    (
        given(WIRE, MilestoneCompleted("reserve"))
        .when(unknown("wire"))
        .then("milestone_gave_up wire", "compensation_decided", calls="undo wire 1")
    )


def test_nor_is_a_lost_call() -> None:
    (
        given(WIRE, MilestoneCompleted("reserve"))
        .when(TakeOver())
        .then('attempt_lost wire op="do"', "milestone_gave_up wire", "compensation_decided", calls="undo wire 1")
    )


def test_nor_one_that_was_turned_away() -> None:
    (
        given(WIRE, MilestoneCompleted("reserve"))
        .when(turned_away("wire"))
        .then("attempt_ended wire", 'attention_raised wire kind="participant_misconfigured"', status="failed")
        .when(RetryMilestone("wire", who="ann", reason="the key was renewed"))
        .then("milestone_retried wire", calls="do wire 2", answers="applied")
    )


def test_an_intent_that_was_withdrawn_was_no_call() -> None:
    (
        given(WIRE, MilestoneCompleted("reserve"), AttemptWithdrawn("wire", "do", "not attempted"))
        .when(ok("wire"))
        .then("milestone_completed wire", "saga_completed")
    )
    (
        given(WIRE, MilestoneCompleted("reserve"))
        .when(uncallable("wire"))
        .when(Cancel())
        .then("compensation_decided", calls="undo reserve 1")
    )


def test_the_undo_is_tried_again_by_its_own_policy() -> None:
    (
        given(WIRE, MilestoneCompleted("reserve"))
        .when(unknown("wire"))
        .when(unknown("wire"))
        .then("attempt_ended wire", calls="undo wire 2")
    )


def test_past_the_pivot_its_doubt_waits_for_a_person_at_once() -> None:
    (
        given(LATE, MilestoneCompleted("pay"))
        .when(unknown("wire"))
        .then("milestone_gave_up wire", "attention_raised wire", status="failed")
        .when(RetryMilestone("wire", who="ann", reason="the bank has nothing"))
        .then("milestone_retried wire", calls="do wire 2", answers="applied")
    )


def test_it_excludes_a_retry_policy() -> None:
    with pytest.raises(DefinitionError, match="at_most_once and has a retry policy"):
        saga(step("wire", at_most_once=True, retry=Retry(attempts=2)))
