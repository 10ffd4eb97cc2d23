"""What fails before the first line of its handler is no attempt: the run is parked until the code is there (12, 31)."""

import pytest

from saga_journey.core.commands import Advance, Cancel, HandlersBack, RetryMilestone, Skip, StateFact
from saga_journey.core.events import AttentionKind, MilestoneCompleted
from saga_journey.testing.scenario import given, ok, refused, uncallable, unknown
from tests.core.journeys import ORDER, PAID, saga, step, wait

RESERVED = MilestoneCompleted("reserve")


@pytest.mark.parametrize("kind", ["handler_missing", "cannot_decode"])
def test_a_first_intent_is_taken_back_and_starts_again_when_the_code_is_there(kind: AttentionKind) -> None:
    (
        given(ORDER, RESERVED)
        .when(uncallable("charge", kind, "no such handler"))
        .then(
            'attempt_withdrawn charge op="do" why="no such handler"',
            f'attention_raised charge kind="{kind}" detail="no such handler"',
            status="failed",
        )
        .when(HandlersBack())
        .then(f'attention_cleared kind="{kind}"', calls="do charge 1", status="in_progress")
        .when(ok("charge"))
        .then("milestone_completed charge", calls="do ship 1")
    )


def test_a_later_intent_keeps_its_number_and_its_doubt() -> None:
    (
        given(ORDER, RESERVED)
        .when(unknown("charge"))
        .when(uncallable("charge"))
        .then("attempt_withdrawn charge", "attention_raised charge", status="failed")
        .when(HandlersBack())
        .then("attention_cleared", calls="do charge 2")
        .when(refused("charge"))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_handlers_that_come_back_to_a_saga_that_did_not_miss_them() -> None:
    given(ORDER).when(HandlersBack()).then(calls="do reserve 1")
    stuck = given(PAID, RESERVED, MilestoneCompleted("charge")).when(refused("ship"))
    stuck.when(HandlersBack()).then(status="failed")


def test_a_cancel_does_not_wait_for_the_code_of_what_was_never_called() -> None:
    (
        given(ORDER, RESERVED)
        .when(uncallable("charge"))
        .when(Cancel())
        .then("compensation_decided", calls="undo reserve 1", answers="applied")
    )


def test_a_person_may_go_on_without_the_code() -> None:
    (
        given(ORDER, RESERVED)
        .when(uncallable("charge"))
        .when(Skip("charge"))
        .then("milestone_skipped charge", calls="do ship 1", answers="applied")
        .when(refused("ship"))
        .then("milestone_refused ship", "compensation_decided", calls="undo reserve 1")  # it was never called
    )


def test_a_retry_before_the_code_is_there() -> None:
    (
        given(ORDER, RESERVED)
        .when(uncallable("charge"))
        .when(RetryMilestone())
        .then("milestone_retried charge", calls="do charge 1", answers="applied")
    )


def test_a_retry_of_a_later_intent_has_a_fresh_budget() -> None:
    scenario = given(ORDER, RESERVED).when(unknown("charge")).when(unknown("charge")).when(uncallable("charge"))
    scenario.when(RetryMilestone(), at=9).then("milestone_retried charge", calls="do charge 4", answers="applied")
    assert (scenario.state.calls(1).answered, scenario.state.calls(1).since) == (0, 9)


def test_what_a_person_states_of_a_parked_attempt_ends_it() -> None:
    # The open attempt must not be called any more, neither forward nor after the decision.
    (
        given(ORDER, RESERVED)
        .when(unknown("charge"))
        .when(uncallable("charge"))
        .when(StateFact("happened", "charge"))
        .then("fact_stated charge", calls="do ship 1", answers="applied")
    )
    (
        given(ORDER, RESERVED)
        .when(unknown("charge"))
        .when(uncallable("charge"))
        .when(StateFact("did_not_happen", "charge"))
        .then("fact_stated charge", "compensation_decided", calls="undo reserve 1", answers="applied")
    )


def test_a_milestone_past_the_pivot_that_did_not_happen_is_not_passed_over_when_the_code_is_back() -> None:
    (
        given(PAID, RESERVED, MilestoneCompleted("charge"))
        .when(unknown("ship"))
        .when(uncallable("ship"))
        .when(StateFact("did_not_happen", "ship"))
        .then("fact_stated ship", 'attention_raised ship kind="cannot_go_on"', status="failed", answers="applied")
        .when(HandlersBack())
        .then(status="failed")
    )


def test_a_parked_request_can_still_be_answered() -> None:
    asked = saga(step("draft"), wait("approve", request=True, optional=True), step("publish"))
    (
        given(asked, MilestoneCompleted("draft"))
        .when(unknown("approve"))
        .when(uncallable("approve"))
        .then("attempt_withdrawn approve", "attention_raised approve", status="failed")
        .when(Advance("approve", "unknown"))
        .then("milestone_gave_up approve", calls="do publish 1", status="in_progress", answers="applied")
    )


def test_code_that_is_missing_while_an_action_drains_is_not_waited_for() -> None:
    (
        given(ORDER, RESERVED)
        .when(unknown("charge"))
        .when(Cancel(), calling="charge")
        .when(uncallable("charge"))
        .then("milestone_gave_up charge", calls="undo charge 1", status="compensating")
    )
