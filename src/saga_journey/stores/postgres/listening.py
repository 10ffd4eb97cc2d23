"""Hearing that other processes wrote: LISTEN and NOTIFY as a hint, looking now and then as what is relied upon.

A commit carries no NOTIFY: that would take one lock of the whole server until it is flushed. What a batch did is told
afterwards, on this connection, many batches in one word; a process that dies in between is found by looking.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from saga_journey.stores.boot_clock import boot_clock
from saga_journey.stores.postgres.connection import Address, connect
from saga_journey.stores.postgres.fates import FAILURES
from saga_journey.stores.postgres.pool import TIMEOUT, Connection, pause
from saga_journey.stores.postgres.server_time import ServerTime
from saga_journey.stores.queries import load_queries

log: logging.Logger = logging.getLogger("saga_journey.store")

CHANNEL = "saga_journey"
LOOK_EVERY = 1.0
"""How often those who listen are called although nobody said anything (seconds)."""
SOON = 0.1
"""What is of no hurry (a run waits, or has ended) is told at most so often (seconds)."""
ASK_TIME_EVERY = 10.0
"""How often the server is asked what time it is (seconds); that also shows whether it is still there."""

_sql = load_queries("saga_journey.stores.postgres")


class Listening:
    """Calls back when others wrote, or might have. `name` is this process, whose own words it ignores."""

    def __init__(self, address: Address, name: str, time: ServerTime) -> None:
        self._address = address
        self._name = name
        self._time = time
        self._callbacks: list[Callable[[], None]] = []
        self._news = asyncio.Event()
        self._asked = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._db: Connection | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._looking())]
        if not self._address.pooler:
            self._tasks.append(asyncio.create_task(self._telling()))

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def news(self, at_once: bool) -> None:
        """This process wrote something that others may wait for."""
        if self._address.pooler:
            return
        if at_once:
            self._news.set()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(SOON, self._news.set)

    async def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._db is not None:
            self._db.terminate()

    # --- hearing ---

    def _heard(self, db: object, pid: int, channel: str, payload: object) -> None:
        if payload != self._name:
            self._call()

    def _call(self) -> None:
        for callback in list(self._callbacks):
            callback()

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._call()

    # --- telling ---

    async def _telling(self) -> None:
        """Keeps a connection that listens, and says on it what there is to say."""
        tries = 0
        while True:
            try:
                db = self._db = await connect(self._address)
                await db.execute("set synchronous_commit = off")  # for its own words, which need no flush
                await db.add_listener(CHANNEL, self._heard)
                self._call()  # what was said before that, nobody heard
                tries = 0
                while True:
                    await self._next(db)
            except FAILURES as error:
                log.debug("not listening: %s", error)
            if self._db is not None:
                self._db.terminate()
            await pause(tries)
            tries += 1

    async def _next(self, db: Connection) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_TIME_EVERY):
                await self._news.wait()
        if self._news.is_set():
            self._news.clear()
            if self._later is not None:
                self._later.cancel()
                self._later = None
            await db.fetch(_sql["notify"], self._name, timeout=TIMEOUT)
        if boot_clock() - self._asked >= ASK_TIME_EVERY:
            await asks_time(db, self._time)
            self._asked = boot_clock()


async def asks_time(db: Any, time: ServerTime) -> None:
    """Asks the server what time it is."""
    asked = boot_clock()
    said = await db.fetchval(_sql["clock"], timeout=TIMEOUT)
    time.said(said, asked, boot_clock())
