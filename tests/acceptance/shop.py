"""A shop whose services do in each run what the run's input says, and take as long as they are told to.

    {"charge": ["lost", "ok"]}     the first attempt of `charge` is lost on the way, the second one succeeds
    {"undo_charge": ["no"]}        its undo is refused

What is not said succeeds. An attempt takes a second of manual time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from saga_journey import Context, Journeys, Refused, Retry, Run, Working, milestone, open_journeys
from saga_journey.authoring import Journey, MilestoneOf
from saga_journey.testing.clock import ManualClock, store_on
from saga_journey.testing.wrapping import WatchedStore

AT_ONCE = Retry(attempts=3, first=0, most=0)
"""Three attempts, with no time between them."""
LATER = 500.0
"""Who answers "later" wants to be asked again after so many seconds."""


class Shop:
    """The services, the clock, and what was asked of whom."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.book: list[str] = []
        self.seconds: dict[str, float] = {}
        """How long a service takes, where it is not a second."""

    def step(self, name: str, /, **policy: Any) -> MilestoneOf[Any, Any]:
        """A milestone that asks the service of that name; it has an undo unless `undo=None`."""
        act, take_back = self._handlers(name)
        undo = policy.pop("undo", take_back)
        named = {"id": name, "name": name, "undo_name": f"undo_{name}" if undo else None}
        options = {"retry": AT_ONCE, "undo_retry": AT_ONCE, **named, **policy}
        return milestone(act, undo=undo, **options)

    @cache  # noqa: B019 - journeys that share a service share its handlers; a shop lives as long as its test
    def _handlers(self, name: str) -> tuple[Any, Any]:
        async def act(ctx: Context[Any]) -> str:
            self._answer(ctx, name)
            return f"{name} of {ctx.saga_id[-4:]}"

        async def take_back(ctx: Context[Any], result: Any) -> None:
            self._answer(ctx, f"undo_{name}")

        return act, take_back

    def _answer(self, ctx: Context[Any], name: str) -> None:
        self.book.append(name)
        self.clock.advance(self.seconds.get(name, 1.0))
        script = (ctx.input or {}).get(name, ["ok"])
        answer = script[min(ctx.attempt, len(script)) - 1]
        if answer == "no":
            raise Refused("no")
        if answer == "later":
            raise Working(retry_in=LATER)
        if answer == "lost":
            raise ConnectionError("lost on the way")

    @asynccontextmanager
    async def open(self, url: str, *journeys: Journey[Any]) -> AsyncIterator[Opened]:
        """Journeys on that database, on the shop's time."""
        store = WatchedStore(await store_on(self.clock, url))
        async with open_journeys(store, sagas=journeys, clock=self.clock) as opened:
            yield Opened(opened, store)


class Opened:
    """Journeys, and a way to wait until nothing moves any more."""

    def __init__(self, journeys: Journeys, store: WatchedStore) -> None:
        self.journeys = journeys
        self.tracker, self.analytics = journeys.tracker, journeys.analytics
        self.quiet = store.quiet

    async def run(self, journey: Journey[Any], input: Any = None, who: Any = None) -> Run:
        """Starts a run, and returns when all of it that moves by itself has moved."""
        run = await self.journeys.start(journey, input or {}, user_context=who)
        await self.quiet()
        return run
