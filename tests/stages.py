"""The stage of the contract on a database, for tests beside the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from saga_journey.ports import Store
from saga_journey.testing.conformance.stage import Stage
from saga_journey.testing.databases import open_store


@asynccontextmanager
async def stage_on(url: str) -> AsyncIterator[Stage]:
    """With one process on it; all of them live on the stage's clock, but for those that are asked not to."""
    stage = Stage(lambda: open_store(url), _tell_time)
    await stage.rise()
    try:
        yield stage
    finally:
        await stage.fall()


def _tell_time(store: Store, now: Callable[[], float]) -> None:
    store.now = now  # type: ignore[misc]
