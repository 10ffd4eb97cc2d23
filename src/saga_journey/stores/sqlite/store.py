"""`ports.Store` on one SQLite file. Writes go through the group-committing writer, reads through a small pool."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from saga_journey.core.codec import decode_answer, decode_definition, encode_definition
from saga_journey.core.commands import Answer
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.session_codec import decode_definition as decode_session_definition
from saga_journey.core.session_definition import SessionDefinition
from saga_journey.core.state import SagaStatus
from saga_journey.errors import Closed, SchemaTooNew, StoreError
from saga_journey.ports import (
    CRASH_LOOP,
    FRAGILE,
    Claimed,
    ClaimedRun,
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
    Worker,
)
from saga_journey.stores.migrate import Migration, migrate
from saga_journey.stores.queries import load_queries
from saga_journey.stores.sqlite.clock import anchored
from saga_journey.stores.sqlite.connection import connect, explain, parse_url
from saga_journey.stores.sqlite.figures import SqliteFigures
from saga_journey.stores.sqlite.locks import OwnerLocks
from saga_journey.stores.sqlite.search import search_statement
from saga_journey.stores.sqlite.writer import Writer
from saga_journey.stores.sqlite.writes import SqliteGroup, Work

T = TypeVar("T")

MIGRATIONS = "saga_journey.stores.sqlite.migrations"
READERS = 4

_sql = load_queries("saga_journey.stores.sqlite")


def migrate_file(url: str) -> list[Migration]:
    """Brings the database of that URL up to date; raises SchemaTooNew when it is ahead of this version."""
    path = parse_url(url)
    db = connect(path)
    try:
        return migrate(db, MIGRATIONS)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        db.close()


class SqliteStore:
    """Opened by `SqliteStore.open(url)`, which migrates first. One per process and file; close it at the end."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._writer = Writer(path, SqliteGroup(_sql))
        self._locks = OwnerLocks(path)
        self._readers = None if path == ":memory:" else ThreadPoolExecutor(READERS, "saga-reader")
        self._reader = threading.local()
        self._closed = False
        self._reader_connections: list[sqlite3.Connection] = []
        self._tenants: dict[str, int] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        self._definitions: dict[int, JourneyDefinition] = {}
        self._session_definitions: dict[int, SessionDefinition] = {}

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
        migrate(db, MIGRATIONS)
        self.now: Callable[[], float] = anchored(db, _sql)

    # --- the port: writing ---

    @property
    def commits(self) -> int:
        return self._writer.transactions.commits

    @property
    def full(self) -> bool:
        return self._writer.full

    def start(self, new: NewRun) -> Awaitable[Started]:
        return self._writer.submit(new)

    def commit(self, turn: TurnWrite) -> Awaitable[None]:
        return self._writer.submit(turn)

    async def has_room(self) -> None:
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

    async def tenant(self, name: str) -> int:
        if name not in self._tenants:
            self._tenants[name] = await self._write(lambda db: _tenant(db, name))
        return self._tenants[name]

    async def save_definition(self, tenant: int, definition: JourneyDefinition | SessionDefinition) -> int:
        known = (tenant, definition.hash)
        if known not in self._numbers:
            number = await self._write(lambda db: _save_definition(db, tenant, definition, self.now()))
            self._numbers[known] = number
            self._remember(number, definition)
        return self._numbers[known]

    def _remember(self, number: int, definition: JourneyDefinition | SessionDefinition) -> None:
        if isinstance(definition, JourneyDefinition):
            self._definitions[number] = definition
        else:
            self._session_definitions[number] = definition

    async def definition(self, number: int) -> JourneyDefinition:
        if number not in self._definitions:
            row = await self._read(lambda db: db.execute(_sql["definition_body"], (number,)).fetchone())
            self._definitions[number] = decode_definition(row[0])
        return self._definitions[number]

    async def definition_number(self, tenant: int, hash: str) -> int:
        if (tenant, hash) not in self._numbers:
            row = await self._read(lambda db: db.execute(_sql["definition_number"], (tenant, hash)).fetchone())
            if row is None:
                raise StoreError(f"no definition with hash {hash} was ever stored for this tenant")
            self._numbers[tenant, hash] = row[0]
        return self._numbers[tenant, hash]

    async def definition_for(self, tenant: int, number: int) -> JourneyDefinition | None:
        wanted = (number, tenant)
        row = await self._read(lambda db: db.execute(_sql["definition_of_tenant"], wanted).fetchone())
        return None if row is None else decode_definition(row[0])

    async def definitions(self, above: int = 0) -> dict[int, JourneyDefinition]:
        rows = await self._read(lambda db: db.execute(_sql["definition_bodies"], (above,)).fetchall())
        return {number: decode_definition(body) for number, body in rows}

    async def session_definition(self, number: int) -> SessionDefinition:
        if number not in self._session_definitions:
            row = await self._read(lambda db: db.execute(_sql["definition_body"], (number,)).fetchone())
            self._session_definitions[number] = decode_session_definition(row[0])
        return self._session_definitions[number]

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
            owner: int = db.execute(_sql["enter_owner"], (self.now() + lease, self.now())).fetchone()[0]
            self._locks.hold(owner)  # before anyone can see the row
            return owner

        return await self._write(work)

    async def renew(self, owner: int, lease: float) -> None:
        now = self.now()
        await self._write(lambda db: db.execute(_sql["renew_owner"], (owner, now + lease, now)) and None)

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

    async def claim(self, owner: int, room: int, served: Collection[int], grace: float, *, fragile: bool) -> Claimed:
        return await self._write(lambda db: self._claim(db, owner, room, json.dumps(list(served)), grace, fragile))

    async def wake_needy(self, served: Collection[int]) -> None:
        wanted = (json.dumps(list(served)), self.now())
        await self._write(lambda db: db.execute(_sql["wake_needy"], wanted) and None)

    def _claim(
        self, db: sqlite3.Connection, owner: int, room: int, served: str, grace: float, fragile: bool
    ) -> Claimed:
        now = self.now()
        others = {o: is_dead for o, is_dead in self._owners(db).items() if o != owner}
        dead = json.dumps([o for o, is_dead in others.items() if is_dead])
        if all(is_dead and self._locks.is_free(o) for o, is_dead in others.items()):
            grace = 0.0  # nobody is left; one that stands still and holds its lock may come back
        keys: list[RunKey] = []
        for name, first, fragile_from in (("due_orphaned", dead, FRAGILE - 1), ("due_unowned", now, FRAGILE)):
            for sturdy, most in ((1, room), (0, 1 if fragile and room else 0)):
                take = min(most, room - len(keys))
                if take > 0:
                    found = _keys(db.execute(_sql[name], (first, served, take, sturdy, fragile_from)))
                    keys += found
                    fragile = fragile and (sturdy == 1 or not found)
        if len(keys) < room:
            unserved = _keys(db.execute(_sql["unserved"], (served, now - grace, room - len(keys))))
            parked = set(unserved)
        else:
            unserved, parked = [], set()
        runs = [self._claimed(db, key, served=key not in parked) for key in [*keys, *unserved]]
        db.executemany(_sql["claim_run"], [(*run.record.key, owner, now, run.empty_claims) for run in runs])
        self._give_commands(db, runs)
        return Claimed(runs, db.execute(_sql["next_due"], (now,)).fetchone()[0])

    def _claimed(self, db: sqlite3.Connection, key: RunKey, *, served: bool) -> ClaimedRun:
        """The run as its new owner gets it, under the epoch that the claim is about to write."""
        row = db.execute(_sql["record"], key).fetchone()
        record, rows = _record(row), _journal(db, key)
        if self._locks.holds(record.owner):
            self._writer.transactions.fenced = True  # from an owner in this very process, which may still write
        wrote = any(turn.epoch == record.epoch for turn in rows)
        empty_claims = 0 if record.owner is None or wrote else row[13] + 1
        record.epoch += 1
        crashing = empty_claims >= CRASH_LOOP
        return ClaimedRun(
            record=record,
            rows=[] if crashing else rows,
            commands=[],
            taken_over=record.owner is not None,
            empty_claims=empty_claims,
            lost=row[14],
            served=served,
            next_seq=db.execute(_sql["last_seq"], key).fetchone()[0] if crashing else 0,
        )

    def _give_commands(self, db: sqlite3.Connection, runs: list[ClaimedRun]) -> None:
        if runs and db.execute(_sql["any_open_command"]).fetchone()[0]:
            for run in runs:
                rows = db.execute(_sql["open_commands"], run.record.key)
                run.commands = [StoredCommand(RunKey(*row[:2]), *row[2:]) for row in rows]

    def _owners(self, db: sqlite3.Connection) -> dict[int, bool]:
        """Every owner, and whether it is dead: its lock is free, or its lease is over."""
        now = self.now()
        found = {}
        for owner, lease_until, dead_since in db.execute(_sql["owners"]).fetchall():
            dead = lease_until < now or self._locks.is_free(owner)
            if dead and dead_since is None:
                db.execute(_sql["bury_owner"], (owner, now))
            elif dead and self._locks.is_free(owner):  # one that was only frozen may wake up, and own runs again
                db.execute(_sql["forget_owner"], (owner,))
            found[owner] = dead
        return found

    # --- commands ---

    async def send(self, key: RunKey, command_id: str, name: str, body: str) -> Answer | None:
        def work(db: sqlite3.Connection) -> str | None:
            now = self.now()
            stored = db.execute(_sql["store_command"], (*key, command_id, name, body, now)).rowcount == 1
            if stored:
                db.execute(_sql["make_due"], (*key, now))
                return None
            answer: str | None = db.execute(_sql["answer"], (*key, command_id)).fetchone()[0]
            return answer

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
            return _record(db.execute(_sql["record"], key).fetchone()) if key else None

        return await self._read(work)

    @property
    def figures(self) -> Figures:
        return SqliteFigures(self._read)

    async def load(self, key: RunKey) -> list[JournalRow]:
        return await self._read(lambda db: _journal(db, key))

    async def search(self, tenant: str, search: Search) -> list[RunRecord]:
        statement, values = search_statement(tenant, search)
        return [_record(row) for row in await self._read(lambda db: db.execute(statement, values).fetchall())]

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


def _save_definition(db: sqlite3.Connection, tenant: int, d: JourneyDefinition | SessionDefinition, now: float) -> int:
    db.execute(_sql["insert_definition"], (tenant, d.hash, d.name, d.version, encode_definition(d), now))
    number: int = db.execute(_sql["definition_number"], (tenant, d.hash)).fetchone()[0]
    return number


def _keys(rows: Any) -> list[RunKey]:
    return [RunKey(*row) for row in rows]


def _journal(db: sqlite3.Connection, key: RunKey) -> list[JournalRow]:
    return [JournalRow(*row) for row in db.execute(_sql["journal"], key)]


def _record(row: Any) -> RunRecord:
    return RunRecord(
        key=RunKey(row[0], row[1]),
        saga_id=row[2],
        tenant=row[3],
        journey=row[4],
        version=row[5],
        definition=row[6],
        status=SagaStatus(row[7]),
        owner=row[8],
        epoch=row[9],
        started_at=row[10],
        updated_at=row[11],
        due_at=row[12],
    )
