"""Store time on one host: the wall clock once, then the boot clock, which nobody sets and which runs while it sleeps.

The anchor (wall time, boot clock) is in the database, so every process on the file counts the same. A new boot anchors
anew, never behind the largest time the store has seen.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from saga_journey.stores.boot_clock import ahead_by, boot_clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot of this host; where the system does not say, each process counts as a boot of its own."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"unknown-{time.time_ns()}"


def store_time(wall: float, boot: float) -> Callable[[], float]:
    """Reads store time: anchor wall + (boot clock - anchor boot)."""
    return ahead_by(wall - boot)


def anchored(db: sqlite3.Connection, sql: dict[str, str]) -> Callable[[], float]:
    """Store time as this database counts it; anchors it when this is its first process since boot."""
    this_boot = boot_id()
    row = db.execute(sql["read_anchor"]).fetchone()
    if row and row[0] == this_boot:
        return store_time(row[1], row[2])
    db.execute("begin immediate")
    try:
        row = db.execute(sql["read_anchor"]).fetchone()
        if not row or row[0] != this_boot:
            latest = db.execute(sql["latest_seen"]).fetchone()[0] or 0.0
            row = (this_boot, max(time.time(), latest), boot_clock())
            db.execute(sql["write_anchor"], row)
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")
    return store_time(row[1], row[2])
