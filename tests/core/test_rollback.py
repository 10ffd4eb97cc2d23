"""Structured journeys go back by hand, one milestone at a time; sagas never do."""

from __future__ import annotations

import pytest

from saga_journey.core import commands as cmd
from saga_journey.core.definition import JourneyDefinition, Milestone, Retry
from saga_journey.testing.scenario import Scenario, given, ok, refused, unknown

ONCE = Retry(attempts=1)


def form(**options: object) -> JourneyDefinition:
    """Three milestones; the last one has one attempt."""
    return JourneyDefinition(
        "form",
        1,
        (
            Milestone("name", "name", "forget_name"),
            Milestone("photo", "photo", "delete_photo", undo_retry=ONCE),
            Milestone("sign", "sign", "tear_up", retry=ONCE),
        ),
        kind="structured",
        **options,  # type: ignore[arg-type]
    )


def back(milestone: str | None = None) -> cmd.Rollback:
    return cmd.Rollback(milestone, "ann", "wrong photo")


def at_the_last() -> Scenario:
    """The first two are done, the last one was refused and waits for a person."""
    return given(form()).when(ok("name")).when(ok("photo")).when(refused("sign", "not you"))


def test_the_undo_of_the_milestone_completed_last_is_called_and_the_journey_stands_before_it() -> None:
    (
        at_the_last()
        .when(back())
        .then('rollback_started photo who="ann"', calls="undo photo 1")
        .when(ok("photo"))
        .then("milestone_rolled_back photo", status="paused")
        .when(cmd.Resume("ann"))
        .then("resumed", calls="do photo 1", status="in_progress")
        .when(ok("photo"))
        .then("milestone_completed photo", calls="do sign 1")
    )


def test_what_is_done_again_has_another_key() -> None:
    scenario = at_the_last().when(back()).when(ok("photo")).when(cmd.Resume())
    photo = scenario.state.milestones[1]
    assert photo.revision == 2
    assert scenario.state.input_of(1) == scenario.state.inputs[0]


def test_one_after_the_other_down_to_the_beginning() -> None:
    (
        at_the_last()
        .when(back())
        .when(ok("photo"))
        .when(back("name"))
        .then("rollback_started name", calls="undo name 1", status="in_progress")
        .when(ok("name"))
        .then("milestone_rolled_back name", status="paused")
        .when(back())
        .then(answers="nothing_done", status="paused")
    )


def test_only_the_last_one_can_be_rolled_back() -> None:
    at_the_last().when(back("name")).then(answers="not_last", status="failed")


def test_a_milestone_with_nothing_to_undo_is_rolled_back_at_once() -> None:
    steps = (Milestone("look", "look"), Milestone("sign", "sign", retry=ONCE))
    journey = JourneyDefinition("form", 1, steps, kind="structured")
    scenario = given(journey).when(ok("look")).when(refused("sign"))
    scenario.when(back()).then("rollback_started look", "milestone_rolled_back look", status="paused")


def test_an_undo_that_fails_waits_for_a_person() -> None:
    stuck = at_the_last().when(back()).when(unknown("photo"))
    stuck.then("undo_given_up photo", "attention_raised photo", status="failed")
    (
        stuck.when(cmd.RetryMilestone(who="ann"))
        .then("milestone_retried photo", calls="undo photo 2", status="in_progress")
        .when(unknown("photo"))
        .when(cmd.StateFact("undone", None, None, "ann", "by hand"))
        .then("fact_stated photo", "milestone_rolled_back photo", status="paused")
    )


def test_a_lost_undo_is_called_again() -> None:
    going_back = at_the_last().when(back())
    going_back.when(cmd.TakeOver(), at=1).then("attempt_lost photo", calls="undo photo 2")


def test_not_while_something_is_being_called() -> None:
    scenario = given(form()).when(ok("name"))
    scenario.when(back(), calling="photo").then(answers="under_way", calls="do photo 1")
    scenario.when(cmd.Pause()).when(ok("photo")).then("milestone_completed photo", status="paused")
    scenario.when(back()).then("rollback_started photo", calls="undo photo 1")


def test_not_while_it_is_being_rolled_back_nor_cancelled_meanwhile() -> None:
    going_back = at_the_last().when(back())
    going_back.when(back()).then(answers="under_way", calls="undo photo 1")
    going_back.when(cmd.Cancel("ann")).then(answers="rolling_back", calls="undo photo 1")


def test_not_over_a_milestone_in_doubt() -> None:
    doubtful = given(form()).when(ok("name")).when(ok("photo")).when(unknown("sign"))
    doubtful.when(back()).then(answers="in_doubt", status="failed")
    doubtful.when(cmd.StateFact("did_not_happen", who="ann", reason="looked"))
    doubtful.when(back()).then("rollback_started photo", calls="undo photo 1")


def test_not_past_the_pivot_nor_after_the_end() -> None:
    steps = (Milestone("name", "name", "forget"), Milestone("sign", "sign", pivot=True), Milestone("mail", "mail"))
    journey = JourneyDefinition("form", 1, steps, kind="structured")
    past = given(journey).when(ok("name")).when(ok("sign"))
    past.when(back()).then(answers="past_pivot", calls="do mail 1")
    past.when(ok("mail")).when(back()).then(answers="final", status="completed")


@pytest.mark.parametrize("milestone", [None, "name"])
def test_a_saga_is_undone_as_a_whole(milestone: str | None) -> None:
    saga = JourneyDefinition("order", 1, form().steps)
    given(saga).when(ok("name")).when(back(milestone)).then(answers="not_structured", calls="do photo 1")
