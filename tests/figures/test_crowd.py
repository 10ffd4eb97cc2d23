"""Figures on a crowd, on either store: they say what is there, each out of an index that covers it, and in time.

Here, beside other tests and on SQLite alone, the time is held against that of a smaller crowd; on a million runs, in
less than a second each, it is measured on both by `make analytics-check`.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from saga_journey import Journeys, SagaStatus, open_journeys
from saga_journey.core.state import FINAL
from saga_journey.ports import Cohort, Figures
from saga_journey.stores.postgres import figures as postgres_figures
from saga_journey.stores.postgres.store import PostgresStore
from saga_journey.stores.queries import load_queries
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.stores.sqlite import figures as sqlite_figures
from tests.figures.crowd import BETWEEN, STEPS, WHO, Crowd, ask_everything, gather
from tests.figures.on_postgres import copy_crowd
from tests.servers.postgres import Server
from tests.thorough import thorough

RUNS = 20_000
FEW, MANY = 2_000, 20_000
LINEAR = MANY / FEW
BESIDE_OTHERS = 2.0
"""How many times as long as that a figure may take, since other tests run on the same cores."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Place(NamedTuple):
    """Where a crowd comes together: in a file, and from there on a server."""

    file: str
    server: str | None

    @property
    def url(self) -> str:
        return self.server or self.file

    async def gather(self, runs: int, *, unfinished: bool = False) -> Crowd:
        crowd = await gather(self.file, runs, unfinished=unfinished)
        if self.server is not None:
            await copy_crowd(self.file, self.server)
        return crowd


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    file = f"sqlite:///{tmp_path / 'journeys.db'}"
    if request.param == "sqlite":
        yield Place(file, None)
        return
    databases = request.getfixturevalue("postgres_server").databases
    url = databases.fresh()
    yield Place(file, url)
    databases.drop(url)


