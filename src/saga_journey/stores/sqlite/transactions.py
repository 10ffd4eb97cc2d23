"""The writing connection: one batch, one transaction, one flush. Used by one thread at a time, whichever it is."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from saga_journey.errors import StoreError
from saga_journey.stores.sqlite.connection import BUSY_MS, LATER, connect, error_name, refused_by_trigger

SMOOTHING = 0.1


class Group(Protocol):
    """Writes a batch inside an open transaction, and gives one result for each write."""

    def together(self, db: sqlite3.Connection, batch: Sequence[Any], *, fenced: bool) -> list[Any]:
        """All at once, the fast way. Raises `Mismatch` when one of them cannot be written.

        `fenced`: claims may have moved to others, so each write has to prove that it still holds its own.
        """
        ...

    def alone(self, db: sqlite3.Connection, write: Any) -> Any:
        """One of them; raises what is to be told to its task."""
        ...

    def of_runs(self, batch: Sequence[Any]) -> bool:
        """Does the batch move runs? Housekeeping (leases, looking for work) does not."""
        ...


class Mismatch(Exception):
    """One write of a batch cannot be applied; nothing says yet which one."""


class Transactions:
    """Writes batches. Hold `lock` while using it."""

    def __init__(self, path: str, group: Group) -> None:
        self.path = path
        self.lock: threading.Lock = threading.Lock()
        self.connection: sqlite3.Connection = connect(path)
        self.commits: int = 0  # that moved runs
        self.seconds: float = 1.0  # how long a batch takes, smoothed: not known to be fast until it was measured
        self._group = group
        self._patience = BUSY_MS
        self._version = self._first_version = self._data_version()
        self.fenced: bool = False

    def write(self, writes: Sequence[Any], *, wait: bool = True) -> list[Any]:
        """One result for each write, an exception where that one failed. Everything else is durable.

        `wait`: for another process that is writing; else SQLITE_BUSY is raised at once. Raises sqlite3.Error when
        nothing could be written.
        """
        self._wait_for_others(BUSY_MS if wait else 0)
        began = time.perf_counter()
        try:
            results = self._transaction(lambda db: self._group.together(db, writes, fenced=self._fenced()))
        except Exception as error:
            if concerns_all(error):
                raise
            results = self._transaction(lambda db: [self._alone(db, write) for write in writes])
        self.seconds += SMOOTHING * (time.perf_counter() - began - self.seconds)
        self.commits += self._group.of_runs(writes)
        return results

    def others_wrote(self) -> bool:
        """Has another connection committed since the last time this was asked?"""
        before, self._version = self._version, self._data_version()
        return before != self._version

    def _fenced(self) -> bool:
        """Asked under the write lock. From the first commit of anybody else on, claims may move."""
        if not self.fenced:
            self.fenced = self._data_version() != self._first_version
        return self.fenced

    def probe(self) -> None:
        """Writes a page; raises sqlite3.Error when that cannot be done.

        Not a row that stays as it is: SQLite sees that, and writes nothing.
        """
        self._transaction(lambda db: [db.execute("pragma user_version = 0")])

    def close(self) -> None:
        self.connection.close()

    def _transaction(self, work: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        db = self.connection
        try:
            db.execute("begin immediate")
            results = work(db)
            db.execute("commit")
        finally:
            if db.in_transaction:  # only then: a blind rollback would hide the real error
                db.execute("rollback")
        return results

    def _alone(self, db: sqlite3.Connection, write: Any) -> Any:
        db.execute("savepoint alone")
        try:
            result = self._group.alone(db, write)
        except Exception as error:
            if concerns_all(error):
                raise
            db.execute("rollback to alone")
            result = StoreError(str(error)) if refused_by_trigger(error) else error
        db.execute("release alone")
        return result

    def _wait_for_others(self, milliseconds: int) -> None:
        if milliseconds != self._patience:
            self._patience = milliseconds
            self.connection.execute(f"pragma busy_timeout = {milliseconds}")

    def _data_version(self) -> int:
        version: int = self.connection.execute("pragma data_version").fetchone()[0]
        return version


def concerns_all(error: BaseException) -> bool:
    """The database itself failed (full, busy, broken): no write of the batch can do better alone."""
    if not isinstance(error, sqlite3.Error) or isinstance(error, sqlite3.IntegrityError):
        return False
    name = error_name(error)
    return name in LATER or name.startswith(("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB"))
