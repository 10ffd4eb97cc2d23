"""Figures on a crowd: they say what is there, each out of an index that covers it, and in time.

The time is measured on 200,000 runs, since other tests run beside it; on a million, in less than a second each, it is
measured by `make analytics-check`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Journeys, SagaStatus, open_journeys
from saga_journey.core.state import FINAL
from saga_journey.stores.queries import load_queries
from saga_journey.stores.sqlite import figures
from tests.figures.crowd import BETWEEN, LIMIT, MILLION, STEPS, WHO, Crowd, ask_everything, gather

RUNS = 20_000
MANY = 200_000
BESIDE_OTHERS = 2.0
"""How many times its share of the limit an operation may take while other tests run on the same cores."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journeys.db'}"


@pytest.mark.anyio
async def test_figures_say_what_is_there(url: str) -> None:
    crowd = await gather(url, RUNS)
    async with open_journeys(url, working=False) as journeys:
        for version in (1, 2):
            await check(journeys, crowd, version)
        whole = await journeys.analytics.get_completion_rate("checkout", WHO)
        assert (whole["runs"], whole["version"]) == (RUNS, None)
        sampled = await journeys.tracker.get_milestone_analytics("checkout", WHO)
        assert (sampled["runs"], [m["milestone_id"] for m in sampled["milestones"]]) == (1000, list(STEPS))
        reached = [m["reached"] for m in sampled["milestones"]]
        assert (reached[0], reached) == (1000, sorted(reached, reverse=True))
        assert {m["average_attempts"] for m in sampled["milestones"]} == {1.0}


async def check(journeys: Journeys, crowd: Crowd, version: int) -> None:
    """One version, against what was counted when its runs were made."""
    definition = crowd.versions[version]
    seen = await journeys.analytics.calculate_journey_metrics("checkout", WHO, version=version)
    assert seen["by_status"] == {status.value: crowd.statuses[definition, status] for status in SagaStatus}
    assert seen["ended"] == sum(crowd.statuses[definition, status] for status in FINAL)
    took, durations = sorted(crowd.took[definition]), seen["durations"]
    assert durations is not None
    assert durations["average_seconds"] == pytest.approx(sum(took) / len(took))
    assert durations["median_seconds"] == pytest.approx(took[(len(took) * 50 - 1) // 100], abs=1e-5)
    assert durations["p95_seconds"] == pytest.approx(took[(len(took) * 95 - 1) // 100], abs=1e-5)
    assert durations["shortest_seconds"] == pytest.approx(took[0], abs=1e-5)
    assert durations["longest_seconds"] == pytest.approx(took[-1], abs=1e-5)
    drops = await journeys.analytics.identify_drop_off_points("checkout", WHO, version=version)
    found = {point["milestone"]: point["runs"] for point in drops["points"]}
    assert found == {STEPS[place]: runs for (of, place), runs in crowd.stops.items() if of == definition}
    assert [point["runs"] for point in drops["points"]] == sorted(found.values(), reverse=True)


@pytest.mark.anyio
async def test_a_sample_ends_before_it_fills_the_memory(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals may be large. The answer says how many runs it is of."""
    monkeypatch.setattr(figures, "SAMPLE_BYTES", 2000)
    await gather(url, 100)
    async with open_journeys(url, working=False) as journeys:
        sampled = await journeys.tracker.get_milestone_analytics("checkout", WHO)
        assert (0 < sampled["runs"] < 20, sampled["most"]) == (True, 1000)


@pytest.mark.anyio
async def test_a_span_counts_the_runs_that_were_started_in_it(url: str) -> None:
    crowd = await gather(url, 2000)
    since, until = crowd.first + 500 * BETWEEN, crowd.first + 750 * BETWEEN
    async with open_journeys(url, working=False) as journeys:
        rate = journeys.analytics.get_completion_rate
        assert (await rate("checkout", WHO, since=since, until=until))["runs"] == 250
        assert (await rate("checkout", WHO, until=since))["runs"] == 500
        assert (await rate("checkout", WHO, since=until))["runs"] == 1250
        assert (await rate("checkout", WHO, version=2, since=since, until=until))["runs"] == 0
        seen = await journeys.analytics.analyze_journey_performance(
            "checkout", WHO, since=since, until=until, periods=5
        )
        whole = await rate("checkout", WHO, since=since, until=until)
        assert sum(period["completed"] for period in seen["periods"]) == whole["completed"]
        assert [round(p["until"] - p["since"]) for p in seen["periods"]] == [50 * BETWEEN] * 5


@pytest.mark.anyio
@pytest.mark.parametrize("unfinished", [False, True], ids=["of every fate", "all waiting"])
async def test_every_figure_comes_in_time(url: str, unfinished: bool) -> None:
    crowd = await gather(url, MANY, unfinished=unfinished)
    async with open_journeys(url, working=False) as journeys:
        seconds = await ask_everything(journeys, crowd)
    share = BESIDE_OTHERS * LIMIT * MANY / MILLION
    assert {name: round(took, 3) for name, took in seconds.items() if took >= share} == {}


INDEXES = {
    "counts": Counter(run_completed=1, run_stopped=1, run_due=1),
    "durations": Counter(run_completed=1),
    "over_time": Counter(run_completed=2, run_stopped=1),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", INDEXES)
async def test_an_index_covers_every_figure(url: str, name: str) -> None:
    """No row of a run is looked up, however many there are: that is what makes it fast, whatever the machine."""
    await gather(url, 100)
    statement: Any = load_queries("saga_journey.stores.sqlite", "figures.sql")[name]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
        asked = ("acme", "[1]", "[]") if name == "over_time" else ("acme", "[1]", 0.0, 1.0)
        steps = [row[3] for row in db.execute(f"explain query plan {statement}", asked)]
    of_runs = [step.split(" (")[0] for step in steps if step.startswith(("SEARCH run", "SCAN run"))]
    assert {step.rsplit(" ", 1)[0] for step in of_runs} <= {
        "SEARCH run USING COVERING INDEX",
        "SCAN run USING COVERING INDEX",
    }
    assert Counter(step.rsplit(" ", 1)[1] for step in of_runs) == INDEXES[name]
