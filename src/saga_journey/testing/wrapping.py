"""A store that passes everything on to another one: where faults and watchers are put, outside of the real store.

WrappedStore   every call goes through `around_write` or `around_read`: override one of them, or a single method
WatchedStore   knows whether a call is under way, so that a test can wait until the store is quiet
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from saga_journey.core.commands import Answer
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.session_definition import SessionDefinition
from saga_journey.core.state import SagaStatus
from saga_journey.ports import (
    Claimed,
    Figures,
    InFlight,
    JournalRow,
    NewRun,
    RunKey,
    RunRecord,
    Search,
    Started,
    Store,
    StoredCommand,
    TurnWrite,
    Wanted,
    Worker,
)

T = TypeVar("T")

QUIET_TURNS = 25


class WrappedStore:
    """`ports.Store` on top of another store. Does nothing by itself."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        """Called for every method that writes, with its name and what would do it."""
        return await write()

    async def around_read(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        """Called for every method that only reads."""
        return await read()

    @property
    def commits(self) -> int:
        return self.inner.commits

    @property
    def stalled(self) -> bool:
        return self.inner.stalled

    @property
    def now(self) -> Callable[[], float]:
        return self.inner.now

    @property
    def figures(self) -> Figures:
        return self.inner.figures

    # --- writing ---

    async def tenant(self, name: str) -> int:
        return await self.around_write("tenant", lambda: self.inner.tenant(name))

    async def save_definition(self, tenant: int, definition: JourneyDefinition | SessionDefinition) -> int:
        return await self.around_write("save_definition", lambda: self.inner.save_definition(tenant, definition))

    async def start(self, new: NewRun) -> Started:
        return await self.around_write("start", lambda: self.inner.start(new))

    async def commit(self, turn: TurnWrite) -> None:
        await self.around_write("commit", lambda: self.inner.commit(turn))

    async def enter(self, lease: float) -> int:
        return await self.around_write("enter", lambda: self.inner.enter(lease))

    async def renew(self, owner: int, lease: float) -> bool:
        return await self.around_write("renew", lambda: self.inner.renew(owner, lease))

    async def leave(self, owner: int) -> None:
        await self.around_write("leave", lambda: self.inner.leave(owner))

    async def claim(self, wanted: Wanted) -> Claimed:
        return await self.around_write("claim", lambda: self.inner.claim(wanted))

    async def wake_needy(self, served: Collection[int]) -> None:
        await self.around_write("wake_needy", lambda: self.inner.wake_needy(served))

    async def send(self, key: RunKey, command_id: str, name: str, body: str) -> Answer | None:
        return await self.around_write("send", lambda: self.inner.send(key, command_id, name, body))

    async def prune(self, before: float, most: int, *, archive: bool) -> int:
        return await self.around_write("prune", lambda: self.inner.prune(before, most, archive=archive))

    # --- reading ---

    async def is_archived(self, tenant: str, saga_id: str) -> bool:
        return await self.around_read("is_archived", lambda: self.inner.is_archived(tenant, saga_id))

    async def held(self, owner: int) -> set[RunKey]:
        return await self.around_read("held", lambda: self.inner.held(owner))

    async def definition(self, number: int) -> JourneyDefinition:
        return await self.around_read("definition", lambda: self.inner.definition(number))

    async def definition_number(self, tenant: int, hash: str) -> int:
        return await self.around_read("definition_number", lambda: self.inner.definition_number(tenant, hash))

    async def definition_for(self, tenant: int, number: int) -> JourneyDefinition | None:
        return await self.around_read("definition_for", lambda: self.inner.definition_for(tenant, number))

    async def definitions(self, above: int = 0) -> dict[int, JourneyDefinition]:
        return await self.around_read("definitions", lambda: self.inner.definitions(above))

    async def session_definition(self, number: int) -> SessionDefinition:
        return await self.around_read("session_definition", lambda: self.inner.session_definition(number))

    async def unfinished(self, name: str, version: int, other_than: str) -> list[str]:
        return await self.around_read("unfinished", lambda: self.inner.unfinished(name, version, other_than))

    async def in_flight(
        self, journey: str | None = None, tenant: str | None = None, after: RunKey | None = None, limit: int = 1000
    ) -> list[InFlight]:
        return await self.around_read("in_flight", lambda: self.inner.in_flight(journey, tenant, after, limit))

    async def answer_to(self, key: RunKey, command_id: str) -> Answer | None:
        return await self.around_read("answer_to", lambda: self.inner.answer_to(key, command_id))

    async def commands_for(self, owner: int) -> list[StoredCommand]:
        return await self.around_read("commands_for", lambda: self.inner.commands_for(owner))

    async def workers(self) -> list[Worker]:
        return await self.around_read("workers", self.inner.workers)

    async def find(self, tenant: str, saga_id: str) -> RunRecord | None:
        return await self.around_read("find", lambda: self.inner.find(tenant, saga_id))

    async def statuses(self, keys: Collection[RunKey]) -> dict[RunKey, SagaStatus]:
        return await self.around_read("statuses", lambda: self.inner.statuses(keys))

    async def load(self, key: RunKey) -> list[JournalRow]:
        return await self.around_read("load", lambda: self.inner.load(key))

    async def search(self, tenant: str, search: Search) -> list[RunRecord]:
        return await self.around_read("search", lambda: self.inner.search(tenant, search))

    # --- the rest ---

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self.inner.on_change(callback)

    async def writable(self) -> None:
        await self.inner.writable()

    async def through(self) -> None:
        await self.inner.through()

    async def close(self) -> None:
        await self.inner.close()


class WatchedStore(WrappedStore):
    """Counts the calls under way."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.under_way: int = 0
        self._ended: asyncio.Future[None] | None = None

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        return await self._count(write)

    async def around_read(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        return await self._count(read)

    async def _count(self, call: Callable[[], Awaitable[T]]) -> T:
        self.under_way += 1
        try:
            return await call()
        finally:
            self.under_way -= 1
            if self._ended is not None and not self._ended.done():
                self._ended.set_result(None)

    async def quiet(self) -> None:
        """Returns when nothing has been asked of the store for some turns of the loop: all that could move, did.

        Its limit: what a handler waits for elsewhere (a thread, a socket) is not seen.
        """
        turns = 0
        while turns < QUIET_TURNS:
            if self.under_way:
                self._ended = asyncio.get_running_loop().create_future()
                await self._ended
                turns = 0
            else:
                await asyncio.sleep(0)
                turns += 1
