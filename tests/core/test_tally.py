"""What became of the milestones: where a run stopped, what comes before what, and how it adds up over many runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.codec import encode_turn
from saga_journey.core.commands import Cancel, Compensate, Pause, Resolve, RetryMilestone, Rollback, Skip
from saga_journey.core.definition import Retry
from saga_journey.core.events import (
    AttemptEnded,
    AttentionRaised,
    Because,
    CompensationDecided,
    Event,
    MilestoneCompensated,
    MilestoneCompleted,
    MilestoneGaveUp,
    MilestoneRefused,
    MilestoneRetried,
    MilestoneRolledBack,
    Paused,
    Resumed,
    RollbackStarted,
    SagaCompleted,
    SagaStarted,
    UndoGivenUp,
)
from saga_journey.core.progress import must_come_first, stopped_milestone
from saga_journey.core.shape import To
from saga_journey.core.tally import follow, nearest_rank, tally
from saga_journey.testing.scenario import Scenario, given, ok, refused, uncallable
from tests.core.journeys import ORDER, block, saga, step, structured, wait

RESERVED, CHARGED, SHIPPED = (MilestoneCompleted(name) for name in ("reserve", "charge", "ship"))
FORM = structured(step("form"), step("check"), step("welcome"))
FILLED = MilestoneCompleted("form")
APPROVED = saga(step("reserve"), wait("approval"), step("ship"))
GIFT = saga(step("reserve"), step("wrap", optional=True), step("ship"))

STOPS: list[tuple[str, Scenario, int | None]] = [
    ("it goes on", given(ORDER, RESERVED), None),
    ("it is paused", given(ORDER, RESERVED).when(Pause()), None),
    ("it came through", given(ORDER, RESERVED, CHARGED).when(ok("ship")), None),
    ("it failed there, and is being undone", given(ORDER, RESERVED, CHARGED).when(refused("ship")), 2),
    ("it failed there, and is undone", given(ORDER).when(refused("reserve")), 0),
    (
        "it failed there, and another one's undo is stuck",
        given(ORDER, RESERVED, CHARGED).when(refused("ship")).when(refused("charge")),
        2,
    ),
    ("a person stopped it before it was called", given(ORDER, RESERVED).when(Cancel()), 1),
    ("a person stopped it where it waited", given(APPROVED, RESERVED).when(Cancel()), 1),
    (
        "an optional one that failed is not where it stopped",
        given(GIFT, RESERVED).when(refused("wrap")).when(Cancel()),
        2,
    ),
    ("it had come through", given(ORDER, RESERVED, CHARGED).when(ok("ship")).when(Compensate()), 3),
    ("a person is needed", given(FORM, FILLED).when(refused("check")), 1),
    ("a person helped", given(FORM, FILLED).when(refused("check")).when(RetryMilestone("check")), None),
    ("it was closed there", given(FORM, FILLED).when(refused("check")).when(Resolve("enough")), 1),
    ("it was stopped there", given(FORM, FILLED).when(refused("check")).when(Cancel()), 1),
    ("it was skipped", given(FORM, FILLED).when(refused("check")).when(Skip("check")), None),
    ("nobody can call it", given(ORDER, RESERVED).when(uncallable("charge", "handler_missing")), 1),
]


@pytest.mark.parametrize(("scenario", "place"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_where_a_run_stopped(scenario: Scenario, place: int | None) -> None:
    assert stopped_milestone(scenario.state) == place


def test_going_back_is_no_stop() -> None:
    rolled_back = given(FORM, FILLED).when(refused("check")).when(Rollback("form"))
    assert stopped_milestone(rolled_back.state) is None
    assert stopped_milestone(rolled_back.when(refused("form", "gone")).state) == 0


# --- what comes before what -------------------------------------------------------------------------------------------

FORKED = structured(
    step("a", next_steps=(To("b", "input.x"), To("c"))), step("b", next_steps=(To("d"),)), step("c"), step("d")
)
SIDE_BY_SIDE = structured(step("a"), block((wait("b1"), step("b2")), step("c")), step("d"))


@pytest.mark.parametrize(
    ("scenario", "milestone", "first"),
    [
        (given(ORDER), "reserve", []),
        (given(ORDER), "ship", ["reserve", "charge"]),
        (given(ORDER, RESERVED), "ship", ["charge"]),
        (given(GIFT, RESERVED).when(refused("wrap")), "ship", []),
        (given(FORM, FILLED).when(refused("check")), "welcome", ["check"]),
        (given(SIDE_BY_SIDE).when(ok("a")), "b2", ["b1"]),
        (given(SIDE_BY_SIDE).when(ok("a")), "c", []),
        (given(SIDE_BY_SIDE).when(ok("a")), "d", ["b1", "b2", "c"]),
        (given(FORKED), "c", ["a"]),
        (given(FORKED), "d", ["a", "b", "c"]),
    ],
)
def test_what_must_come_first(scenario: Scenario, milestone: str, first: list[str]) -> None:
    index = scenario.state.definition.index[milestone]
    assert must_come_first(scenario.state, index) == first


# --- followed in time -------------------------------------------------------------------------------------------------

STARTED = SagaStarted(Json("{}"))


def rows(*turns: tuple[float, Sequence[Event]]) -> list[tuple[float, str]]:
    return [(at, encode_turn(events)) for at, events in turns]


def test_the_times_of_a_milestone() -> None:
    """From its first intent to its end, retries in it and pauses not."""
    run = follow(
        ORDER,
        "saga_1",
        rows(
            (10.0, [STARTED]),
            (12.0, [RESERVED]),
            (20.0, [AttemptEnded("charge", "do", "503", retry_at=30.0)]),
            (21.0, [Paused()]),
            (121.0, [Resumed()]),
            (140.0, [CHARGED]),
        ),
    )
    reserve, charge, ship = run.passages
    assert (reserve.started_at, reserve.ended_at, reserve.seconds) == (10.0, 12.0, 2.0)
    assert (charge.started_at, charge.ended_at, charge.seconds) == (12.0, 140.0, 28.0)
    assert (ship.started_at, ship.ended_at, ship.seconds) == (140.0, None, None)
    assert run.state.seq == 6


FAILED_CHECK = (MilestoneRefused("check", "no"), AttentionRaised("milestone_failed", "check", "no"))


def test_a_milestone_that_was_taken_back_has_no_times() -> None:
    past = rows((10.0, [STARTED]), (12.0, [FILLED]), (13.0, FAILED_CHECK), (14.0, [RollbackStarted("form")]))
    assert [(p.started_at, p.ended_at) for p in follow(FORM, "s", past).passages][1:] == [(None, None)] * 2
    back = follow(FORM, "s", [*past, *rows((15.0, [MilestoneRolledBack("form")]))])
    assert [(p.started_at, p.ended_at, p.seconds) for p in back.passages] == [(None, None, None)] * 3
    assert back.state.seq == 6


def test_a_milestone_that_is_tried_again_is_open_again() -> None:
    past = rows((10.0, [STARTED]), (12.0, [FILLED]), (13.0, FAILED_CHECK), (20.0, [MilestoneRetried("check", "do")]))
    run = follow(FORM, "s", past)
    assert (run.passages[1].started_at, run.passages[1].ended_at) == (12.0, None)
    assert run.attentions == {("milestone_failed", "check"): 1}
    again = follow(FORM, "s", [*past, *rows((25.0, [MilestoneCompleted("check")]))])
    assert (again.passages[1].ended_at, again.passages[1].seconds) == (25.0, 5.0)


# --- added up ---------------------------------------------------------------------------------------------------------

CAME_THROUGH = rows((0.0, [STARTED]), (1.0, [RESERVED]), (4.0, [CHARGED]), (9.0, [SHIPPED, SagaCompleted()]))
TURNED_BACK = rows(
    (0.0, [STARTED]),
    (2.0, [RESERVED]),
    (3.0, [MilestoneRefused("charge", "no"), CompensationDecided(Because("failure", "charge", "no"))]),
    (4.0, [UndoGivenUp("reserve", "no"), AttentionRaised("stuck_undo", "reserve", "no")]),
)
NEVER_ANSWERED = rows(
    (0.0, [STARTED]),
    (1.0, [RESERVED]),
    (2.0, [AttemptEnded("charge", "do", "503", retry_at=2.0)]),
    (3.0, [AttemptEnded("charge", "do", "503", retry_at=3.0)]),
    (4.0, [MilestoneGaveUp("charge", "503"), CompensationDecided(Because("failure", "charge", "503"))]),
    (5.0, [MilestoneCompensated("charge")]),
)
JUST_STARTED = rows((0.0, [STARTED]), (5.0, [RESERVED]))


def test_what_happened_at_the_milestones_of_many_runs() -> None:
    journals = (CAME_THROUGH, TURNED_BACK, NEVER_ANSWERED, JUST_STARTED)
    reserve, charge, ship = tally(follow(ORDER, "s", journal) for journal in journals).values()
    assert (reserve.reached, reserve.ended, reserve.seconds) == (4, {"completed": 4}, [1.0, 2.0, 1.0, 5.0])
    assert (reserve.undos, reserve.undo_failures, reserve.attentions) == (2, 1, {"stuck_undo": 1})
    assert (charge.reached, charge.ended) == (4, {"completed": 1, "refused": 1, "unknown": 1})
    assert (charge.attempts, charge.retried, charge.exhausted, charge.doubtful) == (6, 1, 1, 1)
    assert (charge.seconds, charge.first_try, charge.undos) == ([3.0], [3.0], 1)
    assert (ship.reached, ship.seconds, ship.undos) == (1, [5.0], 0)


def test_milestones_of_several_versions_are_added_up_by_name() -> None:
    """The policies are those of the newest run, which comes first."""
    newer = saga(step("reserve", timeout=5.0), step("pack"), step("ship"))
    found = tally([follow(newer, "s", rows((0.0, [STARTED]), (1.0, [RESERVED]))), follow(ORDER, "s", CAME_THROUGH)])
    assert {name: t.reached for name, t in found.items()} == {"reserve": 2, "pack": 1, "ship": 1, "charge": 1}
    assert found["reserve"].spec.timeout == 5.0


def test_interrupted_is_not_exhausted() -> None:
    """It waited for an answer, and a person stopped the run: nobody knows, but no attempt was spent."""
    stopped = MilestoneGaveUp("approval", "interrupted while it waited"), CompensationDecided(Because("cancelled"))
    spec = saga(wait("approval", retry=Retry(attempts=2)))
    (approval,) = tally([follow(spec, "s", rows((0.0, [STARTED]), (9.0, stopped)))]).values()
    assert (approval.doubtful, approval.exhausted) == (1, 0)


@pytest.mark.parametrize(
    ("values", "median", "p95"),
    [
        ([], None, None),
        ([7.0], 7.0, 7.0),
        ([4.0, 1.0, 3.0, 2.0], 2.0, 4.0),
        ([float(n) for n in range(100, 0, -1)], 50.0, 95.0),
        ([float(n) for n in range(1, 22)], 11.0, 20.0),
    ],
)
def test_by_nearest_rank(values: list[float], median: float | None, p95: float | None) -> None:
    assert (nearest_rank(values, 50), nearest_rank(values, 95)) == (median, p95)
