"""The floor on SQLite: one thread writes what is queued as one transaction (WAL, synchronous=FULL)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from bench.floor import Floor, Row, Turn, acknowledge
from bench.places import Place

SCHEMA = """
create table fact (
    saga text not null, seq integer not null, kind text not null, body blob not null, at real not null,
    primary key (saga, seq)
) without rowid
"""


class SqliteJournal:
    """Appends rows durably. What is queued while one transaction is flushed is the next transaction."""

    round_trips = None

    def __init__(self, database: Path) -> None:
        self.commits = 0
        self._loop = asyncio.get_running_loop()
        self._turns: SimpleQueue[Turn | None] = SimpleQueue()
        self._db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute(SCHEMA)
        self._writer = Thread(target=self._write, name="floor-writer")
        self._writer.start()

    def append(self, *rows: Row) -> asyncio.Future[None]:
        """Queues the rows of one turn; the future is done once they are on disk."""
        durable = self._loop.create_future()
        self._turns.put((rows, durable))
        return durable

    def close(self) -> None:
        """Ends the writer after everything queued before, then closes the database."""
        self._turns.put(None)
        self._writer.join()
        self._db.close()

    def _write(self) -> None:
        turns = self._turns
        while (first := turns.get()) is not None:
            batch = [first]
            for _ in range(turns.qsize()):
                if (turn := turns.get()) is None:
                    turns.put(None)
                    break
                batch.append(turn)
            self._loop.call_soon_threadsafe(acknowledge, batch, self._commit(batch))

    def _commit(self, batch: list[Turn]) -> sqlite3.Error | None:
        try:
            self._db.execute("begin immediate")
            self._db.executemany("insert into fact values (?, ?, ?, ?, ?)", [row for rows, _ in batch for row in rows])
            self._db.execute("commit")
        except sqlite3.Error as error:
            return error
        self.commits += 1
        return None


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Floor]:
    """The floor on a fresh database."""
    journal = SqliteJournal(place.path)
    try:
        yield Floor(journal)
    finally:
        journal.close()
