"""Open runs in great number: what `memory` weighs and `recovery` brings back.

*waiting*: one milestone is done, the next waits for a day for an answer from outside. *called*: the run is inside its
first action, which never ends.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.workload import Body, act, order, undo
from saga_journey import Context, Journeys, Retry, Saga, external, milestone

DAY = 86_400.0
AT_ONCE = 500
PATIENCE = 60.0
SILENCE = 0.5


@dataclass
class Tally:
    """How many actions have been called in this process."""

    calls: int = 0


TALLY = Tally()


async def reserve(ctx: Context[Body]) -> Body:
    """Done at once."""
    TALLY.calls += 1
    return await act("reserve", ctx.input)


async def unreserve(_ctx: Context[Body], receipt: Body | None) -> None:
    """The undo of `reserve`."""
    if receipt is not None:
        await undo("reserve", receipt)


async def never_end(_ctx: Context[Body]) -> Body:
    """An answer that never comes."""
    TALLY.calls += 1
    await asyncio.Event().wait()
    return {}


WAITING = Saga(
    "waiting",
    version=1,
    input=Body,
    milestones=[
        milestone(reserve, undo=unreserve),
        external("approval", result=Body, undo=None, timeout=DAY),
    ],
)
CALLED = Saga(
    "called",
    version=1,
    input=Body,
    milestones=[milestone(never_end, undo=None, timeout=DAY, retry=Retry(first=0))],
)
SHAPES = {saga.name: saga for saga in (WAITING, CALLED)}


async def open_runs(journeys: Journeys, saga: Saga[Body], first: int, runs: int) -> None:
    """Starts so many runs and returns when each has come as far as it will."""
    for number in range(first, first + runs, AT_ONCE):
        some = range(number, min(number + AT_ONCE, first + runs))
        await asyncio.gather(*(journeys.start(saga, order(n, "happy")) for n in some))
    await every_action_called(first + runs)
    await last_commit(journeys)


async def every_action_called(wanted: int) -> float:
    """Returns when so many actions have been called in this process; answers when that was, by `time.perf_counter`."""
    end = time.perf_counter() + PATIENCE
    while TALLY.calls < wanted:
        if time.perf_counter() > end:
            raise TimeoutError(f"{TALLY.calls} of {wanted} actions were called within {PATIENCE:.0f} s")
        await asyncio.sleep(0.002)
    return time.perf_counter()


async def last_commit(journeys: Journeys) -> float:
    """Returns when nothing has been committed for half a second; answers when the last commit was seen."""
    start = seen = time.perf_counter()
    commits = journeys.store.commits
    while (now := time.perf_counter()) < seen + SILENCE:
        if journeys.store.commits != commits:
            commits, seen = journeys.store.commits, now
        if now > start + PATIENCE:
            raise TimeoutError(f"commits had not ceased after {PATIENCE:.0f} s")
        await asyncio.sleep(0.002)
    return seen
