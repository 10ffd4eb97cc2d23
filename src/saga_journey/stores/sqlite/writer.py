"""The one writer of a process: group commit.

1. On the loop, writes pile up while ready tasks run; then all of them go to the writer's thread as one batch.
2. The thread writes the batch in one transaction and flushes once.
3. One call into the loop acknowledges the whole batch; what piled up meanwhile is the next batch.

A batch that fails because of one of its writes (a lost claim, a taken key) is done again write by write, so that each
fails alone. A batch that fails for want of room is kept and tried again; what was known first is written first.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from saga_journey.errors import Closed, StoreBroken, StoreError, StoreFull
from saga_journey.ports import Fenced, TurnWrite
from saga_journey.stores.sqlite.connection import LATER, connect, error_name, explain

log = logging.getLogger("saga_journey.store")

BATCH_AT_MOST = 512
LOOK_EVERY = 0.1
"""How often the thread looks whether another process wrote (seconds)."""
TRY_AGAIN_EVERY = 0.5
"""How often a batch that found no room is tried again (seconds)."""


def patient(write: object) -> bool:
    """A turn that happened waits for room on the disk, since it must not be lost; anything else is refused at once."""
    return type(write) is TurnWrite


class Group(Protocol):
    """Writes a batch inside an open transaction, and gives one result for each write."""

    def together(self, db: sqlite3.Connection, batch: Sequence[Any]) -> list[Any]:
        """All at once, the fast way. Raises `Mismatch` when one of them cannot be written."""

    def alone(self, db: sqlite3.Connection, write: Any) -> Any:
        """One of them; raises what is to be told to its task."""


class Mismatch(Exception):
    """One write of a batch cannot be applied; nothing says yet which one."""


class Writer:
    """Owns the writing connection. `submit` from the loop, wait on the future it gives."""

    def __init__(self, path: str, group: Group) -> None:
        self.path = path
        self.commits = 0
        self.full = False
        self._group = group
        self.connection = connect(path)
        self._queue: queue.SimpleQueue[list[tuple[Any, asyncio.Future[Any]]] | None] = queue.SimpleQueue()
        self._pending: list[tuple[Any, asyncio.Future[Any]]] = []
        self._scheduled = self._in_flight = self._closed = False
        self._broken: StoreBroken | None = None
        self._idle: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []
        self._listeners: list[Callable[[], None]] = []
        self._version = self._data_version()
        self._looked = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="saga-writer", daemon=True)

    # --- on the loop ---

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, write: Any) -> asyncio.Future[Any]:
        """Queues a write. The future ends when it is durable, or raises why it is not."""
        assert self._loop is not None
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closed or self._broken:
            future.set_exception(self._broken or Closed("these journeys are closed"))
        elif self.full and not patient(write):
            future.set_exception(StoreFull(f"{self.path}: there is no room on the disk"))
        else:
            self._pending.append((write, future))
            self._schedule()
        return future

    def _schedule(self) -> None:
        if not self._scheduled and not self._in_flight:
            self._scheduled = True
            assert self._loop is not None
            self._loop.call_soon(self._dispatch)  # after all tasks that are ready now have added theirs

    def _dispatch(self) -> None:
        self._scheduled = False
        if self._in_flight or not self._pending:
            return
        batch, self._pending = self._pending[:BATCH_AT_MOST], self._pending[BATCH_AT_MOST:]
        self._in_flight = True
        self._queue.put(batch)

    def _acknowledge(self, done: list[tuple[asyncio.Future[Any], Any]]) -> None:
        self._in_flight = False
        for future, result in done:
            if result is None or not isinstance(result, BaseException):
                if not future.done():
                    future.set_result(result)
            elif not future.done():
                future.set_exception(result)
        if self._room and not self.full:
            self._tell_room()
        if self._pending:
            self._schedule()
        elif self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def _tell_room(self) -> None:
        for waiter in self._room:
            if not waiter.done():
                waiter.set_result(None)
        self._room.clear()

    async def has_room(self) -> None:
        """Returns once a batch has gone through since the disk was full."""
        if self.full:
            assert self._loop is not None
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._room.append(waiter)
            await waiter

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def _changed(self) -> None:
        for callback in list(self._listeners):
            callback()

    def _gave_room_up(self, refused: list[asyncio.Future[Any]], why: StoreError) -> None:
        for future in refused:
            if not future.done():
                future.set_exception(why)

    async def close(self) -> None:
        """Writes what is queued, then closes. While the disk is full, what waits is given up after one more try."""
        if self._closed:
            return
        self._closed = True
        if (self._pending or self._in_flight) and not self.full:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self.connection.close()

    # --- in the thread ---

    def _run(self) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=LOOK_EVERY)
            except queue.Empty:
                self._look()
                if self.full:
                    self._probe()
                continue
            if batch is None:
                return
            self._write(batch)
            if time.monotonic() - self._looked > LOOK_EVERY:
                self._look()

    def _look(self) -> None:
        """Has another process committed since? `data_version` moves only for others' commits."""
        self._looked = time.monotonic()
        version = self._data_version()
        if version != self._version:
            self._version = version
            self._call(self._changed)

    def _probe(self) -> None:
        """Nothing waits to be written: find out whether something could be."""
        try:
            self._attempt(lambda db: [db.execute("update anchor set wall = wall")])
        except sqlite3.Error:
            time.sleep(TRY_AGAIN_EVERY)
        else:
            self._room_again()
            self._call(self._acknowledge, [])

    def _room_again(self) -> None:
        self.full = False
        log.warning("%s: there is room again, going on", self.path)

    def _data_version(self) -> int:
        version: int = self.connection.execute("pragma data_version").fetchone()[0]
        return version

    def _call(self, callback: Callable[..., None], *args: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop was closed under us: nobody is left to be told
            log.debug("the event loop is gone; %s was not told", callback)

    def _write(self, batch: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        while True:
            try:
                results = self._transaction([write for write, _ in batch])
                break
            except sqlite3.Error as error:
                if error_name(error) not in LATER:
                    results = self._break(error, len(batch))
                    break
                batch = self._wait_for_room(batch, error)
                if not batch:
                    self._call(self._acknowledge, [])
                    return
        if self.full and not self._broken:
            self._room_again()
        self._call(self._acknowledge, [(f, r) for (_, f), r in zip(batch, results, strict=True)])

    def _transaction(self, writes: list[Any]) -> list[Any]:
        try:
            return self._attempt(lambda db: self._group.together(db, writes))
        except (Mismatch, sqlite3.IntegrityError):
            return self._attempt(lambda db: [self._alone(db, write) for write in writes])

    def _attempt(self, work: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        db = self.connection
        try:
            db.execute("begin immediate")
            results = work(db)
            db.execute("commit")
        finally:
            if db.in_transaction:  # only then: a blind rollback would hide the real error
                db.execute("rollback")
        self.commits += 1
        return results

    def _alone(self, db: sqlite3.Connection, write: Any) -> Any:
        db.execute("savepoint alone")
        try:
            result = self._group.alone(db, write)
        except (Fenced, StoreError, sqlite3.IntegrityError) as refusal:
            db.execute("rollback to alone")
            result = refusal
        db.execute("release alone")
        return result

    def _wait_for_room(
        self, batch: list[tuple[Any, asyncio.Future[Any]]], error: sqlite3.Error
    ) -> list[tuple[Any, asyncio.Future[Any]]]:
        """Tells the impatient at once, keeps the rest, and waits a moment. Reads go on meanwhile."""
        why = explain(error, self.path)
        if not self.full:
            self.full = True
            log.error("%s; what is known is kept and written first when there is room", why)
        refused = [future for write, future in batch if not patient(write)]
        self._call(self._gave_room_up, refused, why)
        if self._closed:
            self._call(self._gave_room_up, [future for _, future in batch], why)
            return []
        time.sleep(TRY_AGAIN_EVERY)
        return [(write, future) for write, future in batch if patient(write)]

    def _break(self, error: sqlite3.Error, count: int) -> list[Any]:
        self._broken = StoreBroken(str(explain(error, self.path)))
        log.critical("%s: this process can write no more and must be restarted", self._broken)
        return [self._broken] * count
