"""The example is a folder of scripts that import one another: here its folder becomes importable."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "examples" / "order_processing"))

import processes
from tests.examples.order_calls import Caller


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the participants of one test file keep their books."""
    return tmp_path_factory.mktemp("order_processing")


@pytest.fixture(scope="module")
def urls(place: Path) -> Iterator[dict[str, str]]:
    """The four participants, as processes."""
    with processes.all_participants(place) as urls:
        yield urls


@pytest.fixture(scope="module")
async def caller(urls: dict[str, str]) -> AsyncIterator[Caller]:
    async with Caller(urls) as caller:
        yield caller
