"""`ports.Store` on one SQLite file. Writes go through the group-committing writer, reads through a small pool."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from saga_journey.core.codec import decode_answer, encode_answer
from saga_journey.core.commands import Answer
from saga_journey.core.state import SagaStatus
from saga_journey.errors import Closed, SchemaTooNew
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
from saga_journey.stores.queries import load_queries
from saga_journey.stores.sqlite.claiming import Claiming, journal, record
from saga_journey.stores.sqlite.clock import anchored
from saga_journey.stores.sqlite.connection import connect, explain, parse_url
from saga_journey.stores.sqlite.figures import SqliteFigures
from saga_journey.stores.sqlite.locks import OwnerLocks
from saga_journey.stores.sqlite.migrate import migrate
from saga_journey.stores.sqlite.moved import refuse_moved
from saga_journey.stores.sqlite.retention import pruned
from saga_journey.stores.sqlite.search import search_statement
from saga_journey.stores.sqlite.writer import Writer
from saga_journey.stores.sqlite.writes import SqliteGroup, Work

T = TypeVar("T")

READERS = 4

_sql = load_queries("saga_journey.stores.sqlite")


class SqliteStore(StoredDefinitions):
    """Opened by `SqliteStore.open(url)`, which migrates first. One per process and file; close it at the end."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self._writer = Writer(path, SqliteGroup(_sql))
        self._locks = OwnerLocks(path)
        self._claiming = Claiming(_sql, self._locks)
        self._readers = None if path == ":memory:" else ThreadPoolExecutor(READERS, "saga-reader")
        self._reader = threading.local()
        self._closed = False
        self._reader_connections: list[sqlite3.Connection] = []

    @classmethod
    async def open(cls, url: str) -> SqliteStore:
        """Raises StoreReadOnly, StoreError or SchemaTooNew with what to do about it."""
        path = parse_url(url)
        store = await asyncio.to_thread(cls, path)
        try:
            await asyncio.to_thread(store._prepare)
        except Exception as error:
            store._writer.transactions.close()
            if isinstance(error, SchemaTooNew):
                raise SchemaTooNew(f"{path}: {error}") from None
            if isinstance(error, sqlite3.Error):
                raise explain(error, path) from error
            raise
        store._writer.start()
        return store

    def _prepare(self) -> None:
        db = self._writer.transactions.connection
        refuse_moved(db, self.path)
        migrate(db)
        self.now: Callable[[], float] = anchored(db, _sql)

    # --- the port: writing ---

    @property
    def commits(self) -> int:
        return self._writer.transactions.commits

    @property
    def stalled(self) -> bool:
        return self._writer.full

    def start(self, new: NewRun) -> Awaitable[Started]:
        return self._writer.submit(new)

    def commit(self, turn: TurnWrite) -> Awaitable[None]:
        return self._writer.submit(turn)

    async def through(self) -> None:
        await self._write(lambda db: None)  # it is written after them

    async def writable(self) -> None:
        await self._writer.has_room()

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._writer.listen(callback)

    async def close(self) -> None:
        self._closed = True
        await self._writer.close()
        self._locks.drop_all()
        if self._readers is not None:
            self._readers.shutdown()
        for db in self._reader_connections:
            db.close()

    # --- tenants and definitions ---

    async def _tenant_number(self, name: str) -> int:
        return await self._write(lambda db: _tenant(db, name))

    async def _store_definition(self, tenant: int, definition: Definition, body: str) -> int:
        return await self._write(lambda db: _save_definition(db, tenant, definition, body, self.now()))

    async def _stored_number(self, tenant: int, hash: str) -> int | None:
        row = await self._read(lambda db: db.execute(_sql["definition_number"], (tenant, hash)).fetchone())
        return None if row is None else int(row[0])

    async def _body(self, number: int) -> str:
        row = await self._read(lambda db: db.execute(_sql["definition_body"], (number,)).fetchone())
        return str(row[0])

    async def _body_of_tenant(self, number: int, tenant: int) -> str | None:
        wanted = (number, tenant)
        row = await self._read(lambda db: db.execute(_sql["definition_of_tenant"], wanted).fetchone())
        return None if row is None else str(row[0])

    async def _bodies(self, above: int) -> list[tuple[int, str]]:
        return await self._read(lambda db: db.execute(_sql["definition_bodies"], (above,)).fetchall())

    async def unfinished(self, name: str, version: int, other_than: str) -> list[str]:
        wanted = (name, version, other_than)
        rows = await self._read(lambda db: db.execute(_sql["unfinished"], wanted).fetchall())
        return [row[0] for row in rows]

    async def in_flight(
        self, journey: str | None = None, tenant: str | None = None, after: RunKey | None = None, limit: int = 1000
    ) -> list[InFlight]:
        wanted = (*(after or (0, 0)), journey, tenant, limit)
        rows = await self._read(lambda db: db.execute(_sql["in_flight"], wanted).fetchall())
        return [InFlight(RunKey(*row[:2]), *row[2:]) for row in rows]

    # --- owners and claims ---

    async def enter(self, lease: float) -> int:
        def work(db: sqlite3.Connection) -> int:
            refuse_moved(db, self.path)  # it may have been while this worker waited for its turn
            owner: int = db.execute(_sql["enter_owner"], (self.now() + lease, self.now())).fetchone()[0]
            self._locks.hold(owner)  # before anyone can see the row
            return owner

        return await self._write(work)

    async def renew(self, owner: int, lease: float) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            now = self.now()
            row = db.execute(_sql["lease_until"], (owner,)).fetchone()
            db.execute(_sql["renew_owner"], (owner, now + lease, now))
            return row is not None and bool(row[0] >= now)

        return await self._write(work)

    async def held(self, owner: int) -> set[RunKey]:
        rows = await self._read(lambda db: db.execute(_sql["held"], (owner,)).fetchall())
        return set(_keys(rows))

    async def leave(self, owner: int) -> None:
        await self._write(lambda db: db.execute(_sql["forget_owner"], (owner,)) and None)
        self._locks.drop(owner)

    async def workers(self) -> list[Worker]:
        return await self._read(self._workers)

    def _workers(self, db: sqlite3.Connection) -> list[Worker]:
        now = self.now()
        return [
            Worker(owner, lease_until >= now and not self._locks.is_free(owner), runs, seen_at, lease_until)
            for owner, lease_until, seen_at, runs in db.execute(_sql["workers"])
        ]

    async def claim(self, wanted: Wanted) -> Claimed:
        def work(db: sqlite3.Connection) -> Claimed:
            claimed = self._claiming.claim(db, wanted, self.now())
            if self._claiming.moved:
                self._writer.transactions.fenced = True
            return claimed

        return await self._write(work)

    async def wake_needy(self, served: Collection[int]) -> None:
        wanted = (json.dumps(list(served)), self.now())
        await self._write(lambda db: db.execute(_sql["wake_needy"], wanted) and None)

    # --- commands ---

    async def send(self, key: RunKey, command_id: str, name: str, body: str) -> Answer | None:
        def work(db: sqlite3.Connection) -> str | None:
            now = self.now()
            stored = db.execute(_sql["store_command"], (*key, command_id, name, body, now)).rowcount == 1
            if stored:
                db.execute(_sql["make_due"], (*key, now, name))
                return None
            row = db.execute(_sql["answer"], (*key, command_id)).fetchone()
            return encode_answer(PRUNED) if row is None else row[0]

        text = await self._write(work)
        return None if text is None else decode_answer(text)

    async def answer_to(self, key: RunKey, command_id: str) -> Answer | None:
        row = await self._read(lambda db: db.execute(_sql["answer"], (*key, command_id)).fetchone())
        return None if row is None or row[0] is None else decode_answer(row[0])

    async def commands_for(self, owner: int) -> list[StoredCommand]:
        rows = await self._read(lambda db: db.execute(_sql["commands_for_owner"], (owner,)).fetchall())
        return [StoredCommand(RunKey(*row[:2]), *row[2:]) for row in rows]

    # --- reading ---

    async def find(self, tenant: str, saga_id: str) -> RunRecord | None:
        def work(db: sqlite3.Connection) -> RunRecord | None:
            key = db.execute(_sql["find"], (tenant, saga_id)).fetchone()
            return record(db.execute(_sql["record"], key).fetchone()) if key else None

        return await self._read(work)

    async def statuses(self, keys: Collection[RunKey]) -> dict[RunKey, SagaStatus]:
        def work(db: sqlite3.Connection) -> dict[RunKey, SagaStatus]:
            rows = [(key, db.execute(_sql["status"], key).fetchone()) for key in keys]
            return {key: SagaStatus(row[0]) for key, row in rows if row is not None}

        return await self._read(work)

    @property
    def figures(self) -> Figures:
        return SqliteFigures(self._read)

    async def load(self, key: RunKey) -> list[JournalRow]:
        return await self._read(lambda db: journal(db, _sql, key))

    async def search(self, tenant: str, search: Search) -> list[RunRecord]:
        statement, values = search_statement(tenant, search)
        return [record(row) for row in await self._read(lambda db: db.execute(statement, values).fetchall())]

    # --- retention ---

    async def prune(self, before: float, most: int, *, archive: bool) -> int:
        found = await self._read(lambda db: _keys(db.execute(_sql["ended"], (before, most)).fetchall()))
        if not found:
            return 0
        return await self._write(lambda db: sum(pruned(db, _sql, first, archive=archive) for first in found))

    async def is_archived(self, tenant: str, saga_id: str) -> bool:
        return bool(await self._read(lambda db: db.execute(_sql["is_archived"], (tenant, saga_id)).fetchone()))

    # --- how ---

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._writer.submit(Work(work))
        return result

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._readers is None:  # :memory: lives in one connection
            return await self._write(work)
        if self._closed:
            raise Closed("these journeys are closed: open them again")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._with_reader, work)

    def _with_reader(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db: sqlite3.Connection | None = getattr(self._reader, "db", None)
        if db is None:
            db = self._reader.db = connect(self.path, read_only=True)
            self._reader_connections.append(db)
        try:
            return work(db)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


def _tenant(db: sqlite3.Connection, name: str) -> int:
    db.execute(_sql["insert_tenant"], (name,))
    number: int = db.execute(_sql["tenant_number"], (name,)).fetchone()[0]
    return number


def _save_definition(db: sqlite3.Connection, tenant: int, d: Definition, body: str, now: float) -> int:
    db.execute(_sql["insert_definition"], (tenant, d.hash, d.name, d.version, body, now))
    number: int = db.execute(_sql["definition_number"], (tenant, d.hash)).fetchone()[0]
    return number


def _keys(rows: Any) -> list[RunKey]:
    return [RunKey(*row) for row in rows]
