"""Another process, which completes the external milestone of a plan when a worker wakes it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from saga_journey import open_journeys
from saga_journey.testing.acknowledged import ClientLog
from saga_journey.testing.journal import JournalReader
from tests.crash.place import Place
from tests.crash.plans import Plan
from tests.crash.processes import PATIENCE, ended, fork

LIVES = 3
"""It waits through so many lives of workers, at most."""


@contextmanager
def partner_of(place: Place, plan: Plan) -> Iterator[int | None]:
    """The pipe that wakes it; None when the plan needs no partner. It has ended when this does."""
    if plan.external is None:
        yield None
        return
    woken, wake = os.pipe()

    def partner() -> None:
        os.close(wake)
        if os.read(woken, 1):
            asyncio.run(_answer(place, plan))

    pid = fork(partner, LIVES * PATIENCE)
    try:
        yield wake
    finally:
        os.close(wake)
        end = ended(pid)
        os.close(woken)
    assert end == 0, f"the partner ended with status {end}: see {place.folder}"


async def _answer(place: Place, plan: Plan) -> None:
    log = ClientLog(place.log)
    with closing(JournalReader(place.database)) as reader:
        saga_id = reader.rows("select saga from run")[0][0]
    async with open_journeys(place.url, working=False, handle_sigterm=False) as journeys:
        run = journeys.run(saga_id, {"tenant_id": plan.tenants[0]})
        answered = await run.advance(plan.external, {"approved": True}, command_id="approve")
        log.answered(plan.tenants[0], saga_id, "advance", answered.code, "approve")
