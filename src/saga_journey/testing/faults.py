"""Handlers of which one fails, while nothing in them knows: a Curator around yours.

curator=refusing(curator, "charge_card")     # says no the first time, before anything has happened
curator=losing(curator, "charge_card")       # does it, and nobody ever learns that it did
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from saga_journey.errors import Refused
from saga_journey.handlers.context import Context
from saga_journey.handlers.curator import Curator, Handler


class Lost(Exception):
    """The action took place, and its answer did not arrive."""


def refusing(curator: Curator, milestone: str) -> Curator:
    """The first call of the action of that milestone is refused, and does nothing; later ones are as ever."""
    return _Faulty(curator, milestone, before=Refused("it was told to refuse"), times=1)


def losing(curator: Curator, milestone: str, times: float = float("inf")) -> Curator:
    """So many calls of the action of that milestone have their effect and then fail: nobody knows what they did."""
    return _Faulty(curator, milestone, after=Lost("the answer was lost"), times=times)


class _Faulty(Curator):
    """The same handlers by the same names; `get` gives one that may fail."""

    def __init__(
        self,
        real: Curator,
        milestone: str,
        before: Exception | None = None,
        after: Exception | None = None,
        *,
        times: float,
    ) -> None:
        super().__init__()
        for name in real:
            if (handler := real.get(name)) is not None:
                self.register(handler.fn, name)
        self._types.update(real._types)
        self._milestone = milestone
        self._faults = before, after
        self._left = times

    def get(self, name: str) -> Handler | None:
        handler = super().get(name)
        if handler is None:
            return None
        wrap = self._slow if handler.is_async else self._quick
        return replace(handler, fn=wrap(handler.fn))

    def _quick(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def call(ctx: Context[Any], *undone: Any) -> Any:
            before, after = self._due(ctx, undone)
            _raise(before)
            result = fn(ctx, *undone)
            _raise(after)
            return result

        return call

    def _slow(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        async def call(ctx: Context[Any], *undone: Any) -> Any:
            before, after = self._due(ctx, undone)
            _raise(before)
            result = await fn(ctx, *undone)
            _raise(after)
            return result

        return call

    def _due(self, ctx: Context[Any], undone: tuple[Any, ...]) -> tuple[Exception | None, Exception | None]:
        """What this call is to fail with: an undo has a second argument, and never fails here."""
        if undone or ctx.milestone_id != self._milestone or self._left <= 0:
            return None, None
        self._left -= 1
        return self._faults


def _raise(fault: Exception | None) -> None:
    if fault is not None:
        raise fault.with_traceback(None)
