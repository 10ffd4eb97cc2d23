"""The files of one cell: the database J and O, the ledger L, the client's log A, what each process left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from saga_journey.stores.sqlite.store import migrate_file
from saga_journey.testing.checker import Violation, check
from saga_journey.testing.witness import install_witness


class Place:
    """A folder of its own for every cell. `of(template)` begins with a database that has its schema and a witness."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "journeys.db"
        self.ledger = folder / "ledger.db"
        self.log = folder / "client.log"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.database}"

    @classmethod
    def of(cls, template: Path, folder: Path) -> Place:
        folder.mkdir(parents=True)
        place = cls(folder)
        shutil.copy(template, place.database)
        return place

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

    def discard(self) -> None:
        shutil.rmtree(self.folder)


def make_template(folder: Path) -> Path:
    """A database with today's schema, watched by a witness from the first row on. Made once for all cells."""
    folder.mkdir(parents=True, exist_ok=True)
    template = folder / "template.db"
    migrate_file(f"sqlite:///{template}")
    install_witness(template)
    return template
