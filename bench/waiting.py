"""Queues of waiting runs, as long as one likes; and claims of them, timed.

    python -m bench.waiting fill URL RUNS
    python -m bench.waiting claim URL URL

The runs are of eight tenants in equal parts. Each is a copy of one that was really started, its journal included. What
a claim has taken is kept; as many other runs are put into the queue while nothing is timed, so that it stays as long.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from statistics import median

import asyncpg

from bench.ours import W
from bench.workload import order
from saga_journey import open_journeys
from saga_journey.ports import Store, Wanted
from saga_journey.testing.databases import open_store

TENANTS = 8
ROOM = 64
UNCOUNTED = 10  # a connection remembers the plan of a statement after it was asked a few times
CLAIMS = 40
HOUR = 3600.0

PATTERNS = """
create table public.pattern as
select row_number() over (order by r.tenant) - 1 as place, r.tenant, r.definition, j.events
from saga_journey.run r join saga_journey.journal j on j.tenant = r.tenant and j.run = r.run
"""
# $1: how many; $2: they fell due one after the other in the last so many seconds.
PUT = """
with new as (
    insert into saga_journey.run (tenant, run, saga, definition, status, due_at, epoch, started_at, updated_at)
    select p.tenant, n.number, 'waiting-' || n.number, p.definition, 'in_progress', n.due, 0, n.due, n.due
    from (
        select place, nextval('saga_journey.run_number') as number,
            saga_journey.clock() - $2 * (1 - place::float8 / $1) as due
        from generate_series(1, $1::integer) place
    ) n
    join public.pattern p on p.place = n.place % (select count(*) from public.pattern)
    returning tenant, run, started_at
)
insert into saga_journey.journal (tenant, run, seq, epoch, at, events)
select n.tenant, n.run, 1, 0, n.started_at, p.events from new n join public.pattern p on p.tenant = n.tenant
"""

DUE = """
select count(*) from saga_journey.run r join saga_journey.journal j on j.tenant = r.tenant and j.run = r.run
where r.owner is null and r.due_at <= saga_journey.clock()
"""


async def fill(url: str, runs: int) -> None:
    """So many due runs in an empty database, vacuumed as it would be after some time."""
    async with open_journeys(url, sagas=[W], working=False) as journeys:
        for tenant in range(TENANTS):
            await journeys.start(W, order(0, "happy"), user_context={"tenant_id": f"tenant-{tenant}"})
    db = await asyncpg.connect(url)
    await db.execute(PATTERNS)
    await db.execute(PUT, runs - TENANTS, HOUR)
    await db.execute("vacuum analyze")
    due = await db.fetchval(DUE)
    await db.close()
    if due != runs:
        raise RuntimeError(f"{due} runs are due, and {runs} were to be")
    print(json.dumps({"due": due}))


class Queue:
    """One database, and a worker that claims from it."""

    def __init__(self, store: Store, db: asyncpg.Connection, wanted: Wanted) -> None:
        self._store, self._db, self._wanted = store, db, wanted
        self.took: list[float] = []

    async def claim(self) -> None:
        """Takes as much as there is room for, timed; then puts in as many others."""
        start = time.perf_counter()
        claimed = await self._store.claim(self._wanted)
        self.took.append(time.perf_counter() - start)
        if len(claimed.runs) != ROOM:
            raise RuntimeError(f"{len(claimed.runs)} runs were claimed, and there was room for {ROOM}")
        await self._db.execute(PUT, ROOM, 0.0)

    def median_ms(self) -> float:
        return median(self.took[UNCOUNTED:]) * 1e3

    async def close(self) -> None:
        await self._db.close()
        await self._store.close()


async def queue(url: str) -> Queue:
    """Opens one; the worker's lease outlives the measuring."""
    store, db = await open_store(url), await asyncpg.connect(url.partition("?")[0])
    served = [row[0] for row in await db.fetch("select definition from public.pattern")]
    owner = await store.enter(HOUR)
    return Queue(store, db, Wanted(owner, ROOM, ROOM, served, max(served), grace=HOUR, fragile=True))


async def claim(short: str, long: str) -> None:
    """Claims from both in turn."""
    queues = [await queue(short), await queue(long)]
    for _ in range(UNCOUNTED + CLAIMS):
        for one in queues:
            await one.claim()
    print(json.dumps({"short_ms": queues[0].median_ms(), "long_ms": queues[1].median_ms()}))
    for one in queues:
        await one.close()


def main() -> None:
    """One of them, in this process."""
    part, url, other = sys.argv[1:]
    asyncio.run(fill(url, int(other)) if part == "fill" else claim(url, other))


if __name__ == "__main__":
    main()
