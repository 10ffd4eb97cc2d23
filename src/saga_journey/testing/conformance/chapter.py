"""How a chapter of the suite is run: each test gets a stage, in an event loop of its own.

So the tests are plain functions, which pytest runs with any plugin for coroutines, or with none.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from saga_journey.ports import OutboxRow, RunKey, Store
from saga_journey.testing.conformance.stage import Stage

PATIENCE = 60.0
"""A test that takes longer hangs (seconds)."""


class Chapter:
    """Tests about one part of the port. Whoever has a store says how it is opened, and what lies behind its port."""

    async def open(self) -> Store:
        """One more process on the database of this test, which its first call finds empty. The suite closes it."""
        raise NotImplementedError("say how your store is opened")

    def tell_time(self, store: Store, now: Callable[[], float]) -> None:
        """From now on the store takes this for store time, also for what its server would have asked its own clock."""
        store.now = now  # type: ignore[misc]

    async def outbox(self, store: Store, key: RunKey) -> list[OutboxRow]:
        """The events of a run that wait to be published, in their order."""
        pytest.skip("outbox() is not overridden: nobody knows what is to be published")

    async def publish(self, store: Store, key: RunKey) -> None:
        """The events of a run are noted as published."""
        pytest.skip("publish() is not overridden: nobody can say that something was published")

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        for name, test in list(vars(cls).items()):
            if name.startswith("test_") and inspect.iscoroutinefunction(test):
                setattr(cls, name, _in_a_loop(test))


def _in_a_loop(test: Callable[[Any, Stage], Awaitable[None]]) -> Callable[[Chapter], None]:
    async def staged(chapter: Chapter) -> None:
        stage = Stage(chapter.open, chapter.tell_time)
        async with asyncio.timeout(PATIENCE):
            try:
                await stage.rise()
                await test(chapter, stage)
            finally:
                await stage.fall()

    @functools.wraps(test)
    def run(self: Chapter) -> None:
        __tracebackhide__ = True
        asyncio.run(staged(self))

    del run.__wrapped__  # pytest would ask it for its arguments
    return run
