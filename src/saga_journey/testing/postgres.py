"""Looking into PostgreSQL. Each connection has an event loop in a thread of its own, so that any code may wait for it.

A look costs a few tenths of a millisecond. When the server was restarted meanwhile the connection is made anew, and the
question is asked once more; a process that was forked gets a connection of its own in the same way.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal, TypeVar

import asyncpg

from saga_journey.errors import StoreUnreachable
from saga_journey.stores.boot_clock import ahead_by, boot_clock
from saga_journey.stores.postgres.connection import connect, lost
from saga_journey.stores.server_url import parse_url

T = TypeVar("T")
Connection = asyncpg.Connection
Question = Callable[[Connection], Awaitable[T]]

SCHEMA = "saga_journey"
SEARCH_PATH = f"search_path = {SCHEMA}"

RESTART = 10.0
"""Seconds that a server is given to come back."""
BETWEEN_TRIES = 0.05
CLOCK_READINGS = 3

_THREADS = Path("/proc/self/task")
"""Where Linux lists those of this process. Elsewhere there is nothing."""

_parents: list[Connection] = []
"""Connections of a process that this one was forked from. Kept: one that is thrown away leaves its parent's loop."""


class PostgresLooking:
    """`Looking` into a database on a server; several threads may ask, one after the other.

    Raises StoreError when the server cannot be reached at first, StoreUnreachable when it does not come back.
    """

    dialect: Literal["postgres"] = "postgres"

    def __init__(self, url: str, *, writing: bool) -> None:
        self._address = parse_url(url)
        self._writing = writing
        self._one_at_a_time = threading.Lock()
        self._process = 0
        self._db: Connection
        self._start()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        numbered = _numbered(sql)
        return [tuple(row) for row in self._ask(lambda db: db.fetch(numbered, *values))]

    def execute(self, script: str) -> None:
        self._ask(lambda db: db.execute(script))

    def has_table(self, name: str) -> bool:
        return bool(self.rows("select to_regclass(?) is not null", f"{SCHEMA}.{name}")[0][0])

    def clock(self) -> Callable[[], float]:
        """The server's clock, counted on by this host's. Never behind it; ahead by less than a quick answer takes."""
        return ahead_by(min(self._read_clock() for _ in range(CLOCK_READINGS)))

    def close(self) -> None:
        if self._process == os.getpid():  # else it was never made here, or is closed already
            self._process = 0
            self._thread.run(self._db.close())
            self._thread.end()

    # --- how ---

    def _read_clock(self) -> float:
        """By how much the server's clock is ahead of this host's, at most."""
        asked = boot_clock()
        at: float = self.rows("select extract(epoch from clock_timestamp())::double precision")[0][0]
        return at - asked

    def _start(self) -> None:
        self._thread, self._process = _LoopThread(), os.getpid()
        try:
            self._db = self._thread.run(self._connect())
        except BaseException:
            self._thread.end()
            raise

    def _ask(self, question: Question[T]) -> T:
        with self._one_at_a_time:
            if self._process != os.getpid():  # forked: the connection is the parent's, and its thread is not here
                _parents.append(self._db)
                self._start()
            return self._thread.run(self._answer(question))

    async def _answer(self, question: Question[T]) -> T:
        try:
            if not self._db.is_closed():
                return await self._put(question)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not lost(error):
                raise
            self._db.terminate()
        self._db = await self._connect_again()
        return await self._put(question)

    async def _put(self, question: Question[T]) -> T:
        if not self._address.pooler:
            return await question(self._db)
        async with self._db.transaction():  # behind a pooler, nothing is remembered any longer
            await self._db.execute(f"set local {SEARCH_PATH}")
            return await question(self._db)

    async def _connect(self) -> Connection:
        db = await connect(self._address)
        if not self._address.pooler:
            await db.execute(f"set {SEARCH_PATH}; set default_transaction_read_only = {not self._writing}")
        return db

    async def _connect_again(self) -> Connection:
        until = boot_clock() + RESTART
        while True:
            try:
                return await self._connect()
            except StoreUnreachable:
                if boot_clock() > until:
                    raise
                await asyncio.sleep(BETWEEN_TRIES)


class _LoopThread:
    """An event loop that others wait for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="saga-looking", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def end(self) -> None:
        """Its process may fork afterwards: no lock is held any longer."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        while _THREADS.joinpath(str(self._thread.native_id)).exists():  # Python's has ended, OpenSSL cleans up in it
            os.sched_yield()


def _numbered(sql: str) -> str:
    """`?` as `$1`, `$2` …"""
    number = itertools.count(1)
    first, *rest = sql.split("?")
    return first + "".join(f"${next(number)}{part}" for part in rest)
