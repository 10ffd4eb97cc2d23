"""What stands around a store or a handler passes everything on, and crosses a boundary on either side of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Completed, Context, Saga, milestone, open_journeys
from saga_journey.ports import Store
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.testing.crash import Boundaries, Boundary, CrashingCurator, CrashingStore
from saga_journey.testing.wrapping import WrappedStore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_wrapped_store_has_every_method_of_the_port() -> None:
    asked = {name for name in vars(Store) if not name.startswith("_")}
    assert asked - {name for name in vars(WrappedStore) if not name.startswith("_")} == set()


async def pack(ctx: Context[Any]) -> str:
    return "packed"


def send(ctx: Context[Any]) -> str:
    return f"{ctx.result(pack)} and sent"


async def run_with(boundaries: Boundaries, folder: Path) -> Any:
    saga: Saga[Any] = Saga("parcel", version=1, milestones=[milestone(pack, undo=None), milestone(send, undo=None)])
    store = CrashingStore(await SqliteStore.open(f"sqlite:///{folder}/journeys.db"), boundaries)
    curator = CrashingCurator(boundaries)
    async with open_journeys(store, sagas=[saga], curator=curator, handle_sigterm=False) as journeys:
        return await (await journeys.start(saga, {})).outcome()


async def test_every_write_and_every_handler_has_two_boundaries(tmp_path: Path) -> None:
    boundaries = Boundaries()
    outcome = await run_with(boundaries, tmp_path)
    assert isinstance(outcome, Completed)
    assert outcome.results["send"] == "packed and sent"
    crossed = boundaries.crossed
    writes = ("enter", "wake_needy", "tenant", "save_definition", "start", "commit", "leave")
    for name in (*writes, "pack", "send"):
        assert crossed[f"before-{name}"] == crossed[f"after-{name}"] > 0, name
    assert crossed["before-commit"] == 2


@pytest.mark.parametrize("kind", ["before-commit", "after-commit", "before-pack", "after-send"])
async def test_something_happens_at_one_of_them(tmp_path: Path, kind: str) -> None:
    happened: list[int] = []
    boundaries = Boundaries(Boundary(kind, 1), lambda: happened.append(boundaries.crossed[kind]))
    await run_with(boundaries, tmp_path)
    assert happened == [1]


def test_boundaries_are_counted_by_their_kind() -> None:
    boundaries = Boundaries()
    act: Callable[[str], None] = boundaries.cross
    for kind in ("before-commit", "after-commit", "before-commit"):
        act(kind)
    assert [str(b) for b in boundaries.passed()] == ["before-commit:1", "before-commit:2", "after-commit:1"]
