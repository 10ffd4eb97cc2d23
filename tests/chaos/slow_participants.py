"""Participants that take their time, as real ones do: what is under way when its worker is stopped comes back late.

They keep their books in a thread: looking into the journal may have to wait for a server that is being restarted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, Unpack

from saga_journey import Context
from saga_journey.authoring import MilestoneOf, Policy, milestone
from saga_journey.testing.participants import Participant

T = TypeVar("T")

ON_THE_WAY, UNTIL_ANSWERED = 0.15, 0.4
"""Seconds before its effect and after it, at most; drawn anew for each request."""


class SlowParticipant(Participant):
    """`async def`: its worker goes on with other sagas meanwhile, and can end the call when its saga was lost."""

    async def do(self, ctx: Context[Any]) -> dict[str, str]:
        await asyncio.sleep(_upto(ON_THE_WAY))
        done = await asyncio.to_thread(_without_waiting, super().do, ctx)
        await asyncio.sleep(_upto(UNTIL_ANSWERED))
        return done

    async def undo(self, ctx: Context[Any], result: Any) -> None:
        await asyncio.sleep(_upto(ON_THE_WAY))
        await asyncio.to_thread(_without_waiting, super().undo, ctx, result)
        await asyncio.sleep(_upto(UNTIL_ANSWERED))


class BlockingParticipant(Participant):
    """Plain `def`, in a thread that nobody can end: its effect comes also when its worker has lost the saga."""

    def milestone(self, **policy: Unpack[Policy]) -> MilestoneOf[Any, Any]:
        return milestone(self.do_in_thread, undo=self.undo_in_thread, **policy)

    def do_in_thread(self, ctx: Context[Any]) -> dict[str, str]:
        time.sleep(_upto(ON_THE_WAY))
        done = _without_waiting(super().do, ctx)
        time.sleep(_upto(UNTIL_ANSWERED))
        return done

    def undo_in_thread(self, ctx: Context[Any], result: Any) -> None:
        time.sleep(_upto(ON_THE_WAY))
        _without_waiting(super().undo, ctx, result)
        time.sleep(_upto(UNTIL_ANSWERED))


def _upto(most: float) -> float:
    return random.uniform(0.0, most)


def _without_waiting(asked: Callable[..., Coroutine[Any, Any, T]], *given: Any) -> T:
    """What a coroutine gives that never has to wait for anything: only a participant who never answers would."""
    work = asked(*given)
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("this participant waits for ever")
