"""An application on a disk that fills up. Its clock moves when it is told to.

    start <n>    starts n sagas, one after the other; says "started" or "refused …" for each
    status       says "<n> in_progress" or the like for the sagas that it finds
    fill         the system lets it write no further into any file
    free         … and lets it write again
    minute       a minute passes; says "a minute later" and whether there is room on the disk
    leave        it closes its journeys and ends with 0

`limit` is what it may write from the start, in bytes of one file. `nobody`: it runs as a user who owns nothing. What it
logs it says as "log …"; when it cannot open its journeys it says "refused …" and ends with 1.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from saga_journey import Journeys, Saga, SagaJourneyError, open_journeys
from saga_journey.ports import Store
from saga_journey.testing.clock import START, ManualClock, store_on
from saga_journey.testing.databases import path_of
from tests.acceptance.exchange import Connection
from tests.acceptance.programs.apps import APPS
from tests.acceptance.programs.worker import lines, say
from tests.acceptance.sagas import AT_ONCE, Answering, step

NOBODY = 65534
PROBED_WITHIN = 0.7
"""The store looks more often than that whether there is room again (seconds of real time)."""


def tight(who: Answering) -> list[Saga[Any]]:
    """A charge, then a shipment."""
    return [Saga("tight", version=1, milestones=[step(who, name, retry=AT_ONCE) for name in ("charge", "ship")])]


APPS["tight"] = tight


def may_write(most: int | None) -> None:
    """So many bytes of a file; None: whatever it likes."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if most is None else most, hard))


async def work(url: str, sagas: list[Saga[Any]], at: float, options: dict[str, Any]) -> None:
    clock = ManualClock(at)
    store = await store_on(clock, url)
    async with open_journeys(store, sagas=sagas, clock=clock, **options) as journeys:
        say("open")
        async for line in lines():
            match line.split():
                case ["start", count]:
                    for _ in range(int(count)):
                        say(await started(journeys, sagas[0]))
                case ["status"]:
                    said = Counter(str(record.status) for record in await journeys.search())
                    say(", ".join(f"{count} {status}" for status, count in said.items()))
                case ["fill"]:
                    may_write(Path(f"{path_of(url)}-wal").stat().st_size)
                    say("filled")
                case ["free"]:
                    may_write(None)
                case ["minute"]:
                    await clock.pass_time(60)
                    say(f"a minute later there is {await room(store)}")
                case ["leave"]:
                    return


async def started(journeys: Journeys, saga: Saga[Any]) -> str:
    try:
        await journeys.start(saga, {})
    except SagaJourneyError as error:
        return refusal(error)
    return "started"


def refusal(error: SagaJourneyError) -> str:
    return f"refused {type(error).__name__}: {error}"


async def room(store: Store) -> str:
    try:
        async with asyncio.timeout(PROBED_WITHIN):
            await store.writable()
    except TimeoutError:
        return "no room"
    return "room"


def main(
    url: str,
    app: str = "tight",
    port: int = 0,
    at: float = START,
    limit: int | None = None,
    nobody: bool = False,
    **options: Any,
) -> int:
    logging.basicConfig(stream=sys.stdout, format="log %(message)s", level=logging.WARNING)
    sagas = APPS[app](Connection(port))
    may_write(limit)
    if nobody and os.getuid() == 0:  # to root everything is writable
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        asyncio.run(work(url, sagas, at, options))
    except SagaJourneyError as error:
        say(refusal(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
