"""What each cell has of its own: the database J and O, the ledger L, the client's log A, what its processes left."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from saga_journey.stores.server_url import is_postgres
from saga_journey.stores.sqlite.migrate import migrate_file
from saga_journey.testing.checker import Violation, check
from saga_journey.testing.databases import Database, look_into
from saga_journey.testing.witness import install_witness
from tests import pool
from tests.leases import Leases

TABLES = ("owner", "tenant", "definition", "run", "journal", "command", "outbox", "witness_holder", "witness_write")


class Place:
    """A folder of its own for every cell. `of(template)` begins with a database that has its schema and a witness."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """`url`: of a database on a server; else it is a file in the folder."""
        self.folder = folder
        self.database: Database = url or folder / "journeys.db"
        self.url = url or f"sqlite:///{self.database}"
        self.ledger = folder / "ledger.db"
        self.log = folder / "client.log"

    @classmethod
    def of(cls, template: Path, folder: Path) -> Place:
        folder.mkdir(parents=True)
        place = cls(folder)
        shutil.copy(template, folder / "journeys.db")
        return place

    @classmethod
    def on_postgres(cls, folder: Path) -> Place:
        folder.mkdir(parents=True)
        return cls(folder, pool.lent())

    @property
    def is_on_postgres(self) -> bool:
        return is_postgres(self.url)

    @property
    def is_spoiled(self) -> bool:
        """Its database has another schema than all others."""
        return (self.folder / "spoiled").exists()

    def spoil(self) -> None:
        (self.folder / "spoiled").touch()

    def leave(self, process: str, what: dict[str, Any]) -> None:
        """What a process tells of its life, if it lived to the end."""
        (self.folder / f"{process}.json").write_text(json.dumps(what), "utf-8")

    def left(self, process: str) -> dict[str, Any] | None:
        path = self.folder / f"{process}.json"
        if not path.exists():
            return None
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return told

    def check(self, *, settled: bool = True) -> list[Violation]:
        return check(self.database, self.ledger, self.log, settled=settled, publishing=True)

    def bury(self) -> None:
        """Every worker here is dead. SQLite sees that by itself; on a server its lease would have to run out."""
        Leases(self.url).end()

    def keep(self) -> None:
        """Puts the tables of a database on a server into the folder, for a server of tests does not stay."""
        if not self.is_on_postgres:
            return
        with closing(look_into(self.url)) as looking, (self.folder / "tables.txt").open("w", encoding="utf-8") as out:
            for table in TABLES:
                print(table, *looking.rows(f"select * from {table} order by 1, 2"), "", sep="\n", file=out)

    def discard(self) -> None:
        if self.is_on_postgres:
            (pool.thrown_away if self.is_spoiled else pool.given_back)(self.url)
        shutil.rmtree(self.folder)


def make_template(folder: Path) -> Path:
    """A database with today's schema, watched by a witness from the first row on. Made once for all cells."""
    folder.mkdir(parents=True, exist_ok=True)
    template = folder / "template.db"
    migrate_file(f"sqlite:///{template}")
    install_witness(template)
    return template


STORES = ("sqlite", "postgres")


class Grounds:
    """A folder in which every place has one of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._template = make_template(folder)

    def place(self, store: str, name: str) -> Place:
        folder = self.folder / name
        return Place.on_postgres(folder) if store == "postgres" else Place.of(self._template, folder)
