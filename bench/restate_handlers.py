"""W as one would write it with Restate: each action and each undo is a durable step; the undos are a loop.

Served over HTTP for the server to call: `python -m hypercorn bench.restate_handlers:app`.
"""

from __future__ import annotations

import restate  # type: ignore[import-not-found,unused-ignore]
from restate.exceptions import TerminalError  # type: ignore[import-not-found,unused-ignore]

from bench import workload
from bench.workload import MILESTONES, Body, Declined

saga = restate.Service("W")


async def act(name: str, order: Body) -> Body:
    """One action of W; a definite no is not tried again."""
    try:
        return await workload.act(name, order)
    except Declined as no:
        raise TerminalError(str(no)) from no


@saga.handler()
async def run(context: restate.Context, order: Body) -> str:
    """The whole saga."""
    done: list[tuple[str, Body]] = []
    try:
        for name in MILESTONES:
            done.append((name, await context.run_typed(name, act, name=name, order=order)))
    except TerminalError:
        for name, receipt in reversed(done):
            await context.run_typed(f"undo {name}", workload.undo, name=name, receipt=receipt)
        return "compensated"
    return "completed"


app = restate.app(services=[saga])
