"""Connections: few, made when they are needed, thrown away when they are lost.

What is sent over a connection that is then lost may have been done or not. Everything that goes through `run` may
therefore be done twice: it reads, or it says what shall be, or it looks first (ports.Store says so of each).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from saga_journey.errors import Closed
from saga_journey.stores.postgres.connection import ANSWER, Address, connect, explain
from saga_journey.stores.postgres.fates import FAILURES, Fate, fate_of
from saga_journey.stores.postgres.transactions import Unclear, in_one

log: logging.Logger = logging.getLogger("saga_journey.store")

T = TypeVar("T")
Connection = asyncpg.Connection

AT_MOST = 4
"""Connections for everything but batches of turns and starts, which have their own, and listening."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Between two tries to reach the server (seconds): doubled each time, and no two processes in step."""
PATIENCE = 10.0
"""So long a call that may be refused waits for the server (seconds)."""
FOR_EVER = float("inf")
TIMEOUT = ANSWER
"""An answer that takes longer counts as lost (seconds)."""


async def pause(tries: int) -> None:
    """Longer from try to try."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 10))
    await asyncio.sleep(longest * random.uniform(0.5, 1.0))


class Pool:
    """Lends connections. `round_trips` counts the questions that were asked through it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.round_trips: int = 0
        self._free: list[Connection] = []
        self._places = asyncio.Semaphore(AT_MOST)
        self._closed = False

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Connection]:
        """A connection; whoever raises what says that it is lost, has it thrown away."""
        async with self._places:
            if self._closed:
                raise Closed("these journeys are closed: open them again")
            db = self._free.pop() if self._free else await connect(self.address)
            try:
                yield db
            except BaseException:
                db.terminate()  # whatever it was in the middle of
                raise
            self._take_back(db)

    def _take_back(self, db: Connection) -> None:
        if self._closed or db.is_closed():
            db.terminate()
        else:
            self._free.append(db)

    async def run(self, work: Callable[[Connection], Awaitable[T]], patience: float = PATIENCE) -> T:
        """What `work` gives; done again while the server is away, for so many seconds.

        Raises what `connection.explain` makes of an error.
        """
        until = asyncio.get_running_loop().time() + patience
        tries = 0
        while True:
            try:
                async with self.lent() as db:
                    return await work(db)
            except FAILURES as error:
                over = asyncio.get_running_loop().time() > until
                if over or self._closed or fate_of(error) in (Fate.CHECK, Fate.WRONG):
                    raise explain(error, self.address) from error
                log.debug("trying again after %r", error)
            await pause(tries)
            tries += 1

    async def once(
        self,
        work: Callable[[Connection], Awaitable[T]],
        became: Callable[[Connection, T], Awaitable[T | None]],
    ) -> T:
        """What `work` gives, which is one transaction. When nobody knows whether it was committed, `became` looks.

        It is given what `work` would have given, waits for whatever is still under way, and says what is there; None
        when nothing is: then `work` is done again. Raises as `run` does, as long as nothing can have been committed.
        """
        try:
            return await self.run(work)
        except Unclear as unclear:
            given: T = unclear.given
        there = await self.run(lambda db: became(db, given), FOR_EVER)
        return await self.once(work, became) if there is None else there

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """Rows."""
        return await self.run(lambda db: self.ask(db, sql, *values))

    async def ask(self, db: Connection, sql: str, *values: Any) -> list[Any]:
        """Rows, over this connection. Behind a pooler a statement and its parameters must meet in one transaction."""
        self.round_trips += 1
        if self.address.pooler and not db.is_in_transaction():
            async with in_one(db, self.address):
                return await db.fetch(sql, *values, timeout=TIMEOUT)
        return await db.fetch(sql, *values, timeout=TIMEOUT)

    async def close(self) -> None:
        self._closed = True
        for db in self._free:
            db.terminate()  # nothing is under way on it
        self._free.clear()
