"""What happened, as short sentences; and an observer that lets a test wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from saga_journey import Run
from saga_journey.core.events import Event
from saga_journey.core.progress import HistoryEntry
from saga_journey.ports import AttemptEnded, AttemptStarting, Observation, TurnCommitted
from tests.acceptance.participant import PATIENCE

TOLD = ("op", "kind", "fact", "who", "left")
"""The fields that a sentence tells beside the milestone, when they are set."""


async def journal(run: Run) -> list[str]:
    """The whole journal of a run: one sentence for each event."""
    return [sentence(entry) for entry in await run.history()]


def sentence(entry: HistoryEntry) -> str:
    """`attempt_ended charge op=do`: what happened, where, and what of it decides what follows."""
    said = dict(entry.fields)
    parts = [entry.name, said.pop("milestone", None)]
    if because := said.get("because"):
        parts.append(because["kind"])
    parts += [_value(name, said[name]) for name in TOLD if name in said]
    return " ".join(part for part in parts if part)


def _value(name: str, value: Any) -> str:
    return str(value) if name in ("op", "kind", "fact") else f"{name}={value}"


class Story:
    """Every turn and attempt that this process saw, in order."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self._news = asyncio.Event()

    def __call__(self, seen: Observation) -> None:
        self.seen.append(seen)
        self._news.set()

    def events(self, saga: str | None = None) -> list[Event]:
        return [e for t in self.seen if isinstance(t, TurnCommitted) and saga in (None, t.saga_id) for e in t.events]

    def attempts(self) -> Sequence[AttemptStarting | AttemptEnded]:
        return [seen for seen in self.seen if isinstance(seen, AttemptStarting | AttemptEnded)]

    async def happened(self, kind: type, times: int = 1, *, saga: str | None = None) -> None:
        """Waits until so many events of that kind are durable."""
        await self.until(
            lambda: sum(isinstance(e, kind) for e in self.events(saga)) >= times, f"{kind.__name__} {times} times"
        )

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come to {what}: {self.events()}") from None
