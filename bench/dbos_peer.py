"""The peer: DBOS Transact with its defaults, on SQLite (rollback journal, synchronous=FULL) or on PostgreSQL.

A workflow whose actions and undos are durable steps; the undos are a loop that the user writes. A step that fails is
not tried again, as DBOS does by default.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, SetWorkflowID

from bench import workload
from bench.places import Place
from bench.workload import MILESTONES, Body, Declined, Mode, order


@DBOS.step()
async def act(name: str, order: Body) -> Body:
    """One action of W."""
    return await workload.act(name, order)


@DBOS.step()
async def undo(name: str, receipt: Body) -> Body:
    """One undo of W."""
    return await workload.undo(name, receipt)


@DBOS.workflow()
async def saga(order: Body) -> str:
    """W as one would write it with DBOS."""
    done: list[tuple[str, Body]] = []
    try:
        for name in MILESTONES:
            done.append((name, await act(name, order)))
    except Declined:
        for name, receipt in reversed(done):
            await undo(name, receipt)
        return "compensated"
    return "completed"


class Dbos:
    """Starts a workflow under the order's id and waits for its result."""

    commits = round_trips = None

    async def run_saga(self, number: int, mode: Mode) -> str:
        body = order(number, mode)
        with SetWorkflowID(body["id"]):
            return str(await saga(body))


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Dbos]:
    """DBOS on a fresh database."""
    DBOS(config={"name": "bench", "system_database_url": place.url, "log_level": "ERROR"})
    DBOS.launch()
    try:
        yield Dbos()
    finally:
        DBOS.destroy()
