"""Who takes part, and what each must be able to do."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from bench.workload import Mode


class Runner(Protocol):
    """An open contestant, ready to run sagas at once."""

    @property
    def commits(self) -> int | None:
        """Transactions committed so far; None when the contestant cannot tell."""

    async def run_saga(self, number: int, mode: Mode) -> str:
        """Runs saga `number` of W to its end: "completed" or "compensated"."""


class _Module(Protocol):
    def opened(self, database: Path) -> AbstractAsyncContextManager[Runner]: ...


# name -> (our module that runs it, the package it cannot do without)
CONTESTANTS = {
    "floor": ("bench.floor", "msgspec"),
    "ours": ("bench.ours", "saga_journey"),
    "dbos": ("bench.dbos_peer", "dbos"),
}


def absent() -> dict[str, str]:
    """The contestants that cannot take part here, each with the package that is not installed."""
    return {name: package for name, (_, package) in CONTESTANTS.items() if find_spec(package) is None}


def opened(name: str, database: Path) -> AbstractAsyncContextManager[Runner]:
    """Opens a contestant on a database that does not exist yet; closes it, checkpoint included, at the end."""
    return cast(_Module, import_module(CONTESTANTS[name][0])).opened(database)
