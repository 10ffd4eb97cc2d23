"""The processes of `scaling`: one that starts sagas whose actions sleep, and workers that move them.

python -m bench.sleepers queue URL SAGAS
python -m bench.sleepers work URL SECONDS
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from bench.scaling import PLACES, SLEEP
from bench.workload import MILESTONES, Body, act, order
from saga_journey import Context, Saga, SagaStatus, milestone, open_journeys
from saga_journey.ports import Observation, TurnCommitted

AT_ONCE = 200
WARM = 3 * PLACES


def sleeping(name: str) -> Callable[[Context[Body]], Awaitable[Body]]:
    """The action of one milestone, as a function of that name."""

    async def action(ctx: Context[Body]) -> Body:
        await asyncio.sleep(SLEEP)
        return await act(name, ctx.input)

    action.__name__ = name
    return action


SLEEPER = Saga(
    "sleeper",
    version=1,
    input=Body,
    milestones=[milestone(sleeping(name), undo=None) for name in MILESTONES],
)


class Ended:
    """Counts the sagas that have ended in this process."""

    def __init__(self) -> None:
        self.count = 0
        self._warm = asyncio.Event()

    def __call__(self, seen: Observation) -> None:
        if isinstance(seen, TurnCommitted) and seen.status is SagaStatus.COMPLETED:
            self.count += 1
            if self.count >= WARM:
                self._warm.set()

    async def warm(self) -> None:
        """Returns when the worker has moved some, and is busy with more."""
        await self._warm.wait()


async def queue(url: str, sagas: int) -> None:
    """Starts so many sagas and moves none of them."""
    async with open_journeys(url, sagas=[SLEEPER], working=False) as journeys:
        for first in range(0, sagas, AT_ONCE):
            some = range(first, min(first + AT_ONCE, sagas))
            await asyncio.gather(*(journeys.start(SLEEPER, order(number, "happy")) for number in some))
    print(json.dumps({"queued": sagas}))


async def work(url: str, seconds: float) -> None:
    """Says when it is busy; after a word on stdin it counts what ends in so many seconds, and waits to be killed."""
    ended = Ended()
    async with open_journeys(url, sagas=[SLEEPER], observers=[ended], concurrency=PLACES, undo_share=0):
        await ended.warm()
        print(json.dumps({"ended": ended.count}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        before, start = ended.count, time.perf_counter()
        await asyncio.sleep(seconds)
        rate = (ended.count - before) / (time.perf_counter() - start)
        print(json.dumps({"ended": ended.count, "sagas_per_s": rate}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """One of them, in this process."""
    part, url, much = sys.argv[1:]
    asyncio.run(queue(url, int(much)) if part == "queue" else work(url, float(much)))


if __name__ == "__main__":
    main()
