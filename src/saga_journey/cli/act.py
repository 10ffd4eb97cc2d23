"""The commands that a person gives to a saga. Each makes one command of the core; `sending` does the rest."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from saga_journey.cli import sending
from saga_journey.cli.arguments import CommandId, Id, MaybeReason, MilestoneName, NextStep, Reason, Result, Wait
from saga_journey.cli.look import at_desk
from saga_journey.cli.problems import USAGE, Problem
from saga_journey.cli.sending import Request
from saga_journey.cli.values import json_of
from saga_journey.core import commands as cmd
from saga_journey.core.commands import External


def _send(
    ctx: typer.Context, saga: str, command: External, wait: float, command_id: str | None, *, careful: bool = False
) -> None:
    request = Request(str(ctx.info_name), saga, command, careful, wait, command_id)
    at_desk(ctx, lambda opened: sending.send(opened, request))


def retry(
    ctx: typer.Context,
    saga: Id,
    reason: Reason,
    milestone: MilestoneName = None,
    input: Annotated[
        str | None, typer.Option(metavar="JSON", help="An edited input: JSON, @file.json, or @- (stdin).")
    ] = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Try again what waits for a person, or at once what waits for its next attempt."""
    command = cmd.RetryMilestone(milestone, json_of(input, "--input"), ctx.obj.user, reason)
    _send(ctx, saga, command, wait, command_id)


def skip(
    ctx: typer.Context,
    saga: Id,
    reason: Reason,
    milestone: MilestoneName = None,
    result: Result = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Go on without a milestone, or without the undo that is stuck."""
    command = cmd.Skip(milestone, json_of(result, "--result"), ctx.obj.user, reason)
    _send(ctx, saga, command, wait, command_id, careful=True)


def mark_undone(
    ctx: typer.Context,
    saga: Id,
    reason: Reason,
    milestone: MilestoneName = None,
    evidence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How one can see it: a ticket, a receipt.")
    ] = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Say that a milestone was undone by hand."""
    command = cmd.StateFact("undone", milestone, None, ctx.obj.user, reason, evidence)
    _send(ctx, saga, command, wait, command_id, careful=True)


def it_happened(
    ctx: typer.Context,
    saga: Id,
    reason: Reason,
    milestone: MilestoneName = None,
    result: Result = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Say that a milestone in doubt did take place."""
    command = cmd.StateFact("happened", milestone, json_of(result, "--result"), ctx.obj.user, reason)
    _send(ctx, saga, command, wait, command_id)


def it_did_not_happen(
    ctx: typer.Context,
    saga: Id,
    reason: Reason,
    milestone: MilestoneName = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Say that a milestone in doubt did not take place."""
    command = cmd.StateFact("did_not_happen", milestone, None, ctx.obj.user, reason)
    _send(ctx, saga, command, wait, command_id)


def resolve(ctx: typer.Context, saga: Id, reason: Reason, wait: Wait = 5.0, command_id: CommandId = None) -> None:
    """Close a saga that waits for a person, as it is."""
    _send(ctx, saga, cmd.Resolve(reason, ctx.obj.user), wait, command_id, careful=True)


def advance(
    ctx: typer.Context,
    saga: Id,
    milestone: MilestoneName = None,
    outcome: Annotated[Literal["ok", "refused", "unknown"], typer.Option(help="What came of it.")] = "ok",
    result: Result = None,
    reason: MaybeReason = None,
    next_step: NextStep = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Give the outcome of a milestone that waits for the outside."""
    command = cmd.Advance(milestone, outcome, json_of(result, "--result"), reason, None, ctx.obj.user, next_step)
    _send(ctx, saga, command, wait, command_id)


def choose(
    ctx: typer.Context,
    saga: Id,
    next_step: Annotated[str, typer.Option("--next", metavar="MILESTONE", help="Where it goes on.")],
    reason: Reason,
    milestone: MilestoneName = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Say where a journey goes on, when no condition of a choice did."""
    _send(ctx, saga, cmd.Choose(next_step, milestone, ctx.obj.user, reason), wait, command_id)


def rollback(
    ctx: typer.Context,
    saga: Id,
    reason: Reason,
    milestone: MilestoneName = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Undo the milestone of a structured journey that was completed last, and go back before it."""
    _send(ctx, saga, cmd.Rollback(milestone, ctx.obj.user, reason), wait, command_id, careful=True)


def compensate(
    ctx: typer.Context,
    saga: Id,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be undone.")] = False,
    expected: Annotated[
        int | None, typer.Option(metavar="SEQ", help="The seq of the preview you looked at: refused if it moved.")
    ] = None,
    reason: MaybeReason = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Undo what a saga has done, also when it is completed."""
    if reason is None and not preview:
        what = "compensate needs --reason TEXT: it stays in the journal"
        raise Problem(USAGE, "no_reason", what, "--preview only shows what would be undone")
    request = Request("compensate", saga, cmd.Compensate(expected, ctx.obj.user, reason), True, wait, command_id)
    at_desk(ctx, lambda opened: sending.compensate(opened, request, only_preview=preview))


def cancel(ctx: typer.Context, saga: Id, reason: Reason, wait: Wait = 5.0, command_id: CommandId = None) -> None:
    """Stop a saga that is under way, and undo what it has done."""
    _send(ctx, saga, cmd.Cancel(ctx.obj.user, reason), wait, command_id, careful=True)


def pause(
    ctx: typer.Context, saga: Id, reason: MaybeReason = None, wait: Wait = 5.0, command_id: CommandId = None
) -> None:
    """Start nothing new of a saga until it is resumed."""
    _send(ctx, saga, cmd.Pause(ctx.obj.user, reason), wait, command_id)


def resume(ctx: typer.Context, saga: Id, wait: Wait = 5.0, command_id: CommandId = None) -> None:
    """Let a paused saga go on."""
    _send(ctx, saga, cmd.Resume(ctx.obj.user), wait, command_id)
