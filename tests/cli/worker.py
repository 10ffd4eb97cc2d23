"""A worker for the tests of the command line: URL [none]. Obeys lines on stdin, tells all on stdout.

With `none` it has no handlers at all.

    start JOURNEY JSON [TENANT]   answers "started ID"
    open HANDLER                  lets a handler go on that was told to wait at its gate
    bye                           stops gracefully

The input of a journey says how its handlers behave: {"ship": "refuse"}, or for each attempt {"ship": ["fail", "ok"]}.
ok · refuse · fail · gate (waits to be opened) · misconfigured · nasty (refuses with an escape sequence in the reason)
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from typing import Any

from saga_journey import (
    Context,
    Journeys,
    Misconfigured,
    Refused,
    Retry,
    Saga,
    Structured,
    external,
    milestone,
    open_journeys,
    parallel,
    to,
)

Input = dict[str, Any]
GATES: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
NASTY = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202ereversed\nnext line"
ONCE = Retry(attempts=1)


def tell(*words: object) -> None:
    print(*words, flush=True)


async def behave(ctx: Context[Input], name: str) -> str:
    tell("called", name, ctx.attempt)
    said = ctx.input.get(name, "ok")
    match said[min(ctx.attempt, len(said)) - 1] if isinstance(said, list) else said:
        case "refuse":
            raise Refused(f"{name} said no")
        case "fail":
            raise OSError(f"{name} broke down")
        case "gate":
            await GATES[name].wait()
        case "misconfigured":
            raise Misconfigured("401 from the participant")
        case "nasty":
            raise Refused(NASTY)
    return f"{name} {NASTY}" if ctx.input.get("nasty_results") else f"{name} done"


async def reserve_stock(ctx: Context[Input]) -> str:
    return await behave(ctx, "reserve_stock")


async def release_stock(ctx: Context[Input], hold: str | None) -> None:
    await behave(ctx, "release_stock")


async def charge_card(ctx: Context[Input]) -> str:
    return await behave(ctx, "charge_card")


async def refund_card(ctx: Context[Input], charge: str | None) -> None:
    await behave(ctx, "refund_card")


async def ship(ctx: Context[Input]) -> str:
    return await behave(ctx, "ship")


async def recall_parcel(ctx: Context[Input], parcel: str | None) -> None:
    await behave(ctx, "recall_parcel")


async def send_receipt(ctx: Context[Input]) -> str:
    return await behave(ctx, "send_receipt")


async def ask_boss(ctx: Context[Input]) -> str:
    return await behave(ctx, "ask_boss")


def stock(retry: Retry = ONCE) -> Any:
    return milestone(reserve_stock, undo=release_stock, retry=retry, undo_retry=ONCE)


def card() -> Any:
    return milestone(charge_card, undo=refund_card, retry=ONCE, undo_retry=ONCE)


SAGAS = [
    Saga(
        "order",
        version=1,
        milestones=[
            stock(),
            card(),
            milestone(ship, undo=recall_parcel, retry=ONCE, undo_retry=ONCE),
            milestone(send_receipt, undo=None, retry=ONCE),
        ],
    ),
    Saga(  # past its pivot it can only go forward
        "sale",
        version=1,
        milestones=[
            stock(),
            milestone(charge_card, undo=None, retry=ONCE, pivot=True),
            milestone(ship, undo=None, retry=ONCE),
        ],
    ),
    Saga(  # waits for an answer from outside
        "approval",
        version=1,
        milestones=[stock(), external("boss", undo=None, timeout=3600, result=str), card()],
    ),
    Saga("patient", version=1, milestones=[stock(Retry(attempts=3, first=3600, most=3600)), card()]),
    Structured("steps", version=1, milestones=[stock(), card()]),
    Saga(  # no condition holds for an input without a total
        "choosy",
        version=1,
        milestones=[
            milestone(
                reserve_stock,
                undo=release_stock,
                id="check",
                next_steps=[to("express", "input.total > 100"), to("standard", "input.total <= 100")],
            ),
            milestone(ship, undo=recall_parcel, id="express", next_steps=[to("end")]),
            milestone(send_receipt, undo=None, id="standard"),
        ],
    ),
    Saga(
        "crowd",
        version=1,
        milestones=[
            stock(),
            parallel(card(), [milestone(ship, undo=recall_parcel), milestone(send_receipt, undo=None)]),
        ],
    ),
]


async def obey(journeys: Journeys, line: str) -> bool:
    """One line from stdin; False: that was the last one."""
    word, *rest = line.strip().split(" ")
    if word == "start":
        name, behaviour, tenant = [*rest, "default"][:3]
        saga = next(saga for saga in SAGAS if saga.name == name)
        run = await journeys.start(saga, json.loads(behaviour), user_context={"tenant_id": tenant, "user_id": "tester"})
        tell("started", run.saga_id)
    elif word == "open":
        GATES[rest[0]].set()
    return word != "bye" and line != ""


async def main(url: str, which: str = "all") -> None:
    loop = asyncio.get_running_loop()
    async with open_journeys(url, sagas=SAGAS if which == "all" else [], grace=0) as journeys:
        tell("ready")
        while await obey(journeys, await loop.run_in_executor(None, sys.stdin.readline)):
            pass


def work() -> None:
    """In a process of its own."""
    asyncio.run(main(*sys.argv[1:]))
