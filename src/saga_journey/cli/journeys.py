"""The commands about definitions: journey ls, get, validate, diff, graph, test, deploy, move."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer

from saga_journey.cli.arguments import CommandId, Reason, Wait
from saga_journey.cli.look import at_desk
from saga_journey.cli.options import Given
from saga_journey.cli.problems import USAGE, Problem
from saga_journey.cli.screen import Screen
from saga_journey.core.definition import JourneyDefinition

File = Annotated[str, typer.Argument(metavar="FILE", help="A .json or .yaml file, - (JSON on stdin), or app.py:name.")]
Meant = Annotated[
    str,
    typer.Argument(metavar="JOURNEY", help="A file, or what the database has: NAME, NAME@VERSION, or a hash."),
]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="As JOURNEY: what it is compared with.")]


def _meant(ctx: typer.Context, *references: str) -> list[JourneyDefinition]:
    from saga_journey.cli.shelf import resolved

    given: Given = ctx.obj
    return asyncio.run(resolved(given, Screen(given), references))


def ls(ctx: typer.Context) -> None:
    """List the journeys that the database has, and how many runs of each are unfinished."""
    from saga_journey.cli import definitions

    at_desk(ctx, definitions.ls)


def get(
    ctx: typer.Context,
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="NAME, NAME@VERSION, or a hash.")],
    request: Annotated[bool, typer.Option("--request", help="Only its request, as JSON: a file for validate.")] = False,
) -> None:
    """Show a stored journey: its milestones, and what is worth a second thought."""
    from saga_journey.cli import definitions

    at_desk(ctx, lambda opened: definitions.get(opened, journey, only_request=request))


def validate(
    ctx: typer.Context,
    file: File,
    strict: Annotated[bool, typer.Option("--strict", help="End with 6 when a remark is bad (✘).")] = False,
) -> None:
    """Check a journey: everything that keeps it from running, and what is worth a second thought."""
    from saga_journey.cli import definitions
    from saga_journey.cli.journey_files import read_one

    if code := definitions.validate(ctx.obj, read_one(file).definition, strict=strict):
        raise typer.Exit(code)


def diff(ctx: typer.Context, journey: Meant, other: Other) -> None:
    """Show what changes from one definition to another, and whether runs can be moved."""
    from saga_journey.cli import definitions

    definitions.diff(ctx.obj, *_meant(ctx, journey, other))


def graph(
    ctx: typer.Context,
    journey: Meant,
    format: Annotated[Literal["mermaid", "svg"], typer.Option("--format", help="How it is drawn.")] = "mermaid",
) -> None:
    """Draw a journey: its two lanes, blocks, choices, and the pivot."""
    from saga_journey.cli import definitions

    definitions.graph(ctx.obj, _meant(ctx, journey)[0], format)


def rehearse(
    ctx: typer.Context,
    journey: Meant,
    milestones: Annotated[list[str] | None, typer.Argument(metavar="[MILESTONE]...", help="Only these.")] = None,
) -> None:
    """Let each milestone fail, without calling anything, and show what would be undone."""
    from saga_journey.cli import definitions

    definitions.test(ctx.obj, _meant(ctx, journey)[0], milestones or [])


def deploy(
    ctx: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="All that is deployed together: files, app.py, app.py:name.")
    ],
    check: Annotated[bool, typer.Option("--check", help="Say what it means for runs in flight.")] = False,
    keeps: Annotated[
        list[str] | None, typer.Option("--keeps", metavar="HANDLER", help="A handler that workers still have; again.")
    ] = None,
) -> None:
    """Say what new definitions mean for the runs that are unfinished. 4: some of them would lose something."""
    from saga_journey.cli import deploying
    from saga_journey.cli.journey_files import read_all

    if not check:
        what = "a journey is deployed by the program that opens it: this command only checks"
        raise Problem(USAGE, "only_checks", what, ctx.obj.again("journey", "deploy", *files, "--check"))
    found = [read for file in files for read in read_all(file).values()]
    at_desk(ctx, lambda opened: deploying.check(opened, found, keeps or []))


def move(
    ctx: typer.Context,
    journey: Meant,
    reason: Reason,
    sagas: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which runs.")] = None,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="VERSION", help="All runs of that version (or hash).")
    ] = None,
    wait: Wait = 5.0,
    command_id: CommandId = None,
) -> None:
    """Let runs go on under a definition that differs in policies only: timeouts, retries, deadline."""
    from saga_journey.cli import moving

    to = _meant(ctx, journey)[0]
    at_desk(ctx, lambda opened: moving.move(opened, to, sagas or [], origin, (reason, command_id), wait))
