"""Where a contestant keeps its sagas, and what can be read off there from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Place:
    """A fresh one is given to each point.

    `url`: sqlite:///FILE, postgresql://… (a database of a running server), or file:///FOLDER, for a contestant that
    brings a server of its own. `servers`: the process ids of its servers; their children count too.
    """

    url: str
    servers: list[int] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file, or the folder."""
        return Path(self.url.removeprefix("sqlite:///").removeprefix("file://"))

    async def size(self) -> int:
        """Bytes that it takes, indexes included; of SQLite: after a checkpoint."""
        if self.url.startswith("postgresql:"):
            return await _database_bytes(self.url)
        return _file_bytes(self.path) if self.url.startswith("sqlite:") else _folder_bytes(self.path)


async def _database_bytes(url: str) -> int:
    import asyncpg  # here: without it the other contestants run all the same

    db = await asyncpg.connect(url)
    try:
        return int(await db.fetchval("select pg_database_size(current_database())"))
    finally:
        await db.close()


def _file_bytes(database: Path) -> int:
    """What the main file holds, or would hold after a checkpoint: pages times their size."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("pragma wal_checkpoint(passive)")
        (pages,), (size,) = db.execute("pragma page_count").fetchone(), db.execute("pragma page_size").fetchone()
        return int(pages) * int(size)


def _folder_bytes(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a server that runs puts its files away as it likes
            size += file.lstat().st_size
    return size
