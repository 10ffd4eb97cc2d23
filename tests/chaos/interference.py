"""Cutting a writer's connection at the worst moment, so that nobody tells it what became of what it sent last.

applied   its COMMIT waits for a standby that does not exist: the rows are there, and no answer will come
lost      it waits for a lock that somebody else holds: nothing is there, and nothing will be
late      its COMMIT waits as above, and goes on waiting when its client has been cut off, and tries again
swallowed its COMMIT never arrives: nothing is there, and nothing will be
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from tests.chaos.proxy import Proxy

T = TypeVar("T")

NOBODY = "a standby that does not exist"
WAITS_FOR_STANDBY = "wait_event = 'SyncRep'"
WAITS_FOR_LOCK = "wait_event_type = 'Lock'"
STILL_WAITS = f"pid <> {{pid}} and ({WAITS_FOR_STANDBY} or {WAITS_FOR_LOCK})"
BACKEND = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and "
SMALL_COMMIT = "select pg_logical_emit_message(true, 'probe', '')"
GONE = "select not exists (select from pg_stat_activity where pid = $1)"

Write = Callable[[], Awaitable[T]]


class Interference:
    """On one database of a server of one's own; whoever writes stands behind the proxy.

    `url`: of that database, for a role that may do everything.
    """

    def __init__(self, url: str, proxy: Proxy) -> None:
        self._url = url
        self._proxy = proxy

    async def __aenter__(self) -> Interference:
        self._admin = await asyncpg.connect(self._url)
        self._other = await asyncpg.connect(self._url)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._nobody_is_waited_for()
        self._other.terminate()
        await self._admin.close()

    async def applied(self, write: Write[T], table: str) -> T:
        """What the write gives that was committed and got no answer."""
        await self._commits_wait()
        writing = asyncio.ensure_future(write())
        await self._end(await self._waiting(writing, WAITS_FOR_STANDBY))
        await self._nobody_is_waited_for()
        return await writing

    async def lost(self, write: Write[T], table: str) -> T:
        """What the write gives that was never committed and got no answer. It has to change something in that table."""
        lock = self._other.transaction()
        await lock.start()
        await self._other.execute(f"lock table saga_journey.{table} in exclusive mode")
        writing = asyncio.ensure_future(write())
        await self._end(await self._waiting(writing, WAITS_FOR_LOCK))
        await lock.rollback()
        return await writing

    async def late(self, write: Write[T], table: str) -> T:
        """What the write gives that is committed only when it has been tried again already."""
        await self._commits_wait()
        writing = asyncio.ensure_future(write())
        pid = await self._waiting(writing, WAITS_FOR_STANDBY)
        self._proxy.cut()
        while not (writing.done() or await self._admin.fetchval(BACKEND + STILL_WAITS.format(pid=pid))):
            pass
        await self._nobody_is_waited_for()
        return await writing

    async def swallowed(self, write: Write[T], table: str) -> T:
        """What the write gives whose COMMIT got lost on its way: of those that send one apart from what it commits."""
        self._proxy.cut_at(b"COMMIT;")
        return await write()

    async def _waiting(self, writing: asyncio.Future[Any], waits: str) -> int:
        """The backend that waits."""
        while not (pid := await self._admin.fetchval(BACKEND + waits)):
            assert not writing.done(), f"it never waited, and gave {writing.result()!r}"
        return int(pid)

    async def _end(self, pid: int) -> None:
        await self._admin.execute(f"select pg_terminate_backend({pid})")
        while not await self._admin.fetchval(GONE, pid):
            pass

    async def _commits_wait(self) -> None:
        """From now on. The server has heard of the standby when a small commit waits for it."""
        await self._admin.execute(f"alter system set synchronous_standby_names = '\"{NOBODY}\"'")
        await self._admin.execute("select pg_reload_conf()")
        while True:
            probe = await asyncpg.connect(self._url)
            committing = asyncio.ensure_future(probe.execute(SMALL_COMMIT))
            while not committing.done():
                if await self._admin.fetchval(BACKEND + WAITS_FOR_STANDBY):
                    await self._admin.execute(f"select pg_terminate_backend({probe.get_server_pid()})")
                    await asyncio.wait([committing])
                    assert committing.exception() is not None, "the probe was cut off, and says nothing of it"
                    probe.terminate()
                    return
            await probe.close()

    async def _nobody_is_waited_for(self) -> None:
        await self._admin.execute("alter system reset synchronous_standby_names")
        await self._admin.execute("select pg_reload_conf()")
