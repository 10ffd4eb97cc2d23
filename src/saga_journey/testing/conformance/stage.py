"""What a test acts on: stores that are so many processes on one database, a clock that stands still, and runs."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from saga_journey.config import NO_LIMITS, Limits
from saga_journey.core.canonical import encode
from saga_journey.core.children import child_id
from saga_journey.core.codec import encode_turn
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.events import MilestoneCompleted, Parent, SagaStarted
from saga_journey.core.state import SagaStatus
from saga_journey.engines.embedded.turn import NEVER
from saga_journey.ids import new_id
from saga_journey.ports import (
    Claimed,
    ClaimedRun,
    JournalRow,
    NewRun,
    RowChange,
    RunKey,
    RunRecord,
    StartKey,
    Store,
    TurnWrite,
    Wanted,
)
from saga_journey.testing.clock import ManualClock

LEASE = 10.0
GRACE = 60.0
LONG = 10_000.0
"""Seconds: the lease of a worker that is to stay alive."""


class Journey(NamedTuple):
    """A stored definition of a tenant: what runs are started from."""

    tenant_name: str
    tenant: int
    name: str
    definition: int
    spec: JourneyDefinition


class Run(NamedTuple):
    """A run as whoever writes it knows it: the epoch of the claim, and the seq of the next event."""

    key: RunKey
    saga_id: str
    epoch: int
    seq: int

    @classmethod
    def of(cls, claimed: ClaimedRun) -> Run:
        """Also of one that was handed over unread."""
        seq = next_seq(claimed.rows[-1]) if claimed.rows else claimed.next_seq
        return cls(claimed.record.key, claimed.record.saga_id, claimed.record.epoch, seq)


@dataclass(frozen=True)
class Worker:
    """An owner of runs, and the process that it is in."""

    store: Store
    owner: int

    async def claim(
        self,
        *served: Journey,
        room: int = 1000,
        forward: int | None = None,
        known: int | None = None,
        grace: float = GRACE,
        fragile: bool = True,
        limits: Limits = NO_LIMITS,
    ) -> Claimed:
        """`served` are the journeys all of whose handlers it has; it knows all definitions unless said otherwise."""
        numbers = [journey.definition for journey in served]
        most = room if forward is None else forward
        newest = max(await self.store.definitions(0), default=0) if known is None else known
        return await self.store.claim(Wanted(self.owner, room, most, numbers, newest, grace, fragile, limits))

    async def gets(self, *served: Journey, **wanted: Any) -> list[RunKey]:
        """The keys of the runs that it claims."""
        return [run.record.key for run in (await self.claim(*served, **wanted)).runs]

    async def takes(self, *served: Journey, **wanted: Any) -> Run:
        """The one run that it claims."""
        (claimed,) = (await self.claim(*served, **wanted)).runs
        return Run.of(claimed)


class Stage:
    """One database. `store` is the first process on it; all of them live on `clock`."""

    store: Store

    def __init__(
        self, opened: Callable[[], Awaitable[Store]], tell_time: Callable[[Store, Callable[[], float]], None]
    ) -> None:
        self.clock: ManualClock = ManualClock()
        self._opened = opened
        self._tell_time = tell_time
        self._stores: list[Store] = []

    async def rise(self) -> None:
        self.store = await self.another()

    async def fall(self) -> None:
        for store in reversed(self._stores):
            await store.close()

    # --- processes and workers ---

    async def another(self, *, own_time: bool = False) -> Store:
        """One more process. `own_time`: it keeps the time that stores have outside of tests."""
        store = await self._opened()
        self._stores.append(store)
        if not own_time:
            self._tell_time(store, self.clock.now)
        return store

    async def others(self, count: int) -> list[Store]:
        return [await self.another() for _ in range(count)]

    async def close(self, store: Store) -> None:
        """That process ends, in good order."""
        self._stores.remove(store)
        await store.close()

    async def worker(self, store: Store | None = None, lease: float = LONG) -> Worker:
        store = store or self.store
        return Worker(store, await store.enter(lease))

    async def mortal(self, store: Store | None = None) -> Worker:
        """A worker with a short lease, to be outlived."""
        return await self.worker(store, LEASE)

    def outlive(self) -> None:
        """Whoever has a short lease, and did not renew it, is dead."""
        self.clock.advance(LEASE + 1)

    # --- runs ---

    async def journey(
        self, tenant: str = "acme", name: str = "checkout", version: int = 1, store: Store | None = None
    ) -> Journey:
        store, spec = store or self.store, definition(name, version)
        number = await store.tenant(tenant)
        return Journey(tenant, number, name, await store.save_definition(number, spec), spec)

    def new(self, journey: Journey, key: str | None = None, fingerprint: bytes = b"input", **changes: Any) -> NewRun:
        """A run to start: due now and unowned, when nothing else is said."""
        now, saga_id = self.clock.now(), changes.pop("saga_id", new_id("saga"))
        turn = encode_turn([SagaStarted(encode({"sku": "A-1001"}))])
        new = NewRun(journey.tenant, saga_id, journey.definition, journey.name, turn, now, now, None)
        return replace(new, start_key=None if key is None else StartKey(key, fingerprint), **changes)

    def child(self, parent: str, journey: Journey, place: int = 1, **changes: Any) -> NewRun:
        """A run that a run with that saga id starts."""
        turn = encode_turn([SagaStarted(encode(None), None, Parent(parent, "pack"))])
        return self.new(journey, **{"saga_id": child_id(parent, "pack", place), "turn": turn, **changes})

    async def start(self, journey: Journey, by: Worker | Store | None = None, **changes: Any) -> Run:
        """A run that was started; a worker that starts it holds it."""
        return (await self.start_many(journey, 1, by, **changes))[0]

    async def start_many(
        self, journey: Journey, count: int, by: Worker | Store | None = None, **changes: Any
    ) -> list[Run]:
        """So many, all at once."""
        store = by.store if isinstance(by, Worker) else by or self.store
        owner = by.owner if isinstance(by, Worker) else None
        news = [self.new(journey, **{"owner": owner, **changes}) for _ in range(count)]
        started = await asyncio.gather(*(store.start(new) for new in news))
        return [
            Run(one.key, new.saga_id, 0 if new.owner is None else 1, first_seq(new))
            for one, new in zip(started, news, strict=True)
        ]

    # --- turns ---

    def turn(self, run: Run, said: str = "done", **more: Any) -> TurnWrite:
        """The next turn of a run, with one event; `said` tells one such turn from another one."""
        return TurnWrite(run.key, run.epoch, run.seq, self.clock.now(), events(said), **more)

    def release(self, run: Run, due: float | None = NEVER, **row: Any) -> TurnWrite:
        """Gives the claim back, and writes no event."""
        return TurnWrite(run.key, run.epoch, run.seq, self.clock.now(), None, released(due, **row))

    def ending(self, run: Run, status: SagaStatus = SagaStatus.COMPLETED, **more: Any) -> TurnWrite:
        """Its last turn."""
        stopped = None if status is SagaStatus.COMPLETED else 0
        return self.turn(run, "the end", row=released(None, status=status, stopped=stopped), **more)

    async def ended(self, journey: Journey, status: SagaStatus = SagaStatus.COMPLETED, **changes: Any) -> Run:
        """A run that has ended, and that nobody ever held."""
        run = await self.start(journey, **changes)
        await self.store.commit(self.ending(run, status))
        return run

    # --- what is there now ---

    async def record(self, journey: Journey, run: Run, store: Store | None = None) -> RunRecord:
        """Its index row."""
        found = await (store or self.store).find(journey.tenant_name, run.saga_id)
        assert found is not None, f"{run.saga_id} is not there"
        return found

    async def standing(self, journey: Journey, run: Run) -> tuple[RunRecord, Sequence[JournalRow]]:
        """All that is known of a run: to compare it before and after."""
        return await self.record(journey, run), await self.store.load(run.key)


async def round_trips(store: Store) -> None:
    """Some, at random: about as long as some steps of a claim take."""
    for _ in range(random.randrange(12)):
        await store.find("nobody", "saga_nobody")


def definition(name: str = "checkout", version: int = 1) -> JourneyDefinition:
    """Two milestones."""
    steps = tuple(Milestone(step, f"do_{step}", f"undo_{step}") for step in ("pack", "send"))
    return JourneyDefinition(name, version, steps)


def events(said: str = "done") -> str:
    """A turn of one event, as the journal has it."""
    return encode_turn([MilestoneCompleted("pack", encode(said))])


def released(due: float | None = NEVER, **row: Any) -> RowChange:
    """The row of a run that nobody holds: due then, or never by the clock alone, or (None) final."""
    return RowChange(
        **{"status": SagaStatus.IN_PROGRESS, "owner": None, "due_at": due, "lost": 0, "needs": False, **row}
    )


def held_by(worker: Worker, due: float, **row: Any) -> RowChange:
    """The row of a run that this worker goes on moving."""
    return released(due, owner=worker.owner, **row)


def first_seq(new: NewRun) -> int:
    """The seq of the event after its first turn."""
    return 1 + len(json.loads(new.turn))


def next_seq(last: JournalRow) -> int:
    """The seq of the event after that turn."""
    return last.seq + len(json.loads(last.events))
