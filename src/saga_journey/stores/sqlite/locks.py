"""Who is alive: each owner of runs holds a lock file of its own for as long as it lives; the system frees it at death.

So a killed worker's runs are taken over at once, without waiting for its lease. The lease is for what the lock cannot
see: a worker that is frozen. Where files cannot be locked (`:memory:`, no fcntl) only the lease counts.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on this system: leases alone decide
    fcntl = None  # type: ignore[assignment]


NO_FILE = -1


class OwnerLocks:
    """Lock files beside the database: `journeys.db-owner-7`."""

    def __init__(self, path: str) -> None:
        self._path = None if path == ":memory:" or fcntl is None else str(Path(path).absolute())
        self._held: dict[int, int] = {}

    def hold(self, owner: int) -> None:
        if self._path is None:
            self._held[owner] = NO_FILE
            return
        fd = os.open(self._file(owner), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _lock(fd)
        self._held[owner] = fd

    def drop(self, owner: int) -> None:
        if (fd := self._held.pop(owner, NO_FILE)) != NO_FILE:
            with contextlib.suppress(FileNotFoundError):
                Path(self._file(owner)).unlink()
            os.close(fd)

    def is_free(self, owner: int) -> bool:
        """True when its process is certainly gone; False when it lives, or nobody can tell."""
        if self._path is None or owner in self._held:
            return False
        try:
            fd = os.open(self._file(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            _lock(fd)
        except OSError:
            return False
        else:
            with contextlib.suppress(OSError):
                Path(self._file(owner)).unlink()
            return True
        finally:
            os.close(fd)

    def drop_all(self) -> None:
        for owner in list(self._held):
            self.drop(owner)

    def _file(self, owner: int) -> str:
        return f"{self._path}-owner-{owner}"


def _lock(fd: int) -> None:
    """Raises OSError when somebody else holds it."""
    assert fcntl is not None, "where files cannot be locked there is no path either"
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
