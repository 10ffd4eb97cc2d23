"""The lease of this worker: while it runs, nobody takes over what the worker owns.

A worker that was frozen, cut off or asleep comes back after its lease, and others may have taken over any of its runs.
If it called a handler then without asking, it would call it beside the run's new owner. So no call begins after `until`
before the lease is renewed, and what was lost meanwhile is known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from saga_journey.errors import StoreError, StoreFull, StoreUnreachable
from saga_journey.ports import Clock, Store

log: logging.Logger = logging.getLogger("saga_journey.engine")

TRY_AGAIN = 1.0
"""A renewal that failed is tried again after so long (seconds)."""


class Lease:
    """`enter` it, and let a task `keep` it."""

    def __init__(self, store: Store, clock: Clock, seconds: float, look: Callable[[int], Awaitable[None]]) -> None:
        """`look` is awaited when the lease had run out: it finds out which runs are lost."""
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._look = look
        self._owner = 0
        self.until: float = 0.0  # by store time; the store itself may give it a moment more, never less
        self._asked = asyncio.Event()
        self._renewed: asyncio.Future[None] | None = None

    async def enter(self) -> int:
        """The number of this worker."""
        now = self._clock.now()
        self._owner = await self._store.enter(self._seconds)
        self.until = now + self._seconds
        return self._owner

    async def renewed(self) -> None:
        """Returns when it runs again."""
        if self._renewed is None:
            self._renewed = asyncio.get_running_loop().create_future()
        self._asked.set()
        await asyncio.shield(self._renewed)

    async def keep(self) -> None:
        """Renews it three times while it runs, for ever."""
        had_run_out = False
        rest = self._seconds / 3
        while True:
            await self._time_to_renew(rest)
            try:
                now = self._clock.now()
                had_run_out = not await self._store.renew(self._owner, self._seconds) or had_run_out
                if had_run_out:
                    await self._look(self._owner)
                    had_run_out = False
                self._runs_until(now + self._seconds)
                rest = self._seconds / 3
            except Exception as error:  # whatever it is: without a lease this worker would call nothing any more
                rest = min(rest, TRY_AGAIN)
                if not isinstance(error, StoreFull | StoreUnreachable):  # of these the store has told, once
                    unforeseen = None if isinstance(error, StoreError) else error
                    log.warning("the lease could not be renewed: %s", error, exc_info=unforeseen)

    async def _time_to_renew(self, rest: float) -> None:
        """After a rest; at once when a run waits for it, or when the store can be written again."""
        if self._store.stalled:
            await self._store.writable()
            return
        timer = self._clock.call_at(self._clock.now() + rest, self._asked.set)
        await self._asked.wait()
        self._asked.clear()
        timer.cancel()

    def given_up(self) -> None:
        """It is renewed no more, and nobody waits for it: from now on runs are only given back."""
        self._runs_until(float("inf"))

    def _runs_until(self, until: float) -> None:
        self.until = until
        if self._renewed is not None:
            self._renewed.set_result(None)
            self._renewed = None
