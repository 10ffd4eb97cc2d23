"""A SQLite file that is moved to another store (`moving.ports.Source`): read in one transaction, which locks it.

Only looked at, it is not changed. From `lock` on, its connection holds the write lock: nobody else begins a run, sends
a command or becomes a worker. All that its transaction writes is the mark.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote

from saga_journey.errors import StoreError
from saga_journey.ports import JournalRow
from saga_journey.stores.moving.mark import Mark
from saga_journey.stores.moving.ports import TABLES, Counts, Here, Key, Numbered, Rows, RunJournal, Table
from saga_journey.stores.queries import load_queries
from saga_journey.stores.sqlite.clock import boot_id, store_time
from saga_journey.stores.sqlite.connection import connect, explain, parse_url
from saga_journey.stores.sqlite.living import living
from saga_journey.stores.sqlite.migrate import migrate, pending
from saga_journey.stores.sqlite.moved import mark_of, refuse_moved, write_mark

PIECE = 5000
"""So many get their numbers at a time."""

_sql = load_queries("saga_journey.stores.sqlite", "reading_out.sql")


class SqliteSource:
    """The database of that URL, which has to be there. Close it: what was not committed by then is undone."""

    def __init__(self, url: str) -> None:
        """Raises StoreError when there is no such file, or it cannot be read."""
        self.name: str = parse_url(url)
        if not Path(self.name).is_file():
            raise StoreError(f"there is no database {self.name}: check the path of the URL")
        with self._explained():
            self._db = sqlite3.connect(f"file:{quote(str(Path(self.name).resolve()))}?mode=ro", uri=True)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._db.rollback()  # whoever still reads from it would keep the lock
        self._db.close()

    # --- looked at ---

    def look(self) -> Here:
        with self._explained():
            mark = mark_of(self._db)
            if mark is None:
                self._refuse_living()
            (in_flight,) = self._db.execute(_sql["in_flight"]).fetchone()
            return Here(self._counts(), in_flight, self._now(), mark, behind=bool(pending(self._db)))

    def contents(self) -> Iterator[bytes]:
        with self._explained():
            for table in self._tables():
                yield table.encode()
                for row in self._db.execute(_sql[f"contents_{table}"]):
                    yield repr(row).encode()

    def definition(self, number: int) -> str:
        with self._explained():
            return str(self._db.execute(_sql["definition"], (number,)).fetchone()[0])

    # --- locked ---

    def lock(self) -> Counts:
        with self._explained():
            self._db.close()
            self._db = connect(self.name)
            refuse_moved(self._db, self.name)
            self._refuse_living()
            migrate(self._db)
            self._db.execute("begin immediate")
            refuse_moved(self._db, self.name)
            self._refuse_living()
            self._db.execute(_sql["make_there"])
            return self._counts()

    def unnumbered(self, kind: Numbered) -> Iterator[list[Key]]:
        with self._explained():
            cursor = self._db.execute(_sql[f"order_{kind}"])
            while keys := cursor.fetchmany(PIECE):
                yield keys

    def number(self, kind: Numbered, keys: Sequence[Key], there: Sequence[int]) -> None:
        with self._explained():
            rows = [(kind, *key, number) for key, number in zip(keys, there, strict=True)]
            self._db.executemany(_sql["number"], rows)

    def rows(self, table: Table, now: float) -> Rows:
        with self._explained():
            cursor = self._db.execute(_sql[f"rows_{table}"], (now,) if table == "owner" else ())
            return Rows(tuple(column[0] for column in cursor.description), self._each(cursor))

    def journals(self) -> Iterator[RunJournal]:
        with self._explained():
            by_run = itertools.groupby(self._db.execute(_sql["journals"]), itemgetter(0, 1, 2, 3))
            for (tenant, run, saga, definition), rows in by_run:
                yield RunJournal(tenant, run, saga, definition, [JournalRow(*row[4:]) for row in rows])

    def mark(self, mark: Mark) -> None:
        with self._explained():
            write_mark(self._db, self.name, mark)

    def commit(self) -> None:
        with self._explained():
            self._db.execute("commit")

    # --- how ---

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.name) from error

    def _each(self, cursor: sqlite3.Cursor) -> Iterator[tuple[object, ...]]:
        with self._explained():
            for row in cursor:  # noqa: UP028 - it would close the cursor, which may be later than the connection
                yield row

    def _refuse_living(self) -> None:
        if found := ", ".join(map(str, living(self._db, self.name, self._now()))):
            raise StoreError(
                f"{self.name} is worked on: {found}; nothing was moved. Stop that first (SIGTERM, or Ctrl-C), and "
                "whatever else has this database open"
            )

    def _now(self) -> float:
        """Store time, also where nobody has anchored it since this host was started."""
        row = self._db.execute(_sql["anchor"]).fetchone()
        if row is not None and row[0] == boot_id():
            return store_time(row[1], row[2])()
        return max(time.time(), float(self._db.execute(_sql["latest_seen"]).fetchone()[0]))

    def _tables(self) -> list[Table]:
        """Those that are there (a database that is not up to date lacks some), owners apart."""
        there = {row[0] for row in self._db.execute("select name from sqlite_master where type = 'table'")}
        return [table for table in TABLES if table in there and table != "owner"]

    def _counts(self) -> Counts:
        found: dict[Table, int] = dict.fromkeys(TABLES, 0)
        for table in self._tables():
            found[table] = self._db.execute(f"select count(*) from {table}").fetchone()[0]
        found["owner"] = self._db.execute(_sql["count_owner"]).fetchone()[0]
        return found
