"""A journey of thirty days: timers, a human approval, a choice and a block, and ten restarts on the way."""

from __future__ import annotations

import time

import pytest

from saga_journey import Completed, Journeys, open_journeys
from saga_journey.authoring import Journey, external, parallel, timer, to
from saga_journey.core.events import MilestoneCompleted
from saga_journey.testing.clock import DAY, store_on
from saga_journey.testing.wrapping import WatchedStore
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

pytestmark = pytest.mark.anyio

DAYS = 30
RESTARTS = 10
AT_MOST = 1.0
"""All of it, in seconds of processor time: the machine may have other things to do."""


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    stage.participant.side_by_side = True
    return stage


def onboarding(stage: Stage) -> Journey[dict[str, int]]:
    ways = [to("by_mail", when="results.approval.limit > 1000"), to("settle")]
    return stage.saga(
        "apply",
        timer("cool_off", 14 * DAY),
        external("approval", undo=None, timeout=20 * DAY, next_steps=ways),
        stage.step("by_mail"),
        timer("settle", 10 * DAY),
        parallel(stage.step("card"), [stage.step("pin"), timer("delay", 1 * DAY), stage.step("letter")]),
        name="onboarding",
    )


async def approves_on_day_18(journeys: Journeys, stage: Stage, run_id: str, day: float) -> None:
    run = journeys.run(run_id)
    if day >= 18 and (await run.status()).waiting_for == "an answer to approval":
        await run.advance("approval", {"limit": 5000})
        await stage.story.happened(MilestoneCompleted, 4)


async def test_a_month_with_ten_restarts_takes_less_than_a_second(stage: Stage) -> None:
    began, born = time.process_time(), stage.clock.now()
    saga = onboarding(stage)
    run_id = ""
    for _ in range(RESTARTS + 1):
        store = WatchedStore(await store_on(stage.clock, stage.url))
        async with open_journeys(store, sagas=[saga], clock=stage.clock, observers=[stage.story]) as journeys:
            if not run_id:
                run_id = (await journeys.start(saga, {})).saga_id
            await stage.clock.leap(DAYS / RESTARTS * DAY, store.quiet)
            await approves_on_day_18(journeys, stage, run_id, (stage.clock.now() - born) / DAY)
            if (await journeys.run(run_id).status()).status == "completed":
                break
    async with stage.moving(saga) as journeys:
        run = journeys.run(run_id)
        outcome, lines = await ended(run), await journal(run)
    assert isinstance(outcome, Completed)
    assert lines == [
        "saga_started",
        "milestone_completed apply",
        "milestone_completed cool_off",
        "milestone_completed approval",
        "arm_chosen approval",
        "milestone_completed by_mail",
        "milestone_completed settle",
        "attempt_started card",
        "attempt_started pin",
        "milestone_completed card",
        "milestone_completed pin",
        "milestone_completed delay",
        "milestone_completed letter",
        "saga_completed",
    ]
    assert {call.attempt for call in stage.participant.calls} == {1}
    assert time.process_time() - began < AT_MOST
