"""Bugs that the crash matrix and the random trials have found, each with the shortest story that shows it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from saga_journey import Compensated, Context, Curator, Retry, Run, Saga, external, milestone, open_journeys
from saga_journey.authoring import MilestoneOf
from saga_journey.core.codec import decode_definition, encode_definition
from saga_journey.ports import AttemptEnded, Wanted
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.testing.wrapping import WrappedStore

T = TypeVar("T")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def pack(ctx: Context[Any]) -> str:
    return "packed"


async def unpack(ctx: Context[Any], parcel: str | None) -> None: ...


PARCEL: Saga[Any] = Saga("parcel", version=1, milestones=[milestone(pack, undo=unpack)])


@pytest.mark.parametrize("seconds", [3600, 3600.0])
def test_whole_seconds_and_their_float_are_one_definition(seconds: float) -> None:
    """I19: a definition written with whole seconds was stored under one hash and read back with another."""
    policy = Retry(first=seconds, most=seconds)
    saga: Saga[Any] = Saga("a", version=1, milestones=[milestone(pack, undo=None, timeout=seconds, retry=policy)])
    assert decode_definition(encode_definition(saga.definition)).hash == saga.definition.hash
    assert saga.definition.hash == decode_definition(encode_definition(saga.definition).replace("3600.0", "3600")).hash


async def test_an_empty_curator_is_used_too(tmp_path: Path) -> None:
    """It was replaced by a new one, since a curator without handlers is false."""
    curator = Curator()
    url = f"sqlite:///{tmp_path}/journeys.db"
    async with open_journeys(url, sagas=[PARCEL], curator=curator, handle_sigterm=False) as journeys:
        assert journeys.curator is curator
        assert "pack" in curator


async def test_a_frozen_worker_is_not_forgotten(tmp_path: Path) -> None:
    """I15: it woke up, claimed runs under a number that nobody knew any more, and died: they waited for ever."""
    url, database = f"sqlite:///{tmp_path}/journeys.db", tmp_path / "journeys.db"
    frozen, other = await SqliteStore.open(url), await SqliteStore.open(url)
    owner, successor = await frozen.enter(lease=10), await other.enter(lease=10)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("update owner set lease_until = 0 where owner = ?", (owner,))
        for _ in range(3):  # found dead, buried, forgotten
            await other.claim(Wanted(successor, 1, 1, [], 1, 0.0, fragile=True))
        assert db.execute("select 1 from owner where owner = ?", (owner,)).fetchone()
    await frozen.close()
    await other.close()


class Nobody:
    """A publisher: commits carry outbox rows."""

    async def publish(self, rows: Sequence[Mapping[str, Any]]) -> None: ...


async def ask_manager(ctx: Context[Any]) -> None:
    ctx.emit("manager.asked", {})


async def test_what_a_request_emits_is_told(tmp_path: Path) -> None:
    """I18: an external milestone's request ended ok, and the event that it had emitted was dropped."""
    approval: MilestoneOf[Any, Any] = external("approval", request=ask_manager, undo=None, timeout=60)
    saga: Saga[Any] = Saga("asking", version=1, milestones=[approval])
    url = f"sqlite:///{tmp_path}/journeys.db"
    async with open_journeys(url, sagas=[saga], publisher=Nobody(), handle_sigterm=False) as journeys:
        asked = asyncio.Event()
        journeys.observe(lambda seen: asked.set() if isinstance(seen, AttemptEnded) else None)
        run = await journeys.start(saga, {})
        await asked.wait()
        await run.advance("approval")
        await run.outcome()
    with closing(sqlite3.connect(tmp_path / "journeys.db")) as db:
        assert db.execute("select count(*) from outbox where kind = 'manager.asked'").fetchone() == (1,)


class BetweenTwoLooks(WrappedStore):
    """Lets something happen just before a journal is read for the first time."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def around_read(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        if name == "load" and self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return await read()


async def test_an_outcome_that_is_overtaken_while_it_is_looked_up(tmp_path: Path) -> None:
    """`outcome()` found the saga completed, read a journal that had just turned back, and raised ValueError."""
    undo_may_end = asyncio.Event()

    async def slow_unpack(ctx: Context[Any], parcel: str | None) -> None:
        await undo_may_end.wait()

    saga: Saga[Any] = Saga("slow", version=1, milestones=[milestone(pack, undo=slow_unpack)])
    url = f"sqlite:///{tmp_path}/journeys.db"
    async with open_journeys(url, sagas=[saga], handle_sigterm=False) as worker:
        run = await worker.start(saga, {})
        await run.outcome()
        looking = BetweenTwoLooks(await SqliteStore.open(url))
        looking.meanwhile = lambda: _turned_back(run, undo_may_end)
        async with open_journeys(looking, working=False, handle_sigterm=False) as reader:
            assert isinstance(await reader.run(run.saga_id).outcome(), Compensated)


async def _turned_back(run: Run, undo_may_end: asyncio.Event) -> None:
    await run.compensate("the day after")
    asyncio.get_running_loop().call_soon(undo_may_end.set)
