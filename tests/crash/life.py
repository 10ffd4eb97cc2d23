"""One life of a worker process: it opens the journeys, sees its client's saga through, or dies on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saga_journey import open_journeys
from saga_journey.ports import Clock, Store
from saga_journey.testing.crash import Boundary, CrashingCurator, CrashingStore
from saga_journey.testing.databases import open_store
from saga_journey.testing.ledger import Ledger
from tests.crash.client import Client
from tests.crash.fates import Fate
from tests.crash.place import Place
from tests.crash.plans import Plan, build
from tests.crash.progress import Progress


class Planted:
    """A bug to live with: what a test puts between the engine and what surrounds it. This one changes nothing."""

    def patch(self, place: Place) -> None:
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
    planted.patch(place)
    asyncio.run(live(place, plan, life, planted, pipes))


async def live(place: Place, plan: Plan, life: Life, planted: Planted, pipes: Pipes) -> None:
    progress = Progress(plan, pipes.partner)
    fate = Fate(life.at, stops=life.stops, jumps=life.wall_jumps, moved=pipes.moved)
    ledger = Ledger(place.ledger, database=place.database, strict=False)
    saga, cue = build(plan, ledger, without=life.without)
    crashing = CrashingStore(await open_store(place.url), fate)
    fate.may_stop = lambda: crashing.writing == 0
    store = planted.store(crashing, place)
    async with open_journeys(
        store,
        sagas=[saga],
        curator=CrashingCurator(fate),
        publisher=Publishing(),
        observers=[progress],
        clock=planted.clock(store),
        lease=plan.lease,
        concurrency=8,
        handle_sigterm=False,
    ) as journeys:
        numbers = range(1, plan.crowd + 1)
        has_code = life.without is None
        clients = [Client(place, plan, journeys, cue, progress, number=n, patient=has_code) for n in numbers]
        await asyncio.gather(*[client.see_it_through(saga) for client in clients])
    ledger.close()
    place.leave(life.name, {"crossed": fate.passed(), "progress": progress.seconds})
