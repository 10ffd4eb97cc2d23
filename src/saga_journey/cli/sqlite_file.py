"""A SQLite file behind `--db`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

from saga_journey.cli.database import Schema, finding_about, schema_of
from saga_journey.cli.findings import Finding, size
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, USAGE, Problem, problem_of
from saga_journey.cli.times import span
from saga_journey.errors import StoreError
from saga_journey.stores.migrations import Migration
from saga_journey.stores.sqlite.clock import boot_id
from saga_journey.stores.sqlite.connection import MINIMUM, explain, parse_url
from saga_journey.stores.sqlite.migrate import applied, migrate_file, pending, script

MIB = 1024 * 1024
LARGE_WAL = 64 * MIB
LITTLE_ROOM, NO_ROOM = 1024 * MIB, 64 * MIB
DRIFT = 60.0
"""Seconds by which store time and the wall clock may differ before somebody should look."""


class SqliteFile:
    """`database.Database` in a file, which need not be there."""

    def __init__(self, given: Given) -> None:
        """Raises Problem for a URL that names no file."""
        self._given = given
        self.path: Path = _path_of(given)

    @property
    def name(self) -> str:
        return str(self.path)

    async def must_open(self) -> None:
        self._must_be_there()
        self._must_be_writable()

    async def schema(self) -> Schema:
        self._must_be_there()
        return self._schema()

    def without_schema(self) -> Problem:
        what = f"{self.path} is a database, but not one of saga-journey"
        hint = f"another file? --db sqlite:///…\nor make it one: {self._given.again('db', 'migrate')}"
        return Problem(UNREACHABLE, "not_ours", what, hint)

    async def migrate(self) -> list[Migration]:
        self._must_be_ours_or_empty()
        return migrate_file(self._given.db)

    async def script(self, role: str | None) -> str:
        if role is not None:
            raise Problem(USAGE, "no_roles", "--role: a file has no roles, only an owner", "leave it out")
        self._must_be_ours_or_empty()
        if not self.path.exists():
            with contextlib.closing(sqlite3.connect(":memory:")) as nothing:
                return script(pending(nothing))
        schema = self._schema()
        return script(schema.pending)

    async def findings(self) -> AsyncIterator[Finding]:
        yield _sqlite()
        self._must_be_there()
        yield self._database()
        self._must_be_writable()
        yield Finding("rights", "ok", f"the file and {self.path.resolve().parent} can be written")
        yield self._wal()
        yield finding_about(self._schema(), self, self._given)
        yield self._disk()
        yield self._clock()

    def about_time(self, ahead: float) -> list[Finding]:
        text = f"store time and the wall clock differ by {span(abs(ahead))}"
        if abs(ahead) < DRIFT:
            return [Finding("time", "ok", text)]
        hint = "somebody set the wall clock; timers follow store time, which nobody sets"
        return [Finding("time", "look", text, hint)]

    # --- is it there? ---

    def _must_be_there(self) -> None:
        if self.path.is_dir():
            raise Problem(UNREACHABLE, "no_database", f"{self.path} is a directory, not a database", None)
        if not self.path.exists():
            hint = (
                "the worker makes it when it opens; where is it? --db sqlite:///… or SAGA_DB\n"
                f"an empty one: {self._given.again('db', 'migrate')}\n"
                "only looking around? saga demo"
            )
            raise Problem(UNREACHABLE, "no_database", f"there is no database {self.path}", hint)

    def _must_be_writable(self) -> None:
        """SQLite in WAL mode writes beside the file also when it only reads, so both must be writable."""
        for place in (self.path, self.path.resolve().parent):
            if not os.access(place, os.R_OK | os.W_OK):
                what = f"{place} cannot be written by you, and SQLite needs that even for reading"
                hint = "run it as the user of the worker (sudo -u …), or copy the database to where you can write"
                raise Problem(UNREACHABLE, "store_read_only", what, hint)

    def _must_be_ours_or_empty(self) -> None:
        """Tables are not made among those of some other program."""
        folder = self.path.resolve().parent
        if not folder.is_dir():
            what = f"there is no directory {folder} to make {self.path.name} in"
            raise Problem(UNREACHABLE, "no_directory", what, "make it first, or name another one: --db sqlite:///…")
        if not self.path.exists():
            return
        self._must_be_there()
        schema = self._schema()
        if schema.problem is not None:
            raise schema.problem
        if not schema.applied and (strange := self._tables()):
            what = f"{self.path} belongs to another program: it has the tables {', '.join(strange[:3])} …"
            hint = "give the sagas a file of their own: --db sqlite:///journeys.db"
            raise Problem(UNREACHABLE, "not_ours", what, hint)

    # --- what is in it? ---

    @contextlib.contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """A connection that can only read. Raises Problem when it cannot even do that."""
        url = f"file:{quote(str(self.path.resolve()))}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(url, uri=True)) as db:
                yield db
        except sqlite3.Error as error:
            raise problem_of(explain(error, str(self.path))) from error

    def _schema(self) -> Schema:
        with self._looking() as db:
            return schema_of(applied(db), lambda: pending(db))

    def _tables(self) -> list[str]:
        with self._looking() as db:
            rows = db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
            return [row[0] for row in rows]

    # --- what doctor finds ---

    def _database(self) -> Finding:
        about = self.path.stat()
        text = f"{self.path.resolve()}, {size(about.st_size)}, {stat.filemode(about.st_mode)}"
        if about.st_mode & stat.S_IWOTH:
            return Finding("database", "look", f"{text}: everybody can write it", f"chmod o-w {self.path}")
        return Finding("database", "ok", text)

    def _wal(self) -> Finding:
        with self._looking() as db:
            mode = db.execute("pragma journal_mode").fetchone()[0]
        log = Path(f"{self.path}-wal")
        grown = log.stat().st_size if log.exists() else 0
        if mode != "wal":
            return Finding("wal", "look", f"journal mode {mode}", "the next process that opens it switches to WAL")
        if grown > LARGE_WAL:
            hint = "some process has been reading for a long time, so the log cannot be emptied: find and end it"
            return Finding("wal", "look", f"the log has grown to {size(grown)}", hint)
        return Finding("wal", "ok", f"on, its log has {size(grown)}")

    def _disk(self) -> Finding:
        room = shutil.disk_usage(self.path.resolve().parent)
        text = f"{size(room.free)} free of {size(room.total)}"
        if room.free < NO_ROOM:
            hint = "make room: nothing is lost, but nothing new is called until there is some"
            return Finding("disk", "bad", text, hint)
        return Finding("disk", "look" if room.free < LITTLE_ROOM else "ok", text)

    def _clock(self) -> Finding:
        """Store time is the wall clock at the first opening since boot, and the boot clock from then on."""
        with self._looking() as db:
            row = db.execute("select boot_id from anchor").fetchone()
        if row is None:
            return Finding("clock", "look", "it has no anchor yet", "the first process that opens it sets one")
        if row[0] != boot_id():
            text = "anchored before the last boot of this host, or on another one"
            return Finding("clock", "look", text, "the next process that opens it anchors anew, never backwards")
        return Finding("clock", "ok", "anchored since the last boot of this host")


def _path_of(given: Given) -> Path:
    try:
        path = parse_url(given.db)
    except StoreError as error:
        raise Problem(USAGE, "not_a_database_url", str(error)) from None
    if path == ":memory:":
        what = "a database in memory lives inside one process: no other one can look into it"
        raise Problem(USAGE, "in_memory", what, "give the file that the worker opened: --db sqlite:///journeys.db")
    return Path(path)


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info < MINIMUM:
        return Finding("sqlite", "bad", f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed")
    return Finding("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")
