"""The floor: what a store and asyncio give at best when every step of a saga is durable before the next one begins.

It is no orchestrator: no state machine, claims, timers, retries or recovery. It writes one row for each fact and waits
for the flush. Many sagas share one transaction (group commit): see `floor_on_sqlite` and `floor_on_postgres`.

    happy:       started | reserve | charge | label | ship | notify + completed                     6 waits,  7 rows
    compensate:  started | four results | declined | three undone | the fourth undone + compensated  10 waits, 11 rows
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from time import time
from typing import Protocol

from msgspec.json import Encoder

from bench.workload import MILESTONES, Body, Declined, Mode, act, order, undo

Row = tuple[str, int, str, bytes, float]
Turn = tuple[tuple[Row, ...], "asyncio.Future[None]"]

encode = Encoder().encode


class Journal(Protocol):
    """Appends rows durably."""

    @property
    def commits(self) -> int: ...

    @property
    def round_trips(self) -> int | None: ...

    def append(self, *rows: Row) -> asyncio.Future[None]:
        """Queues the rows of one turn; the future is done once they are on disk."""
        ...


def acknowledge(batch: Sequence[Turn], error: Exception | None) -> None:
    """One call into the loop for a whole batch."""
    for _, durable in batch:
        if durable.cancelled():
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)


class Floor:
    """Runs W on the journal, as fast as plain code can."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def commits(self) -> int:
        return self._journal.commits

    @property
    def round_trips(self) -> int | None:
        return self._journal.round_trips

    async def run_saga(self, number: int, mode: Mode) -> str:
        """One saga to its end; each await of `append` is one wait for the disk."""
        append, body, seq = self._journal.append, order(number, mode), count(1)
        saga: str = body["id"]

        def row(kind: str, content: Body | str) -> Row:
            return saga, next(seq), kind, encode(content), time()

        await append(row("started", body))
        done: list[tuple[str, Body]] = []
        try:
            for name in MILESTONES:
                receipt = await act(name, body)
                done.append((name, receipt))
                result = row(name, receipt)
                await (append(result) if name != MILESTONES[-1] else append(result, row("completed", "")))
            return "completed"
        except Declined as refusal:
            await append(row("declined", str(refusal)))
        while done:
            name, receipt = done.pop()
            undone = row(f"undo {name}", await undo(name, receipt))
            await (append(undone) if done else append(undone, row("compensated", "")))
        return "compensated"
