"""Store time on PostgreSQL: read by the boot clock of this host, corrected by what the server says."""

from __future__ import annotations

import time

import pytest

from saga_journey.ports import Wanted
from saga_journey.stores.boot_clock import boot_clock
from saga_journey.stores.postgres.server_time import ServerTime
from saga_journey.stores.postgres.store import PostgresStore
from tests.servers.postgres import Server

SERVER = 1_700_000_000.0
"""What the server's clock said when the boot clock stood at 0."""


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The boot clock: its one item is what it says."""
    clock = [100.0]
    monkeypatch.setattr("saga_journey.stores.postgres.server_time.boot_clock", lambda: clock[0])
    return clock


def test_it_is_never_ahead_of_the_server(at: list[float]) -> None:
    """The answer took two seconds; nobody knows at which moment of them the server looked at its clock."""
    now = ServerTime()
    now.said(SERVER + 98.0, asked=98.0, answered=100.0)
    assert now() == SERVER + 98.0


def test_a_quicker_answer_makes_it_more_exact(at: list[float]) -> None:
    now = ServerTime()
    now.said(SERVER + 98.0, asked=98.0, answered=100.0)
    at[0] = 110.0
    now.said(SERVER + 109.9, asked=109.9, answered=110.0)
    assert now() == pytest.approx(SERVER + 109.9)


def test_a_slower_answer_does_not_make_it_worse(at: list[float]) -> None:
    now = ServerTime()
    now.said(SERVER + 99.9, asked=99.9, answered=100.0)
    at[0] = 110.0
    now.said(SERVER + 105.0, asked=104.0, answered=110.0)
    assert now() == pytest.approx(SERVER + 109.9)


def test_it_follows_a_server_that_was_set_forward(at: list[float]) -> None:
    now = ServerTime()
    now.said(SERVER + 100.0, asked=100.0, answered=100.0)
    at[0] = 110.0
    now.said(SERVER + 3710.0, asked=110.0, answered=110.0)
    assert now() == SERVER + 3710.0


def test_it_stands_still_until_a_server_that_was_set_back_comes_along(at: list[float]) -> None:
    now = ServerTime()
    now.said(SERVER + 100.0, asked=100.0, answered=100.0)
    assert now() == SERVER + 100.0
    at[0] = 110.0
    now.said(SERVER + 50.0, asked=110.0, answered=110.0)
    assert now() == SERVER + 100.0
    at[0] = 159.0
    assert now() == SERVER + 100.0
    at[0] = 161.0
    assert now() == SERVER + 101.0


def test_the_wall_clock_of_this_host_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    now = ServerTime()
    asked = boot_clock()
    now.said(SERVER, asked, boot_clock())
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert 0 <= now() - SERVER < 60


@pytest.mark.anyio
async def test_a_claim_tells_it_too(postgres_server: Server) -> None:
    """Of what it gives nothing is decided at a time before the claim: its last owner may have called it until then."""
    url = postgres_server.databases.fresh()
    store = await PostgresStore.open(url)
    owner = await store.enter(60)
    time = store._server_time
    assert time._offset is not None
    time._offset -= 20  # as if every answer so far had taken so long
    time._last = 0.0
    await store.claim(Wanted(owner, 1, 1, [], 0, 60, fragile=True))
    (worker,) = await store.workers()
    assert store.now() > worker.seen_at
    await store.close()
    postgres_server.databases.drop(url)
