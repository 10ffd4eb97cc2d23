"""How much of the machine processes that are not of this run used: a figure taken meanwhile is worth little."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bench.servers import cpu_seconds

QUIET = 0.10  # of all cores; above it nothing is judged
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuReading:
    """Seconds on the clock, of all cores in use, of this process and its ended children, and of servers."""

    clock: float
    busy: float | None
    own: float
    served: float | None = 0.0


def cpu_now(servers: Collection[int] = ()) -> CpuReading:
    """A reading; `busy` and `served` are None where the system has no /proc.

    `servers`: process ids of other processes that are of this run; each counts with its children.
    """
    spent = os.times()
    return CpuReading(time.perf_counter(), _busy_seconds(), sum(spent[:4]), cpu_seconds(servers))


def _busy_seconds() -> float | None:
    try:
        all_cores = Path("/proc/stat").read_text().split(maxsplit=8)[1:8]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq = map(int, all_cores)
    return (user + nice + system + irq + softirq) / _TICK


def foreign_share(before: CpuReading, after: CpuReading) -> float | None:
    """The share of all cores that others used between two readings; None when it cannot be known."""
    served = served_seconds(before, after)
    if before.busy is None or after.busy is None or served is None:
        return None
    foreign = (after.busy - before.busy) - (after.own - before.own) - served
    return max(0.0, foreign / (after.clock - before.clock) / (os.cpu_count() or 1))


def served_seconds(before: CpuReading, after: CpuReading) -> float | None:
    """CPU that the servers used between two readings; None when it cannot be known."""
    return None if before.served is None or after.served is None else after.served - before.served


def is_quiet(share: float | None) -> bool:
    """Whether a figure taken under this share of foreign CPU may be judged."""
    return share is not None and share <= QUIET


def wait_until_quiet(patience: float = 10.0) -> None:
    """Returns when others have left the machine alone for half a second, at the latest after `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = cpu_now()
        time.sleep(0.5)
        if is_quiet(foreign_share(before, cpu_now())):
            return
