"""The ground that all contestants of a round share: a disk, or a PostgreSQL that is started for the run.

The server is as durable as PostgreSQL is by default (fsync, synchronous_commit), has its default settings, and is
thrown away at the end. Each point gets a fresh database, which is dropped afterwards. Dropping one makes a checkpoint,
so nobody has to flush what the one before has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.contestants import Store
from bench.fresh import folder
from bench.places import Place
from tests.servers.postgres import PostgresServer, running_postgres

Lend = Callable[[str], AbstractContextManager[Place]]
"""Gives a contestant, by its name, a fresh place."""

IN_MEMORY = ("tmpfs", "ramfs")


@contextmanager
def ground(store: Store, disk: Path) -> Iterator[Lend]:
    """One for all rounds on a store. The folders that it gives out lie under `disk`, the server's files do not."""
    if store == "sqlite":
        yield lambda _contestant: _file(disk)
        return
    with running_postgres() as server:
        if kind := memory_under(server.folder):
            print(
                f"PostgreSQL keeps its files in memory here ({kind} at {server.folder.parent}): a flush costs nothing"
            )
        yield lambda contestant: _own(disk) if contestant == "restate" else database_of(server)


@contextmanager
def _file(disk: Path) -> Iterator[Place]:
    with folder(disk) as fresh:
        yield Place(f"sqlite:///{fresh / 'w.sqlite'}")


@contextmanager
def _own(disk: Path) -> Iterator[Place]:
    with folder(disk) as fresh:
        yield Place(f"file://{fresh}")


@contextmanager
def database_of(server: PostgresServer) -> Iterator[Place]:
    """A fresh database, dropped at the end."""
    url = server.databases.fresh()
    try:
        yield Place(url, [server.pid])
    finally:
        server.databases.drop(url)


def memory_under(folder: Path) -> str | None:
    """The kind of file system when this folder lies in memory. Unknown, where there is no /proc/mounts, is None."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return None
    above = [(point, kind) for point, kind in mounts if folder.is_relative_to(point)]
    _, kind = max(above, key=lambda mount: len(mount[0]), default=("", ""))
    return kind if kind in IN_MEMORY else None
