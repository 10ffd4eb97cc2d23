"""Every store of ours keeps every promise of the port."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from saga_journey.core.canonical import Json
from saga_journey.ports import OutboxRow, RunKey, Store
from saga_journey.stores.sqlite.migrate import migrate_file
from saga_journey.stores.sqlite.store import SqliteStore
from saga_journey.testing.conformance import OneProcessConformance, StoreConformance
from saga_journey.testing.databases import Looking, look_into, open_store
from tests.servers.postgres import Server

WAITING = "select seq, item, kind, body from outbox where tenant = ? and run = ? and published_at is null order by 1, 2"
PUBLISHED = "update outbox set published_at = 0 where tenant = {} and run = {}"


class Tables:
    """The outbox of our stores, which have the same tables, as an outsider reads it."""

    url: str

    async def outbox(self, store: Store, key: RunKey) -> list[OutboxRow]:
        with closing(look_into(self.url)) as looking:
            return [_row(row) for row in looking.rows(WAITING, *key)]

    async def publish(self, store: Store, key: RunKey) -> None:
        with closing(look_into(self.url, writing=True)) as looking:
            looking.execute(PUBLISHED.format(*key))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to be copied: quicker than migrating one for each test."""
    path = tmp_path_factory.mktemp("template") / "journeys.db"
    migrate_file(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def one_database(postgres_server: Server) -> Iterator[tuple[str, Looking]]:
    """For all tests, and swept behind each: to make one takes a hundred times as long."""
    url = postgres_server.databases.fresh()
    asyncio.run(_migrated(url))
    with closing(look_into(url, writing=True)) as looking:
        yield f"{url}?sslmode=disable", looking  # to offer encryption takes as long as all the rest of a connection
    postgres_server.databases.drop(url)


async def _migrated(url: str) -> None:
    await (await open_store(url)).close()


class TestSqliteFile(Tables, StoreConformance):
    @pytest.fixture(autouse=True)
    def _database(self, template: Path, tmp_path: Path) -> None:
        shutil.copy(template, tmp_path / "journeys.db")
        self.url = f"sqlite:///{tmp_path / 'journeys.db'}"

    async def open(self) -> Store:
        return await open_store(self.url)


class TestSqliteMemory(OneProcessConformance):
    async def open(self) -> Store:
        return await open_store("sqlite:///:memory:")

    async def outbox(self, store: Store, key: RunKey) -> list[OutboxRow]:
        return [_row(row) for row in _inside(store).execute(WAITING, key)]

    async def publish(self, store: Store, key: RunKey) -> None:
        _inside(store).execute(PUBLISHED.format(*key))


class TestPostgres(Tables, StoreConformance):
    @pytest.fixture(autouse=True)
    def _database(self, one_database: tuple[str, Looking]) -> Iterator[None]:
        self.url, looking = one_database
        yield
        named = "select tablename from pg_catalog.pg_tables where schemaname = 'saga_journey'"
        swept = [name for (name,) in looking.rows(named) if name != "migration"]
        looking.execute("; ".join(f"delete from {name}" for name in swept))
        looking.execute(
            "analyze saga_journey.run"
        )  # of an empty table: no plans are stranger than those that it makes then

    async def open(self) -> Store:
        return await open_store(self.url)


def _inside(store: Store) -> Any:
    """The only connection to a database in memory."""
    assert isinstance(store, SqliteStore)
    return store._writer.transactions.connection


def _row(row: tuple[Any, ...]) -> OutboxRow:
    return OutboxRow(row[0], row[1], row[2], Json(row[3]))
