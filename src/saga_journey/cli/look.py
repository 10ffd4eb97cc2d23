"""The commands that only look: demo, ls, get, watch, history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from saga_journey.cli import asking
from saga_journey.cli.arguments import Id, Payloads
from saga_journey.cli.desk import Desk, desk
from saga_journey.cli.options import Given
from saga_journey.cli.problems import USAGE, Problem, did_you_mean
from saga_journey.cli.screen import Screen
from saga_journey.cli.times import since as moment_of
from saga_journey.core.state import SagaStatus
from saga_journey.ports import Search


def at_desk(ctx: typer.Context, work: Callable[[Desk], Awaitable[int | None]]) -> None:
    """Opens the journeys, does the work, and ends with the exit code it gives."""
    given: Given = ctx.obj

    async def whole() -> int | None:
        async with desk(given, Screen(given)) as opened:
            return await work(opened)

    if code := asyncio.run(whole()):
        raise typer.Exit(code)


def demo(
    ctx: typer.Context,
    fail_at: Annotated[
        str | None, typer.Option(metavar="MILESTONE", help="Which one refuses, or none. [the third: ship]")
    ] = None,
    pace: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=60, help="How long a service takes.")] = 0.6,
) -> None:
    """See an order fail and undo itself: live, in a database of its own."""
    from saga_journey.cli.demo import demo as show

    asyncio.run(show(ctx.obj, fail_at, pace))


def ls(
    ctx: typer.Context,
    status: Annotated[
        str | None,
        typer.Option("--status", "-s", metavar="STATUS", help=f"Only what is {', '.join(SagaStatus)}."),
    ] = None,
    journey: Annotated[
        str | None, typer.Option("--journey", "-j", metavar="NAME", help="Only runs of that journey.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE|DATE", help="Started since: 30m, 24h, 7d, 2026-01-31.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="ID", help="The page that follows this saga.")] = None,
) -> None:
    """List sagas, the newest first."""

    wanted = None if status is None else _status(status)

    async def work(opened: Desk) -> None:
        start = None if since is None else _moment(since, opened.now())
        last = None if before is None else (await opened.record(before)).saga_id
        await asking.ls(opened, Search(wanted, journey, start, None, last, limit))

    at_desk(ctx, work)


def _status(text: str) -> SagaStatus:
    try:
        return SagaStatus(text.replace("-", "_"))
    except ValueError:
        what = f"--status: no saga is ever {text!r}"
        raise Problem(USAGE, "unknown_status", what, did_you_mean(text, list(SagaStatus))) from None


def _moment(text: str, now: float) -> float:
    try:
        return moment_of(text, now)
    except (ValueError, OverflowError, OSError):
        what = f"--since {text!r} is neither an age nor a date"
        raise Problem(USAGE, "not_a_moment", what, "30m, 24h, 7d, 2w, 2026-01-31, 2026-01-31T08:00") from None


def get(
    ctx: typer.Context,
    saga: Id,
    payloads: Payloads = False,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="End with the code of its outcome, as watch does.")
    ] = False,
) -> None:
    """Show one saga: its lanes, its milestones, what it waits for, and what helps."""
    at_desk(ctx, lambda opened: asking.get(opened, saga, with_payloads=payloads, exit_status=exit_status))


def watch(
    ctx: typer.Context,
    saga: Id,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Give up watching after so long.")
    ] = None,
) -> None:
    """Follow a saga until it has an outcome, and end with its code.

    0 completed, 10 resolved, 11 compensated, 12 needs a person, 13 cancelled, 124 no outcome in time.
    """
    at_desk(ctx, lambda opened: asking.watch(opened, saga, timeout))


def history(
    ctx: typer.Context,
    saga: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it has ended.")] = False,
    payloads: Payloads = False,
) -> None:
    """Show everything that happened to a saga, event by event."""
    at_desk(ctx, lambda opened: asking.history(opened, saga, follow=follow, with_payloads=payloads))
