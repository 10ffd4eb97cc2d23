"""External milestones: somebody else completes them, by `advance`, from the intent on (rules 32, 33)."""

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.commands import Advance, Cancel, Pause, Resume, Skip, TakeOver, TimePassed
from saga_journey.core.events import MilestoneCompleted, MilestoneWaiting
from saga_journey.core.timers import next_due
from saga_journey.testing.scenario import Scenario, given, ok, refused, turned_away, unknown, working
from tests.core.journeys import saga, step, wait

ASKED = saga(step("draft"), wait("approve", request=True), step("publish"))
ALONE = saga(step("draft"), wait("approve"), step("publish"))
DRAFTED = MilestoneCompleted("draft")


def test_a_wait_without_a_request_calls_nobody() -> None:
    given(ALONE).when(ok("draft")).then("milestone_completed draft", status="in_progress")


def test_an_answer_completes_it() -> None:
    (
        given(ALONE, DRAFTED)
        .when(Advance("approve", result=Json('{"by":"ann"}'), who="ann"))
        .then('milestone_completed approve result={"by": "ann"} who="ann"', calls="do publish 1", answers="applied")
    )


def test_the_milestone_may_be_left_out_when_one_waits() -> None:
    given(ALONE, DRAFTED).when(Advance()).then("milestone_completed approve", calls="do publish 1", answers="applied")
    given(ALONE).when(Advance()).then(calls="do draft 1", answers="not_waiting")


def test_the_request_is_made_first_and_is_not_the_answer() -> None:
    (
        given(ASKED)
        .when(ok("draft"))
        .then("milestone_completed draft", calls="do approve 1")
        .when(ok("approve"))
        .then("milestone_waiting approve", status="in_progress")
        .when(Advance("approve"))
        .then("milestone_completed approve", calls="do publish 1", answers="applied")
    )


def test_a_partner_may_be_faster_than_our_own_commit() -> None:
    (
        given(ASKED, DRAFTED)
        .when(Advance("approve"), calling="approve")
        .then("milestone_completed approve", calls="do publish 1", answers="applied")
        .when(ok("approve", attempt=1, op="do"))
        .then(calls="do publish 1")  # the request comes back: nobody waits for it any more
    )


def test_a_request_is_tried_again_like_an_action() -> None:
    (
        given(ASKED, DRAFTED)
        .when(unknown("approve"))
        .then("attempt_ended approve", calls="do approve 2")
        .when(working("approve"))
        .then("attempt_working approve", calls="do approve 2 not before 5")
        .when(ok("approve"), at=5)
        .then("milestone_waiting approve")
    )


def test_an_early_answer_is_asked_to_come_again() -> None:
    given(ALONE).when(Advance("approve")).then(calls="do draft 1", answers="not_waiting_yet")


def test_an_answer_to_what_no_longer_waits_is_rejected() -> None:
    given(ALONE, DRAFTED).when(Advance("draft")).then(answers="not_waiting")
    given(ALONE).when(Advance("draft"), calling="draft").then(calls="do draft 1", answers="not_waiting")


def test_two_answers_at_once_count_once() -> None:
    (
        given(ALONE, DRAFTED)
        .when(Advance("approve"), Advance("approve", "refused"))
        .then("milestone_completed approve", calls="do publish 1", answers=["applied", "not_waiting"])
    )


def test_an_answer_to_another_attempt_is_stale() -> None:
    (
        given(ASKED, DRAFTED)
        .when(unknown("approve"))
        .when(Advance("approve", expected_attempt=1))
        .then(calls="do approve 2", answers="stale")
        .when(Advance("approve", expected_attempt=2))
        .then("milestone_completed approve", calls="do publish 1", answers="applied")
    )


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    scenario = given(ALONE).when(Advance("aprove"))
    scenario.then(calls="do draft 1", answers="unknown_milestone")
    assert "draft, approve, publish" in str(scenario.answers)


@pytest.mark.parametrize(
    ("outcome", "event", "calls"),
    [
        ("refused", 'milestone_refused approve reason="no budget" who="ann"', "undo draft 1"),
        ("unknown", 'milestone_gave_up approve error="no budget"', "undo approve 1"),
    ],
)
def test_an_answer_may_be_no_or_unknown(outcome: str, event: str, calls: str) -> None:
    answer = Advance("approve", outcome, reason="no budget", who="ann")  # type: ignore[arg-type]
    given(ALONE, DRAFTED).when(answer).then(event, "compensation_decided", calls=calls, answers="applied")


