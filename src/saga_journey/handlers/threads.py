"""Threads for plain `def` handlers. Actions and undos have their own, so abandoned actions cannot starve undos.

A handler that runs past its timeout cannot be stopped, only left behind; so the threads are daemons, and a stuck
handler never keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

IDLE_SECONDS = 30.0


class HandlerThreads:
    """Runs functions in daemon threads, as many as are needed at once; idle ones end after a while.

    How many run at once is bounded by the engine's slots, so there is no limit here.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, fn: Callable[[], Any]) -> asyncio.Future[Any]:
        """The future of `fn()` in a thread, with the caller's context variables."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                result, error = context.run(fn), None
            except BaseException as raised:  # noqa: BLE001 - whatever it was, its caller is told
                result, error = None, raised
            try:
                loop.call_soon_threadsafe(_finish, future, result, error)
            except RuntimeError:  # the loop is gone: nobody waits any more
                return

        with self._lock:
            spare = self._idle > 0
            if spare:
                self._idle -= 1
        if not spare:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        self._work.put(work)
        return future

    def _serve(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._idle > 0:
                        self._idle -= 1
                        return
                continue  # somebody counted on this thread: its work is on the way
            work()
            with self._lock:
                self._idle += 1


def _finish(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration | KeyboardInterrupt):  # a future cannot carry the one, a loop not the other
        future.set_exception(RuntimeError(f"the handler raised {error!r}"))
    else:
        future.set_exception(error)
