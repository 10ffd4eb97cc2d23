"""The floor: what SQLite and asyncio give at best when every step of a saga is durable before the next one begins.

It is no orchestrator: no state machine, claims, timers, retries or recovery. It writes one row for each fact and waits
for the flush. Many sagas share one transaction (group commit, WAL, synchronous=FULL), written by one thread.

    happy:       started | reserve | charge | label | ship | notify + completed                     6 waits,  7 rows
    compensate:  started | four results | declined | three undone | the fourth undone + compensated  10 waits, 11 rows
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import time

from msgspec.json import Encoder

from bench.workload import MILESTONES, Body, Declined, Mode, act, order, undo

Row = tuple[str, int, str, bytes, float]
Turn = tuple[tuple[Row, ...], "asyncio.Future[None]"]

SCHEMA = """
create table fact (
    saga text not null, seq integer not null, kind text not null, body blob not null, at real not null,
    primary key (saga, seq)
) without rowid
"""

encode = Encoder().encode


class Journal:
    """Appends rows durably. What is queued while one transaction is flushed is the next transaction."""

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
            self._loop.call_soon_threadsafe(_acknowledge, batch, self._commit(batch))

    def _commit(self, batch: list[Turn]) -> sqlite3.Error | None:
        try:
            self._db.execute("begin immediate")
            self._db.executemany("insert into fact values (?, ?, ?, ?, ?)", [row for rows, _ in batch for row in rows])
            self._db.execute("commit")
        except sqlite3.Error as error:
            return error
        self.commits += 1
        return None


def _acknowledge(batch: list[Turn], error: sqlite3.Error | None) -> None:
    """One call into the loop for a whole batch."""
    for _, durable in batch:
        if durable.cancelled():
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)


class Floor:
    """Runs W on the journal, as fast as plain code can."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def commits(self) -> int:
        return self._journal.commits

    async def run_saga(self, number: int, mode: Mode) -> str:
        """One saga to its end; each await of `append` is one wait for the disk."""
        append, body, seq = self._journal.append, order(number, mode), count(1)
        saga: str = body["id"]

        def row(kind: str, content: Body | str) -> Row:
            return saga, next(seq), kind, encode(content), time()

        await append(row("started", body))
        done: list[tuple[str, Body]] = []
        try:
            for name in MILESTONES:
                receipt = await act(name, body)
                done.append((name, receipt))
                result = row(name, receipt)
                await (append(result) if name != MILESTONES[-1] else append(result, row("completed", "")))
            return "completed"
        except Declined as refusal:
            await append(row("declined", str(refusal)))
        while done:
            name, receipt = done.pop()
            undone = row(f"undo {name}", await undo(name, receipt))
            await (append(undone) if done else append(undone, row("compensated", "")))
        return "compensated"


@asynccontextmanager
async def opened(database: Path) -> AsyncIterator[Floor]:
    """The floor on a fresh database."""
    journal = Journal(database)
    try:
        yield Floor(journal)
    finally:
        journal.close()
