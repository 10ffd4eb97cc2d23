"""Rows move from a table to its successor, wave by wave. Both are in one database: a wave moves as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

NAMES = ["Ada", "Grace", "Charles", "Edsger", "Barbara", "Alan", "Kathleen", "Donald", "Frances", "Tony"]
TABLES = """
CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS readers (look_into TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS steps (key TEXT PRIMARY KEY, stands INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS moved (key TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (key, id));
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What the migration belongs to."""

    change: str


@dataclass(frozen=True, slots=True)
class Extent:
    """Which rows there were when the migration began."""

    first: int
    last: int
    rows: int

    def wave(self, number: int, of: int) -> tuple[int, int]:
        """The ids of one wave: from, and up to but not including."""
        span = self.last - self.first + 1
        return self.first + span * (number - 1) // of, self.first + span * number // of


class Shop:
    """The database. A step is noted under its key in the transaction that takes it, and so is its undo."""

    def __init__(self, place: Path) -> None:
        self._path = place / "shop.db"
        with closing(sqlite3.connect(self._path)) as db, db:
            db.executescript(TABLES)
            if db.execute("SELECT count(*) FROM readers").fetchone() == (0,):
                db.execute("INSERT INTO readers VALUES ('customers')")
                db.executemany("INSERT INTO customers (name) VALUES (?)", [(name,) for name in NAMES])

    def prepare_target(self, ctx: Context[Change]) -> Extent:
        old, new = tables(ctx)
        with self._step(ctx) as (db, first_time):
            if first_time:
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (new,)).fetchone():
                    raise Refused(f"there is a table {new} already")
                db.execute(f"CREATE TABLE {new} (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
            return Extent(*db.execute(f"SELECT min(id), max(id), count(*) FROM {old}").fetchone())

    def drop_target(self, ctx: Context[Change], extent: Extent | None) -> None:
        with self._undo(ctx) as (db, was_done):
            if was_done:
                new = tables(ctx)[1]
                if db.execute(f"SELECT 1 FROM {new} LIMIT 1").fetchone():
                    raise Refused(f"{new} has rows: somebody should look at them")
                db.execute(f"DROP TABLE {new}")

    def move_wave(self, ctx: Context[Change]) -> None:
        old, new = tables(ctx)
        ids = ctx.result(self.prepare_target).wave(ctx.params["number"], ctx.params["of"])
        with self._step(ctx) as (db, first_time):
            if first_time:
                where, key = "WHERE id >= ? AND id < ?", ctx.idempotency_key
                db.execute(f"INSERT INTO moved SELECT ?, id FROM {old} {where}", (key, *ids))
                db.execute(f"INSERT INTO {new} SELECT * FROM {old} {where}", ids)
                db.execute(f"DELETE FROM {old} {where}", ids)

    def move_wave_back(self, ctx: Context[Change], _: None) -> None:
        old, new = tables(ctx)
        with self._undo(ctx) as (db, was_done):
            if was_done:
                these, key = "WHERE id IN (SELECT id FROM moved WHERE key = ?)", (ctx.action_key,)
                db.execute(f"INSERT INTO {old} SELECT * FROM {new} {these}", key)
                db.execute(f"DELETE FROM {new} {these}", key)
                db.execute("DELETE FROM moved WHERE key = ?", key)

    def compare_counts(self, ctx: Context[Change]) -> int:
        old, new = tables(ctx)
        with self._transaction() as db:
            there = db.execute(f"SELECT (SELECT count(*) FROM {old}), (SELECT count(*) FROM {new})").fetchone()
        if there != (0, ctx.result(self.prepare_target).rows):
            raise Refused(f"{there[0]} rows are left in {old}, {there[1]} are in {new}")
        return int(there[1])

    def switch_readers(self, ctx: Context[Change]) -> None:
        with self._step(ctx) as (db, first_time):
            if first_time:
                db.execute("UPDATE readers SET look_into = ?", (tables(ctx)[1],))

    def switch_readers_back(self, ctx: Context[Change], _: None) -> None:
        with self._undo(ctx) as (db, was_done):
            if was_done:
                db.execute("UPDATE readers SET look_into = ?", (tables(ctx)[0],))

    @contextmanager
    def _step(self, ctx: Context[Change]) -> Iterator[tuple[sqlite3.Connection, bool]]:
        """A transaction, and whether this is the first time under this key. Refused after its undo."""
        with self._transaction() as db:
            known = db.execute("SELECT stands FROM steps WHERE key = ?", (ctx.idempotency_key,)).fetchone()
            if known == (0,):
                raise Refused("too late: it was undone")
            yield db, known is None
            db.execute("INSERT OR IGNORE INTO steps VALUES (?, 1)", (ctx.idempotency_key,))

    @contextmanager
    def _undo(self, ctx: Context[Change]) -> Iterator[tuple[sqlite3.Connection, bool]]:
        """A transaction, and whether something was done under the action's key; from now on that key is closed."""
        with self._transaction() as db:
            was_done = db.execute("SELECT stands FROM steps WHERE key = ?", (ctx.action_key,)).fetchone() == (1,)
            yield db, was_done
            db.execute("INSERT OR REPLACE INTO steps VALUES (?, 0)", (ctx.action_key,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db, db:
            db.execute("BEGIN IMMEDIATE")
            yield db


def tables(ctx: Context[Change]) -> tuple[str, str]:
    """The old table and the new one; a name that is none never reaches the database."""
    name = ctx.params["table"]
    if not name.isidentifier():
        raise Refused(f"{name!r} is no name of a table")
    return name, f"{name}_new"


def curator(place: Path) -> Curator:
    """The handlers over the shop whose database lies in that directory."""
    shop, found = Shop(place), Curator()
    for handler in (shop.prepare_target, shop.move_wave, shop.compare_counts, shop.switch_readers):
        found.register(handler)
    for undo in (shop.drop_target, shop.move_wave_back, shop.switch_readers_back):
        found.register(undo)
    return found


def standing(place: Path) -> list[str]:
    """Every row of every table but the shop's own notes, and where readers look."""
    with closing(sqlite3.connect(place / "shop.db")) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'customers%' ORDER BY 1")]
        rows = [f"{n}: {row}" for n in names for row in db.execute(f"SELECT * FROM {n} ORDER BY id")]
        (into,) = db.execute("SELECT look_into FROM readers").fetchone()
    return [*(f"there is a table {n}" for n in names), *rows, f"readers look into {into}"]
