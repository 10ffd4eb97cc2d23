"""A worker whose connection hangs, without being cut: others take its sagas over, and what it writes late is fenced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Journeys, Saga, open_journeys
from saga_journey.outcomes import Completed
from saga_journey.stores.postgres import connection
from saga_journey.stores.queries import load_queries
from saga_journey.testing.checker import check
from saga_journey.testing.databases import open_store
from saga_journey.testing.ledger import Ledger
from saga_journey.testing.participants import Participant
from tests.chaos.notes import Notes
from tests.chaos.place import Place
from tests.chaos.proxy import Proxy
from tests.chaos.worker import TellingStore
from tests.crash.life import Publishing
from tests.crash.plans import Cue, CuedParticipant
from tests.servers.postgres import Server

LEASE = 1.0
ASKS_FOR_JOURNALS = load_queries("saga_journey.stores.postgres")["journals"].encode()
"""What a claim does when it has taken something, and has not committed that."""
PATIENCE = 60.0
"""Seconds after which a test that waits has failed."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path, postgres_server: Server) -> Iterator[Place]:
    url = postgres_server.databases.fresh()
    yield Place.made(tmp_path, url)
    postgres_server.databases.drop(url)


class Colleague:
    """A worker in this process, with participants of its own; `cue` is where its `pack` waits."""

    def __init__(self, place: Place, name: str, url: str) -> None:
        self.name = name
        self.cue = Cue()
        self._place = place
        self._url = url
        self._ledger = Ledger(place.ledger, database=place.url, strict=False)
        self.pack = CuedParticipant(self._ledger, "pack")
        self.pack.cue = self.cue
        self.send = Participant(self._ledger, "send")
        self.parcel: Saga[Any] = Saga("parcel", version=1, milestones=[self.pack.milestone(), self.send.milestone()])

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Journeys]:
        notes = Notes(self._place.notes, self.name)
        self.store = TellingStore(await open_store(self._url), notes, tells_commits=False)
        async with open_journeys(
            self.store, sagas=[self.parcel], lease=LEASE, publisher=Publishing(), handle_sigterm=False
        ) as journeys:
            yield journeys
        self._ledger.close()


async def test_who_hangs_is_replaced_and_fenced_and_goes_on(place: Place) -> None:
    async with asyncio.timeout(PATIENCE), Proxy(place.url) as proxy:
        hanging, other = Colleague(place, "hanging", proxy.url), Colleague(place, "other", place.url)
        other.cue.go_on.set()
        async with hanging.at_work() as mine, other.at_work() as theirs:
            # Given a saga that the one is moving, in the middle of a call
            run = await mine.start(hanging.parcel, {})
            await hanging.cue.called.wait()
            # When its connection hangs, and the call gives something all the same
            proxy.hang()
            hanging.cue.go_on.set()
            # Then the other one takes the saga over, and brings it to its end
            outcome = await theirs.run(run.saga_id).outcome()
            assert isinstance(outcome, Completed)
            assert proxy.hung.is_set()
            # And what the one wrote meanwhile is refused
            proxy.go_on()
            await hanging.store.refused.wait()
            # And it goes on with others
            hanging.cue.called.clear()
            again = await mine.start(hanging.parcel, {})
            assert isinstance(await again.outcome(), Completed)
            assert hanging.cue.called.is_set()
    assert not other.store.refused.is_set()
    assert check(place.url, place.ledger, publishing=True) == []


async def test_who_hangs_in_the_middle_of_a_claim_keeps_nothing_from_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.SESSION, "idle_in_transaction_session_timeout", "500ms")
    async with asyncio.timeout(PATIENCE), Proxy(place.url) as proxy:
        hanging, other = Colleague(place, "hanging", proxy.url), Colleague(place, "other", place.url)
        hanging.cue.go_on.set()
        other.cue.go_on.set()
        async with (
            hanging.at_work() as mine,
            open_journeys(
                place.url, sagas=[other.parcel], working=False, publisher=Publishing(), handle_sigterm=False
            ) as client,
        ):
            # Given a worker that hangs when it has taken a saga, and has not committed that
            proxy.hang_at(ASKS_FOR_JOURNALS)
            run = await client.start(other.parcel, {})
            await proxy.hung.wait()
            # When another one comes, it gets the saga nevertheless
            async with other.at_work():
                assert isinstance(await client.run(run.saga_id).outcome(), Completed)
                assert proxy.hung.is_set()
                # And the first one goes on afterwards
                proxy.go_on()
                again = await mine.start(hanging.parcel, {})
                assert isinstance(await again.outcome(), Completed)
    assert check(place.url, place.ledger, publishing=True) == []
