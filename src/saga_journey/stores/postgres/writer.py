"""Group commit over the network: turns and starts, each kind in batches, two batches under way.

1. On the loop, writes pile up while ready tasks run; then a free lane takes all of a kind as one batch.
2. The batch is one call of a function: one round trip, one transaction, one flush. While the server flushes it, the
   other lane may send what has piled up meanwhile. A run has one commit under way, so their order does not matter.
3. The whole batch is acknowledged at once, but not before what has piled up is on its way: whoever is told has work to
   do, and the server would have none meanwhile.

A batch whose answer is lost may have been written. It is sent again, checked: each turn then finds out whether it is in
the journal already. Nothing is told to anybody before that is known; so a start that was sent once waits for the server
as long as it takes, and one that never was is refused after a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from saga_journey.errors import Closed, StoreError, StoreFull, StoreReadOnly
from saga_journey.ports import NewRun, TurnWrite
from saga_journey.stores.postgres import batches
from saga_journey.stores.postgres.connection import Address, connect, explain
from saga_journey.stores.postgres.fates import FAILURES, Fate, fate_of
from saga_journey.stores.postgres.pool import PATIENCE, TIMEOUT, Connection, pause
from saga_journey.stores.postgres.transactions import in_one
from saga_journey.stores.queries import load_queries

log: logging.Logger = logging.getLogger("saga_journey.store")

LANES = 2
BATCH_AT_MOST = 512
MANY = 32
"""So many turns are worth two commits: while the server writes the one half, the other half is decided here."""

Write = TurnWrite | NewRun
Waiting = tuple[Write, "asyncio.Future[Any]"]

_sql = load_queries("saga_journey.stores.postgres")


class Writer:
    """`submit` from the loop, wait on the future it gives."""

    def __init__(self, address: Address, news: Callable[[bool], None]) -> None:
        """`news` is told after each batch that others should hear of; whether they should hear at once."""
        self.address = address
        self.owners: set[int] = set()
        self.commits: int = 0
        self.round_trips: int = 0
        self.stalled: bool = False
        self._why = StoreError("")
        self._probe: asyncio.Task[None] | None = None
        self._news = news
        self._turns: list[Waiting] = []
        self._starts: list[Waiting] = []
        self._lanes = [_Lane(self) for _ in range(LANES)]
        self._scheduled = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._recovered: list[asyncio.Future[None]] = []
        self._acknowledged: list[asyncio.Future[None]] = []

    def submit(self, write: Write) -> asyncio.Future[Any]:
        """Queues a write. The future ends when it is durable, or raises why it is not."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closed:
            future.set_exception(Closed("these journeys are closed"))
            return future
        if type(write) is TurnWrite:
            self._turns.append((write, future))
        else:
            self._starts.append((write, future))
            if self.stalled:
                self._loop.call_later(PATIENCE, self._refuse, future)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)  # after all tasks that are ready now have added theirs
        return future

    def _dispatch(self) -> None:
        self._scheduled = False
        free = [lane for lane in self._lanes if not lane.busy]
        for lanes_left, lane in zip(range(len(free), 0, -1), free, strict=True):
            if not (self._turns or self._starts):
                return
            lane.take(self._next_batch(lanes_left))

    def _next_batch(self, lanes: int) -> list[Waiting]:
        """Starts first: they are few, and their callers stand at the door. Many turns go in equal parts."""
        if self._starts:
            batch, self._starts = self._starts[:BATCH_AT_MOST], self._starts[BATCH_AT_MOST:]
        else:
            part = len(self._turns) if len(self._turns) < MANY else -(-len(self._turns) // lanes)
            most = min(part, BATCH_AT_MOST)
            batch, self._turns = self._turns[:most], self._turns[most:]
        return batch

    def acknowledge(self, lane: _Lane, results: Sequence[Any]) -> None:
        """Tells the tasks, and takes up what has piled up meanwhile."""
        if self._scheduled or any(one.loading for one in self._lanes):
            self._loop.call_soon(self.acknowledge, lane, results)
            return
        at_once = soon = False
        batch, lane.batch = lane.batch, []
        for (write, future), result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                if not future.done():
                    future.set_exception(result)
                continue
            if not future.done():
                future.set_result(result)
            at_once = at_once or batches.is_news(write)
            soon = soon or batches.is_released(write)
        if at_once or soon:
            self._news(at_once)
        _end(self._acknowledged)
        self._dispatch()

    # --- when the server is away ---

    def stall(self, error: StoreError) -> None:
        if not self.stalled:
            self.stalled = True
            self._why = error
            for _, future in self._starts:
                self._loop.call_later(PATIENCE, self._refuse, future)
            self._probe = self._loop.create_task(self._probing())
            log.error("%s; what is known is kept and written first when it can be", error)

    async def _probing(self) -> None:
        """While nothing is queued whose fate would show it: is the server back?"""
        tries = 0
        while self.stalled and not self._closed:
            await pause(tries)
            tries += 1
            if not self._unknown():
                with suppress(*FAILURES):
                    (await connect(self.address)).terminate()
                    self.recovered()

    def _refuse(self, future: asyncio.Future[Any]) -> None:
        """A start that was never sent has waited long enough."""
        if self.stalled:
            for place, (_, waiting) in enumerate(self._starts):
                if waiting is future:
                    del self._starts[place]
                    if not future.done():
                        future.set_exception(self._why)
                    return

    def recovered(self) -> None:
        if self.stalled:
            self.stalled = False
            log.warning("%s: writing again", self.address.shown)
            _end(self._recovered)

    async def writable(self) -> None:
        """Returns once a batch has gone through since the store stalled."""
        if self.stalled:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._recovered.append(waiter)
            await waiter

    async def through(self) -> None:
        """Returns when it is known what became of everything that is queued or under way now."""
        asked = {id(one) for one in self._unknown()}
        while asked.intersection(map(id, self._unknown())):
            await self._acknowledgement()

    def _unknown(self) -> list[Waiting]:
        return [*(one for lane in self._lanes for one in lane.batch), *self._turns, *self._starts]

    async def _acknowledgement(self) -> None:
        """Returns after the next one."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._acknowledged.append(waiter)
        await waiter

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        """Writes what is queued. While the server is away, what waits is given up after one more try."""
        self._closed = True
        while self._unknown():
            await self._acknowledgement()
        for lane in self._lanes:
            await lane.close()
        if self._probe is not None:
            self._probe.cancel()


def _end(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


class _Lane:
    """One connection, one batch under way."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._db: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.batch: list[Waiting] = []
        self.loading: bool = False  # it has a batch, which is not on its way yet

    @property
    def busy(self) -> bool:
        return bool(self.batch)

    def take(self, batch: list[Waiting]) -> None:
        self.batch, self.loading = batch, True
        self._task = asyncio.create_task(self._write(batch))

    async def _write(self, batch: list[Waiting]) -> None:
        self.loading = False  # before anybody else has a turn, the batch is sent
        try:
            results = await self._results([write for write, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            results = [error] * len(batch)
        self._writer.acknowledge(self, results)

    async def _results(self, writes: Sequence[Write]) -> list[Any]:
        """One result for each write, an exception where that one failed. Tries until it knows them."""
        until, tries = asyncio.get_running_loop().time() + PATIENCE, 0
        checked = unclear = False
        while True:
            try:
                db = await self._connection()
                results = await self._send(db, writes, checked=checked)
            except FAILURES as error:
                fate, why = fate_of(error), explain(error, self._writer.address)
                if self._db is not None and self._db.is_in_transaction():
                    await self.close()  # it is of no use any more
            else:
                self._writer.recovered()
                return results
            if fate is Fate.WRONG or (fate is Fate.CHECK and checked):
                return await self._one_by_one(writes, why)
            checked = checked or fate is not Fate.UNSENT
            unclear = unclear or fate is Fate.UNCLEAR
            if fate is not Fate.CHECK:
                await self._stumbled(fate, why)
                if self._gives_up(writes, why, tries, over=asyncio.get_running_loop().time() > until, unclear=unclear):
                    return [why] * len(writes)
                await pause(tries)
                tries += 1

    async def _stumbled(self, fate: Fate, why: StoreError) -> None:
        if fate.away or isinstance(why, StoreFull | StoreReadOnly):
            self._writer.stall(why)
            await self.close()  # the next connection may be to another server

    def _gives_up(self, writes: Sequence[Write], why: StoreError, tries: int, *, over: bool, unclear: bool) -> bool:
        """A turn has happened, so it is kept; a start may be refused as long as it cannot be there."""
        if self._writer.closed:
            return tries > 0
        if isinstance(writes[0], TurnWrite) or unclear:
            return False
        return over or isinstance(why, StoreFull | StoreReadOnly)

    async def _send(self, db: Connection, writes: Sequence[Write], *, checked: bool) -> list[Any]:
        if isinstance(writes[0], NewRun):
            starts: Any = writes
            rows = await self._ask(db, "start_runs", *batches.start_arguments(starts))
            self._writer.commits += 1
            return [batches.started(new, row) for new, row in zip(starts, rows, strict=True)]
        turns = sorted(cast("Sequence[TurnWrite]", writes), key=_key)
        owners = self._writer.owners
        said = await self._commit(db, turns, owners, checked=checked or not owners)
        said = said or await self._commit(db, turns, owners, checked=True)
        assert said is not None, "what is checked is always answered"
        self._writer.commits += 1
        if said.count(batches.WRITTEN) == len(said):  # nearly always
            return [None] * len(writes)
        verdicts = {id(turn): batches.verdict(turn, one) for turn, one in zip(turns, said, strict=True)}
        return [verdicts[id(write)] for write in writes]

    async def _commit(
        self, db: Connection, turns: Sequence[TurnWrite], owners: set[int], *, checked: bool
    ) -> Sequence[int] | None:
        arguments = batches.turn_arguments(turns, owners, checked=checked)
        verdicts: Sequence[int] | None = (await self._ask(db, "commit_turns", *arguments))[0][0]
        return verdicts

    async def _ask(self, db: Connection, name: str, *values: Any) -> list[Any]:
        self._writer.round_trips += 1
        if self._writer.address.pooler:
            async with in_one(db, self._writer.address):
                rows: list[Any] = await db.fetch(_sql[name], *values, timeout=TIMEOUT)
        else:
            rows = await db.fetch(_sql[name], *values, timeout=TIMEOUT)
        return rows

    async def _one_by_one(self, writes: Sequence[Write], why: StoreError) -> list[Any]:
        """Something is wrong with one of them: the others must not suffer from it."""
        if len(writes) == 1:
            return [why]
        return [(await self._results([write]))[0] for write in writes]

    async def _connection(self) -> Connection:
        if self._db is None or self._db.is_closed():
            self._db = await connect(self._writer.address)
        return self._db

    async def close(self) -> None:
        if self._db is not None:
            self._db.terminate()
            self._db = None


def _key(turn: TurnWrite) -> tuple[int, int]:
    return turn.key
