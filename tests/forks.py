"""Our own programs as processes without the wait for their imports: forked from one that has imported everything.

A new Python takes half a second and more to import the command line, a fork some milliseconds, and the tests run a
thousand of them. Each is a process of its own all the same, with its directory, environment, streams, exit code. What a
Python reads of its environment only as it starts (encodings, PYTHON…) stays as it was: for that, take a real one.
"""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
import os
import signal
import sys
import termios
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

_ready = multiprocessing.get_context("forkserver")
_ready.set_forkserver_preload(["tests.preloaded"])


class Fork:
    """A process that runs `main` with the words of a command line. Its streams are file descriptors of the caller."""

    def __init__(
        self,
        main: Callable[[], Any],
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
        *,
        at_terminal: bool = False,
    ) -> None:
        handed = [_Handed(stream) for stream in streams]
        self._process = _ready.Process(
            target=_run, args=(main, list(words), str(folder), dict(environment), handed, at_terminal)
        )
        self._process.start()

    def poll(self) -> int | None:
        """Its exit code, -9 for SIGKILL; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """The same when it has ended."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self.send_signal(signal.SIGKILL)
            raise TimeoutError(f"it had not ended after {timeout:g} s")
        return code

    async def ended(self) -> int:
        """Its exit code, when it has ended."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._process.sentinel, over.cancel)
        try:
            await asyncio.wait([over])
        finally:
            loop.remove_reader(self._process.sentinel)
        return self.wait(0.0)

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None, "it was started"
        return pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class _Handed:
    """An open file that goes along to the process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _taken, (DupFd(self.number),)


def _taken(handed: Any) -> int:
    number: int = handed.detach()
    return number


def _run(
    main: Callable[[], Any],
    words: list[str],
    folder: str,
    environment: dict[str, str],
    streams: list[int],
    at_terminal: bool,
) -> None:
    """In the fork: makes it look like a Python that was just started."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if at_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = words
    try:
        main()
    except KeyboardInterrupt:  # as Python itself ends then
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
