"""Structured journeys: the same machine, but a failure waits for a person, and a cancel ends without undoing."""

from saga_journey.core.commands import Advance, Cancel, Compensate, HandlersBack, Pause, RetryMilestone, Skip, StateFact
from saga_journey.core.definition import Retry
from saga_journey.core.events import AttemptEnded, MilestoneCompleted, SagaCompleted
from saga_journey.core.operators import standing
from saga_journey.testing.scenario import given, ok, refused, turn, turned_away, uncallable, unknown, working
from tests.core.journeys import step, structured, wait

FORM = structured(step("form"), step("check"), step("welcome"))
FILLED = MilestoneCompleted("form")


def test_it_goes_through_its_milestones() -> None:
    (
        given(structured(step("form")))
        .when(ok("form"))
        .then("milestone_completed form", "saga_completed", status="completed")
    )


def test_a_no_waits_for_a_person() -> None:
    (
        given(FORM, FILLED)
        .when(refused("check", "no such address"))
        .then(
            "milestone_refused check",
            'attention_raised check kind="milestone_failed" detail="no such address"',
            status="failed",
        )
        .when(RetryMilestone("check"))
        .then("milestone_retried check", calls="do check 2", status="in_progress", answers="applied")
    )


def test_so_does_an_unknown_outcome() -> None:
    (
        given(FORM, FILLED)
        .when(unknown("check", exhausted=True))
        .then("milestone_gave_up check", 'attention_raised check kind="milestone_failed"', status="failed")
        .when(StateFact("did_not_happen", "check"))
        .then("fact_stated check", 'attention_raised check kind="milestone_failed"', status="failed")
        .when(Skip("check"))
        .then("milestone_skipped check", calls="do welcome 1", answers="applied")
    )


def test_what_happened_after_all_goes_on() -> None:
    (
        given(FORM, FILLED)
        .when(unknown("check", exhausted=True))
        .when(StateFact("happened", "check"))
        .then("fact_stated check", calls="do welcome 1", answers="applied")
    )


def test_an_optional_one_is_passed_over() -> None:
    tour = structured(step("form"), step("tour", optional=True))
    given(tour, FILLED).when(refused("tour")).then("milestone_refused tour", "saga_completed", status="completed")


def test_a_cancel_ends_it_and_undoes_nothing() -> None:
    scenario = given(FORM, FILLED).when(Cancel("ann"))
    scenario.then(
        'stop_requested because={"kind": "cancelled", "who": "ann"}',
        "attempt_withdrawn check",
        "saga_cancelled",
        status="cancelled",
        answers="applied",
    )
    assert standing(scenario.state) == ("form",)
    scenario.when(Cancel()).then(answers="no_change", status="cancelled")
    scenario.when(Compensate()).then(answers="not_a_saga", status="cancelled")


def test_a_cancel_lets_a_call_end() -> None:
    for gave, event in (
        (ok("check"), "milestone_completed check"),
        (refused("check"), "milestone_refused check"),
        (unknown("check"), "milestone_gave_up check"),
        (working("check"), "milestone_gave_up check"),
        (turned_away("check"), "milestone_refused check"),
        (uncallable("check"), "attempt_withdrawn check"),
    ):
        (
            given(FORM, FILLED)
            .when(Cancel(), calling="check")
            .then("stop_requested", calls="do check 1", status="in_progress", answers="applied")
            .when(Cancel(), calling="check")
            .then(calls="do check 1", answers="no_change")
            .when(gave)
            .then(event, "saga_cancelled", status="cancelled")
        )


def test_a_request_that_ends_after_the_cancel_is_not_waited_for() -> None:
    approval = structured(step("form"), wait("approve", request=True))
    (
        given(approval, FILLED)
        .when(Cancel(), calling="approve")
        .when(ok("approve"))
        .then("milestone_gave_up approve", "saga_cancelled", status="cancelled")
    )


def test_a_cancel_interrupts_a_wait_and_a_backoff() -> None:
    approval = structured(step("form"), wait("approve"))
    given(approval, FILLED).when(Cancel()).then("stop_requested", "milestone_gave_up approve", "saga_cancelled")
    backing_off = given(FORM, FILLED, AttemptEnded("check", "do", "503", retry_at=60.0))
    backing_off.when(Cancel()).then("stop_requested", "milestone_gave_up check", "saga_cancelled")


def test_a_wait_can_be_answered_while_it_drains() -> None:
    approval = structured(step("form"), wait("approve", request=True))
    (
        given(approval, FILLED)
        .when(Cancel(), calling="approve")
        .when(Advance("approve"), calling="approve")
        .then("milestone_completed approve", "saga_cancelled", status="cancelled", answers="applied")
    )


def test_a_cancel_ends_the_waiting_for_a_person_too() -> None:
    (
        given(FORM, FILLED)
        .when(refused("check"))
        .when(Cancel())
        .then("stop_requested", "saga_cancelled", status="cancelled", answers="applied")
    )


def test_a_cancel_lifts_a_pause() -> None:
    (
        given(FORM, FILLED)
        .when(Pause(), calling="check")
        .when(Cancel(), calling="check")
        .then("stop_requested", calls="do check 1", status="in_progress", answers="applied")
        .when(ok("check"))
        .then("milestone_completed check", "saga_cancelled")
    )


def test_a_pivot_does_not_hold_up_a_cancel_where_nothing_is_undone() -> None:
    signed = structured(step("form"), step("sign", pivot=True), step("file", undo=None))
    given(signed, FILLED, MilestoneCompleted("sign")).when(Cancel()).then(
        "stop_requested", "attempt_withdrawn file", "saga_cancelled", status="cancelled"
    )
    (
        given(signed, FILLED)
        .when(Cancel(), calling="sign")
        .when(ok("sign"))
        .then("milestone_completed sign", "saga_cancelled", status="cancelled")
    )


def test_it_is_not_compensated() -> None:
    given(FORM, FILLED).when(Compensate()).then(calls="do check 1", answers="not_a_saga")
    done = given(structured(step("form")), turn(FILLED, SagaCompleted()))
    done.when(Compensate()).then(answers="not_a_saga", status="completed")
    done.when(Cancel()).then(answers="finished", status="completed")


def test_it_waits_for_its_code_like_a_saga() -> None:
    (
        given(FORM, FILLED)
        .when(uncallable("check"))
        .then("attempt_withdrawn check", "attention_raised check", status="failed")
        .when(HandlersBack())
        .then("attention_cleared", calls="do check 1")
    )


def test_a_participant_that_turns_it_away_waits_for_a_person() -> None:
    once = structured(step("check", retry=Retry(attempts=1)))
    given(once).when(turned_away("check")).then(
        "attempt_ended check", 'attention_raised check kind="participant_misconfigured"', status="failed"
    )
