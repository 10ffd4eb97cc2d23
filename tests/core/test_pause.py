"""Pause: nothing new is called, what is called ends and is recorded, the clocks stand still (rule 24)."""

from saga_journey.core.commands import Cancel, Compensate, Pause, Resume, RetryMilestone, Skip, StateFact, TimePassed
from saga_journey.core.definition import Retry
from saga_journey.core.events import AttemptEnded, MilestoneCompleted, Paused, SagaCompleted
from saga_journey.core.timers import next_due
from saga_journey.testing.scenario import given, ok, refused, turn, unknown
from tests.core.journeys import ORDER, PAID, saga, step

RESERVED = MilestoneCompleted("reserve")


def test_a_paused_saga_calls_nobody_and_needs_no_worker() -> None:
    scenario = given(ORDER, RESERVED).when(Pause("ann", "audit"))
    scenario.then('paused who="ann" reason="audit"', status="paused", answers="applied")
    assert next_due(scenario.state) is None
    scenario.when(TimePassed(), at=10_000).then(status="paused")


def test_what_is_being_called_ends_and_is_recorded() -> None:
    (
        given(ORDER, RESERVED)
        .when(Pause(), calling="charge")
        .when(ok("charge"))
        .then("milestone_completed charge", status="paused")
        .when(Resume("ann"))
        .then('resumed who="ann"', calls="do ship 1", status="in_progress", answers="applied")
    )


def test_a_paused_saga_may_even_complete() -> None:
    (
        given(saga(step("only")))
        .when(Pause(), calling="only")
        .when(ok("only"))
        .then("milestone_completed only", "saga_completed", status="completed")
    )


def test_a_failure_is_decided_and_the_pause_stays() -> None:
    (
        given(ORDER, RESERVED)
        .when(Pause(), calling="charge")
        .when(refused("charge"))
        .then("milestone_refused charge", "compensation_decided", status="paused")
        .when(Resume())
        .then("resumed", calls="undo reserve 1", status="compensating")
    )


def test_an_unknown_outcome_is_recorded_only() -> None:
    (
        given(ORDER, RESERVED)
        .when(Pause(), calling="charge")
        .when(unknown("charge"))
        .then("attempt_ended charge", status="paused")
        .when(Resume())
        .then("resumed", calls="do charge 2")
    )


def test_an_undo_can_be_paused_too() -> None:
    (
        given(ORDER, RESERVED)
        .when(refused("charge"))
        .when(Pause(), calling="reserve")
        .then("paused", status="paused")
        .when(Cancel())
        .then(answers="no_change", status="paused")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated", status="compensated")
    )


def test_a_cancel_or_a_compensation_lifts_the_pause() -> None:
    for stop in (Cancel(), Compensate()):
        (
            given(ORDER, RESERVED, Paused())
            .when(stop, at=50)
            .then("attempt_withdrawn charge", "compensation_decided", calls="undo reserve 1", answers="applied")
        )


def test_a_cancel_that_waits_for_the_pivot_lifts_it_as_well() -> None:
    (
        given(PAID, RESERVED)
        .when(Pause(), calling="charge")
        .when(Cancel(), at=20, calling="charge")
        .then("stop_requested", calls="do charge 1", status="in_progress", answers="deferred")
    )


def test_clocks_move_by_the_paused_span() -> None:
    timed = saga(step("reserve"), step("charge", within=30.0), deadline=100.0)
    scenario = given(timed, RESERVED, AttemptEnded("charge", "do", "503", retry_at=20.0))
    scenario.when(Pause(), at=10).then("paused")
    scenario.when(TimePassed(), at=1000).then(status="paused")
    scenario.when(Resume(), at=1010).then("resumed", calls="do charge 2 not before 1020")
    assert scenario.state.deadline_at == 1100
    scenario.when(TimePassed(), at=1029).then(calls="do charge 2")
    scenario.when(TimePassed(), at=1030).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_an_attempt_that_was_due_already_is_not_moved() -> None:
    given(ORDER, RESERVED).when(Pause(), at=10).when(Resume(), at=500).then("resumed", calls="do charge 1")


def test_a_backoff_stands_still_too_so_it_can_be_skipped_all_the_time() -> None:
    slow = saga(step("reserve"), step("mail", retry=Retry(first=30.0)), step("ship"))
    (
        given(slow, RESERVED)
        .when(unknown("mail"))
        .when(Pause())
        .when(Skip("mail"), at=10_000)
        .then("milestone_skipped mail", status="paused", answers="applied")
    )


def test_pausing_twice_changes_nothing() -> None:
    given(ORDER, RESERVED, Paused()).when(Pause()).then(answers="no_change", status="paused")


def test_what_cannot_be_paused_says_why() -> None:
    done = given(saga(step("only")), turn(MilestoneCompleted("only"), SagaCompleted()))
    done.when(Pause()).then(answers="final", status="completed")
    stuck = given(PAID, RESERVED, MilestoneCompleted("charge")).when(refused("ship"))
    stuck.when(Pause()).then(answers="in_attention", status="failed")


def test_only_what_is_paused_is_resumed() -> None:
    given(ORDER).when(Resume()).then(calls="do reserve 1", answers="not_paused")
    done = given(saga(step("only")), turn(MilestoneCompleted("only"), SagaCompleted()))
    done.when(Resume()).then(answers="not_paused", status="completed")


def test_a_retry_has_to_wait_for_the_resume() -> None:
    given(ORDER, RESERVED, Paused()).when(RetryMilestone("charge")).then(answers="paused", status="paused")


def test_a_saga_that_failed_during_a_pause_needs_both_lifted() -> None:
    (
        given(PAID, RESERVED, MilestoneCompleted("charge"))
        .when(Pause(), calling="ship")
        .when(refused("ship"))
        .then("milestone_refused ship", "attention_raised ship", status="failed")
        .when(RetryMilestone("ship"))
        .then(answers="paused", status="failed")
        .when(Resume())
        .then("resumed", status="failed", answers="applied")
        .when(RetryMilestone("ship"))
        .then("milestone_retried ship", calls="do ship 2", status="in_progress", answers="applied")
    )


def test_nothing_is_stated_of_a_milestone_that_is_only_paused() -> None:
    given(ORDER, RESERVED, Paused()).when(StateFact("happened", "charge")).then(
        answers="not_in_attention", status="paused"
    )
