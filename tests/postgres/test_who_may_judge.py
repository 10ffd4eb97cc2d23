"""Who was away cannot know who is dead: when the server or the worker has come back, leases get their time again."""

from __future__ import annotations

import asyncio
from contextlib import closing

import asyncpg
import pytest

from saga_journey.testing.conformance.stage import LEASE, LONG
from saga_journey.testing.databases import look_into
from tests.chaos.outages import postgres_to_throw_away
from tests.servers.postgres import PostgresServer, Server
from tests.stages import stage_on

LEASES = (2.0, 4.0, 8.0, 16.0)
"""Seconds: on a slow machine the first ones are over before the worker asks."""

UP = "select extract(epoch from clock_timestamp() - pg_postmaster_start_time())::double precision"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_worker_whose_own_lease_is_over_judges_nobody(postgres_server: Server) -> None:
    async with stage_on(postgres_server.databases.fresh()) as stage:
        checkout, away, gone = await stage.journey(), await stage.mortal(), await stage.mortal()
        run = await stage.start(checkout, gone)
        stage.outlive()
        assert await away.gets(checkout) == [], "as long away as the other one"
        assert not await stage.store.renew(away.owner, LEASE)
        assert await away.gets(checkout) == [], "the other one may come back as well"
        for _ in range(4):
            stage.clock.advance(LEASE / 3)
            await stage.store.renew(away.owner, LEASE)
        assert await away.gets(checkout) == [run.key]


def test_a_worker_that_stayed_judges_nobody_before_leases_had_their_time_again() -> None:
    with postgres_to_throw_away() as server:
        url = server.databases.fresh()
        for lease in LEASES:
            if asyncio.run(judged_in_time(server, url, lease)):
                return
    raise AssertionError("the server needs too long to come up here: nothing was seen")


async def judged_in_time(server: PostgresServer, url: str, lease: float) -> bool:
    """Whether the worker asked in the time in which it must not judge; then it took nothing."""
    async with stage_on(url) as stage:
        stayed, other = await stage.another(own_time=True), await stage.another(own_time=True)
        checkout = await stage.journey(store=stayed)
        worker, gone = await stage.worker(stayed, LONG), await stage.worker(other, lease)
        await stage.start(checkout, gone)
        await up_for(url, lease + 0.1)
        server.kill()
        server.start()
        with closing(look_into(url, writing=True)) as looking:
            looking.execute(f"update owner set lease_until = 1 where owner = {gone.owner}")
        taken = await worker.gets(checkout, grace=0.0)
        if await up_for(url, 0.0) >= lease:
            return False
        assert taken == []
        return True


async def up_for(url: str, seconds: float) -> float:
    """Returns when the server has been up for so long (seconds), and says how long it has been."""
    db = await asyncpg.connect(url)
    try:
        while (up := await db.fetchval(UP)) < seconds:
            await db.execute("select pg_sleep(0.05)")
        return float(up)
    finally:
        await db.close()
