"""The client of a bad day: starts sagas with keys, at a steady pace, and writes every answer down before it goes on.

Some starts are asked for twice, some sagas are cancelled or paused for a while, and now and then a stranger asks.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from saga_journey import Journeys, Rejected, Run, Saga, UserContext, open_journeys
from saga_journey.core.commands import Answer
from saga_journey.errors import SagaJourneyError, UnknownSaga
from saga_journey.testing.acknowledged import ClientLog
from saga_journey.testing.ledger import Ledger
from tests.chaos.notes import Notes
from tests.chaos.place import Place
from tests.chaos.sagas import mix
from tests.chaos.signals import told_to_end
from tests.crash.life import Publishing

TENANTS = ("acme", "globex")
STRANGER: UserContext = {"tenant_id": "initech"}


@dataclass(frozen=True)
class Orders:
    """So many sagas, one every `pace` seconds; never more than `at_once` whose start is not acknowledged.

    `first` is the number of the first one.
    """

    sagas: int
    pace: float
    seed: int
    at_once: int = 200
    first: int = 0


def order(place: Place, orders: Orders) -> None:
    """The whole life of the process. Told to end, it starts no more, and sees to what it has started."""
    place.log_as("client")
    asyncio.run(_live(place, orders))


async def _live(place: Place, orders: Orders) -> None:
    ledger = Ledger(place.ledger)
    sagas = mix(ledger)
    async with open_journeys(
        place.url, sagas=sagas, working=False, publisher=Publishing(), handle_sigterm=False
    ) as journeys:
        client = _Client(place, journeys, sagas, orders)
        await client.start_all(told_to_end())
    ledger.close()


class _Client:
    def __init__(self, place: Place, journeys: Journeys, sagas: list[Saga[Any]], orders: Orders) -> None:
        self._said = ClientLog(place.said)
        self._notes = Notes(place.notes, "client")
        self._journeys = journeys
        self._orders = orders
        self._rng = random.Random(orders.seed)
        kinds = [sagas[n % len(sagas)] for n in range(orders.sagas)]
        self._rng.shuffle(kinds)
        self._kinds = kinds
        self._places = asyncio.Semaphore(orders.at_once)

    async def start_all(self, over: asyncio.Event) -> None:
        self._notes.note("open")
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number, saga in enumerate(self._kinds):
                await asyncio.sleep(began + number * self._orders.pace - time.monotonic())
                await self._places.acquire()
                if over.is_set():
                    return
                tasks.create_task(self._see(self._orders.first + number, saga))

    async def _see(self, number: int, saga: Saga[Any]) -> None:
        who: UserContext = {"tenant_id": TENANTS[number % len(TENANTS)], "user_id": "ann"}
        try:
            run = await self._start(number, saga, who)
            if run is not None and number % 10 == 3:
                await self._start(number, saga, who)
        finally:
            self._places.release()
        if run is None:
            return
        match number % 25:
            case 7:
                await asyncio.sleep(self._rng.uniform(0.0, 2.0))
                await self._ask(run, who, "cancel", run.cancel(command_id="cancel"))
            case 13:
                await self._ask(run, who, "pause", run.pause(command_id="pause"))
                await asyncio.sleep(self._rng.uniform(0.0, 2.0))
                await self._ask(run, who, "resume", run.resume(command_id="resume"))
            case 19:
                await self._ask_as_a_stranger(run)

    async def _start(self, number: int, saga: Saga[Any], who: UserContext) -> Run | None:
        """None when it was refused: the client is told so, and nothing was started."""
        key, body, began = f"order-{number}", {"order": number}, time.monotonic()
        try:
            run = await self._journeys.start(saga, body, key=key, user_context=who)
        except SagaJourneyError as error:
            self._notes.note("refused", why=repr(error))
            return None
        self._said.started(who["tenant_id"], saga.name, key, body, run.saga_id)
        self._notes.note("started", seconds=time.monotonic() - began)
        return run

    async def _ask(self, run: Run, who: UserContext, verb: str, asked: Awaitable[Answer]) -> None:
        """Under the id of the command, which is its verb."""
        try:
            code = (await asked).code
        except Rejected as rejection:
            code = rejection.code
        self._said.answered(who["tenant_id"], run.saga_id, verb, code, verb)

    async def _ask_as_a_stranger(self, run: Run) -> None:
        try:
            await self._journeys.run(run.saga_id, STRANGER).status()
        except UnknownSaga:
            return
        self._said.seen(STRANGER["tenant_id"], run.saga_id)
