"""After the server came up again every lease gets its time once more: while it was away, nobody could renew one."""

from __future__ import annotations

import asyncio
from contextlib import closing

import asyncpg

from saga_journey.ports import Wanted
from saga_journey.stores.postgres.store import PostgresStore
from saga_journey.testing.conformance.stage import Stage
from saga_journey.testing.databases import look_into
from tests.chaos.outages import postgres_to_throw_away
from tests.servers.postgres import PostgresServer

LEASES = (2.0, 4.0, 8.0, 16.0)
"""Seconds: on a slow machine the first ones are over before the worker asks."""

UP = "select extract(epoch from clock_timestamp() - pg_postmaster_start_time())::double precision"


async def up_for(url: str, seconds: float) -> float:
    """Returns when the server has been up for so long (seconds), and says how long it has been."""
    db = await asyncpg.connect(url)
    try:
        while (up := await db.fetchval(UP)) < seconds:
            await db.execute("select pg_sleep(0.05)")
        return float(up)
    finally:
        await db.close()


def test_a_worker_that_stayed_judges_nobody_before_leases_had_their_time_again() -> None:
    with postgres_to_throw_away() as server:
        url = server.databases.fresh()
        for lease in LEASES:
            if asyncio.run(judged_in_time(server, url, lease)):
                return
    raise AssertionError("the server needs too long to come up here: nothing was seen")


async def judged_in_time(server: PostgresServer, url: str, lease: float) -> bool:
    """Whether the worker asked in the time in which it must not judge; then it took nothing."""
    stage = Stage(lambda: PostgresStore.open(url), lambda store, now: None)
    stayed, other = await stage.another(own_time=True), await stage.another(own_time=True)
    try:
        checkout = await stage.journey(store=stayed)
        worker, gone = await stage.worker(stayed), await stage.worker(other, lease)
        await stage.start(checkout, gone)
        await up_for(url, lease + 0.1)
        server.kill()
        server.start()
        with closing(look_into(url, writing=True)) as looking:
            looking.execute(f"update owner set lease_until = 1 where owner = {gone.owner}")
        wanted = Wanted(worker.owner, 10, 10, [checkout.definition], checkout.definition, grace=0.0, fragile=True)
        claimed = await stayed.claim(wanted)
        if await up_for(url, 0.0) >= lease:
            return False
        assert claimed.runs == []
        return True
    finally:
        await stage.fall()
