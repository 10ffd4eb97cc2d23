"""Bringing a SQLite file up to date: whatever is pending, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from saga_journey.stores.migrations import Applied, Migration, known_migrations, still_to_come
from saga_journey.stores.sqlite.connection import connect, explain, parse_url

MIGRATIONS = "saga_journey.stores.sqlite.migrations"

_TABLE = (
    "create table if not exists migration "
    "(number integer primary key, name text not null, checksum text not null, "
    "applied_at text not null default current_timestamp)"
)


def applied(db: sqlite3.Connection) -> list[Applied]:
    """What this database has, in order."""
    exists = db.execute("select 1 from sqlite_master where name = 'migration'").fetchone()
    if not exists:
        return []
    rows = db.execute("select number, name, checksum, applied_at from migration order by number")
    return [Applied(*row) for row in rows]


def pending(db: sqlite3.Connection, package: str = MIGRATIONS) -> list[Migration]:
    """What is still to be applied. Raises SchemaTooNew for a database from the future."""
    return still_to_come(known_migrations(package), applied(db))


def migrate(db: sqlite3.Connection, package: str = MIGRATIONS) -> list[Migration]:
    """Brings the database up to date and says what it applied. Two processes may do it at once: one waits."""
    if not pending(db, package):
        return []
    db.execute("begin immediate")
    try:
        db.execute(_TABLE)
        todo = pending(db, package)
        for migration in todo:
            for statement in _statements(migration.sql):
                db.execute(statement)
            row = (migration.number, migration.name, migration.checksum)
            db.execute("insert into migration (number, name, checksum) values (?, ?, ?)", row)
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")
    return todo


def migrate_file(url: str) -> list[Migration]:
    """Brings the database of that URL up to date; raises SchemaTooNew when it is ahead of this version."""
    path = parse_url(url)
    db = connect(path)
    try:
        return migrate(db)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        db.close()


def script(todo: Sequence[Migration]) -> str:
    """What `migrate` would do, for the program `sqlite3`."""
    if not todo:
        return "-- No migration is pending."
    rows = [
        f"{m.sql.strip()}\n"
        f"insert into migration (number, name, checksum) values ({m.number}, '{m.name}', '{m.checksum}');"
        for m in todo
    ]
    return "\n\n".join(["pragma journal_mode = wal;\nbegin immediate;", f"{_TABLE};", *rows, "commit;"])


def _statements(script: str) -> list[str]:
    """The single statements of a script (executescript would commit by itself)."""
    found, buffer = [], ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            found.append(buffer)
            buffer = ""
    return found
