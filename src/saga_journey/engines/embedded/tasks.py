"""Work that goes on beside the runs' own tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator


class Tasks:
    """Those that have not ended: the event loop alone would forget them."""

    def __init__(self) -> None:
        self._all: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._all.add(task)
        task.add_done_callback(self._all.discard)
        return task

    def __iter__(self) -> Iterator[asyncio.Task[None]]:
        return iter(tuple(self._all))
