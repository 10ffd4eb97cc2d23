"""Analytics: how many runs come through, how long it takes, where they stop, what the facts give reason to look at."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from saga_journey import Rejected, Run, Saga, SagaStatus, Search, Structured, blocking
from saga_journey.authoring import Journey
from saga_journey.core.progress import RunView
from saga_journey.core.state import FINAL
from saga_journey.errors import InvalidInput, UnknownJourney
from saga_journey.orchestrators.analytics import JourneyAnalytics
from saga_journey.orchestrators.analytics_views import completes_more, faster
from saga_journey.testing.clock import START
from tests.acceptance.shop import LATER, Opened, Shop

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
EVE: Any = {"tenant_id": "globex", "user_id": "eve"}
WEEK = 7 * 24 * 3600.0

CAME_THROUGH: dict[str, list[str]] = {}
TURNED_BACK = {"charge": ["no"]}
STUCK = {"ship": ["no"], "undo_charge": ["no"]}
STILL_GOING = {"ship": ["later"]}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def order(shop: Shop, version: int = 1) -> Journey[Any]:
    steps = [shop.step("reserve"), shop.step("charge"), shop.step("ship")]
    return Saga("order", version=version, milestones=steps)


async def sell(here: Opened, journey: Journey[Any], *stories: dict[str, list[str]]) -> None:
    for story in stories:
        await here.run(journey, story, ANN)


# --- how many, and how long -------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_metrics_of_a_journey(shop: Shop, store_url: str) -> None:
    """Of eight runs: four came through, two turned back, one waits for a person, one goes on."""
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, *[CAME_THROUGH] * 4, TURNED_BACK, TURNED_BACK, STUCK, STILL_GOING)
        seen = await here.analytics.calculate_journey_metrics("order", ANN)
        assert seen == {
            "journey": "order",
            "version": 1,
            "since": None,
            "until": shop.clock.now() + 1,
            "runs": 8,
            "ended": 6,
            "completed": 4,
            "unfinished": 2,
            "rate": 4 / 6,
            "by_status": {
                "in_progress": 1,
                "paused": 0,
                "compensating": 0,
                "completed": 4,
                "compensated": 2,
                "cancelled": 0,
                "failed": 1,
                "resolved": 0,
            },
            "want_handlers": 0,
            "durations": {
                "runs": 4,
                "average_seconds": 3,
                "median_seconds": 3,
                "p95_seconds": 3,
                "shortest_seconds": 3,
                "longest_seconds": 3,
            },
        }


@pytest.mark.anyio
async def test_the_completion_rate_is_of_the_runs_that_have_ended(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, STILL_GOING)
        nothing = await here.analytics.get_completion_rate("order", ANN)
        assert (nothing["runs"], nothing["ended"], nothing["rate"]) == (1, 0, None)
        await sell(here, journey, CAME_THROUGH, CAME_THROUGH, CAME_THROUGH, TURNED_BACK)
        seen = await here.analytics.get_completion_rate("order", ANN)
        assert (seen["runs"], seen["ended"], seen["completed"], seen["unfinished"], seen["rate"]) == (5, 4, 3, 1, 0.75)


@pytest.mark.anyio
async def test_how_long_it_takes(shop: Shop, store_url: str) -> None:
    """By nearest rank: durations that really occurred. What did not come through has no part in it."""
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, TURNED_BACK)
        assert (await here.analytics.get_average_duration("order", ANN))["durations"] is None
        for seconds in (2.0, 30.0, 4.0, 1.5):
            shop.seconds["ship"] = seconds
            await sell(here, journey, CAME_THROUGH)
        shop.seconds["charge"] = 1000.0
        await sell(here, journey, TURNED_BACK, STILL_GOING)
        seen = await here.analytics.get_average_duration("order", ANN)
        assert seen["durations"] == {
            "runs": 4,
            "average_seconds": 11.375,
            "median_seconds": 4,
            "p95_seconds": 32,
            "shortest_seconds": 3.5,
            "longest_seconds": 32,
        }


@pytest.mark.anyio
async def test_pauses_and_waits_are_in_a_duration(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        run = await here.run(journey, {"ship": ["later", "later"]}, ANN)
        await run.pause()
        shop.clock.advance(86_400)
        await run.resume()
        await run.skip("ship", reason="collected", result="by hand")
        await here.quiet()
        seen = await here.analytics.get_average_duration("order", ANN)
        assert seen["durations"] is not None
        assert seen["durations"]["median_seconds"] == 3 + 86_400


@pytest.mark.anyio
async def test_what_a_run_is_asked_after_its_end_makes_it_no_longer(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        run = await here.run(journey, CAME_THROUGH, ANN)
        shop.clock.advance(1000)
        await run.compensate("sent back")
        await here.quiet()
        compensated = await here.analytics.calculate_journey_metrics("order", ANN)
        assert (compensated["by_status"]["compensated"], compensated["durations"]) == (1, None)
        other = await here.run(journey, CAME_THROUGH, ANN)
        shop.clock.advance(1000)
        with pytest.raises(Rejected, match="finished"):
            await other.cancel()
        seen = await here.analytics.get_average_duration("order", ANN)
        assert seen["durations"] is not None
        assert seen["durations"]["longest_seconds"] == 3


# --- which runs -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_runs_are_counted_by_when_they_were_started(shop: Shop, store_url: str) -> None:
    """From `since` on, and before `until`."""
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, CAME_THROUGH, CAME_THROUGH)  # started at START and 3 seconds later
        rate = here.analytics.get_completion_rate
        assert (await rate("order", ANN, since=START))["runs"] == 2
        assert (await rate("order", ANN, since=START + 1))["runs"] == 1
        assert (await rate("order", ANN, until=START + 3))["runs"] == 1
        assert (await rate("order", ANN, since=START + 1, until=START + 3))["runs"] == 0
        assert (await rate("order", ANN, since=START + 3, until=START + 4)) == {
            "journey": "order",
            "version": 1,
            "since": START + 3,
            "until": START + 4,
            "runs": 1,
            "ended": 1,
            "completed": 1,
            "unfinished": 0,
            "rate": 1,
        }


@pytest.mark.anyio
async def test_of_one_version_or_of_all(shop: Shop, store_url: str) -> None:
    first, second = order(shop, 1), order(shop, 2)
    async with shop.open(store_url, first, second) as here:
        await sell(here, first, CAME_THROUGH, TURNED_BACK)
        await sell(here, second, CAME_THROUGH)
        rate = here.analytics.get_completion_rate
        assert [(await rate("order", ANN, version=v))["rate"] for v in (1, 2)] == [0.5, 1]
        whole = await rate("order", ANN)
        assert (whole["version"], whole["runs"], whole["rate"]) == (None, 3, 2 / 3)


@pytest.mark.anyio
async def test_a_designed_journey_by_its_id(shop: Shop, store_url: str) -> None:
    request: dict[str, Any] = {"milestones": [{"id": "approval", "kind": "external", "timeout": 100, "undo": None}]}
    async with shop.open(store_url) as here:
        one = await here.journeys.saga.design_saga_journey("form", request, {}, ANN)
        two = await here.journeys.saga.design_saga_journey("form", {**request, "version": 2}, {}, ANN)
        await here.journeys.saga.execute_saga_journey(one["journey_id"], "ann", {}, ANN)
        seen = await here.analytics.get_completion_rate(one["journey_id"], ANN)
        assert (seen["journey"], seen["version"], seen["runs"]) == ("form", 1, 1)
        assert (await here.analytics.get_completion_rate(two["journey_id"], ANN))["runs"] == 0
        for strange in (one["journey_id"] + "0", "jrn_7_abc", "jrn_", "jrn_x_y"):
            with pytest.raises(UnknownJourney):
                await here.analytics.get_completion_rate(strange, ANN)
        with pytest.raises(UnknownJourney):
            await here.analytics.get_completion_rate(one["journey_id"], EVE)


@pytest.mark.anyio
async def test_another_tenants_runs_are_in_no_figure(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, CAME_THROUGH)
        for _ in range(3):
            await here.run(journey, TURNED_BACK, EVE)
        seen = await here.analytics.calculate_journey_metrics("order", ANN)
        assert (seen["runs"], seen["rate"]) == (1, 1)
        assert (await here.analytics.identify_drop_off_points("order", ANN))["stopped"] == 0
        assert (await here.analytics.get_optimization_recommendations("order", ANN))["sample"] == 1
        with pytest.raises(UnknownJourney):
            await here.analytics.get_completion_rate("order", {"tenant_id": "nobody"})


# --- where they stop --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_where_runs_stop(shop: Shop, store_url: str) -> None:
    """Where the way forward ended, whatever became of the run then; the most frequent place first."""
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, *[CAME_THROUGH] * 3, *[TURNED_BACK] * 3, STUCK, {"reserve": ["no"]}, STILL_GOING)
        stopped = await here.run(journey, STILL_GOING, ANN)
        await stopped.cancel("changed her mind")
        await here.quiet()
        seen = await here.analytics.identify_drop_off_points("order", ANN)
        assert (seen["runs"], seen["stopped"], seen["unread"]) == (10, 6, 0)
        assert seen["points"] == [
            {"milestone": "charge", "runs": 3, "share": 0.3, "of_stopped": 0.5, "by_status": {"compensated": 3}},
            {
                "milestone": "ship",
                "runs": 2,
                "share": 0.2,
                "of_stopped": 2 / 6,
                "by_status": {"compensated": 1, "failed": 1},
            },
            {"milestone": "reserve", "runs": 1, "share": 0.1, "of_stopped": 1 / 6, "by_status": {"compensated": 1}},
        ]


@pytest.mark.anyio
async def test_undone_after_it_had_come_through(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        run = await here.run(journey, CAME_THROUGH, ANN)
        await run.compensate("sent back")
        await here.quiet()
        (point,) = (await here.analytics.identify_drop_off_points("order", ANN))["points"]
        assert (point["milestone"], point["by_status"]) == (None, {"compensated": 1})


@pytest.mark.anyio
async def test_where_people_are_needed(shop: Shop, store_url: str) -> None:
    """A structured journey waits at the milestone that failed, and has gone on from there once a person decided."""
    form: Journey[Any] = Structured("form", version=1, milestones=[shop.step("name"), shop.step("photo")])
    async with shop.open(store_url, form) as here:
        run = await here.run(form, {"photo": ["no", "ok"]}, ANN)
        (point,) = (await here.analytics.identify_drop_off_points("form", ANN))["points"]
        assert (point["milestone"], point["by_status"]) == ("photo", {"failed": 1})
        await run.retry("photo")
        await here.quiet()
        assert (await here.analytics.identify_drop_off_points("form", ANN))["points"] == []
        assert (await here.analytics.get_completion_rate("form", ANN))["completed"] == 1


@pytest.mark.anyio
async def test_the_figures_say_what_the_journals_say(shop: Shop, store_url: str) -> None:
    """Sixty runs of any kind, people who interfere, and each one folded from its journal."""
    dice = Random(7)
    journeys = [order(shop, 1), order(shop, 2)]
    async with shop.open(store_url, *journeys) as here:
        for _ in range(60):
            names = ["reserve", "charge", "ship", "undo_reserve", "undo_charge"]
            story = {name: dice.choices(["ok", "no", "lost", "later"], [8, 1, 1, 1], k=3) for name in names}
            run = await here.run(dice.choice(journeys), story, ANN)
            await interfere(here, run, dice)
        records = await here.journeys.search(Search(limit=100), ANN)
        views = [await here.journeys.run(record.saga_id, ANN).status() for record in records]
        seen = await here.analytics.calculate_journey_metrics("order", ANN)
        assert Counter({status: runs for status, runs in seen["by_status"].items() if runs}) == Counter(
            view.status.value for view in views
        )
        assert sum(runs > 0 for runs in seen["by_status"].values()) >= 5, "a poor story"
        points = (await here.analytics.identify_drop_off_points("order", ANN))["points"]
        assert {point["milestone"]: point["runs"] for point in points} == Counter(
            stopped_at(view) for view in views if view.because is not None
        )
        took = [view.updated_at - view.started_at for view in views if view.status is SagaStatus.COMPLETED]
        assert seen["durations"] is not None
        assert seen["durations"]["longest_seconds"] == pytest.approx(max(took), abs=1e-5)
        assert seen["durations"]["average_seconds"] == pytest.approx(sum(took) / len(took), abs=1e-5)
        assert seen["ended"] == sum(view.status in FINAL for view in views)


def stopped_at(view: RunView) -> str | None:
    """Where a saga turned back, as its view says it."""
    named = (view.because or "").partition(":")[0]
    ahead = [m.id for m in view.milestones if m.status not in ("completed", "skipped")]
    return named if named in [m.id for m in view.milestones] else next(iter(ahead), None)


async def interfere(here: Opened, run: Run, dice: Random) -> None:
    """Somebody says something to the run, which may well be refused."""
    verbs: Sequence[Callable[[], Awaitable[Any]]] = (
        lambda: run.cancel("no longer wanted"),
        run.pause,
        lambda: run.resolve("settled by hand"),
        lambda: run.compensate("sent back"),
        lambda: run.skip(reason="by hand", result="x"),
    )
    for verb in dice.sample(verbs, dice.randrange(3)):
        with contextlib.suppress(Rejected):  # most of the time
            await verb()


# --- over time, and beside one another --------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_how_it_went_over_time(shop: Shop, store_url: str) -> None:
    """In periods of the last week, with where runs stop and where the time goes."""
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, CAME_THROUGH)
        shop.clock.advance(2 * WEEK)
        shop.seconds = {"charge": 7.0}
        await sell(here, journey, CAME_THROUGH, TURNED_BACK)
        shop.clock.advance(WEEK / 2)
        shop.seconds = {"charge": 3.0}
        await sell(here, journey, CAME_THROUGH)
        seen = await here.analytics.analyze_journey_performance("order", ANN, periods=2)
        assert (seen["runs"], seen["completed"], seen["rate"], seen["sample"]) == (3, 2, 2 / 3, 3)
        early, late = seen["periods"]
        assert (early["since"], late["until"]) == (seen["since"], seen["until"])
        assert (early["completed"], early["stopped"], early["average_seconds"]) == (1, 1, 9)
        assert (late["completed"], late["stopped"], late["average_seconds"]) == (1, 0, 5)
        assert [point["milestone"] for point in seen["points"]] == ["charge"]
        assert seen["slowest"][0] == {
            "milestone": "charge",
            "runs": 2,
            "median_seconds": 3,
            "p95_seconds": 7,
            "share_of_time": 10 / 15,
        }
        whole = await here.analytics.analyze_journey_performance("order", ANN, since=START)
        assert (whole["runs"], len(whole["periods"])) == (4, 7)
        assert sum(period["completed"] for period in whole["periods"]) == 3


@pytest.mark.anyio
async def test_two_versions_side_by_side(shop: Shop, store_url: str) -> None:
    """Version 2 completes more and is faster; with too few runs nobody can say so."""
    first, second = order(shop, 1), order(shop, 2)
    one: Any = {"journey": "order", "version": 1}
    two: Any = {"journey": "order", "version": 2}
    async with shop.open(store_url, first, second) as here:
        await sell(here, first, CAME_THROUGH, TURNED_BACK)
        await sell(here, second, CAME_THROUGH)
        few = await here.analytics.compare_journeys(one, two, ANN)
        assert (few["completes_more"], few["faster"]) == ("too_few_runs", "too_few_runs")
        await sell(here, first, *[CAME_THROUGH] * 29, *[TURNED_BACK] * 19)
        shop.seconds["charge"] = 0.5
        await sell(here, second, *[CAME_THROUGH] * 49)
        seen = await here.analytics.compare_journeys(one, two, ANN)
        assert (seen["completes_more"], seen["faster"]) == ("second", "second")
        assert (seen["first"]["rate"], seen["second"]["rate"]) == (0.6, 1)
        assert seen["second"] == await here.analytics.calculate_journey_metrics("order", ANN, version=2)
        same = await here.analytics.compare_journeys("order", "order", ANN)
        assert (same["completes_more"], same["faster"]) == ("no_clear_difference", "no_clear_difference")


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((29, 29), (100, 1), "too_few_runs"),
        ((100, 100), (29, 29), "too_few_runs"),
        ((30, 30), (30, 30), "no_clear_difference"),
        ((30, 0), (30, 0), "no_clear_difference"),
        ((100, 80), (100, 70), "no_clear_difference"),  # chance makes that in one case of nine
        ((1000, 800), (1000, 700), "first"),
        ((1000, 700), (1000, 800), "second"),
        ((30, 30), (1000, 700), "first"),
    ],
)
def test_when_a_difference_of_rates_is_clear(first: tuple[int, int], second: tuple[int, int], verdict: str) -> None:
    """(ended, completed) on each side."""
    sides: list[Any] = [{"ended": ended, "completed": completed} for ended, completed in (first, second)]
    assert completes_more(*sides) == verdict


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (None, (100, 1.0), "too_few_runs"),
        ((100, 1.0), (29, 9.0), "too_few_runs"),
        ((30, 10.0), (30, 10.9), "no_clear_difference"),
        ((30, 10.0), (30, 12.0), "first"),
        ((30, 12.0), (30, 10.0), "second"),
        ((30, 0.0), (30, 0.0), "no_clear_difference"),
    ],
)
def test_when_a_difference_of_medians_is_clear(first: Any, second: Any, verdict: str) -> None:
    """(completed, median) on each side."""
    sides: list[Any] = [side and {"runs": side[0], "median_seconds": side[1]} for side in (first, second)]
    assert faster(*sides) == verdict


@pytest.mark.anyio
async def test_a_journey_beside_its_own_past(shop: Shop, store_url: str) -> None:
    """This week and last week, newest first; what is older is in neither."""
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, CAME_THROUGH)
        shop.clock.advance(2 * WEEK)
        await sell(here, journey, *[CAME_THROUGH] * 30, TURNED_BACK)
        shop.clock.advance(WEEK)
        shop.seconds = {"charge": 5.0}
        await sell(here, journey, *[CAME_THROUGH] * 30, *[TURNED_BACK] * 30)
        seen = await here.analytics.get_journey_benchmarks("order", ANN)
        this, last = seen["windows"]
        assert (this["until"], this["since"], last["since"]) == (
            shop.clock.now() + 1,
            last["until"],
            shop.clock.now() + 1 - 2 * WEEK,
        )
        assert (this["runs"], last["runs"], this["rate"], last["rate"]) == (60, 31, 0.5, 30 / 31)
        assert seen["change"] == {"completes_more": "second", "faster": "second"}
        days = await here.analytics.get_journey_benchmarks("order", ANN, window=86_400, windows=3)
        assert ([window["runs"] for window in days["windows"]], days["window_seconds"]) == ([60, 0, 0], 86_400)
        assert days["change"] == {"completes_more": "too_few_runs", "faster": "too_few_runs"}


# --- what to look at --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_recommendations_name_their_evidence(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, *[CAME_THROUGH] * 5)
        few = await here.analytics.get_optimization_recommendations("order", ANN)
        assert (few["enough"], few["recommendations"], few["runs"], few["sample"]) == (False, [], 5, 5)
        await sell(here, journey, *[CAME_THROUGH] * 23, *[TURNED_BACK] * 10, {"reserve": ["no"]}, {"ship": ["no"]})
        seen = await here.analytics.get_optimization_recommendations("order", ANN)
        assert (seen["enough"], seen["runs"], seen["sample"]) == (True, 40, 40)
        assert seen["recommendations"] == [
            {
                "rule": "one_milestone_stops_most",
                "milestone": "charge",
                "advice": "'charge' stops most of the runs that stop: look at why it fails before anything else",
                "share": 0.25,
                "evidence": {
                    "since": None,
                    "until": seen["until"],
                    "runs": 40,
                    "stopped": 12,
                    "stopped_here": 10,
                    "of_stopped": 10 / 12,
                    "threshold": 0.5,
                },
            }
        ]


@pytest.mark.anyio
async def test_runs_that_no_worker_has_the_handlers_for(shop: Shop, shared_url: str) -> None:
    """The program that had them is gone; what falls due then waits for a worker, and the figures say so."""
    journey = order(shop)
    async with shop.open(shared_url, journey) as here:
        await sell(here, journey, STILL_GOING, STILL_GOING, CAME_THROUGH)
    shop.clock.advance(2 * LATER)
    async with shop.open(shared_url) as here:
        await here.quiet()
        seen = await here.analytics.calculate_journey_metrics("order", ANN)
        assert (seen["want_handlers"], seen["by_status"]["failed"], seen["completed"]) == (2, 2, 1)
        (point,) = (await here.analytics.identify_drop_off_points("order", ANN))["points"]
        assert (point["milestone"], point["by_status"]) == ("ship", {"failed": 2})
    async with shop.open(shared_url, journey) as here:
        await here.quiet()
        seen = await here.analytics.calculate_journey_metrics("order", ANN)
        assert (seen["want_handlers"], seen["by_status"]["failed"], seen["by_status"]["in_progress"]) == (0, 0, 2)


# --- what it says no to -----------------------------------------------------------------------------------------------

Ask = Callable[..., Awaitable[Any]]
OF_A_SPAN = (
    "calculate_journey_metrics",
    "get_completion_rate",
    "get_average_duration",
    "identify_drop_off_points",
    "analyze_journey_performance",
    "get_optimization_recommendations",
)


@pytest.mark.anyio
@pytest.mark.parametrize("operation", OF_A_SPAN)
async def test_what_is_no_journey_version_or_span(shop: Shop, store_url: str, operation: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, CAME_THROUGH)
        ask: Ask = getattr(here.analytics, operation)
        with pytest.raises(UnknownJourney, match=r"no journey 'ordre' here \(did you mean 'order'\?\)"):
            await ask("ordre", ANN)
        with pytest.raises(UnknownJourney, match=r"no journey 'trip' here: there is order$"):
            await ask("trip", ANN)
        for strange in (None, 7, "", ["order"], "\ud800"):
            with pytest.raises(UnknownJourney):
                await ask(strange, ANN)
        with pytest.raises(UnknownJourney, match=r"no journey 'order, version 3' here: it has version 1$"):
            await ask("order", ANN, version=3)
        for version in (0, "1", 1.0, True):
            with pytest.raises(InvalidInput, match="version is "):
                await ask("order", ANN, version=version)
        for time in (float("nan"), float("inf"), "yesterday", True):
            with pytest.raises(InvalidInput, match=r"since is .*: it is a time in seconds since the epoch"):
                await ask("order", ANN, since=time)
        with pytest.raises(InvalidInput, match="nothing lies between them"):
            await ask("order", ANN, since=START, until=START)
        with pytest.raises(InvalidInput, match="which is still to come"):
            await ask("order", ANN, since=shop.clock.now() + 1, until=shop.clock.now() + 2)


@pytest.mark.anyio
async def test_what_else_makes_no_sense(shop: Shop, store_url: str) -> None:
    journey = order(shop)
    async with shop.open(store_url, journey) as here:
        await sell(here, journey, CAME_THROUGH)
        wrong: Any
        for wrong in (0, 101, 2.0, True):
            with pytest.raises(InvalidInput, match=r"periods is .*: it is a whole number from 1 to 100"):
                await here.analytics.analyze_journey_performance("order", ANN, periods=wrong)
        for wrong in (1, 101, "2"):
            with pytest.raises(InvalidInput, match=r"windows is .*: it is a whole number from 2 to 100"):
                await here.analytics.get_journey_benchmarks("order", ANN, windows=wrong)
        for wrong in (0, -1.0, float("nan"), float("inf"), "week", True, 1e10):
            with pytest.raises(InvalidInput, match=r"window is .*: it is a number of seconds above 0"):
                await here.analytics.get_journey_benchmarks("order", ANN, window=wrong)
        with pytest.raises(InvalidInput, match="a side has name: it has journey and version"):
            await here.analytics.compare_journeys("order", {"name": "order"}, ANN)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="a side names no journey"):
            await here.analytics.compare_journeys("order", {"version": 1}, ANN)  # type: ignore[arg-type]
        with pytest.raises(UnknownJourney):
            await here.analytics.compare_journeys("order", {"journey": "order", "version": 2}, ANN)


@pytest.mark.anyio
async def test_a_session_is_no_journey(shop: Shop, store_url: str) -> None:
    """It has areas instead of milestones, and ends when somebody ends it."""
    async with shop.open(store_url) as here:
        await here.journeys.mvp.start_mvp_journey("ann", None, ANN)
        with pytest.raises(UnknownJourney):
            await here.analytics.get_completion_rate("mvp", ANN)


def test_the_same_for_synchronous_programs(shop: Shop, tmp_path: Path) -> None:
    """Every operation, with the same arguments."""
    asked = [name for name, _ in inspect.getmembers(JourneyAnalytics, inspect.isfunction) if not name.startswith("_")]
    assert [name for name in asked if not hasattr(blocking.JourneyAnalytics, name)] == []
    journey = order(shop)
    with blocking.open_journeys(f"sqlite:///{tmp_path / 'journeys.db'}", sagas=[journey]) as journeys:
        journeys.start(journey, {}).outcome()
        assert journeys.analytics.get_completion_rate("order")["rate"] == 1
