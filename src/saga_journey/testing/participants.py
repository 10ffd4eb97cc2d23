"""Fake participants: services whose answers are scripted request by request, and that keep their books in the ledger.

    card = Participant(ledger, "card", do=[Reply.TIME_OUT, Reply.REFUSE], undo=[Reply.ERROR, Reply.OK])
    saga = Saga("checkout", version=1, milestones=[card.milestone(timeout=0.05, retry=Retry(first=0))])

The first request of a key gets the first reply, the second the second one; the last one is repeated for ever. What
counts is what was received, not the attempt number: a participant does not know how often the engine lost count.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Unpack

from saga_journey.authoring import MilestoneOf, Policy, external, milestone
from saga_journey.core.canonical import encode
from saga_journey.core.events import DO, UNDO, Op
from saga_journey.errors import Refused, Working
from saga_journey.handlers.context import Context
from saga_journey.testing.ledger import BARRIER, Entry, Ledger, Request


class Reply(StrEnum):
    """What a participant does with one request."""

    OK = "ok"
    REFUSE = "refuse"  # a definite no, nothing happened
    ERROR = "error"  # fails, and nothing happened
    WORKING = "working"  # accepted, ask again
    DEAF = "deaf"  # never answers, and nothing happened
    EFFECT_THEN_ERROR = "effect then error"  # done, then fails
    TIME_OUT = "time out"  # done, and never answers
    EXIT = "exit"  # done, and takes its process with it


UNWILLING = frozenset({Reply.REFUSE, Reply.ERROR, Reply.WORKING, Reply.DEAF})
KILLED = 86
"""The exit status of a process that `Reply.EXIT` ended."""


class Participant:
    """A service with one action and its undo. `undo=None`: it has nothing to undo."""

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        *,
        do: Sequence[Reply] = (Reply.OK,),
        undo: Sequence[Reply] | None = (Reply.OK,),
        reads: Sequence[str] = (),
        emits: str | None = None,
    ) -> None:
        """`reads` are milestones whose results it uses; `emits` is the type of an event it sends with its ok."""
        self.name = name
        self._ledger = ledger
        self._scripts = {DO: tuple(do), UNDO: tuple(undo or ())}
        self._undoable = undo is not None
        self._reads = tuple(reads)
        self._emits = emits

    def milestone(self, **policy: Unpack[Policy]) -> MilestoneOf[Any, Any]:
        """A milestone of that name that calls this participant."""
        policy.setdefault("id", self.name)
        policy.setdefault("name", f"do_{self.name}")
        if not self._undoable:
            return milestone(self.do, undo=None, **policy)
        policy.setdefault("undo_name", f"undo_{self.name}")
        return milestone(self.do, undo=self.undo, **policy)

    def external(self, timeout: float, *, asked: bool = False, pivot: bool = False) -> MilestoneOf[Any, Any]:
        """A milestone that waits for `advance`, and is undone by this participant. `asked`: its action asks for it."""
        undo, request = (self.undo if self._undoable else None), (self.do if asked else None)
        return external(self.name, undo=undo, timeout=timeout, request=request, pivot=pivot)

    async def do(self, ctx: Context[Any]) -> dict[str, str]:
        """The action. Its result is the same however often it is asked for."""
        read = {name: ctx.result(name, default=None) for name in self._reads}
        reply = self._reply(ctx, DO)
        entry = self._note(ctx, DO, reply, {"read": read})
        if entry.why == BARRIER:
            raise Refused(BARRIER)
        await self._answer(reply)
        if self._emits is not None:
            ctx.emit(self._emits, {"milestone": self.name})
        return {"done": self.name}

    async def undo(self, ctx: Context[Any], result: Any) -> None:
        """The undo. With nothing to undo it says so, and turns the action away from now on."""
        reply = self._reply(ctx, UNDO)
        self._note(ctx, UNDO, reply, {"result": result})
        await self._answer(reply)

    def _reply(self, ctx: Context[Any], op: Op) -> Reply:
        script = self._scripts[op]
        return script[min(self._ledger.requests_for(ctx.idempotency_key), len(script) - 1)]

    def _note(self, ctx: Context[Any], op: Op, reply: Reply, given: dict[str, Any]) -> Entry:
        body = encode({"input": ctx.input, "params": ctx.params, **given})
        request = Request(
            tenant=ctx.tenant,
            key=ctx.idempotency_key,
            saga=ctx.saga_id,
            milestone=ctx.milestone_id,
            op=op,
            body=hashlib.sha256(body.encode()).hexdigest()[:16],
            fence=ctx.fence,
            action_key=ctx.action_key,
            undoable=self._undoable,
            emits=int(op == DO and self._emits is not None),
        )
        return self._ledger.receive(request, unwilling=reply.value if reply in UNWILLING else None)

    async def _answer(self, reply: Reply) -> None:
        match reply:
            case Reply.REFUSE:
                raise Refused(f"{self.name} says no")
            case Reply.WORKING:
                raise Working(retry_in=0)
            case Reply.ERROR | Reply.EFFECT_THEN_ERROR:
                raise RuntimeError(f"{self.name} is out of order")
            case Reply.DEAF | Reply.TIME_OUT:
                await asyncio.get_running_loop().create_future()  # until the engine gives up waiting
            case Reply.EXIT:
                os._exit(KILLED)
            case Reply.OK:
                return
