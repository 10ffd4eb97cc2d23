"""Killing a process at a chosen place, from outside: every call to the store and every call of a handler has two.

    boundaries = Boundaries(kill_at=Boundary("after-commit", 3))
    store = CrashingStore(await open_store(url), boundaries)
    async with open_journeys(store, sagas=[checkout], curator=CrashingCurator(boundaries)) as journeys: ...

A boundary is named by its kind and counted within it, so that it means the same in every run: `before-commit` 3 is
the third time that a turn is about to be committed. "after" a write is the worst moment: it is durable, and the engine
has not heard of it. "after" a handler: its effect is there, and nobody knows.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from saga_journey.handlers.curator import Curator, HandlerFunction, handler_name
from saga_journey.ports import Store
from saga_journey.testing.wrapping import WrappedStore

T = TypeVar("T")


class Boundary(NamedTuple):
    """The `number`-th crossing of this kind in a process."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}"


class Boundaries:
    """Counts crossings, and does something at one of them: by default it kills this process, as `kill -9` would."""

    def __init__(self, at: Boundary | None = None, act: Callable[[], None] | None = None) -> None:
        self.crossed: Counter[str] = Counter()
        self._at = at
        self._act = act or kill

    def cross(self, kind: str) -> None:
        self.crossed[kind] += 1
        if self._at is not None and self._at == (kind, self.crossed[kind]):
            self._act()

    def passed(self) -> list[Boundary]:
        """Every boundary that was crossed so far: what can be killed at in a run like this one."""
        return [Boundary(kind, n) for kind, count in self.crossed.items() for n in range(1, count + 1)]


def kill() -> None:
    """The end, without a goodbye: no handler, no flush, no `finally`."""
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingStore(WrappedStore):
    """Crosses a boundary before and after each write; `refused-…` instead of `after-…` when it raises.

    `cancelled-…` when whoever waited for it was cancelled: the write itself may be there or not.
    """

    def __init__(self, inner: Store, boundaries: Boundaries) -> None:
        super().__init__(inner)
        self._boundaries = boundaries
        self.writing: int = 0  # how many writes are under way

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        self._boundaries.cross(f"before-{name}")
        self.writing += 1
        end = "refused"
        try:
            result = await write()
            end = "after"
        except asyncio.CancelledError:
            end = "cancelled"
            raise
        finally:
            self.writing -= 1
            self._boundaries.cross(f"{end}-{name}")
        return result


class CrashingCurator(Curator):
    """Crosses a boundary before and after each handler, by its name; after it also when it raised."""

    def __init__(self, boundaries: Boundaries) -> None:
        super().__init__()
        self._boundaries = boundaries
        self._wrapped: dict[tuple[HandlerFunction, str], HandlerFunction] = {}

    def register(self, fn: HandlerFunction, name: str | None = None) -> str:
        chosen = name or handler_name(fn)
        if (fn, chosen) not in self._wrapped:
            self._wrapped[fn, chosen] = self._around(fn, chosen)
        return super().register(self._wrapped[fn, chosen], chosen)

    def name_of(self, fn: HandlerFunction) -> str | None:
        """By the function as its author wrote it, for `ctx.result(fn)`."""
        return next((name for known, name in self._wrapped if known == fn), None)

    def _around(self, fn: HandlerFunction, name: str) -> HandlerFunction:
        cross = self._boundaries.cross

        @functools.wraps(fn)
        async def called_async(*arguments: Any) -> Any:
            cross(f"before-{name}")
            try:
                return await fn(*arguments)
            finally:
                cross(f"after-{name}")

        @functools.wraps(fn)
        def called(*arguments: Any) -> Any:
            cross(f"before-{name}")
            try:
                return fn(*arguments)
            finally:
                cross(f"after-{name}")

        return called_async if inspect.iscoroutinefunction(fn) else called
