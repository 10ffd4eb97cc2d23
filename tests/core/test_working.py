"""`working`: accepted, not finished. The same attempt asks again; what was accepted may yet happen (rule 10)."""

from saga_journey.core.commands import Cancel, Pause, Resume, RetryMilestone, Skip, TakeOver, TimePassed
from saga_journey.core.definition import Retry
from saga_journey.core.events import AttemptWorking, MilestoneCompleted
from saga_journey.core.reports import LONGEST_ASK
from saga_journey.core.timers import next_due
from saga_journey.testing.scenario import Scenario, given, ok, refused, turned_away, uncallable, unknown, working
from tests.core.journeys import ORDER, saga, step

RESERVED = MilestoneCompleted("reserve")
DAY = 24 * 3600.0


def asked() -> Scenario:
    """The card processor has accepted the charge."""
    return given(ORDER, RESERVED, AttemptWorking("charge", "do", 5.0))


def test_the_same_attempt_asks_again_and_spends_nothing() -> None:
    scenario = given(ORDER, RESERVED)
    for n in range(10):
        scenario.when(working("charge", 5), at=5.0 * n).then(
            "attempt_working charge", calls=f"do charge 1 not before {5 * (n + 1)}"
        )
    scenario.when(ok("charge"), at=50).then("milestone_completed charge", calls="do ship 1")


def test_it_is_asked_again_after_an_hour_at_the_latest_and_never_in_the_past() -> None:
    given(ORDER, RESERVED).when(working("charge", 1e9)).then(
        f'attempt_working charge op="do" ask_at={LONGEST_ASK}', calls="do charge 1 not before 3600"
    )
    given(ORDER, RESERVED).when(working("charge", -7)).then(
        'attempt_working charge op="do" ask_at=0.0', calls="do charge 1"
    )


def test_a_no_in_the_end_is_clean() -> None:
    asked().when(refused("charge"), at=5).then(
        "milestone_refused charge", "compensation_decided", calls="undo reserve 1"
    )


def test_an_unknown_answer_is_tried_again() -> None:
    asked().when(unknown("charge"), at=5).then("attempt_ended charge", calls="do charge 2")


def test_after_a_day_it_is_unknown() -> None:
    (
        asked()
        .when(working("charge", 3600), at=DAY - 1)
        .then("attempt_working charge", calls="do charge 1 not before 86400")
        .when(working("charge"), at=DAY)
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_after_a_day_nobody_has_to_ask() -> None:
    asked().when(TimePassed(), at=DAY).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_within_bounds_it_when_there_is_one() -> None:
    quick = saga(step("reserve"), step("charge", within=30.0))
    scenario = given(quick, RESERVED).when(working("charge", 100))
    scenario.then("attempt_working charge", calls="do charge 1 not before 30")
    assert next_due(scenario.state) == 30
    scenario.when(TimePassed(), at=30).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_a_cancel_interrupts_the_asking_and_undoes_what_may_have_happened() -> None:
    asked().when(Cancel()).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_a_cancel_while_it_is_asked_waits_for_the_answer() -> None:
    (
        asked()
        .when(Cancel(), at=5, calling="charge")
        .then("compensation_decided", calls="do charge 1")
        .when(working("charge"))
        .then("milestone_gave_up charge", calls="undo charge 1")
    )


def test_it_can_be_skipped_but_stays_in_the_undo_set() -> None:
    (
        asked()
        .when(Skip("charge"))
        .then("milestone_skipped charge", calls="do ship 1", answers="applied")
        .when(refused("ship"))
        .then("milestone_refused ship", "compensation_decided", calls="undo charge 1")
    )
    asked().when(Skip("charge"), at=5, calling="charge").then(calls="do charge 1", answers="not_skippable")


def test_a_person_may_ask_now() -> None:
    asked().when(RetryMilestone("charge")).then("attempt_hastened charge", calls="do charge 1", answers="applied")


def test_a_lost_question_is_a_lost_attempt() -> None:
    asked().when(TakeOver(), at=4).then(calls="do charge 1 not before 5")  # it was not yet asked again
    asked().when(TakeOver(), at=5).then("attempt_lost charge", calls="do charge 2")


def test_what_was_accepted_may_happen_whatever_the_next_question_gives() -> None:
    # Given the charge was accepted, when our key expires, then a cancel still has to undo the charge.
    (
        asked()
        .when(turned_away("charge"), at=5)
        .then("attempt_ended charge", calls="do charge 2")
        .when(Cancel())
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_and_whatever_happens_to_the_code_that_asks() -> None:
    # Given the charge was accepted, when a deploy loses the handler, then a cancel still has to undo the charge.
    parked = asked().when(uncallable("charge"), at=5)
    parked.then("attempt_withdrawn charge", "attention_raised charge", status="failed")
    parked.when(Cancel()).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_and_although_a_person_starts_it_over() -> None:
    (
        asked()
        .when(uncallable("charge"), at=5)
        .when(RetryMilestone("charge"))
        .then("milestone_retried charge", calls="do charge 2", answers="applied")
        .when(refused("charge"))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_and_when_it_was_optional() -> None:
    gift = saga(step("gift", optional=True, retry=Retry(attempts=1)), step("ship"))
    scenario = given(gift).when(working("gift")).when(turned_away("gift"), at=5)
    scenario.then("milestone_gave_up gift", calls="do ship 1")


def test_a_pause_moves_the_question() -> None:
    (
        asked()
        .when(Pause(), at=2)
        .then("paused", status="paused")
        .when(Resume(), at=102)
        .then("resumed", calls="do charge 1 not before 105")
    )
