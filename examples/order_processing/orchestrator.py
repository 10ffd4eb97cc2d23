"""The orchestrator as a process: starts a saga for every order, waits for all of them, and exits 0.

It can be killed at any moment and started again: the key of a saga is the id of its order, so starting an order
again gives the saga that is already there. On SIGTERM it stops gracefully, and its successor goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from claims import Claims
from journey import order_processing, participants
from saga_journey import Compensated, Completed, Failed, Journeys, Outcome, open_journeys
from shop import ORDERS_FILE, Order, read_orders

STOPPED: Final = 128 + signal.SIGTERM


def ending(outcome: Outcome) -> str:
    """The word that the claims use for an outcome."""
    match outcome:
        case Completed():
            return "completed"
        case Compensated():
            return "compensated"
        case Failed():
            return "attention"
        case _:
            return type(outcome).__name__.lower()


async def see_through(journeys: Journeys, order: Order, claims: Claims) -> None:
    """One order, from its start to its claim."""
    run = await journeys.start(order_processing, order, key=order.id)
    claims.add(order.id, ending(await run.outcome()))


async def orchestrate(directory: Path, orders: list[Order]) -> None:
    """All orders at once; the engine moves at most 64 of them at the same time."""
    store = f"sqlite:///{directory.resolve() / 'journeys.db'}"
    with Claims(directory / "claims.jsonl") as claims:
        async with (
            participants,
            open_journeys(store, sagas=[order_processing], concurrency=64) as journeys,
            asyncio.TaskGroup() as together,
        ):
            for order in orders:
                together.create_task(see_through(journeys, order, claims))


async def until_told_to_stop(directory: Path, orders: list[Order]) -> int:
    """0 when every order has its claim; SIGTERM cancels, which leaves `open_journeys` through its graceful exit."""
    work = asyncio.create_task(orchestrate(directory, orders))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        return STOPPED
    return 0


def main() -> int:
    """Read the arguments and run."""
    arguments = argparse.ArgumentParser(description="The orchestrator of the demonstration.")
    arguments.add_argument("--dir", type=Path, required=True, help="where journeys.db and claims.jsonl are kept")
    arguments.add_argument("--orders", type=Path, default=ORDERS_FILE, help="the orders, one JSON object a line")
    given = arguments.parse_args()
    return asyncio.run(until_told_to_stop(given.dir, read_orders(given.orders)))


if __name__ == "__main__":
    sys.exit(main())
