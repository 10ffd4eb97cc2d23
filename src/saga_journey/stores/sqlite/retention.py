"""Taking out what ended long ago: a family at a time, with everything that belongs to it."""

from __future__ import annotations

import sqlite3

from saga_journey.ports import RunKey

EVERYTHING = ("note_pruned", "delete_journal", "delete_commands", "delete_outbox", "delete_start_key", "delete_run")


def pruned(db: sqlite3.Connection, sql: dict[str, str], first: RunKey, *, archive: bool) -> int:
    """How many runs the family of that run had. Somebody may have asked one of them to be undone: then all stay."""
    members = db.execute(sql["family"], first).fetchall()
    if not all(ended for _, _, ended in members):
        return 0
    for statement in (("archive_run",) if archive else ()) + EVERYTHING:
        db.executemany(sql[statement], [member[:2] for member in members])
    return len(members)
