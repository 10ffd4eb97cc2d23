"""Processes that are forked from a clean parent: no thread, no loop, no open database, everything imported already."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

PATIENCE = 10
"""Seconds after which a process that hangs is ended by its own alarm."""


def fork(work: Callable[[], None], patience: int = PATIENCE) -> int:
    """The pid of a child that does this and ends. It never comes back into the caller's code."""
    assert threading.active_count() == 1, "only a process without threads may be forked"
    sys.stdout.flush()
    pid = os.fork()
    if pid != 0:
        return pid
    code = 1
    try:
        signal.alarm(patience)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - a child tells of whatever ended it, and never runs its parent's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(pid: int) -> int:
    """Waits for the end of a child. Its exit status; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def stopped_or_ended(pid: int) -> int | None:
    """Waits until a child stops (None) or ends (its exit status)."""
    status = os.waitpid(pid, os.WUNTRACED)[1]
    return None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def go_on(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def stop_here() -> None:
    """Freezes this process, as a long pause of its machine would."""
    os.kill(os.getpid(), signal.SIGSTOP)


HUNG = -signal.SIGALRM
KILLED = -signal.SIGKILL
