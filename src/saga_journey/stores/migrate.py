"""Plain numbered migrations: `migrations/0001_initial.sql`, `0002_….sql`, applied in order, each in one transaction.

A database remembers which it has, with a checksum of each; one from a newer version is refused, never guessed at.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from importlib import resources

from saga_journey.errors import SchemaTooNew, StoreError

_TABLE = (
    "create table if not exists migration "
    "(number integer primary key, name text not null, checksum text not null, "
    "applied_at text not null default current_timestamp)"
)


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


def known_migrations(package: str) -> list[Migration]:
    """The migrations that this version brings, in order."""
    files = sorted(f for f in (p.name for p in resources.files(package).iterdir()) if f.endswith(".sql"))
    return [
        Migration(int(name[:4]), name[5:-4], resources.files(package).joinpath(name).read_text("utf-8"))
        for name in files
    ]


def applied(db: sqlite3.Connection) -> list[tuple[int, str, str, str]]:
    """What this database has: (number, name, checksum, applied at), in order."""
    exists = db.execute("select 1 from sqlite_master where name = 'migration'").fetchone()
    if not exists:
        return []
    return db.execute("select number, name, checksum, applied_at from migration order by number").fetchall()


def pending(db: sqlite3.Connection, package: str) -> list[Migration]:
    """What is still to be applied. Raises SchemaTooNew for a database from the future."""
    known = {m.number: m for m in known_migrations(package)}
    done = applied(db)
    for number, name, checksum, _ in done:
        if number not in known:
            raise SchemaTooNew(
                f"the database has migration {number:04d} ({name}), this version knows up to {max(known):04d}: "
                "upgrade saga-journey, or open another file"
            )
        if known[number].checksum != checksum:
            raise StoreError(
                f"migration {number:04d} ({name}) was applied with another content: restore the package's file"
            )
    return [m for number, m in sorted(known.items()) if number not in {row[0] for row in done}]


def migrate(db: sqlite3.Connection, package: str) -> list[Migration]:
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


def _statements(script: str) -> list[str]:
    """The single statements of a script (executescript would commit by itself)."""
    found, buffer = [], ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            found.append(buffer)
            buffer = ""
    return found
