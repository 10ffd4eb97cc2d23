"""Processes that are forked here, and of which none outlives the block in which they were."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Self

from tests.crash.processes import ended, fork


class Offspring:
    """`patience`: seconds after which one that hangs is ended by its own alarm."""

    def __init__(self, patience: float) -> None:
        self._patience = round(patience)
        self._alive: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pid in list(self._alive):
            self.kill(pid)

    def begin(self, work: Callable[[], None]) -> int:
        """The pid of a process that does this and ends. Nobody here may have a thread."""
        pid = fork(work, self._patience)
        self._alive.add(pid)
        return pid

    def end_of(self, pid: int) -> int:
        """Waits for it: the exit status; minus the signal that ended it."""
        self._alive.discard(pid)
        return ended(pid)

    def end_if_any(self, pid: int) -> int | None:
        """The same, and None while it is alive."""
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            return None
        self._alive.discard(pid)
        return os.waitstatus_to_exitcode(status)

    def end_within(self, pid: int, seconds: float) -> int:
        """Waits so long for it to end by itself, and then kills it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if (end := self.end_if_any(pid)) is not None:
                return end
            time.sleep(0.05)
        return self.kill(pid)

    def has_stopped(self, pid: int) -> None:
        """Waits until it has, or has ended; its end is told to whoever asks for that."""
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def kill(self, pid: int) -> int:
        """Without a goodbye."""
        os.kill(pid, signal.SIGKILL)
        return self.end_of(pid)

    def tell(self, pid: int) -> int:
        """Tells it to end, and waits for it."""
        os.kill(pid, signal.SIGTERM)
        return self.end_of(pid)
