from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.stage import Cli, Worker


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def hire(cli: Cli) -> Iterator[Callable[..., Worker]]:
    """Opens workers on the database; what is still there at the end is stopped."""
    hired: list[Worker] = []

    def one_more(which: str = "all") -> Worker:
        hired.append(Worker(cli, which))
        return hired[-1]

    yield one_more
    for worker in hired:
        worker.stop()


@pytest.fixture
def worker(hire: Callable[..., Worker]) -> Worker:
    return hire()