on_postgres_alone = pytest.mark.parametrize("place", ["postgres"], indirect=True)
on_sqlite_alone = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.mark.anyio
async def test_figures_say_what_is_there(place: Place) -> None:
    crowd = await place.gather(RUNS)
    async with open_journeys(place.url, working=False) as journeys:
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
async def test_a_sample_ends_before_it_fills_the_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals may be large. The answer says how many runs it is of."""
    for figures in (sqlite_figures, postgres_figures):
        monkeypatch.setattr(figures, "SAMPLE_BYTES", 2000)
    await place.gather(100)
    async with open_journeys(place.url, working=False) as journeys:
        sampled = await journeys.tracker.get_milestone_analytics("checkout", WHO)
        assert (0 < sampled["runs"] < 20, sampled["most"]) == (True, 1000)


@pytest.mark.anyio
async def test_a_span_counts_the_runs_that_were_started_in_it(place: Place) -> None:
    crowd = await place.gather(2000)
    since, until = crowd.first + 500 * BETWEEN, crowd.first + 750 * BETWEEN
    async with open_journeys(place.url, working=False) as journeys:
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
@on_sqlite_alone
@pytest.mark.parametrize(
    "unfinished", [pytest.param(False, id="of every fate", marks=[thorough]), pytest.param(True, id="all waiting")]
)
async def test_a_figure_takes_no_longer_than_its_runs_are_more(place: Place, unfinished: bool, tmp_path: Path) -> None:
    few = await fastest(Place(f"sqlite:///{tmp_path / 'few.db'}", None), FEW, unfinished=unfinished)
    many = await fastest(place, MANY, unfinished=unfinished)
    assert few.keys() == many.keys()
    assert {name: (few[name], took) for name, took in many.items() if took > BESIDE_OTHERS * LINEAR * few[name]} == {}


async def fastest(place: Place, runs: int, *, unfinished: bool) -> dict[str, float]:
    """The seconds of each figure, the best of three."""
    crowd = await place.gather(runs, unfinished=unfinished)
    async with open_journeys(place.url, working=False) as journeys:
        took = [await ask_everything(journeys, crowd) for _ in range(3)]
    return {name: min(seconds[name] for seconds in took) for name in took[0]}


@pytest.mark.anyio
@on_postgres_alone
@pytest.mark.parametrize("unfinished", [False, True], ids=["of every fate", "all waiting"])
async def test_both_stores_say_the_same(place: Place, unfinished: bool) -> None:
    """Of the same runs: to the microsecond, and to the last run of a sample that is cut short."""
    crowd = await place.gather(5000, unfinished=unfinished)
    file, server = await SqliteStore.open(place.file), await PostgresStore.open(place.url)
    try:
        for cohort in _cohorts(crowd):
            assert await _all_of(server.figures, cohort) == await _all_of(file.figures, cohort)
        nobody = [await figures.journeys("nobody") for figures in (file.figures, server.figures)]
        assert nobody == [[], []]
    finally:
        await file.close()
        await server.close()


def _cohorts(crowd: Crowd) -> Iterator[Cohort]:
    one, two = crowd.versions.values()
    middle = crowd.first + (crowd.last - crowd.first) / 2
    for definitions in ((one,), (two,), (one, two), ()):
        for since, until in ((-math.inf, math.inf), (middle - 7000, middle + 7000), (middle, middle), (0.0, middle)):
            yield Cohort(definitions, since, until)


async def _all_of(figures: Figures, cohort: Cohort) -> list[Any]:
    """Every figure; there is no order among counts."""
    bounded = Cohort(cohort.definitions, max(cohort.since, 0.0), min(cohort.until, 1e10))
    return [
        await figures.journeys(WHO["tenant_id"]),
        Counter(await figures.counts(WHO["tenant_id"], cohort)),
        await figures.durations(WHO["tenant_id"], cohort),
        [await figures.over_time(WHO["tenant_id"], bounded, periods) for periods in (1, 7)],
        [await figures.newest(WHO["tenant_id"], cohort, most) for most in (0, 1, 2500)],
        Counter(await figures.counts("nobody", cohort)),
    ]


@pytest.mark.anyio
async def test_percentiles_are_by_nearest_rank_on_both(postgres_server: Server) -> None:
    """Whatever the number of runs: the server multiplies by 0.95, which no binary number is."""
    db = await asyncpg.connect(postgres_server.url())
    try:
        found = await db.fetch(
            "select n, percentile_disc(array[0.5, 0.95]) within group (order by rank) "
            "from generate_series(1, 1000) n cross join generate_series(1, n) rank group by n"
        )
    finally:
        await db.close()
    assert {row[0]: row[1] for row in found} == {
        n: [(n * 50 - 1) // 100 + 1, (n * 95 - 1) // 100 + 1] for n in range(1, 1001)
    }


INDEXES = {
    "counts": Counter(run_completed=1, run_stopped=1, run_due=1),
    "durations": Counter(run_completed=1),
    "over_time": Counter(run_completed=2, run_stopped=1),
}


@pytest.mark.anyio
@on_sqlite_alone
@pytest.mark.parametrize("name", INDEXES)
async def test_an_index_covers_every_figure(place: Place, name: str) -> None:
    """No row of a run is looked up, however many there are: that is what makes it fast, whatever the machine."""
    await place.gather(100)
    statement: Any = load_queries("saga_journey.stores.sqlite", "figures.sql")[name]
    with closing(sqlite3.connect(place.file.removeprefix("sqlite:///"))) as db:
        asked = ("acme", "[1]", "[]") if name == "over_time" else ("acme", "[1]", 0.0, 1.0)
        steps = [row[3] for row in db.execute(f"explain query plan {statement}", asked)]
    of_runs = [step.split(" (")[0] for step in steps if step.startswith(("SEARCH run", "SCAN run"))]
    assert {step.rsplit(" ", 1)[0] for step in of_runs} <= {
        "SEARCH run USING COVERING INDEX",
        "SCAN run USING COVERING INDEX",
    }
    assert Counter(step.rsplit(" ", 1)[1] for step in of_runs) == INDEXES[name]


COVERED = {
    "counts": Counter(run_completed=1, run_stopped=1),
    "durations": Counter(run_completed=1),
    "over_time": Counter(run_completed=1, run_stopped=1),
}
"""What moves is counted in its rows: they are few, or nearly all there are."""


@pytest.mark.anyio
@on_postgres_alone
@pytest.mark.parametrize("name", COVERED)
async def test_an_index_of_the_server_covers_what_has_ended(place: Place, name: str) -> None:
    await place.gather(RUNS)
    statement: Any = load_queries("saga_journey.stores.postgres", "figures.sql")[name]
    span: Any = ([0.0], [1e10]) if name == "over_time" else (0.0, 1e10)
    db = await asyncpg.connect(place.url)
    try:
        ((plan,),) = await db.fetch(f"explain (format json) {statement}", "acme", [1], *span)
    finally:
        await db.close()
    nodes = list(_nodes(json.loads(plan)[0]["Plan"]))
    assert Counter(n["Index Name"] for n in nodes if n["Node Type"] == "Index Only Scan") == COVERED[name]
    assert [n for n in nodes if n["Node Type"] == "Seq Scan" and n["Relation Name"] == "run"] == []


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)