def test_an_answer_without_a_reason() -> None:
    for outcome, event in (("refused", "milestone_refused approve"), ("unknown", "milestone_gave_up approve")):
        scenario = given(ALONE, DRAFTED).when(Advance("approve", outcome))  # type: ignore[arg-type]
        assert scenario.story[-4].strip().startswith(event)


def test_a_no_after_a_request_in_doubt_is_unknown() -> None:
    (
        given(ASKED, DRAFTED)
        .when(unknown("approve"))
        .when(Advance("approve", "refused"))
        .then("milestone_gave_up approve", "compensation_decided", calls="undo approve 1", answers="applied")
    )


def waiting() -> Scenario:
    return given(ASKED, DRAFTED, MilestoneWaiting("approve"))


def test_the_wait_is_bounded_from_its_intent_on() -> None:
    assert next_due(waiting().state) == 100
    (
        waiting()
        .when(TimePassed(), at=99)
        .then()
        .when(TimePassed(), at=100)
        .then("milestone_gave_up approve", "compensation_decided", calls="undo approve 1")
    )


def test_a_wait_whose_request_was_never_made_is_clean() -> None:
    (
        given(ASKED, DRAFTED)
        .when(TimePassed(), at=100)
        .then("milestone_refused approve", "compensation_decided", calls="undo draft 1")
    )


def test_a_request_that_is_being_made_ends_by_itself() -> None:
    (
        given(ASKED, DRAFTED)
        .when(TimePassed(), at=100, calling="approve")
        .then(calls="do approve 1")
        .when(unknown("approve"))
        .then("milestone_gave_up approve", "compensation_decided", calls="undo approve 1")
    )


def test_a_cancel_interrupts_the_wait_and_undoes_it() -> None:
    (
        waiting()
        .when(Cancel())
        .then("milestone_gave_up approve", "compensation_decided", calls="undo approve 1")
        .when(Advance("approve"))
        .then(calls="undo approve 1", answers="not_waiting")
    )


def test_a_request_that_ends_after_the_decision_is_not_waited_for() -> None:
    (
        given(ASKED, DRAFTED)
        .when(Cancel(), calling="approve")
        .then("compensation_decided", calls="do approve 1")
        .when(ok("approve"))
        .then("milestone_gave_up approve", calls="undo approve 1")
    )


def test_a_skipped_wait_may_have_had_an_effect_and_stays_in_the_undo_set() -> None:
    (
        waiting()
        .when(Skip("approve", who="ann"))
        .then("milestone_skipped approve", calls="do publish 1", answers="applied")
        .when(refused("publish"))
        .then("milestone_refused publish", "compensation_decided", calls="undo approve 1")
    )


def test_the_worker_that_dies_does_not_harm_a_wait() -> None:
    waiting().when(TakeOver()).then(status="in_progress")


def test_a_pause_stops_the_clock_of_the_wait() -> None:
    (
        waiting()
        .when(Pause(), at=60)
        .then("paused", status="paused")
        .when(TimePassed(), at=500)
        .then(status="paused")
        .when(Resume(), at=1060)
        .then("resumed", status="in_progress")
        .when(TimePassed(), at=1099)
        .then()
        .when(TimePassed(), at=1100)
        .then("milestone_gave_up approve", "compensation_decided", calls="undo approve 1")
    )


def test_an_answer_is_taken_during_a_pause() -> None:
    (
        waiting()
        .when(Pause())
        .when(Advance("approve"))
        .then("milestone_completed approve", status="paused", answers="applied")
        .when(Resume())
        .then("resumed", calls="do publish 1", answers="applied")
    )


def test_a_request_that_is_turned_away_waits_for_a_person() -> None:
    (
        given(ASKED, DRAFTED)
        .when(turned_away("approve"))
        .when(turned_away("approve"))
        .when(turned_away("approve"))
        .then("attempt_ended approve", "attention_raised approve", status="failed")
    )
