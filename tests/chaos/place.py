"""Where a bad day leaves its traces: a database with a witness, the ledger, the client's log, everybody's notes."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from saga_journey.stores.boot_clock import ahead_by, boot_clock
from saga_journey.stores.postgres.migrate import migrate_database
from saga_journey.testing.databases import look_into
from saga_journey.testing.ledger import Ledger
from saga_journey.testing.witness import install_witness

CLOCK = "select extract(epoch from clock_timestamp())::double precision"


class Place:
    """A folder and a fresh database on a server."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.ledger = folder / "ledger.db"
        self.said = folder / "client.log"
        self.notes = folder / "notes.jsonl"
        self.log = folder / "log.txt"

    @classmethod
    def made(cls, folder: Path, url: str) -> Place:
        """With today's schema, watched from the first row on. Leaves no thread behind, so the caller may fork."""
        place = cls(folder, url)
        asyncio.run(migrate_database(url))
        install_witness(url)
        Ledger(place.ledger).close()
        with closing(sqlite3.connect(place.ledger)) as books:  # participants look for their keys all the time
            books.execute("create index if not exists entry_key on entry (key)")
        return place

    def unfinished(self) -> int:
        """How many runs have not ended."""
        with closing(look_into(self.url)) as looking:
            ((count,),) = looking.rows("select count(*) from run where due_at is not null")
        return int(count)

    def log_as(self, name: str) -> None:
        """What this process logs is written down under that name."""
        logging.basicConfig(filename=self.log, format=f"%(asctime)s {name} %(levelname)s %(message)s", level="WARNING")

    def unforeseen(self) -> list[str]:
        """What was logged with a traceback: errors that nobody had thought of."""
        logged = self.log.read_text("utf-8") if self.log.exists() else ""
        return [
            entry for entry in re.split(r"^(?=\d{4}-\d\d-\d\d )", logged, flags=re.MULTILINE) if "Traceback" in entry
        ]


def never_behind(url: str) -> Callable[[], float]:
    """Store time for the books: ahead of the server by at most the time that its quickest answer took.

    A worker is never ahead of the server. With that, a call that comes too early is seen, and none is seen that is not.
    """
    with closing(look_into(url)) as looking:
        asked = [(boot_clock(), looking.rows(CLOCK)[0][0]) for _ in range(5)]
    return ahead_by(min(said - at for at, said in asked))
