"""Behind a transaction pooler: each transaction may meet another session, and `?pooler=transaction` says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from saga_journey import Compensated, Completed, Context, Refused, Saga, external, milestone, open_journeys
from tests.servers.pooler import ABSENT, PROGRAM, pooled
from tests.servers.postgres import Server

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(PROGRAM is None, reason=ABSENT)]
PATIENCE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def url(postgres_server: Server) -> Iterator[str]:
    database = postgres_server.databases.fresh()
    with pooled(database) as url:
        yield url
    postgres_server.databases.drop(database)


async def reserve(ctx: Context[dict[str, int]]) -> int:
    return ctx.input["n"]


async def release(ctx: Context[dict[str, int]], hold: int | None) -> None:
    assert hold == ctx.input["n"]


async def charge(ctx: Context[dict[str, int]]) -> int:
    if ctx.input["n"] % 3 == 0:
        raise Refused("card declined")
    return ctx.input["n"]


SHOP = Saga(
    "shop",
    version=1,
    input=dict[str, int],
    milestones=[milestone(reserve, undo=release), milestone(charge, undo=None)],
)
ASKS = Saga(
    "asks",
    version=1,
    input=dict[str, int],
    milestones=[external("boss", result=int, undo=None, timeout=60), milestone(charge, undo=None)],
)


async def test_sagas_run_and_are_undone(url: str) -> None:
    """A hundred at once over four sessions of the server, shared with another worker and a client."""
    async with (
        open_journeys(url, sagas=[SHOP]),
        open_journeys(url, sagas=[SHOP]),
        open_journeys(url, sagas=[SHOP], working=False) as client,
    ):
        runs = await asyncio.gather(*(client.start(SHOP, {"n": n}, key=f"order-{n}") for n in range(100)))
        again = await client.start(SHOP, {"n": 7}, key="order-7")
        outcomes = await asyncio.gather(*(run.outcome(timeout=PATIENCE) for run in runs))
    assert again.saga_id == runs[7].saga_id
    assert [type(outcome) for outcome in outcomes] == [Completed if n % 3 else Compensated for n in range(100)]


async def test_a_command_reaches_the_worker_and_its_answer_comes_back(url: str) -> None:
    """Nobody can listen there, so both look now and then."""
    async with (
        open_journeys(url, sagas=[ASKS]),
        open_journeys(url, sagas=[ASKS], working=False) as client,
    ):
        run = await client.start(ASKS, {"n": 1})
        answer = await run.advance("boss", 5, command_id="once")
        assert answer == await run.advance("boss", 5, command_id="once")
        assert isinstance(await run.outcome(timeout=PATIENCE), Completed)
