"""Timers: milestones that are done when their time has passed, in store time (rules 23, 24 and 36)."""

from __future__ import annotations

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.commands import Advance, Cancel, Pause, Resume, RetryMilestone, Skip, TakeOver, TimePassed
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.progress import doubtful, kept, view
from saga_journey.core.timers import next_due
from saga_journey.errors import DefinitionError
from saga_journey.testing.scenario import given, ok, refused
from tests.core.journeys import block, saga, step, structured, timer

DAY = 24 * 3600.0
COOLED = saga(step("order"), timer("cool_off", 14 * DAY), step("ship"))


def test_a_timer_waits_its_time_and_then_the_journey_goes_on() -> None:
    scenario = given(COOLED).when(ok("order"), at=10).then("milestone_completed order", waits="cool_off")
    assert view(scenario.state).waiting_for == "the time of cool_off"
    assert next_due(scenario.state) == 10 + 14 * DAY
    scenario.when(TimePassed(), at=9 + 14 * DAY).then(waits="cool_off", status="in_progress")
    scenario.when(TimePassed(), at=10 + 14 * DAY).then("milestone_completed cool_off", calls="do ship 1")
    scenario.when(ok("ship")).then("milestone_completed ship", "saga_completed", status="completed")


def test_a_timer_that_was_noticed_late_is_done_once() -> None:
    scenario = given(COOLED).when(ok("order")).when(TimePassed(), TimePassed(), at=1e9)
    scenario.then("milestone_completed cool_off", calls="do ship 1")


def test_timers_one_after_the_other_each_take_their_time() -> None:
    two = saga(timer("a", 10), timer("b", 10))
    scenario = given(two).when(TimePassed(), at=25).then("milestone_completed a", waits="b")
    scenario.when(TimePassed(), at=34).then(waits="b")
    scenario.when(TimePassed(), at=35).then("milestone_completed b", "saga_completed")


def test_a_dead_worker_loses_no_timer() -> None:
    given(COOLED).when(ok("order"), at=10).when(TakeOver(), at=20).then(waits="cool_off")


def test_a_stop_ends_a_timer_cleanly() -> None:
    scenario = given(COOLED).when(ok("order")).when(Cancel())
    scenario.then("milestone_refused cool_off", "compensation_decided", calls="undo order 1")


def test_a_timer_is_never_undone() -> None:
    scenario = given(COOLED).when(ok("order")).when(TimePassed(), at=14 * DAY).when(refused("ship"))
    scenario.then("milestone_refused ship", "compensation_decided", calls="undo order 1")
    assert kept(scenario.state) == ()


def test_a_pause_stops_a_timer() -> None:
    scenario = given(COOLED).when(ok("order"), at=0).when(Pause(), at=DAY).when(TimePassed(), at=30 * DAY)
    scenario.then(status="paused", waits="cool_off")
    assert next_due(scenario.state) is None
    scenario.when(Resume(), at=30 * DAY).then("resumed", waits="cool_off")
    scenario.when(TimePassed(), at=43 * DAY - 1).then(waits="cool_off")
    scenario.when(TimePassed(), at=43 * DAY).then("milestone_completed cool_off", calls="do ship 1")


def test_a_person_may_end_a_timer_early() -> None:
    """It has no effect in the world, so nothing is left in doubt."""
    scenario = given(COOLED).when(ok("order")).when(Skip("cool_off")).then("milestone_skipped", calls="do ship 1")
    scenario.when(ok("ship")).then("milestone_completed ship", "saga_completed")
    assert doubtful(scenario.state) == ()


def test_nobody_answers_for_a_timer() -> None:
    scenario = given(COOLED).when(ok("order"))
    scenario.when(Advance("cool_off")).then(answers="not_waiting", waits="cool_off")
    scenario.when(Advance()).then(answers="not_waiting", waits="cool_off")
    scenario.when(RetryMilestone("cool_off")).then(answers="not_in_attention", waits="cool_off")


def test_a_timer_and_the_deadline_of_one_moment() -> None:
    """A success beats the deadline of the same turn; then the deadline stops what follows."""
    both = JourneyDefinition("order", 1, COOLED.steps, deadline=14 * DAY)
    scenario = given(both).when(ok("order")).when(TimePassed(), at=14 * DAY)
    scenario.then("milestone_completed cool_off", "compensation_decided", calls="undo order 1")


def test_a_timer_beside_a_call_that_takes_longer() -> None:
    both = saga(block(timer("nap", 10), step("a")), step("b"))
    scenario = given(both).when(TimePassed(), at=10, calling="a").then("milestone_completed nap", calls="do a 1")
    scenario.when(ok("a"), at=30).then("milestone_completed a", calls="do b 1")


def test_a_timer_past_the_pivot() -> None:
    paid = saga(step("pay", pivot=True), timer("nap", 10), step("ship", undo=None))
    scenario = given(paid).when(ok("pay")).when(Cancel()).then(answers="past_pivot", waits="nap")
    scenario.when(TimePassed(), at=10).then("milestone_completed nap", calls="do ship 1")


def test_a_cancelled_structured_journey_does_not_wait_for_its_timer() -> None:
    scenario = given(structured(step("a"), timer("nap", 10))).when(ok("a")).when(Cancel())
    scenario.then("stop_requested", "milestone_refused nap", "saga_cancelled", status="cancelled")


def test_a_skipped_timer_takes_a_result_along() -> None:
    scenario = given(COOLED).when(ok("order")).when(Skip("cool_off", Json("1")))
    assert scenario.state.milestones[1].result == "1"


@pytest.mark.parametrize("wrong", [{"action": "act"}, {"undo": "undo_it"}, {"at_most_once": True}])
def test_a_timer_has_no_handlers(wrong: dict[str, object]) -> None:
    said = {"id": "nap", "action": None, "kind": "timer", "timeout": 5.0, **wrong}
    with pytest.raises(DefinitionError, match="is a timer: it has no action, no undo and no at_most_once"):
        saga(Milestone(**said))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"pivot": True}, {"within": 5.0}])
def test_a_timer_is_no_pivot_and_has_one_limit(wrong: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match="cannot be the pivot, and its timeout is all the time it takes"):
        saga(timer("nap", 5, **wrong))


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timer_takes_a_finite_time(seconds: float) -> None:
    with pytest.raises(DefinitionError, match="a number of seconds above 0, and always finite"):
        saga(timer("nap", seconds))
