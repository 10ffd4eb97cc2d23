"""Sagas whose milestones ask a participant, in this process or at the other end of a connection."""

from __future__ import annotations

import os
from typing import Any, Protocol

from saga_journey import Context, Misconfigured, Refused, Retry, Working, milestone
from saga_journey.authoring import MilestoneOf
from saga_journey.core.events import Op
from tests.acceptance.participant import Asked, Reply

AT_ONCE = Retry(attempts=4, first=0, most=0)
"""Four attempts, with no time between them."""
ONCE = Retry(attempts=1)


class Answering(Protocol):
    """Whoever answers what a handler asks: a `Participant`, or the way to one."""

    async def ask(self, asked: Asked) -> Reply: ...


def step(who: Answering, milestone_id: str, /, *, undo: bool = True, **policy: Any) -> MilestoneOf[Any, Any]:
    """A milestone that asks `who`. What it is given, and what it says of itself, goes into the ledger."""

    async def act(ctx: Context[Any]) -> Any:
        return await called(who, ctx, "do", undoable=undo)

    async def take_back(ctx: Context[Any], result: Any) -> None:
        await called(who, ctx, "undo", result)

    policy = {"id": milestone_id, "name": milestone_id, "undo_name": f"undo_{milestone_id}", **policy}
    return milestone(act, undo=take_back if undo else None, **policy)


async def called(who: Answering, ctx: Context[Any], op: Op, given: Any = None, *, undoable: bool = True) -> Any:
    """Asks, and does what the answer means for a handler."""
    reply = await who.ask(
        Asked(
            saga=ctx.saga_id,
            milestone=ctx.milestone_id,
            op=op,
            attempt=ctx.attempt,
            key=ctx.idempotency_key,
            action_key=ctx.action_key,
            fence=ctx.fence,
            known=ctx.action_known,
            undoable=undoable,
            body=[ctx.input, ctx.params],
            given=given,
            tenant=ctx.tenant,
        )
    )
    match reply.kind:
        case "done":
            return reply.value
        case "refuse":
            raise Refused(reply.value)
        case "later":
            raise Working(retry_in=reply.value)
        case "away":
            raise Misconfigured(reply.value)
        case "exit":
            os._exit(9)
        case _:
            raise ConnectionError(reply.value)
