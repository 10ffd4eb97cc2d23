"""What every acceptance test may ask for: a participant that protests, a clock that obeys, journeys to move."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from saga_journey.testing.clock import ManualClock
from tests.acceptance.cluster import Cluster, cluster_at
from tests.acceptance.places import ALL, SHARED
from tests.acceptance.stage import Stage, violations


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def stage(tmp_path: Path, clock: ManualClock) -> Stage:
    """One database, one participant, one clock. `async with stage.moving(saga) as journeys` moves what is there."""
    return Stage(tmp_path / "journeys.db", clock)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One database, one participant, and worker processes that call it. Time is the real one."""
    async with cluster_at(tmp_path) as cluster:
        yield cluster


@pytest.fixture(params=ALL.values(), ids=list(ALL))
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store. The test runs on each of them."""
    return str(request.param(tmp_path))


@pytest.fixture(params=SHARED.values(), ids=list(SHARED))
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same, as far as another process can open it, or the next one."""
    return str(request.param(tmp_path))


@pytest.fixture(autouse=True)
def _no_promise_is_broken(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test asserts: the participant has nothing to protest against, and the checker finds nothing."""
    yield
    given = request.node.funcargs if isinstance(request.node, pytest.Function) else {}
    for place in (given.get("stage"), given.get("cluster")):
        if isinstance(place, Stage | Cluster):
            assert violations(place.participant) == []
