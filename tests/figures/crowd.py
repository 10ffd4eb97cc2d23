"""A database with a crowd of runs in it, as years of work leave it behind; and whether every figure comes in time.

    python -m tests.figures.crowd [RUNS]     a million when left out: makes two crowds, and asks everything of them

The first crowd has runs of every fate; in the second one all of them wait for something, which is the hardest to count.
Each is made on SQLite, and copied to PostgreSQL (`tests.figures.on_postgres`).

The rows are written with the store's own statements, `insert_run` and then `change_run` for what has become of each, so
that columns and indexes are what the store makes of them. The newest runs have whole journals, since those are read for
a sample; the others have none, which no figure reads.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from saga_journey import Journeys, SagaStatus, open_journeys
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.codec import encode_turn
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.state import FINAL
from saga_journey.engines.embedded.turn import NEVER
from saga_journey.stores.queries import load_queries
from saga_journey.stores.sqlite import SqliteStore
from tests.figures.on_postgres import copy_crowd
from tests.servers.postgres import the_server
from tests.servers.programs import NoServer

WHO: Any = {"tenant_id": "acme"}
STEPS = ("reserve", "charge", "label", "ship", "notify")
BETWEEN = 30.0
"""Seconds from one start to the next one, on average: a million of them are a year."""
JOURNALS = 2000
CHUNK = 50_000
INPUT, RESULT = Json('{"sku":"A-1001"}'), Json('{"ok":true}')
MILLION = 1_000_000
LIMIT = 1.0
"""Seconds that an operation may take on a database of a million runs."""


class Fate(NamedTuple):
    """What has become of a run: in how many of a hundred, and whether it stopped at a milestone."""

    status: SagaStatus
    percent: float
    stops: bool = False


FATES = (
    Fate(SagaStatus.COMPLETED, 84),
    Fate(SagaStatus.COMPENSATED, 7, stops=True),
    Fate(SagaStatus.FAILED, 3, stops=True),
    Fate(SagaStatus.CANCELLED, 0.5, stops=True),
    Fate(SagaStatus.RESOLVED, 0.5, stops=True),
    Fate(SagaStatus.COMPENSATING, 0.5, stops=True),
    Fate(SagaStatus.PAUSED, 0.5),
    Fate(SagaStatus.IN_PROGRESS, 4),
)


class Row(NamedTuple):
    """One run as it will stand."""

    number: int
    definition: int
    started_at: float
    status: SagaStatus
    stopped: int | None
    seconds: float
    whole: bool
    """It has its journal."""


@dataclass
class Crowd:
    """What is in the database, counted while it was made: what the figures must say."""

    versions: dict[int, int]
    """The definition of each version of `checkout`."""
    first: float
    last: float
    statuses: Counter[tuple[int, SagaStatus]] = field(default_factory=Counter)
    stops: Counter[tuple[int, int]] = field(default_factory=Counter)
    took: dict[int, list[float]] = field(default_factory=dict)

    def note(self, row: Row) -> None:
        self.statuses[row.definition, row.status] += 1
        if row.stopped is not None:
            self.stops[row.definition, row.stopped] += 1
        if row.status is SagaStatus.COMPLETED:
            self.took.setdefault(row.definition, []).append(round(row.seconds, 6))


def checkout(version: int) -> JourneyDefinition:
    return JourneyDefinition(
        "checkout", version, tuple(Milestone(name, f"do_{name}", f"undo_{name}") for name in STEPS)
    )


async def gather(url: str, runs: int, *, unfinished: bool = False) -> Crowd:
    """Makes a crowd in a new database. `unfinished`: all of them still wait for something."""
    store = await SqliteStore.open(url)
    tenant, now = await store.tenant(WHO["tenant_id"]), store.now()
    numbers = {version: await store.save_definition(tenant, checkout(version)) for version in (1, 2)}
    await store.close()
    crowd = Crowd(numbers, now - runs * BETWEEN, now)
    fates = [Fate(SagaStatus.IN_PROGRESS, 100)] if unfinished else FATES
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as db:
        db.execute("pragma synchronous = off")  # what it takes to make it is not what is measured
        db.execute("pragma cache_size = -200000")
        _write(db, tenant, _rows(crowd, runs, fates), crowd)
        db.execute("pragma wal_checkpoint(truncate)")
    return crowd


def _rows(crowd: Crowd, runs: int, fates: Any) -> Iterator[Row]:
    """The same for the same number of runs: version 2 is the newer half, and takes half the time."""
    dice = random.Random(runs)
    whole = dice.choices(fates, [fate.percent for fate in fates], k=runs)
    places = dice.choices(range(len(STEPS)), [1, 5, 1, 2, 1], k=runs)
    for number, (fate, place) in enumerate(zip(whole, places, strict=True), start=1):
        version = 1 if number <= runs // 2 else 2
        seconds = dice.lognormvariate(3, 1) / version
        started_at = crowd.first + (number - 1) * BETWEEN
        stopped = place if fate.stops else None
        yield Row(number, crowd.versions[version], started_at, fate.status, stopped, seconds, number > runs - JOURNALS)


def _write(db: sqlite3.Connection, tenant: int, rows: Iterator[Row], crowd: Crowd) -> None:
    sql = load_queries("saga_journey.stores.sqlite")
    while chunk := list(itertools.islice(rows, CHUNK)):
        for row in chunk:
            crowd.note(row)
        db.execute("begin")
        db.executemany(sql["insert_run"], [_started(tenant, row) for row in chunk])
        db.executemany(sql["change_run"], [_changed(tenant, row) for row in chunk])
        asked = [(tenant, row.number, row.started_at, "retry") for row in chunk if _is_asked(row)]
        db.executemany(sql["make_due"], asked)
        db.executemany(sql["insert_own_turn"], [turn for row in chunk if row.whole for turn in _journal(tenant, row)])
        db.execute("commit")


def _started(tenant: int, row: Row) -> tuple[Any, ...]:
    saga = f"saga_{row.number:032x}"
    return (tenant, row.number, saga, row.definition, row.started_at, 1, 1, row.started_at, None)


def _changed(tenant: int, row: Row) -> tuple[Any, ...]:
    due = None if row.status in FINAL else NEVER
    owner = 1 if row.status is SagaStatus.IN_PROGRESS and row.number % 10 == 0 else None
    needs = row.status in (SagaStatus.PAUSED, SagaStatus.FAILED) and row.number % 3 == 0
    return (tenant, row.number, 1, row.status, owner, due, 0, needs, row.started_at + row.seconds, row.stopped)


def _is_asked(row: Row) -> bool:
    """It has ended, and somebody wants something of it all the same."""
    return row.status in FINAL and row.number % 50 == 0


def _journal(tenant: int, row: Row) -> Iterator[tuple[Any, ...]]:
    """Of a run that has ended, from end to end; of another one, how it began."""
    seq = 1
    turns = _turns(row)
    for number, turn in enumerate(turns):
        at = row.started_at + row.seconds * number / max(len(turns) - 1, 1)
        yield (tenant, row.number, seq, 1, at, encode_turn(turn))
        seq += len(turn)


def _turns(row: Row) -> list[list[ev.Event]]:
    done = [ev.MilestoneCompleted(name, RESULT) for name in STEPS]
    turns: list[list[ev.Event]] = [[ev.SagaStarted(INPUT)]]
    if row.status is SagaStatus.COMPLETED:
        turns += [[event] for event in done]
        turns[-1].append(ev.SagaCompleted())
    elif row.status is SagaStatus.COMPENSATED and row.stopped is not None:
        failed, undone = STEPS[row.stopped], [ev.MilestoneCompensated(name) for name in STEPS[: row.stopped]]
        turns += [[event] for event in done[: row.stopped]]
        because = ev.Because("failure", failed, "no")
        turns.append([ev.MilestoneRefused(failed, "no"), ev.CompensationDecided(because)])
        turns += [[event] for event in reversed(undone)]
        turns[-1].append(ev.SagaCompensated())
    return turns


# --- does every figure come in time? ----------------------------------------------------------------------------------


async def ask_everything(journeys: Journeys, crowd: Crowd) -> dict[str, float]:
    """How long each operation takes, in seconds: the best of three, since the machine may be busy with others."""
    figures, tracker = journeys.analytics, journeys.tracker
    half = (crowd.last - crowd.first) / 2
    one: Any = {"journey": "checkout", "version": 1}
    two: Any = {"journey": "checkout", "version": 2}
    operations: dict[str, Callable[[], Awaitable[object]]] = {
        "calculate_journey_metrics": lambda: figures.calculate_journey_metrics("checkout", WHO),
        "get_completion_rate": lambda: figures.get_completion_rate("checkout", WHO),
        "get_average_duration": lambda: figures.get_average_duration("checkout", WHO),
        "identify_drop_off_points": lambda: figures.identify_drop_off_points("checkout", WHO),
        "analyze_journey_performance": lambda: figures.analyze_journey_performance("checkout", WHO, since=crowd.first),
        "get_optimization_recommendations": lambda: figures.get_optimization_recommendations("checkout", WHO),
        "compare_journeys": lambda: figures.compare_journeys(one, two, WHO),
        "get_journey_benchmarks": lambda: figures.get_journey_benchmarks("checkout", WHO, window=half),
        "get_milestone_analytics": lambda: tracker.get_milestone_analytics("checkout", WHO),
    }
    return {name: min([await _seconds(ask) for _ in range(3)]) for name, ask in operations.items()}


async def _seconds(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


async def main(runs: int) -> int:
    """1 when an operation takes too long."""
    slow = 0
    for unfinished in (False, True):
        with TemporaryDirectory() as folder:
            url, began = f"sqlite:///{folder}/journeys.db", time.perf_counter()
            crowd = await gather(url, runs, unfinished=unfinished)
            what = f"{runs:,} runs, {'all waiting' if unfinished else 'of every fate'}"
            print(f"SQLite: {what}, made in {time.perf_counter() - began:.1f} s")
            slow += await _too_slow(url, crowd)
            try:
                server = the_server()
            except NoServer as absent:
                print(f"PostgreSQL was NOT measured: {absent}")
                continue
            copy, began = server.databases.fresh(), time.perf_counter()
            await copy_crowd(url, copy)
            print(f"PostgreSQL: {what}, copied in {time.perf_counter() - began:.1f} s")
            slow += await _too_slow(copy, crowd)
            server.databases.drop(copy)
    return 1 if slow else 0


async def _too_slow(url: str, crowd: Crowd) -> int:
    """Prints how long each operation takes. Gives how many take too long."""
    async with open_journeys(url, working=False) as journeys:
        taken = await ask_everything(journeys, crowd)
    for name, seconds in taken.items():
        print(f"{'ok' if seconds < LIMIT else 'TOO SLOW':10}{name:36}{seconds:7.3f} s")
    return sum(seconds >= LIMIT for seconds in taken.values())


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else MILLION)))
