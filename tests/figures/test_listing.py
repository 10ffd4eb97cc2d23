"""Listing a crowd: both stores give the same runs in the same order."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from saga_journey import SagaStatus
from saga_journey.ports import Search
from saga_journey.stores.postgres.store import PostgresStore
from saga_journey.stores.sqlite import SqliteStore
from tests.figures.crowd import WHO, Crowd, gather
from tests.figures.on_postgres import copy_crowd
from tests.servers.postgres import Server

RUNS = 2000
AS_SESSIONS = """
update run set saga = 'session_' || run where run % 20 = 0;
update run set saga = 'session`' || run where run % 20 = 1;
update run set saga = 'sessio' || run where run % 20 = 2;
"""
"""A saga's id may stand next to those of sessions in the order of texts, on either side."""


class Both(NamedTuple):
    crowd: Crowd
    file: SqliteStore
    server: PostgresStore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def both(tmp_path: Path, postgres_server: Server) -> AsyncIterator[Both]:
    file, url = f"sqlite:///{tmp_path / 'journeys.db'}", postgres_server.databases.fresh()
    crowd = await gather(file, RUNS)
    with closing(sqlite3.connect(tmp_path / "journeys.db")) as db:
        db.executescript(AS_SESSIONS)
    await copy_crowd(file, url)
    on_file, on_server = await SqliteStore.open(file), await PostgresStore.open(url)
    yield Both(crowd, on_file, on_server)
    await on_file.close()
    await on_server.close()
    postgres_server.databases.drop(url)


@pytest.mark.anyio
async def test_both_stores_list_the_same(both: Both) -> None:
    """Whatever is asked, and together with each other question."""
    middle = both.crowd.first + (both.crowd.last - both.crowd.first) / 2
    questions: list[dict[str, Any]] = [
        {},
        {"limit": 1},
        {"limit": RUNS},
        *({"status": status} for status in SagaStatus),
        {"journey": "checkout"},
        {"journey": "chec"},
        {"since": middle},
        {"since": both.crowd.last + 1},
        {"prefix": ""},
        {"prefix": "s"},
        {"prefix": f"saga_{0x512:032x}"[:-1]},
        {"prefix": "session"},
        {"prefix": "x"},
        {"before": f"saga_{RUNS // 2 + 3:032x}"},
        {"before": f"session_{RUNS // 2}"},
        {"before": "nobody"},
        {"sessions": True},
    ]
    found = 0
    for first in questions:
        for second in questions:
            search = replace(Search(**first), **second)
            pages = [await store.search(WHO["tenant_id"], search) for store in (both.file, both.server)]
            assert pages[0] == pages[1], search
            found += len(pages[0])
    assert found > RUNS


@pytest.mark.anyio
async def test_nobody_lists_the_runs_of_another_tenant(both: Both) -> None:
    await both.server.tenant("other")
    assert await both.server.search("other", Search()) == []
    assert await both.server.search("nobody", Search(before=f"saga_{3:032x}")) == []
