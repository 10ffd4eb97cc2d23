"""An application as a process. It opens its journeys and says "open"; then it does what it reads on stdin.

    start <n>        starts n sagas of its first kind; says "started" when all of them are durable
    wall <seconds>   somebody sets the wall clock of its host that much later
    leave            it closes its journeys, says "closed", and ends with 0

What it logs it says as "log …". SIGTERM and Ctrl-C end it as they end any program; it says "closing" when told to.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from saga_journey import Curator, Journeys, Saga, open_journeys
from tests.acceptance.exchange import Connection
from tests.acceptance.programs.apps import APPS
from tests.acceptance.programs.day_after import release

WALL = time.time


async def work(url: str, port: int, app: str, wall: float = 0, **options: Any) -> None:
    set_wall_clock(wall)
    sagas, curator = served(app, Connection(port))
    async with open_journeys(url, sagas=sagas, curator=curator, **options) as journeys:
        say("open")
        try:
            await obey(journeys, sagas)
        except asyncio.CancelledError:
            say("closing")
            raise
    say("closed")


def served(app: str, who: Connection) -> tuple[list[Saga[Any]], Curator | None]:
    """An application by its name, or a release of the hotel's, which has handlers and no saga: "release 2"."""
    if app.startswith("release "):
        return [], release(int(app.removeprefix("release ")), who)
    return APPS[app](who), None


async def obey(journeys: Journeys, sagas: list[Saga[Any]]) -> None:
    async for line in lines():
        match line.split():
            case ["start", count]:
                await asyncio.gather(*(journeys.start(sagas[0], {}, key=str(n)) for n in range(int(count))))
                say("started")
            case ["wall", seconds]:
                set_wall_clock(float(seconds))
                say("set")
            case ["leave"]:
                return


async def lines() -> AsyncIterator[str]:
    """What is said to this program; when nobody can say anything any more, that means: leave."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


def set_wall_clock(seconds: float) -> None:
    """For this process only: the machine has other users."""
    time.time = lambda: WALL() + seconds


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    logging.basicConfig(stream=sys.stdout, format="log %(message)s", level=logging.WARNING)
    try:
        asyncio.run(work(**json.loads(sys.argv[1])))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
