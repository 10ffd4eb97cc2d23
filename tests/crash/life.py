"""One life of a worker process: it opens the journeys, sees its client's saga through, or dies on the way."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from saga_journey import open_journeys
from saga_journey.ports import Clock, Store
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.testing.acknowledged import ClientLog
from saga_journey.testing.crash import Boundaries, Boundary, CrashingCurator, CrashingStore
from saga_journey.testing.journal import JournalReader
from saga_journey.testing.ledger import Ledger
from tests.crash.client import Client
from tests.crash.place import Place
from tests.crash.plans import Plan, build
from tests.crash.processes import stop_here
from tests.crash.progress import Progress


class Planted:
    """A bug to live with: what a test puts between the engine and what surrounds it. This one changes nothing."""

    def patch(self) -> None:
        """Called first, in the worker's own process."""

    def store(self, store: Store, place: Place) -> Store:
        return store

    def clock(self, store: Store) -> Clock | None:
        return None


@dataclass(frozen=True)
class Life:
    """How a worker lives: where it dies or stops, what it lacks, what is wrong with it."""

    name: str
    at: Boundary | None = None
    stops: bool = False
    """It stops at that boundary, and goes on when it is told to, instead of dying there."""
    without: str | None = None
    """It has no code for this milestone."""
    wall_jumps: float = 0.0
    """The wall clock jumps by so many seconds when the first handler has been called."""
    planted: Planted | None = None


class Publishing:
    """Makes commits carry outbox rows; nothing is published here."""

    async def publish(self, rows: Sequence[Mapping[str, Any]]) -> None:
        raise AssertionError("no relay runs in these tests")


@dataclass(frozen=True)
class Pipes:
    """Where a worker tells other processes something: the partner that it is his turn, the lane that it has moved."""

    partner: int | None = None
    moved: int | None = None


def work(place: Place, plan: Plan, life: Life, pipes: Pipes) -> None:
    """The whole life of the process."""
    logging.basicConfig(filename=place.folder / "log", format=f"{life.name} %(name)s %(message)s", level="WARNING")
    planted = life.planted or Planted()
    planted.patch()
    asyncio.run(_live(place, plan, life, planted, pipes))


async def _live(place: Place, plan: Plan, life: Life, planted: Planted, pipes: Pipes) -> None:
    progress = Progress(plan, pipes.partner)
    boundaries = _boundaries(life, pipes.moved)
    ledger = Ledger(place.ledger, database=place.database, strict=False)
    saga, cue = build(plan, ledger, without=life.without)
    crashing = CrashingStore(await SqliteStore.open(place.url), boundaries)
    boundaries.may_stop = lambda: crashing.writing == 0
    store = planted.store(crashing, place)
    async with open_journeys(
        store,
        sagas=[saga],
        curator=CrashingCurator(boundaries),
        publisher=Publishing(),
        observers=[progress],
        clock=planted.clock(store),
        lease=plan.lease,
        concurrency=8,
        handle_sigterm=False,
    ) as journeys:
        clients = [
            Client(place, plan, journeys, cue, progress, number=number, patient=life.without is None)
            for number in range(1, plan.crowd + 1)
        ]
        await asyncio.gather(*[client.see_it_through(saga) for client in clients])
    ledger.close()
    crossed = [list(boundary) for boundary in boundaries.passed()]
    place.leave(life.name, {"crossed": crossed, "progress": progress.seconds})


class LivesBoundaries(Boundaries):
    """Stops only while nothing is being written: a process that is frozen in a transaction would block all others."""

    def __init__(self, life: Life, moved: int | None) -> None:
        super().__init__(life.at, self._stop_soon if life.stops else None)
        self.may_stop: Callable[[], bool] = lambda: True
        self._moved = moved
        self._wants_to_stop = self._was_stopped = False

    def cross(self, kind: str) -> None:
        if self._was_stopped and self._moved is not None and kind.split("-")[0] in ("after", "refused"):
            os.write(self._moved, b"!")
            self._moved = None
        super().cross(kind)
        if self._wants_to_stop and self.may_stop():
            self._wants_to_stop, self._was_stopped = False, True
            stop_here()

    def _stop_soon(self) -> None:
        self._wants_to_stop = True


def _boundaries(life: Life, moved: int | None) -> LivesBoundaries:
    boundaries = LivesBoundaries(life, moved)
    if life.wall_jumps:
        _jump_when_called(boundaries, life.wall_jumps)
    return boundaries


def _jump_when_called(boundaries: LivesBoundaries, seconds: float) -> None:
    """From the first handler on, the wall clock of this process is off by so much."""
    true, cross = time.time, boundaries.cross

    def jumping(kind: str) -> None:
        if kind.startswith("after-do_"):
            time.time = lambda: true() + seconds
        cross(kind)

    boundaries.cross = jumping  # type: ignore[method-assign]


def answer(place: Place, plan: Plan, woken: int) -> None:
    """The life of the partner: when it is woken it completes the external milestone, from its own process."""
    if os.read(woken, 1):
        asyncio.run(_answer(place, plan))


async def _answer(place: Place, plan: Plan) -> None:
    log = ClientLog(place.log)
    with closing(JournalReader(place.database)) as reader:
        saga_id = reader.rows("select saga from run")[0][0]
    async with open_journeys(place.url, working=False, handle_sigterm=False) as journeys:
        run = journeys.run(saga_id, {"tenant_id": plan.tenants[0]})
        answered = await run.advance(plan.external, {"approved": True}, command_id="approve")
        log.answered(plan.tenants[0], saga_id, "advance", answered.code, "approve")
