"""Python's cyclic collector rests while thousands of runs are recovered.

All that a recovery loads stays, so a full collection looks through all of it in vain: that takes nearly half of the
time in which 10,000 runs come back. The collector is the process's, so it rests only after a big claim, two seconds at
most, and only if it was at work before.
"""

from __future__ import annotations

import asyncio
import gc

MANY = 1000
"""A claim of so many runs is a recovery."""
AT_MOST = 2.0
"""Seconds of rest after a big claim."""


class Collector:
    """Is told of every claim. `wake` ends the rest; it ends by itself, too, as long as the event loop runs."""

    def __init__(self) -> None:
        self._rest: asyncio.TimerHandle | None = None

    def claimed(self, runs: int) -> None:
        if runs < MANY:
            self.wake()
        elif self._rest is None and gc.isenabled():
            gc.disable()
            self._rest = asyncio.get_running_loop().call_later(AT_MOST, self.wake)

    def wake(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
            gc.enable()
