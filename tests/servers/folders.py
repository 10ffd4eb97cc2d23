"""Folders of a server: each is held by the process that made it, and swept by a later one when that was killed."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

ABOVE = Path("/tmp")
"""Not TMPDIR: `nobody` must reach it, and the path of a socket must be short."""

PREFIX = "saga-postgres-"
HOLDER = "holder"


class Folder:
    """A fresh one. Whoever the server runs as owns it and can reach it."""

    def __init__(self) -> None:
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=ABOVE))
        self._held = _hold(self.path / HOLDER)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.path, nobody.pw_uid, nobody.pw_gid)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)  # a server that was killed may still be leaving it
        if self._held is not None:
            self._held.close()


def sweep() -> None:
    """Removes the folders of processes that have ended without doing it."""
    for pgdata in ABOVE.glob(f"{PREFIX}*/pgdata"):  # before it has that one, a folder may not be held yet
        held = _hold(pgdata.with_name(HOLDER))
        if held is not None:
            shutil.rmtree(pgdata.parent, ignore_errors=True)
            held.close()


def _hold(path: Path) -> BinaryIO | None:
    """None: another process holds it, or it belongs to another user, or is gone."""
    try:
        holder = path.open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder.close()
        return None
    return holder
