"""`ports.Figures` on PostgreSQL. Each answer is one statement, so it is one moment, over indexes made for it."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from saga_journey.core.state import SagaStatus
from saga_journey.ports import Cohort, Count, Durations, JournalRow, Period, SampledRun, StoredJourney
from saga_journey.stores.queries import load_queries

SAMPLE_BYTES = 32 * 2**20
"""A sample ends with the run whose journal reaches this."""

MICROSECONDS = 1_000_000

_sql = load_queries("saga_journey.stores.postgres", "figures.sql")


class Fetch(Protocol):
    """The rows of one statement; its parameters are `$1`, `$2` …"""

    def __call__(self, sql: str, *values: Any) -> Awaitable[Sequence[Any]]: ...


class PostgresFigures:
    """Counts what is in one database."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def journeys(self, tenant: str) -> list[StoredJourney]:
        return [StoredJourney(*row) for row in await self._fetch(_sql["journeys"], tenant)]

    async def counts(self, tenant: str, cohort: Cohort) -> list[Count]:
        return [
            Count(definition, SagaStatus(status), stopped, runs, want_handlers)
            for definition, status, stopped, runs, want_handlers in await self._ask("counts", tenant, cohort)
        ]

    async def durations(self, tenant: str, cohort: Cohort) -> Durations | None:
        for runs, average, (median, p95), shortest, longest in await self._ask("durations", tenant, cohort):
            return Durations(runs, *(took / MICROSECONDS for took in (average, median, p95, shortest, longest)))
        return None

    async def over_time(self, tenant: str, cohort: Cohort, periods: int) -> list[Period]:
        width = (cohort.until - cohort.since) / periods
        edges = [cohort.since + width * n for n in range(periods)] + [cohort.until]
        rows = await self._fetch(_sql["over_time"], tenant, list(cohort.definitions), edges[:-1], edges[1:])
        return [
            Period(since, until, completed, stopped, None if average is None else average / MICROSECONDS)
            for since, until, completed, stopped, average in rows
        ]

    async def newest(self, tenant: str, cohort: Cohort, most: int) -> list[SampledRun]:
        rows = await self._ask("newest", tenant, cohort, most, SAMPLE_BYTES)
        found = []
        for (_, saga_id, definition), turns in itertools.groupby(rows, lambda row: tuple(row[:3])):
            journal = [JournalRow(*turn[3:]) for turn in turns if turn[3] is not None]
            found.append(SampledRun(saga_id, definition, journal))
        return found

    async def _ask(self, name: str, tenant: str, cohort: Cohort, *more: int) -> Sequence[Any]:
        return await self._fetch(_sql[name], tenant, list(cohort.definitions), cohort.since, cohort.until, *more)
