"""What befalls a worker of a trial at its boundaries: it is killed, or frozen for a while, or its wall clock jumps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from saga_journey.testing.crash import Boundaries, Boundary
from tests.crash.processes import stop_here


class Fate(Boundaries):
    """Kills at `at`, or stops there if `stops`; `jumps`: by how much the wall clock jumps after the first action.

    It stops only while nothing is being written: a process that is frozen in a transaction would block all others.
    When it goes on, it tells so through the pipe `moved`, once it has written something or was refused.
    """

    def __init__(self, at: Boundary | None, *, stops: bool, jumps: float, moved: int | None) -> None:
        super().__init__(at, self._stop_soon if stops else None)
        self.may_stop: Callable[[], bool] = lambda: True
        self._jumps = jumps
        self._moved = moved
        self._wants_to_stop = self._was_stopped = False

    def cross(self, kind: str) -> None:
        if self._was_stopped and self._moved is not None and kind.startswith(("after-", "refused-", "cancelled-")):
            os.write(self._moved, b"!")
            self._moved = None
        if self._jumps and kind.startswith("after-do_"):
            self._jump()
        super().cross(kind)
        if self._wants_to_stop and self.may_stop():
            self._wants_to_stop, self._was_stopped = False, True
            stop_here()

    def _stop_soon(self) -> None:
        self._wants_to_stop = True

    def _jump(self) -> None:
        true, off, self._jumps = time.time, self._jumps, 0.0
        time.time = lambda: true() + off
