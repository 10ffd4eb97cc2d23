"""The floor on PostgreSQL: two connections take turns to write what is queued, each batch as one statement.

One statement is one round trip, one transaction and one flush. While the server flushes the batch of one connection,
the other one sends what has piled up since.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from bench.floor import Floor, Row, Turn, acknowledge
from bench.places import Place

WRITERS = 2

SCHEMA = """
create table fact (
    saga text not null, seq integer not null, kind text not null, body bytea not null, at double precision not null,
    primary key (saga, seq)
)
"""
INSERT = "insert into fact select * from unnest($1::text[], $2::integer[], $3::text[], $4::bytea[], $5::float8[])"


class PostgresJournal:
    """Appends rows durably. A writer that is free takes all that is queued."""

    def __init__(self) -> None:
        self.commits = 0
        self._loop = asyncio.get_running_loop()
        self._turns: list[Turn] = []
        self._queued = asyncio.Event()

    @property
    def round_trips(self) -> int:
        """One for each commit."""
        return self.commits

    def append(self, *rows: Row) -> asyncio.Future[None]:
        """Queues the rows of one turn; the future is done once they are on disk."""
        durable = self._loop.create_future()
        self._turns.append((rows, durable))
        self._queued.set()
        return durable

    async def write(self, db: asyncpg.Connection) -> None:
        """Writes what is queued, for ever."""
        insert = await db.prepare(INSERT)
        while True:
            await self._queued.wait()
            batch, self._turns = self._turns, []
            self._queued.clear()
            if batch:  # else the other one was faster
                acknowledge(batch, await self._commit(insert, batch))

    async def _commit(self, insert: asyncpg.prepared_stmt.PreparedStatement, batch: list[Turn]) -> Exception | None:
        columns = map(list, zip(*(row for rows, _ in batch for row in rows), strict=True))
        try:
            await insert.fetch(*columns)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return error
        self.commits += 1
        return None


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Floor]:
    """The floor on a fresh database."""
    writers = [await asyncpg.connect(place.url) for _ in range(WRITERS)]
    await writers[0].execute(SCHEMA)
    journal = PostgresJournal()
    tasks = [asyncio.create_task(journal.write(db)) for db in writers]
    try:
        yield Floor(journal)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for db in writers:
            await db.close()
