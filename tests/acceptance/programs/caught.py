"""A worker that is caught in the middle of its calls. Each of its handlers says when it begins and how it ends.

    open     what is called for the first time may end now; until then it waits
    leave    it closes its journeys, says "closed", and ends with 0

What it logs it says as "log …".
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from typing import Any

from saga_journey import Context, Saga, milestone, open_journeys
from tests.acceptance.programs.worker import lines, say

door = threading.Event()
"""Threads wait at it, and coroutines at one in a thread of their own: whatever cancels them, it does not notice."""


async def wait(ctx: Context[Any]) -> str:
    """Waits at the door, as long as nobody cancels it."""
    say(f"wait #{ctx.attempt} begins")
    try:
        if ctx.attempt == 1:
            await asyncio.to_thread(door.wait)
    except asyncio.CancelledError:
        say(f"wait #{ctx.attempt} is cancelled")
        raise
    say(f"wait #{ctx.attempt} ends")
    return f"of attempt {ctx.attempt}"


def block(ctx: Context[Any]) -> str:
    """Nobody can cancel it: it is a thread."""
    say(f"block #{ctx.attempt} begins")
    if ctx.attempt == 1:
        door.wait()
    say(f"block #{ctx.attempt} ends")
    return f"of attempt {ctx.attempt}"


async def greet(ctx: Context[Any]) -> str:
    return "hello"


def sagas() -> list[Saga[Any]]:
    """One for each handler."""
    return [
        Saga(f"{act.__name__}ing", version=1, milestones=[milestone(act, undo=None)]) for act in (wait, block, greet)
    ]


async def work(url: str, **options: Any) -> None:
    async with open_journeys(url, sagas=sagas(), **options):
        say("open")
        async for line in lines():
            if line == "open":
                door.set()
            elif line == "leave":
                break
        door.set()
    say("closed")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="log %(message)s", level=logging.WARNING)
    said = json.loads(sys.argv[1])
    asyncio.run(work(said["url"], lease=said["lease"]))
