"""saga-journey itself, used as its users use it: default timeouts, default retries, default durability.

From one store to the other nothing changes but the URL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench import workload
from bench.places import Place
from bench.workload import MILESTONES, Body, Declined, Mode
from saga_journey import Compensated, Completed, Context, Journeys, Refused, Saga, milestone, open_journeys

ENDS = {Completed: "completed", Compensated: "compensated"}


def action_of(name: str) -> Callable[[Context[Body]], Awaitable[Body]]:
    """The action of one milestone of W, as a function of that name."""

    async def action(ctx: Context[Body]) -> Body:
        try:
            return await workload.act(name, ctx.input)
        except Declined as no:
            raise Refused(str(no)) from no

    action.__name__ = name
    return action


def undo_of(name: str) -> Callable[[Context[Body], Body | None], Awaitable[None]]:
    """Its undo; what the service answers is of no further use."""

    async def undo(_ctx: Context[Body], receipt: Body | None) -> None:
        assert receipt is not None, "in W every undone action was ok"
        await workload.undo(name, receipt)

    undo.__name__ = f"un{name}"
    return undo


W = Saga(
    "w",
    version=1,
    input=Body,
    milestones=[milestone(action_of(name), undo=undo_of(name)) for name in MILESTONES],
)


class Ours:
    """Starts a saga and waits for its outcome."""

    def __init__(self, journeys: Journeys) -> None:
        self._journeys = journeys

    @property
    def commits(self) -> int:
        return self._journeys.store.commits

    @property
    def round_trips(self) -> int | None:
        trips: int | None = getattr(self._journeys.store, "round_trips", None)
        return trips

    async def run_saga(self, number: int, mode: Mode) -> str:
        run = await self._journeys.start(W, workload.order(number, mode))
        outcome = await run.outcome()
        return ENDS.get(type(outcome)) or repr(outcome)


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Ours]:
    """saga-journey on a fresh database."""
    async with open_journeys(place.url, sagas=[W]) as journeys:
        yield Ours(journeys)
