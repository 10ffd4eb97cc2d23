"""The clock of a host that nobody sets, and that runs while the host sleeps: what store time is counted with."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


boot_clock: Callable[[], float] = time.monotonic if CLOCK is None else partial(time.clock_gettime, CLOCK)
"""Seconds since boot, time asleep included where the system can tell."""


def ahead_by(offset: float) -> Callable[[], float]:
    """Reads the boot clock plus an offset in seconds."""
    if CLOCK is None:
        return lambda: offset + boot_clock()
    read, clock = time.clock_gettime, CLOCK
    return lambda: offset + read(clock)
