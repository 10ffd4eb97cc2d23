"""An application that is told to stop, whatever it is doing. It says "begins", "open", "closing" and "closed".

    start <saga> <n>   starts n sagas of that name
    leave              it closes its journeys and ends with 0

It says every event of its sagas when it is durable, and what it logs as "log …". With `blocking` it is a synchronous
program, else an asynchronous one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import select
import sys
from collections.abc import Iterator
from typing import Any

from saga_journey import Context, Retry, Saga, blocking, external, milestone, open_journeys
from saga_journey.core.codec import event_name
from saga_journey.ports import Observation, TurnCommitted
from tests.acceptance.exchange import Connection
from tests.acceptance.programs.apps import APPS
from tests.acceptance.programs.worker import lines, say
from tests.acceptance.sagas import AT_ONCE, Answering, called, step

SOON = Retry(attempts=4, first=0.25, factor=1.0, most=0.25)
"""A saga waits so long for its next attempt without giving its place away."""
TWO_LIVES = Retry(attempts=4, first=0.0, most=0.0, lost=2)
LATE = Retry(attempts=4, first=3600.0, factor=1.0, most=3600.0)


def phases(who: Answering) -> list[Saga[Any]]:
    """One saga for each thing that can be going on when somebody says: stop."""

    def act(ctx: Context[Any]) -> Any:
        return asyncio.run(called(who, ctx, "do"))

    def take_back(ctx: Context[Any], result: Any) -> None:
        asyncio.run(called(who, ctx, "undo", result))

    in_a_thread = milestone(act, undo=take_back, id="print", name="print", undo_name="undo_print", at_most_once=True)
    return [
        Saga("charged", version=1, milestones=[step(who, "charge", at_most_once=True)]),
        Saga("reserved", version=1, milestones=[step(who, "reserve", retry=AT_ONCE)]),
        Saga("printed", version=1, milestones=[in_a_thread]),
        Saga("tried_soon", version=1, milestones=[step(who, "soon", retry=SOON)]),
        Saga("tried_late", version=1, milestones=[step(who, "late", retry=LATE)]),
        Saga("approved", version=1, milestones=[external("approval", undo=None, timeout=3600)]),
        Saga("turned_back", version=1, milestones=[step(who, "book", undo_retry=TWO_LIVES), step(who, "refuse")]),
    ]


BRIEFLY = 0.05
"""Seconds."""

APPS["phases"] = phases


async def asynchronous(url: str, sagas: list[Saga[Any]], options: dict[str, Any]) -> None:
    say("begins")
    by_name = {saga.name: saga for saga in sagas}
    async with open_journeys(url, sagas=sagas, observers=[tell], **options) as journeys:
        say("open")
        try:
            async for line in lines():
                match line.split():
                    case ["start", name, count]:
                        await asyncio.gather(*(journeys.start(by_name[name], {}) for _ in range(int(count))))
                    case ["leave"]:
                        return
        finally:
            asyncio.get_running_loop().call_soon(say, "closing")  # when it waits for that


def synchronous(url: str, sagas: list[Saga[Any]], options: dict[str, Any]) -> None:
    say("begins")
    by_name = {saga.name: saga for saga in sagas}
    with blocking.open_journeys(url, sagas=sagas, observers=[tell], **options) as journeys:
        say("open")
        try:
            for line in read_briefly():
                match line.split():
                    case ["start", name, count]:
                        for _ in range(int(count)):
                            journeys.start(by_name[name], {})
                    case ["leave"]:
                        return
        finally:
            say("closing")


def read_briefly() -> Iterator[str]:
    """What is said on stdin. A signal that comes just before a read waits for the end of it, so none takes long."""
    while True:
        if select.select([sys.stdin], [], [], BRIEFLY)[0]:
            if not (line := sys.stdin.readline()):
                return
            yield line


def tell(seen: Observation) -> None:
    for event in seen.events if isinstance(seen, TurnCommitted) else ():
        say(event_name(event))


def main(url: str, port: int, app: str, blocking: bool = False, **options: Any) -> int:
    logging.basicConfig(stream=sys.stdout, format="log %(message)s", level=logging.WARNING)
    sagas = APPS[app](Connection(port))
    try:
        synchronous(url, sagas, options) if blocking else asyncio.run(asynchronous(url, sagas, options))
    except KeyboardInterrupt:
        return 130
    say("closed")
    return 0


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
