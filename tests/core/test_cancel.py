"""Cancel and compensate: stop, and undo what is done; and what comes first when much arrives in one turn (6, 28)."""

import itertools

from saga_journey.core.commands import Advance, Cancel, Command, Compensate, Pause, Resolve, Resume, TimePassed
from saga_journey.core.events import (
    Because,
    CompensationDecided,
    MilestoneCompleted,
    SagaCompensated,
    SagaResolved,
)
from saga_journey.testing.scenario import given, ok, refused, turn, unknown
from tests.core.journeys import ORDER, saga, step, wait

RESERVED = MilestoneCompleted("reserve")
CANCELLED = turn(CompensationDecided(Because("cancelled")), SagaCompensated())


def test_a_queued_intent_is_taken_back_and_leaves_no_trace() -> None:
    scenario = given(ORDER, RESERVED).when(Cancel("ann", "changed her mind"))
    scenario.then('attempt_withdrawn charge op="do"', "compensation_decided", calls="undo reserve 1", answers="applied")
    assert scenario.state.milestones[1].status == "pending"
    assert str(scenario.state.because) == "cancelled by ann: changed her mind"


def test_who_asked_and_why_is_kept() -> None:
    assert str(Because("requested", who="ann")) == "compensation requested by ann"
    assert str(Because("deadline")) == "deadline passed"
    assert str(Because("failure", "charge", "declined")) == "charge: declined"


def test_a_cancel_of_the_first_intent_has_nothing_to_undo() -> None:
    (
        given(ORDER)
        .when(Cancel())
        .then("attempt_withdrawn reserve", "compensation_decided", "saga_compensated", status="compensated")
    )


def test_cancelling_twice_changes_nothing() -> None:
    (
        given(ORDER, RESERVED)
        .when(Cancel(), Cancel(), Compensate())
        .then(
            "attempt_withdrawn charge",
            "compensation_decided",
            calls="undo reserve 1",
            answers=["applied", "no_change", "no_change"],
        )
    )


def test_a_compensated_saga_has_been_undone_already() -> None:
    scenario = given(ORDER, CANCELLED)
    scenario.when(Cancel()).then(answers="no_change", status="compensated")
    scenario.when(Compensate()).then(answers="no_change", status="compensated")


def test_a_resolved_saga_is_closed() -> None:
    scenario = given(ORDER, SagaResolved("written off"))
    for command in (Cancel(), Compensate(), Pause()):
        scenario.when(command).then(answers="final", status="resolved")
    scenario.when(Resolve("again")).then(answers="no_change", status="resolved")


def test_a_result_beats_a_cancel_of_the_same_turn() -> None:
    (
        given(ORDER, RESERVED)
        .when(Cancel(), ok("charge"), calling="charge")
        .then("milestone_completed charge", "compensation_decided", calls="undo charge 1", answers="applied")
    )


def test_the_last_result_beats_a_cancel_and_the_deadline() -> None:
    hurried = saga(step("reserve"), step("charge"), deadline=10.0)
    (
        given(hurried, RESERVED)
        .when(TimePassed(), Cancel(), ok("charge"), at=11, calling="charge")
        .then("milestone_completed charge", "saga_completed", status="completed", answers="finished")
    )


def test_a_stored_cancel_beats_the_next_attempt() -> None:
    (
        given(ORDER, RESERVED)
        .when(Cancel(), unknown("charge"), calling="charge")
        .then(
            "attempt_ended charge",
            "milestone_gave_up charge",
            "compensation_decided",
            calls="undo charge 1",
            answers="applied",
        )
    )


def test_commands_are_taken_in_the_order_of_their_arrival() -> None:
    paused_first = given(ORDER, RESERVED).when(Pause(), Resume())
    paused_first.then("paused", "resumed", calls="do charge 1", answers=["applied", "applied"])
    resumed_first = given(ORDER, RESERVED).when(Resume(), Pause())
    resumed_first.then("paused", status="paused", answers=["not_paused", "applied"])


def test_everything_in_one_turn_is_one_commit_in_one_order() -> None:
    # Scenario 8 of the semantics: the worker was stopped; a deadline passed, and cancel, advance and resume are stored.
    approval = saga(step("draft"), wait("approve"), deadline=50.0)
    waiting = given(approval, MilestoneCompleted("draft"))
    commands: list[Command] = [Cancel(), Advance("approve"), Resume()]
    for stored in itertools.permutations(commands):
        scenario = given(approval, MilestoneCompleted("draft")).when(*stored, TimePassed(), at=60)
        answered = stored.index(Advance("approve")) < stored.index(Cancel())
        assert scenario.state.status == ("completed" if answered else "compensating")
        assert len([a for a in scenario.answers if a is not None]) == 3
    waiting.when(TimePassed(), Advance("approve"), at=60).then(
        "milestone_completed approve", "saga_completed", status="completed"
    )


def test_a_report_of_the_last_drained_call_and_the_first_undo_are_one_commit() -> None:
    (
        given(ORDER, RESERVED)
        .when(Cancel(), calling="charge")
        .when(refused("charge"), Cancel())
        .then("milestone_refused charge", calls="undo reserve 1", answers="no_change")
    )
