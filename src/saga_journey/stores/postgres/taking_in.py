"""A database on a server that takes another one in (`moving.ports.Target`): rows by COPY, all in one transaction.

Who works with it needs no more rights than a worker has, once its schema is up to date.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import asyncpg

from saga_journey.errors import StoreError, StoreUnreachable
from saga_journey.stores.moving.move import not_empty
from saga_journey.stores.moving.ports import TABLES, Counts, Numbered, Table, There
from saga_journey.stores.postgres.connection import Address, connect, explain, lost, one_transaction, with_explanations
from saga_journey.stores.postgres.migrate import migrate, standing
from saga_journey.stores.queries import load_queries
from saga_journey.stores.server_url import parse_url

PREFETCH = 1000
SEQUENCES: dict[Numbered, str] = {
    "tenant": "saga_journey.tenant_tenant_seq",
    "definition": "saga_journey.definition_definition_seq",
    "owner": "saga_journey.owner_owner_seq",
    "archive": "saga_journey.run_number",
    "run": "saga_journey.run_number",
}
YES_OR_NO = frozenset(["needs", "taken"])
"""Columns that are a number elsewhere."""

_sql = load_queries("saga_journey.stores.postgres", "taking_in.sql")


class PostgresTarget:
    """Opened by `PostgresTarget.opened(url)`."""

    def __init__(self, address: Address, db: asyncpg.Connection) -> None:
        self._address = address
        self._db = db
        self._transaction: Any = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[PostgresTarget]:
        """For as long as the block lasts; what was not committed by then is undone. Raises StoreError."""
        address = parse_url(url)
        db = await connect(address)
        try:
            yield cls(address, db)
            with suppress(OSError, asyncpg.InterfaceError):  # whatever was to be said has been said
                await db.close(timeout=2)
        finally:
            db.terminate()

    @property
    def name(self) -> str:
        return self._address.shown

    # --- looked at ---

    async def look(self) -> There:
        found = await standing(self._db, self._address)
        pending = [migration.title for migration in found.pending()]
        async with with_explanations(self._address), one_transaction(self._db):
            there = {row[0] for row in await self._db.fetch(_sql["there"], [*TABLES, "moved_from"])}
            occupied: list[Table] = [
                table for table in TABLES if table in there and table != "owner" and await self._has_rows(table)
            ]
            rows = await self._db.fetch(_sql["took_in"]) if "moved_from" in there else []
            return There(occupied, {row[0]: row[1] for row in rows}, pending, await self.now())

    async def _has_rows(self, table: Table) -> bool:
        return bool(await self._db.fetchval(f"select exists (select from saga_journey.{table})"))

    async def now(self) -> float:
        async with with_explanations(self._address), one_transaction(self._db):
            return float(await self._db.fetchval(_sql["clock"]))

    # --- locked ---

    async def lock(self, fingerprint: str) -> float | None:
        there = await self.look()
        self._must_be_fit(there, fingerprint)
        await migrate(self._db, self._address)
        async with with_explanations(self._address):
            self._transaction = self._db.transaction(isolation="read_committed")
            await self._transaction.start()
            await self._db.execute(_sql["patient"])
            await self._db.execute(_sql["lock"])
        there = await self.look()
        self._must_be_fit(there, fingerprint)
        return there.took_in.get(fingerprint)

    def _must_be_fit(self, there: There, fingerprint: str) -> None:
        if there.occupied and fingerprint not in there.took_in:
            raise StoreError(not_empty(self.name, there))

    async def numbers(self, kind: Numbered, count: int) -> list[int]:
        async with with_explanations(self._address):
            return [row[0] for row in await self._db.fetch(_sql["numbers"], SEQUENCES[kind], count)]

    async def take_in(self, table: Table, columns: Sequence[str], rows: AsyncIterator[tuple[Any, ...]]) -> None:
        async with with_explanations(self._address), aclosing(_typed(columns, rows)) as records:
            await self._db.copy_records_to_table(table, schema_name="saga_journey", columns=columns, records=records)

    async def note(self, fingerprint: str, source: str) -> float:
        async with with_explanations(self._address):
            at = float(await self._db.fetchval(_sql["note"], fingerprint, source))
            for table in TABLES:  # whoever opens it next must not plan as if it were empty
                await self._db.execute(f"analyze saga_journey.{table}")
            return at

    async def counts(self) -> Counts:
        async with with_explanations(self._address):
            row = await self._db.fetchrow(_sql["counts"])
            assert row is not None, "one row of figures"
            return {table: row[table] for table in TABLES}

    @asynccontextmanager
    async def digests(self) -> AsyncIterator[AsyncIterator[tuple[int, int, bytes]]]:
        async with with_explanations(self._address), aclosing(self._digests()) as digests:
            yield digests

    async def _digests(self) -> AsyncGenerator[tuple[int, int, bytes], None]:
        async for row in self._db.cursor(_sql["digests"], prefetch=PREFETCH):
            yield tuple(row)

    async def commit(self) -> None:
        try:
            await self._transaction.commit()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not lost(error):
                raise explain(error, self._address) from error
            what = f"the connection to {self._address.host} was lost while it was committed"
            raise StoreUnreachable(f"{what}: nobody knows whether it was; the same command again finds out") from error


async def _typed(columns: Sequence[str], rows: AsyncIterator[tuple[Any, ...]]) -> AsyncGenerator[tuple[Any, ...], None]:
    """Rows as the server takes them."""
    places = [place for place, column in enumerate(columns) if column in YES_OR_NO]
    async for row in rows:
        for place in places:
            row = (*row[:place], bool(row[place]), *row[place + 1 :])
        yield row
