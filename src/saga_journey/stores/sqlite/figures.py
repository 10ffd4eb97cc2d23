"""`ports.Figures` on SQLite. Each answer is one statement over an index that covers it, so it is one moment."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from saga_journey.core.state import SagaStatus
from saga_journey.ports import Cohort, Count, Durations, JournalRow, Period, SampledRun, StoredJourney
from saga_journey.stores.queries import load_queries

T = TypeVar("T")

SAMPLE_BYTES = 32 * 2**20
"""A sample ends with the run whose journal reaches this."""

MICROSECONDS = 1_000_000

_sql = load_queries("saga_journey.stores.sqlite", "figures.sql")


class Read(Protocol):
    """Runs a function of a reading connection somewhere off the event loop."""

    def __call__(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]: ...


class SqliteFigures:
    """Counts what is in one database."""

    def __init__(self, read: Read) -> None:
        self._read = read

    async def journeys(self, tenant: str) -> list[StoredJourney]:
        rows = await self._read(lambda db: db.execute(_sql["journeys"], (tenant,)).fetchall())
        return [StoredJourney(*row) for row in rows]

    async def counts(self, tenant: str, cohort: Cohort) -> list[Count]:
        rows = await self._read(lambda db: db.execute(_sql["counts"], _span(tenant, cohort)).fetchall())
        return [
            Count(definition, SagaStatus(status), stopped, runs, want_handlers)
            for definition, status, stopped, runs, want_handlers in rows
        ]

    async def durations(self, tenant: str, cohort: Cohort) -> Durations | None:
        row = await self._read(lambda db: db.execute(_sql["durations"], _span(tenant, cohort)).fetchone())
        return None if row is None else Durations(row[0], *(took / MICROSECONDS for took in row[1:]))

    async def over_time(self, tenant: str, cohort: Cohort, periods: int) -> list[Period]:
        width = (cohort.until - cohort.since) / periods
        edges = [cohort.since + width * n for n in range(periods)] + [cohort.until]
        asked = (tenant, json.dumps(cohort.definitions), json.dumps(list(itertools.pairwise(edges))))
        rows = await self._read(lambda db: db.execute(_sql["over_time"], asked).fetchall())
        return [
            Period(since, until, completed, stopped, None if average is None else average / MICROSECONDS)
            for since, until, completed, stopped, average in rows
        ]

    async def newest(self, tenant: str, cohort: Cohort, most: int) -> list[SampledRun]:
        return await self._read(lambda db: _newest(db, tenant, cohort, most))


def _span(tenant: str, cohort: Cohort) -> tuple[Any, ...]:
    return (tenant, json.dumps(cohort.definitions), cohort.since, cohort.until)


def _newest(db: sqlite3.Connection, tenant: str, cohort: Cohort, most: int) -> list[SampledRun]:
    found: list[SampledRun] = []
    read = 0
    for run, saga_id, definition in db.execute(_sql["newest"], (*_span(tenant, cohort), most)).fetchall():
        rows = [JournalRow(*row) for row in db.execute(_sql["journal"], (tenant, run))]
        found.append(SampledRun(saga_id, definition, rows))
        read += sum(len(row.events) for row in rows)
        if read >= SAMPLE_BYTES:
            break
    return found
