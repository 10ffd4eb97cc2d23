"""Retries: an unknown outcome is tried again by policy, with jitter that is a function of the journal alone."""

import pytest

from saga_journey.core.commands import Report, Unknown
from saga_journey.core.definition import ACTION_RETRY, Retry
from saga_journey.core.machine import decide
from saga_journey.testing.scenario import given, ok, refused, unknown
from tests.core.journeys import AT_ONCE, ORDER, saga, step

ONE = saga(step("charge", retry=Retry(attempts=4, first=8.0, factor=2.0, most=20.0)))


def test_an_unknown_outcome_is_tried_again_under_the_next_attempt_number() -> None:
    (
        given(ORDER)
        .when(unknown("reserve", "connection lost"), at=1)
        .then('attempt_ended reserve op="do" error="connection lost" retry_at=1.0', calls="do reserve 2")
        .when(ok("reserve"), at=2)
        .then("milestone_completed reserve", calls="do charge 1")
    )


def test_when_the_attempts_are_spent_the_outcome_is_unknown_and_is_undone() -> None:
    (
        given(ORDER)
        .when(unknown("reserve"))
        .then("attempt_ended reserve", calls="do reserve 2")
        .when(unknown("reserve"))
        .then("attempt_ended reserve", calls="do reserve 3")
        .when(unknown("reserve", "timed out"))
        .then(
            'milestone_gave_up reserve error="timed out"',
            "compensation_decided",
            calls="undo reserve 1",
            status="compensating",
        )
    )


def test_a_result_that_cannot_be_recorded_is_not_asked_for_again() -> None:
    (
        given(ORDER)
        .when(unknown("reserve", "not JSON", exhausted=True))
        .then("milestone_gave_up reserve", "compensation_decided", calls="undo reserve 1")
    )


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 8.0), (2, 16.0), (3, 20.0)])
def test_the_delay_is_drawn_below_a_ceiling_that_doubles(attempt: int, ceiling: float) -> None:
    delays = [delay_after(attempt, f"saga_{n}") for n in range(200)]
    assert all(0 <= delay <= ceiling for delay in delays)
    assert min(delays) < 0.1 * ceiling
    assert max(delays) > 0.9 * ceiling  # full jitter: over all of it
    assert delays == [delay_after(attempt, f"saga_{n}") for n in range(200)]  # and the same for everybody who asks


def delay_after(attempt: int, saga_id: str) -> float:
    state = given(ONE).state
    state.saga_id = saga_id
    for number in range(1, attempt + 1):
        now = state.calls(0).not_before
        state = decide(state, [Report(0, "do", number, Unknown("broken"))], now).state
    return state.calls(0).not_before - now


def test_lost_attempts_count_towards_the_delay() -> None:
    assert ACTION_RETRY.ceiling(1) == 1.0
    assert ACTION_RETRY.ceiling(5) == 16.0
    assert ACTION_RETRY.ceiling(1000) == 30.0  # and no number of failures overflows


def test_no_delay_at_all_when_the_policy_says_so() -> None:
    assert given(saga(step("charge"))).when(unknown("charge"), at=3).state.calls(0).not_before == 3


def test_a_retry_that_answers_no_after_an_unknown_one_ends_the_milestone() -> None:
    (
        given(saga(step("reserve"), step("charge", retry=AT_ONCE)))
        .when(ok("reserve"))
        .then("milestone_completed reserve", calls="do charge 1")
        .when(unknown("charge"))
        .then("attempt_ended charge", calls="do charge 2")
        .when(refused("charge", "declined"))
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )
