"""Opening a database file the one right way, and telling its errors apart."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from urllib.parse import unquote

from saga_journey.errors import StoreBroken, StoreError, StoreFull, StoreReadOnly

MINIMUM = (3, 35, 0)  # RETURNING
BUSY_MS = 30_000

NO_ROOM = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})
"""The disk, a quota or a limit has no room. The transaction is rolled back; the same one may succeed later."""
LATER = NO_ROOM | {"SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_READONLY_DBMOVED"}


def parse_url(url: str) -> str:
    """The path in `sqlite:///relative.db`, `sqlite:////absolute.db` or `sqlite:///:memory:`."""
    if not url.startswith("sqlite:///"):
        raise StoreError(
            f"{_without_login(url)!r} is not a database this version opens: sqlite:///journeys.db (a file beside you), "
            "sqlite:////var/lib/app/journeys.db (an absolute path), sqlite:///:memory: (gone at the end), "
            "postgresql://role@host/database"
        )
    path = unquote(url.removeprefix("sqlite:///"))
    if not path:
        raise StoreError(f"{url!r} names no file: sqlite:///journeys.db")
    return path


def _without_login(url: str) -> str:
    """Whatever database that is of, its password is nobody's business."""
    return re.sub(r"//[^/]*@", "//…@", url)


def connect(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode: WAL, every commit flushed to the disk, transactions begun by hand."""
    if sqlite3.sqlite_version_info < MINIMUM:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed")
    try:
        return _open(path, read_only=read_only)
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _open(path: str, *, read_only: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    _wait_for_wal(db)
    db.execute("pragma synchronous = full")
    if read_only:
        db.execute("pragma query_only = on")
    return db


def _wait_for_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait by itself when another process is writing while the file is made ready for many."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            db.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error_name(error) != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def error_name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", "") or "")


def refused_by_trigger(error: Exception) -> bool:
    """The database itself says no, and why: it was moved."""
    return isinstance(error, sqlite3.Error) and error_name(error) == "SQLITE_CONSTRAINT_TRIGGER"


def explain(error: sqlite3.Error, path: str) -> StoreError:
    """The error as a user should read it."""
    name = error_name(error)
    if name in NO_ROOM:
        return StoreFull(f"{path}: there is no room on the disk ({error}); free some, nothing is lost")
    if name.startswith("SQLITE_READONLY"):
        return StoreReadOnly(f"{path} cannot be written: check the rights of the file and of its directory ({error})")
    if name == "SQLITE_CANTOPEN":
        where = Path(path).resolve().parent
        why = "its directory does not exist" if not where.is_dir() else "check the rights of the file and its directory"
        return StoreReadOnly(f"{path} cannot be opened: {why}")
    if name == "SQLITE_NOTADB":
        return StoreError(f"{path} is not a SQLite database")
    if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return StoreError(f"{path} stays locked by another process: try again ({error})")
    return StoreBroken(f"{path}: {name or 'error'}: {error}")
