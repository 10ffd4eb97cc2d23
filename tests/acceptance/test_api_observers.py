"""Observers: told of every turn and of every attempt, once; what they do wrong changes nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from saga_journey import Compensated
from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.ports import AttemptEnded, AttemptStarting, Observation, TurnCommitted
from tests.acceptance.participant import fail, refuse
from tests.acceptance.sagas import AT_ONCE
from tests.acceptance.stage import Stage, ended


@pytest.mark.anyio
async def test_turns_and_attempts_in_their_order(stage: Stage) -> None:
    """Starting, ended, committed: the whole of a saga that fails once, is refused, and undoes itself."""
    saga = stage.saga(stage.step("reserve", retry=AT_ONCE), "charge")
    stage.participant.will("reserve", fail("reset"))
    stage.participant.will("charge", refuse("declined"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {}, user_context={"tenant_id": "acme"})
        await ended(run)
    assert [told(seen) for seen in stage.story.seen] == [
        ("turn", 1, "in_progress", ["SagaStarted"]),
        ("starting", "do", "reserve", 1),
        ("ended", "do", "reserve", 1, "Unknown"),
        ("turn", 2, "in_progress", ["AttemptEnded"]),
        ("starting", "do", "reserve", 2),
        ("ended", "do", "reserve", 2, "Ok"),
        ("turn", 3, "in_progress", ["MilestoneCompleted"]),
        ("starting", "do", "charge", 1),
        ("ended", "do", "charge", 1, "No"),
        ("turn", 5, "compensating", ["MilestoneRefused", "CompensationDecided"]),
        ("starting", "undo", "reserve", 1),
        ("ended", "undo", "reserve", 1, "Ok"),
        ("turn", 7, "compensated", ["MilestoneCompensated", "SagaCompensated"]),
    ]
    assert {(seen.saga_id, seen.tenant, seen.journey) for seen in stage.story.seen} == {
        (run.saga_id, "acme", "checkout")
    }


def told(seen: Observation) -> tuple[Any, ...]:
    match seen:
        case TurnCommitted():
            return ("turn", seen.seq, str(seen.status), [type(event).__name__ for event in seen.events])
        case AttemptStarting():
            return ("starting", seen.op, seen.milestone, seen.attempt)
        case AttemptEnded():
            return ("ended", seen.op, seen.milestone, seen.attempt, type(seen.outcome).__name__)


@pytest.mark.anyio
async def test_an_attempt_tells_how_long_it_took_and_what_came_of_it(stage: Stage) -> None:
    saga = stage.saga("reserve")
    stage.participant.will("reserve", refuse("sold out"))
    async with stage.moving(saga) as journeys:
        await ended(await journeys.start(saga, {}))
    (end,) = [seen for seen in stage.story.seen if isinstance(seen, AttemptEnded)]
    assert (end.seconds, end.at, end.lingered, end.outcome) == (0.0, stage.clock.now(), 0.0, cmd.No("sold out"))


@pytest.mark.anyio
async def test_an_observer_that_fails_changes_nothing(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The saga, the other observers and the journal go on; what it raised is in the log."""

    def failing(seen: Observation) -> None:
        raise RuntimeError(type(seen).__name__)

    saga = stage.saga("reserve", "charge")
    stage.participant.will("charge", refuse())
    with caplog.at_level(logging.ERROR, "saga_journey.engine"):
        async with stage.moving(saga, observers=[failing, stage.story]) as journeys:
            run = await journeys.start(saga, {})
            assert isinstance(await ended(run), Compensated)
    assert [type(event) for event in stage.story.events()] == [
        ev.SagaStarted,
        ev.MilestoneCompleted,
        ev.MilestoneRefused,
        ev.CompensationDecided,
        ev.MilestoneCompensated,
        ev.SagaCompensated,
    ]
    assert [record.getMessage() for record in caplog.records] == [
        f"an observer failed on {type(seen).__name__}" for seen in stage.story.seen
    ]


@pytest.mark.anyio
async def test_an_observer_may_come_later(stage: Stage) -> None:
    """`journeys.observe`: it is told of what happens from then on."""
    late: list[Observation] = []
    saga = stage.saga("reserve")
    async with stage.moving(saga) as journeys:
        await ended(await journeys.start(saga, {}))
        journeys.observe(late.append)
        await ended(await journeys.start(saga, {}))
    assert late == stage.story.seen[len(stage.story.seen) // 2 :]
