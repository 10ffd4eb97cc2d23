"""A database as an outsider looks into it: by its URL, through a connection of its own, with the same SQL for both.

    with closing(look_into("postgresql://…/shop")) as shop:
        shop.rows("select saga from run where tenant = ?", 1)

A path, or a plain text, is that of a SQLite file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from saga_journey.stores.server_url import is_postgres
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.stores.sqlite.clock import store_time
from saga_journey.stores.sqlite.connection import parse_url

if TYPE_CHECKING:
    from saga_journey.stores.postgres.store import PostgresStore

Dialect = Literal["sqlite", "postgres"]
Database = str | Path
"""`sqlite:///journeys.db`, `postgresql://…`, or the path of a SQLite file."""

PATIENCE = 30.0
"""Seconds for which a change waits until a SQLite file is free."""


class Looking(Protocol):
    """One connection. Synchronous: who looks may stand in the middle of a running event loop. Close it."""

    @property
    def dialect(self) -> Dialect: ...

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a select finds; `?` stands for each value. A table is named without its schema."""
        ...

    def execute(self, script: str) -> None:
        """Statements that change something, for one that may write. They may be executed twice."""
        ...

    def has_table(self, name: str) -> bool: ...

    def clock(self) -> Callable[[], float]:
        """Store time, as the database counts it (seconds since the epoch). Asking it later costs no round trip."""
        ...

    def close(self) -> None: ...


def look_into(database: Database, *, writing: bool = False) -> Looking:
    """`writing`: to change something as well. The database must have its schema already."""
    if is_postgres(str(database)):
        from saga_journey.testing.postgres import PostgresLooking  # needs asyncpg, which may be absent

        return PostgresLooking(str(database), writing=writing)
    return SqliteLooking(path_of(database), writing=writing)


def path_of(database: Database) -> Path:
    """The file of a SQLite database."""
    by_url = isinstance(database, str) and database.startswith("sqlite:")
    return Path(parse_url(str(database)) if by_url else database)


async def open_store(url: str) -> SqliteStore | PostgresStore:
    """The store at that URL, to be wrapped, or given another clock. `open_journeys` closes it."""
    if is_postgres(url):
        from saga_journey.stores.postgres.store import PostgresStore

        return await PostgresStore.open(url)
    return await SqliteStore.open(url)


class SqliteLooking:
    """`Looking` into a file."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, *, writing: bool) -> None:
        url = f"file:{path.absolute()}?mode={'rw' if writing else 'ro'}"
        self._db = sqlite3.connect(url, uri=True, isolation_level=None, timeout=PATIENCE)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    def execute(self, script: str) -> None:
        self._db.executescript(script)

    def has_table(self, name: str) -> bool:
        return bool(self.rows("select 1 from sqlite_master where type = 'table' and name = ?", name))

    def clock(self) -> Callable[[], float]:
        """The anchor that its first process wrote, counted on by the boot clock."""
        wall, boot = self.rows("select wall, boot from anchor")[0]
        return store_time(wall, boot)

    def close(self) -> None:
        self._db.close()
