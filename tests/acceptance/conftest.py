"""What every acceptance test may ask for: a participant that protests, a clock that obeys, journeys to move."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from saga_journey.stores.server_url import is_postgres
from saga_journey.testing.clock import ManualClock
from tests.acceptance.cluster import Cluster, cluster_at
from tests.acceptance.places import ALL, SHARED, Place
from tests.acceptance.stage import Stage, violations
from tests.pool import given_back
from tests.thorough import THOROUGH

ON_EVERY_STORE = (
    *("test_scenario", "test_shapes_processes", "test_recovery", "test_limits", "test_retention"),
    *("test_lost_lease", "test_waiting_elsewhere", "test_session_writers"),
)
"""The tests, by the beginning of their module's name, that are about many workers, death and time."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lent() -> Iterator[list[str]]:
    """The databases of this test, given back when everything else has come to its end."""
    urls: list[str] = []
    yield urls
    for url in filter(is_postgres, urls):
        given_back(url)


@pytest.fixture
def shared_url(request: pytest.FixtureRequest, lent: list[str], tmp_path: Path) -> str:
    """A fresh store that another process can open, or the next one. The test runs on each of them."""
    return _made(SHARED[request.param], lent, tmp_path)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, lent: list[str], tmp_path: Path) -> str:
    """The same, also of a store that nobody else can open."""
    return _made(ALL[request.param], lent, tmp_path)


def _made(place: Place, lent: list[str], folder: Path) -> str:
    lent.append(place(folder))
    return lent[-1]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite_only(why): it is about a file, or what only SQLite does")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a store runs on each, unless it is marked `sqlite_only`.

    What no store can make a difference to runs on PostgreSQL only in `make thorough`.
    """
    marked = metafunc.definition.get_closest_marker("sqlite_only") is not None
    alone = marked or not (THOROUGH or metafunc.module.__name__.rpartition(".")[2].startswith(ON_EVERY_STORE))
    for fixture, places in (("shared_url", SHARED), ("store_url", ALL)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, [n for n in places if not alone or n.startswith("sqlite")], indirect=True)


@pytest.fixture
async def stage(shared_url: str, tmp_path: Path, clock: ManualClock) -> Stage:
    """One database, one participant, one clock. `async with stage.moving(saga) as journeys` moves what is there."""
    return Stage(shared_url, tmp_path, clock)


@pytest.fixture
async def cluster(shared_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """One database, one participant, and worker processes that call it. Time is the real one."""
    async with cluster_at(shared_url, tmp_path) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _no_promise_is_broken(request: pytest.FixtureRequest, lent: list[str]) -> Iterator[None]:
    """Whatever a test asserts: the participant has nothing to protest against, and the checker finds nothing."""
    yield
    given = request.node.funcargs if isinstance(request.node, pytest.Function) else {}
    for place in (given.get("stage"), given.get("cluster")):
        if isinstance(place, Stage | Cluster):
            assert violations(place.participant) == []
