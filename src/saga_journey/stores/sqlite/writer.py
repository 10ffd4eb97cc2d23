"""The one writer of a process: group commit.

1. On the loop, writes pile up while ready tasks run; then all of them are one batch.
2. The batch is written in one transaction and flushed once: by the writer's thread; or on the loop itself, when batches
   are small and the disk has lately been so fast that handing over to a thread would cost more than the flush.
3. One call into the loop acknowledges the whole batch; what piled up meanwhile is the next one.

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
from collections.abc import Callable
from typing import Any

from saga_journey.errors import Closed, StoreBroken, StoreError, StoreFull
from saga_journey.ports import TurnWrite
from saga_journey.stores.sqlite.connection import LATER, error_name, explain
from saga_journey.stores.sqlite.transactions import Group, Transactions

log: logging.Logger = logging.getLogger("saga_journey.store")

BATCH_AT_MOST = 512
LOOK_EVERY = 0.1
"""How often the thread looks whether another process wrote (seconds)."""
TRY_AGAIN_EVERY = 0.5
"""How often a batch that found no room is tried again (seconds)."""
HERE_AT_MOST = 32
"""Batches up to this many writes may be written on the loop …"""
HERE_SECONDS = 0.001
"""… while a batch takes less than this (smoothed), …"""
STALL_SECONDS = 0.01
"""… and none took longer than this lately."""
COOL_DOWN = 1.0

Waiting = tuple[Any, "asyncio.Future[Any]"]


def patient(write: object) -> bool:
    """A turn that happened waits for room on the disk, since it must not be lost; anything else is refused at once."""
    return type(write) is TurnWrite


class Writer:
    """`submit` from the loop, wait on the future it gives."""

    def __init__(self, path: str, group: Group) -> None:
        self.path = path
        self.full: bool = False
        self.transactions: Transactions = Transactions(path, group)
        self._queue: queue.SimpleQueue[list[Waiting] | None] = queue.SimpleQueue()
        self._pending: list[Waiting] = []
        self._scheduled = self._in_flight = self._closed = False
        self._broken: StoreBroken | None = None
        self._idle: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []
        self._listeners: list[Callable[[], None]] = []
        self._looked = 0.0
        self._here_from = 0.0
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
            if not self._scheduled:
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
        results = self._written_here(batch) if len(batch) <= HERE_AT_MOST else None
        if results is None:
            self._queue.put(batch)
        else:
            self._acknowledge(batch, results)

    def _written_here(self, batch: list[Waiting]) -> list[Any] | None:
        """The results, when the loop may write this batch itself and could; None leaves it to the thread."""
        db, began = self.transactions, time.monotonic()
        if self.full or db.seconds > HERE_SECONDS or began < self._here_from or not db.lock.acquire(blocking=False):
            return None
        try:
            return db.write([write for write, _ in batch], wait=False)
        except sqlite3.Error:
            self._here_from = began + COOL_DOWN  # busy, full or worse: the thread has the time to deal with it
            return None
        finally:
            db.lock.release()
            if time.monotonic() - began > STALL_SECONDS:
                self._here_from = began + COOL_DOWN

    def _acknowledge(self, batch: list[Waiting], results: list[Any]) -> None:
        self._in_flight = False
        for (_, future), result in zip(batch, results, strict=True):
            if result is None or not isinstance(result, BaseException):
                if not future.done():
                    future.set_result(result)
            elif not future.done():
                future.set_exception(result)
        if self._room and not self.full:
            self._tell_room()
        if self._pending:
            self._schedule()
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

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

    def _refuse(self, batch: list[Waiting], why: StoreError) -> None:
        for _, future in batch:
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
        self.transactions.close()

    # --- in the thread ---

    def _run(self) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=LOOK_EVERY)
            except queue.Empty:
                self._look()
                continue
            if batch is None:
                return
            self._write(batch)
            if time.monotonic() - self._looked > LOOK_EVERY:
                self._look()

    def _look(self) -> None:
        """Has another process written, and is there room again?"""
        self._looked = time.monotonic()
        with self.transactions.lock:
            changed = self.transactions.others_wrote()
            if self.full:
                self._probe()
        if changed:
            self._call(self._changed)

    def _probe(self) -> None:
        try:
            self.transactions.probe()
        except sqlite3.Error:
            time.sleep(TRY_AGAIN_EVERY)
        else:
            self._room_again()
            self._call(self._acknowledge, [], [])

    def _room_again(self) -> None:
        self.full = False
        log.warning("%s: there is room again, going on", self.path)

    def _call(self, callback: Callable[..., None], *args: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop was closed under us: nobody is left to be told
            log.debug("the event loop is gone; %s was not told", callback)

    def _write(self, batch: list[Waiting]) -> None:
        results: list[Any] = []
        while batch and not results:
            try:
                with self.transactions.lock:
                    results = self.transactions.write([write for write, _ in batch])
            except sqlite3.Error as error:
                if error_name(error) in LATER:
                    batch = self._wait_for_room(batch, error)
                else:
                    results = self._break(error, len(batch))
        if self.full and batch and not self._broken:
            self._room_again()
        self._call(self._acknowledge, batch, results)

    def _wait_for_room(self, batch: list[Waiting], error: sqlite3.Error) -> list[Waiting]:
        """Tells the impatient at once, keeps the rest, and waits a moment. Reads go on meanwhile."""
        why = explain(error, self.path)
        if not self.full:
            self.full = True
            log.error("%s; what is known is kept and written first when there is room", why)
        keep = [] if self._closed else [waiting for waiting in batch if patient(waiting[0])]
        self._call(self._refuse, [waiting for waiting in batch if waiting not in keep], why)
        if keep:
            time.sleep(TRY_AGAIN_EVERY)
        return keep

    def _break(self, error: sqlite3.Error, count: int) -> list[Any]:
        self._broken = StoreBroken(str(explain(error, self.path)))
        log.critical("%s: this process can write no more and must be restarted", self._broken)
        return [self._broken] * count
