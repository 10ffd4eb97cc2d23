"""What other processes of the run, a database server above all, use of the CPU."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(servers: Collection[int]) -> float | None:
    """User and system seconds of these processes and their children, in all their lives.

    Those of children that have ended are in it. None where the system has no /proc, or one of the processes is gone.
    """
    try:
        return sum(_ticks(of) for server in servers for of in (server, *_children(server))) / _TICK
    except (OSError, ValueError):
        return None


def _children(pid: int) -> Iterator[int]:
    """Of its main thread, which starts all others in the servers that we know."""
    yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _ticks(pid: int) -> int:
    """A child that ends between two looks is in its parent's figures then."""
    try:
        after_its_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, after_its_name[11:15]))  # utime, stime, and both of the children it has waited for
