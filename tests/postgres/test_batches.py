"""Group commit over the network: few turns go in one batch, many in two, so that server and worker are busy at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from saga_journey import Completed, Context, Saga, milestone, open_journeys
from saga_journey.stores.postgres.writer import LANES, MANY
from tests.servers.postgres import Server

TOGETHER: list[asyncio.Event] = []


async def arrive(ctx: Context[Any]) -> str:
    """Ends when all do."""
    await TOGETHER[-1].wait()
    return "here"


@pytest.mark.anyio
@pytest.mark.parametrize(("sagas", "commits"), [(MANY - 1, 1), (2 * MANY, LANES)])
async def test_turns_of_one_moment(postgres_server: Server, sagas: int, commits: int) -> None:
    url = postgres_server.databases.fresh()
    TOGETHER.append(asyncio.Event())
    meeting = Saga("meeting", version=1, milestones=[milestone(arrive, undo=None)])
    async with open_journeys(url, sagas=[meeting]) as journeys:
        runs = [await journeys.start(meeting, {"n": n}) for n in range(sagas)]
        before = journeys.store.commits
        TOGETHER[-1].set()
        outcomes = await asyncio.gather(*(run.outcome() for run in runs))
        assert journeys.store.commits - before == commits
    assert all(isinstance(outcome, Completed) for outcome in outcomes)
    postgres_server.databases.drop(url)
