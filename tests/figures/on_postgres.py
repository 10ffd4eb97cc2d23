"""The same crowd on PostgreSQL: row by row as the other store has made it, so that every figure must be the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import asyncpg

from saga_journey.stores.postgres.store import PostgresStore

TABLES = {
    "tenant": "tenant, name",
    "definition": "definition, tenant, hash, name, version, body, saved_at",
    "run": "tenant, run, saga, definition, status, due_at, owner, epoch, empty_claims, lost, needs, started_at, "
    "updated_at, took, stopped_milestone",
    "journal": "tenant, run, seq, epoch, at, events",
}
YES_OR_NO = "needs"
"""The one column that is a number there and a boolean here."""

NUMBERS_GO_ON = """
select setval('saga_journey.run_number', max(run)) from saga_journey.run;
select setval(pg_get_serial_sequence('saga_journey.tenant', 'tenant'), max(tenant)) from saga_journey.tenant;
select setval(pg_get_serial_sequence('saga_journey.definition', 'definition'), max(definition))
from saga_journey.definition;
"""


async def copy_crowd(source: str, url: str) -> None:
    """From the file of one database to another one, which is empty. Vacuumed, as it will be after years of work."""
    await (await PostgresStore.open(url)).close()
    target = await asyncpg.connect(url)
    try:
        with closing(sqlite3.connect(source.removeprefix("sqlite:///"))) as db:
            for table, columns in TABLES.items():
                names = columns.split(", ")
                rows = _rows(db, table, names)
                await target.copy_records_to_table(table, schema_name="saga_journey", columns=names, records=rows)
        await target.execute(NUMBERS_GO_ON)
        await target.execute("vacuum analyze")
    finally:
        await target.close()


def _rows(db: sqlite3.Connection, table: str, names: list[str]) -> Iterator[tuple[Any, ...]]:
    for row in db.execute(f"select {', '.join(names)} from {table}"):
        yield tuple(bool(value) if name == YES_OR_NO else value for name, value in zip(names, row, strict=True))
