"""Who waits for a run to come to rest: told at once when this process moves it, and else after a look at the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from saga_journey.core.state import RunState
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.engines.embedded.tasks import Tasks
from saga_journey.engines.embedded.turn import is_settled
from saga_journey.errors import Closed, StoreError
from saga_journey.ports import RunKey, Store

log: logging.Logger = logging.getLogger("saga_journey.engine")

ASK_AGAIN = 5.0
"""How often a waiting caller looks into the store although nobody has written (seconds)."""

Watcher = asyncio.Future[RunState | None]


class Watchers:
    """Of the runs of one engine (`ports.Engine` says what they are told)."""

    def __init__(self, store: Store, moves: Callable[[RunKey], bool], tasks: Tasks) -> None:
        """`moves`: whether this process owns that run now."""
        self._store = store
        self._moves = moves
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[RunKey, list[Watcher]] = {}
        self._change: asyncio.Future[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._look_again = False  # others wrote while it was looking

    def watch(self, key: RunKey) -> Watcher:
        watcher: Watcher = self._loop.create_future()
        self._waiting.setdefault(key, []).append(watcher)
        return watcher

    def unwatch(self, key: RunKey, watcher: Watcher) -> None:
        waiting = self._waiting.get(key)
        if waiting is not None and watcher in waiting:
            waiting.remove(watcher)
            if not waiting:
                del self._waiting[key]

    def released(self, run: OwnedRun) -> None:
        """The outcome, if there is one; else that this process moves the run no longer (None)."""
        if run.key in self._waiting:
            self._tell(run.key, run.state if is_settled(run.state.status) else None)

    def _tell(self, key: RunKey, told: RunState | None) -> None:
        for watcher in self._waiting.pop(key, ()):
            if not watcher.done():
                watcher.set_result(told)

    def close(self, why: Callable[[], Closed]) -> None:
        for watcher in [watcher for watchers in self._waiting.values() for watcher in watchers]:
            if not watcher.done():
                watcher.set_exception(why())

    # --- what other processes do ---

    def change(self) -> asyncio.Future[None]:
        """Ends when another process has written, or might have."""
        if self._change is None or self._change.done():
            self._change = self._loop.create_future()
        return self._change

    async def wait_for(self, future: asyncio.Future[Any], change: asyncio.Future[None]) -> None:
        await asyncio.wait({future, change}, timeout=ASK_AGAIN, return_when=asyncio.FIRST_COMPLETED)

    def others_wrote(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)
        self._look_again = True
        if self._waiting and self._looking is None:
            self._looking = self._tasks.begin(self._look())

    async def _look(self) -> None:
        """One question for all runs that somebody watches here and that are moved elsewhere."""
        try:
            while self._look_again:
                self._look_again = False
                elsewhere = [key for key in self._waiting if not self._moves(key)]
                found = await self._store.statuses(elsewhere) if elsewhere else {}
                for key in elsewhere:
                    if key not in found or is_settled(found[key]):
                        self._tell(key, None)
        except StoreError as error:
            log.debug("could not look for outcomes: %s", error)
        finally:
            self._looking = None
