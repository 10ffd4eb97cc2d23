"""The mark of a database that was moved to another one: nobody opens it any more, and nobody can write it.

Who had it open when it was moved has not asked. So each write is refused by triggers, whatever wrote it.
"""

from __future__ import annotations

import sqlite3

from saga_journey.errors import StoreError
from saga_journey.stores.moving.mark import Mark, sentence

OURS = ("migration", "moved")
"""Tables that may be written all the same."""

_TABLES = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"


def mark_of(db: sqlite3.Connection) -> Mark | None:
    """None: it was not moved."""
    if db.execute("select 1 from sqlite_master where name = 'moved'").fetchone() is None:
        return None
    row = db.execute("select target, moved_at, fingerprint from moved").fetchone()
    return None if row is None else Mark(*row)


def refuse_moved(db: sqlite3.Connection, path: str) -> None:
    """Raises StoreError for a database that was moved, with where to."""
    if (mark := mark_of(db)) is not None:
        raise StoreError(sentence(path, mark))


def write_mark(db: sqlite3.Connection, path: str, mark: Mark) -> None:
    """In the transaction of the caller."""
    db.execute("insert into moved (one, target, moved_at, fingerprint) values (1, ?, ?, ?)", mark)
    refusal = sentence(path, mark).replace("'", "''")
    for (table,) in db.execute(_TABLES).fetchall():
        for change in ("insert", "update", "delete") if table not in OURS else ():
            db.execute(
                f'create trigger "moved_{change}_{table}" before {change} on "{table}" '
                f"begin select raise(abort, '{refusal}'); end"
            )
