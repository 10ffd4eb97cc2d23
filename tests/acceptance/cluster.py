"""Several processes on one database, and the participant that all of them call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from saga_journey import Journeys, Outcome, Run, Saga, Search, open_journeys
from tests.acceptance.exchange import answering
from tests.acceptance.participant import PATIENCE, Participant
from tests.acceptance.processes import Program, program
from tests.acceptance.programs.apps import APPS
from tests.acceptance.stage import ended, watched
from tests.acceptance.story import journal
from tests.leases import Leases


class Cluster:
    """Its workers are programs; what the test itself opens only starts, asks and commands, as the CLI does."""

    def __init__(self, url: str, place: Path, participant: Participant, port: int) -> None:
        self.url = url
        self.place = place
        self.participant = participant
        self.port = port
        self._leases = Leases(url)
        self._sagas: dict[str, dict[str, Saga[Any]]] = {}

    def sagas(self, app: str) -> dict[str, Saga[Any]]:
        """The sagas of that application, by name, to be started from here."""
        if app not in self._sagas:
            self._sagas[app] = {saga.name: saga for saga in APPS[app](self.participant)}
        return self._sagas[app]

    @asynccontextmanager
    async def worker(self, app: str, *, name: str = "worker", **options: Any) -> AsyncIterator[Program]:
        """A process that serves the sagas of that application; `options` are fields of `Settings`."""
        before = self._leases.owners()
        async with program(name, self.place, url=self.url, port=self.port, app=app, **options) as running:
            own = self._leases.owners() - before
            running.on_end = lambda: self._leases.end(own)
            yield running

    def outside_with(self, *sagas: Saga[Any], **options: Any) -> AbstractAsyncContextManager[Journeys]:
        """The same with these sagas."""
        return open_journeys(self.url, sagas=sagas, working=False, **options)

    def outside(self, *apps: str) -> AbstractAsyncContextManager[Journeys]:
        """Journeys that move nothing; `apps` are those whose sagas can be started there."""
        return self.outside_with(*[saga for app in apps for saga in self.sagas(app).values()])

    async def stories(self) -> list[tuple[Outcome, list[str]]]:
        """Waits for every saga; the outcome and the journal of each, in the order of their start."""
        async with self.outside() as journeys:
            runs = [journeys.run(record.saga_id) for record in await journeys.search(Search(limit=1000))][::-1]
            outcomes = await asyncio.gather(*map(ended, runs))
            return list(zip(outcomes, await asyncio.gather(*map(journal, runs)), strict=True))

    async def story(self) -> tuple[Outcome, list[str]]:
        """The same of the one saga there is."""
        (only,) = await self.stories()
        return only

    async def seen(self, journeys: Journeys, condition: Callable[[], Awaitable[bool]]) -> None:
        """Looks again whenever another process has written, until it is so."""
        news = asyncio.Event()
        forget = journeys.store.on_change(news.set)
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await news.wait()
                news.clear()
        forget()

    async def run(self, journeys: Journeys) -> Run:
        """The one saga there is."""
        (only,) = await journeys.search()
        return journeys.run(only.saga_id)


@asynccontextmanager
async def cluster_at(url: str, place: Path) -> AsyncIterator[Cluster]:
    participant = watched(url, place)
    async with answering(participant) as port:
        yield Cluster(url, place, participant, port)
