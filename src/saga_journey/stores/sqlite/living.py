"""Who works on a database, as somebody sees it who is not one of them: nothing is changed by looking.

A lock that is held says that its worker lives, also one that is frozen; a lock that is free, that it is dead. Where no
lock can be seen (another host, another user, no fcntl, or it is gone) the lease decides.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # not on this system: leases alone decide
    fcntl = None  # type: ignore[assignment]

WORKERS = (
    "select o.owner, o.lease_until, (select count(*) from run r where r.owner = o.owner and r.due_at is not null) "
    "from owner o order by o.owner"
)


class Living(NamedTuple):
    """A worker that lives, and how many runs it holds.

    `pid`: of its process, where the system tells. `lease`: only its lease says that it lives, for so many seconds.
    """

    owner: int
    runs: int
    pid: int | None
    lease: float | None

    def __str__(self) -> str:
        """`worker 7 (12 sagas, pid 4711)`."""
        about = [f"{self.runs} saga{'' if self.runs == 1 else 's'}"]
        about += [] if self.pid is None else [f"pid {self.pid}"]
        about += (
            [] if self.lease is None else [f"its lease runs for {self.lease:.0f} s: if it was killed, wait so long"]
        )
        return f"worker {self.owner} ({', '.join(about)})"


def living(db: sqlite3.Connection, path: str, now: float) -> Iterator[Living]:
    """`now`: store time."""
    for owner, lease_until, runs in db.execute(WORKERS).fetchall():
        file = f"{Path(path).absolute()}-owner-{owner}"
        is_held = _is_held(file)
        if is_held:
            yield Living(owner, runs, _holder(file), None)
        elif is_held is None and lease_until >= now:
            yield Living(owner, runs, None, lease_until - now)


def _is_held(file: str) -> bool | None:
    """None: there is nothing to be seen."""
    if fcntl is None:
        return None
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not take each other for the worker
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _holder(file: str) -> int | None:
    """The process that holds the lock of that file. Its inode is told apart from others by its kind of lock."""
    with suppress(OSError, ValueError):
        inode = str(Path(file).stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, mode, pid, where, *_ = line.split()
            if (kind, mode) == ("FLOCK", "WRITE") and where.rpartition(":")[2] == inode and int(pid) > 0:
                return int(pid)
    return None
