"""`ports.Store` on one PostgreSQL database, for any number of processes.

Turns and starts go through the writer (batches), claims through a transaction of their own, everything else is one
statement that may be sent twice. Connections of one process: two that write, up to four for the rest, one that listens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from uuid_utils import uuid7

from saga_journey.core.codec import decode_answer
from saga_journey.core.commands import Answer
from saga_journey.core.session_definition import SessionDefinition
from saga_journey.core.state import SagaStatus
from saga_journey.errors import SchemaTooNew
from saga_journey.ports import (
    PRUNED,
    Claimed,
    Figures,
    InFlight,
    JournalRow,
    NewRun,
    RunKey,
    RunRecord,
    Search,
    Started,
    StoredCommand,
    TurnWrite,
    Wanted,
    Worker,
)
from saga_journey.stores.definitions import Definition, StoredDefinitions
from saga_journey.stores.postgres.claiming import Claiming, record
from saga_journey.stores.postgres.connection import Address, connect, parse_url
from saga_journey.stores.postgres.figures import PostgresFigures
from saga_journey.stores.postgres.listening import Listening, asks_time
from saga_journey.stores.postgres.migrate import migrate
from saga_journey.stores.postgres.pool import Pool
from saga_journey.stores.postgres.retention import prune, still_gone
from saga_journey.stores.postgres.search import search_statement
from saga_journey.stores.postgres.server_time import ServerTime
from saga_journey.stores.postgres.writer import Writer
from saga_journey.stores.queries import load_queries

_sql = load_queries("saga_journey.stores.postgres")


class PostgresStore(StoredDefinitions):
    """Opened by `PostgresStore.open(url)`, which migrates first. Belongs to the loop that opened it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.address: Address = parse_url(url)
        self._server_time = ServerTime()
        self._now: Callable[[], float] = self._server_time
        self._pool = Pool(self.address)
        self._listening = Listening(self.address, f"process {uuid7().hex}", self._server_time)
        self._writer = Writer(self.address, self._listening.news)
        self._claiming = Claiming(self._pool, self._own_time, self._server_time)

    @classmethod
    async def open(cls, url: str) -> PostgresStore:
        """Raises StoreUnreachable, StoreReadOnly, StoreError or SchemaTooNew with what to do about it."""
        store = cls(url)
        db = await connect(store.address)
        try:
            await migrate(db, store.address)
            for _ in range(3):
                await asks_time(db, store._server_time)
        except SchemaTooNew as error:
            raise SchemaTooNew(f"{store.address.shown}: {error}") from None
        finally:
            await db.close()
        store._listening.start()
        return store

    # --- time ---

    @property
    def now(self) -> Callable[[], float]:
        return self._now

    @now.setter
    def now(self, clock: Callable[[], float]) -> None:
        """A test brings a time of its own; then the server is told what time it is, and is not asked."""
        self._now = clock

    def _own_time(self) -> float | None:
        return None if self._now is self._server_time else self._now()

    # --- the port: writing ---

    @property
    def commits(self) -> int:
        return self._writer.commits

    @property
    def round_trips(self) -> int:
        """Questions to the server so far, those of listening apart."""
        return self._writer.round_trips + self._pool.round_trips

    @property
    def stalled(self) -> bool:
        return self._writer.stalled

    def start(self, new: NewRun) -> Awaitable[Started]:
        return self._writer.submit(new)

    def commit(self, turn: TurnWrite) -> Awaitable[None]:
        return self._writer.submit(turn)

    async def through(self) -> None:
        await self._writer.through()

    async def writable(self) -> None:
        await self._writer.writable()

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._listening.on_change(callback)

    async def close(self) -> None:
        await self._writer.close()
        await self._listening.close()
        await self._pool.close()

    # --- tenants and definitions ---

    async def _tenant_number(self, name: str) -> int:
        return int(await self._value("tenant_number", name))

    async def _store_definition(self, tenant: int, definition: Definition, body: str) -> int:
        kind = "session" if isinstance(definition, SessionDefinition) else None
        of = (definition.hash, definition.name, definition.version, kind, body)
        return int(await self._value("save_definition", tenant, *of, self._own_time()))

    async def _stored_number(self, tenant: int, hash: str) -> int | None:
        rows = await self._ask("definition_number", tenant, hash)
        return int(rows[0][0]) if rows else None

    async def _body(self, number: int) -> str:
        return str(await self._value("definition_body", number))

    async def _body_of_tenant(self, number: int, tenant: int) -> str | None:
        rows = await self._ask("definition_of_tenant", number, tenant)
        return str(rows[0][0]) if rows else None

    async def _bodies(self, above: int) -> list[tuple[int, str]]:
        return [tuple(row) for row in await self._ask("definition_bodies", above)]

    async def unfinished(self, name: str, version: int, other_than: str) -> list[str]:
        return [row[0] for row in await self._ask("unfinished", name, version, other_than)]

    async def in_flight(
        self, journey: str | None = None, tenant: str | None = None, after: RunKey | None = None, limit: int = 1000
    ) -> list[InFlight]:
        rows = await self._ask("in_flight", *(after or (0, 0)), journey, tenant, limit)
        return [InFlight(RunKey(*row[:2]), *row[2:]) for row in rows]

    # --- owners and claims ---

    async def enter(self, lease: float) -> int:
        owner = int(await self._value("enter_owner", lease, self._own_time()))
        self._writer.owners.add(owner)
        return owner

    async def renew(self, owner: int, lease: float) -> bool:
        asked = self.now()  # never ahead of the server
        lapsed_at: float | None = await self._value("renew_owner", owner, lease, self._own_time())
        return lapsed_at is None or lapsed_at < asked

    async def held(self, owner: int) -> set[RunKey]:
        return {RunKey(*row) for row in await self._ask("held", owner)}

    async def leave(self, owner: int) -> None:
        await self._ask("leave_owner", owner)
        self._writer.owners.discard(owner)

    async def workers(self) -> list[Worker]:
        return [Worker(*row) for row in await self._ask("workers", self._own_time())]

    async def claim(self, wanted: Wanted) -> Claimed:
        return await self._pool.once(
            lambda db: self._claiming.claim(db, wanted),
            lambda db, claimed: self._claiming.still_ours(db, wanted.owner, claimed),
        )

    async def wake_needy(self, served: Collection[int]) -> None:
        await self._ask("wake_needy", list(served), self._own_time())
        self._listening.news(True)

    # --- commands ---

    async def send(self, key: RunKey, command_id: str, name: str, body: str) -> Answer | None:
        ((is_new, answer),) = await self._ask("send_command", *key, command_id, name, body, self._own_time())
        if is_new is None:
            return PRUNED
        if is_new:
            self._listening.news(True)
        return None if answer is None else decode_answer(answer)

    async def answer_to(self, key: RunKey, command_id: str) -> Answer | None:
        rows = await self._ask("answer", *key, command_id)
        return decode_answer(rows[0][0]) if rows and rows[0][0] is not None else None

    async def commands_for(self, owner: int) -> list[StoredCommand]:
        rows = await self._ask("commands_for_owner", owner)
        return [StoredCommand(RunKey(*row[:2]), *row[2:]) for row in rows]

    # --- reading ---

    async def find(self, tenant: str, saga_id: str) -> RunRecord | None:
        rows = await self._ask("find", tenant, saga_id)
        return record(rows[0]) if rows else None

    async def statuses(self, keys: Collection[RunKey]) -> dict[RunKey, SagaStatus]:
        rows = await self._ask("statuses", [key.tenant for key in keys], [key.run for key in keys])
        return {RunKey(*row[:2]): SagaStatus(row[2]) for row in rows}

    @property
    def figures(self) -> Figures:
        return PostgresFigures(self._pool.fetch)

    async def load(self, key: RunKey) -> list[JournalRow]:
        return [JournalRow(*row) for row in await self._ask("journal", *key)]

    async def search(self, tenant: str, search: Search) -> list[RunRecord]:
        statement, values = search_statement(tenant, search)
        return [record(row) for row in await self._pool.fetch(statement, *values)]

    async def prune(self, before: float, most: int, *, archive: bool) -> int:
        pruned = await self._pool.once(
            lambda db: prune(self._pool, db, before, most, archive=archive),
            lambda db, pruned: still_gone(self._pool, db, pruned),
        )
        return pruned.runs

    async def is_archived(self, tenant: str, saga_id: str) -> bool:
        return bool(await self._ask("is_archived", tenant, saga_id))

    # --- how ---

    async def _ask(self, name: str, *values: Any) -> list[Any]:
        return await self._pool.fetch(_sql[name], *values)

    async def _value(self, name: str, *values: Any) -> Any:
        return (await self._ask(name, *values))[0][0]
