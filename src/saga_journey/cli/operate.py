"""The commands about the database and this program: worker, db migrate, db status, db prune, doctor, version."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from saga_journey.cli.look import at_desk
from saga_journey.cli.problems import USAGE, Problem


def worker(
    ctx: typer.Context,
    references: Annotated[
        list[str],
        typer.Argument(metavar="MODULE:ATTRIBUTE...", help="Journeys, lists of them, a Curator, or what gives these."),
    ],
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, help="How many sagas it moves at once.")
    ] = 256,
    lease: Annotated[
        float,
        typer.Option("--lease", metavar="SECONDS", min=0.1, help="So long it may be frozen until others take over."),
    ] = 15.0,
) -> None:
    """Move sagas without an application, until SIGTERM or Ctrl-C. The current directory can be imported from."""
    from saga_journey.cli.references import program_of
    from saga_journey.cli.worker import work
    from saga_journey.config import Settings

    program = program_of(references)
    settings = Settings(concurrency=concurrency, lease=lease, handle_sigterm=False)
    if code := asyncio.run(work(ctx.obj, program, settings)):
        raise typer.Exit(code)


def migrate(
    ctx: typer.Context,
    only_print: Annotated[
        bool, typer.Option("--print", help="Only print the SQL, and the GRANTs, for an administrator to run.")
    ] = False,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="NAME", help="With --print: who is to work with it. [that of the URL]"),
    ] = None,
) -> None:
    """Make what sagas need in the database, and bring it up to date."""
    from saga_journey.cli import schema

    if role is not None and not only_print:
        what = "--role goes with --print: rights are given by an administrator"
        raise Problem(USAGE, "only_with_print", what, ctx.obj.again("db", "migrate", "--print", "--role", role))
    asyncio.run(schema.print_script(ctx.obj, role) if only_print else schema.migrate(ctx.obj))


def status(ctx: typer.Context) -> None:
    """Show which migrations the database has, and which it lacks."""
    from saga_journey.cli import schema

    if code := asyncio.run(schema.status(ctx.obj)):
        raise typer.Exit(code)


def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE|DATE", help="Ended before that: 12h, 30d, 2026-01-31.")
    ],
    archive: Annotated[
        bool, typer.Option("--archive", help="Keep what they were, in a table where no saga is looked for.")
    ] = False,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, help="So many in one transaction.")] = 500,
) -> None:
    """Take out sagas that have ended, of every tenant, with their children and their keys."""
    from saga_journey.cli.pruning import prune as take_out

    at_desk(ctx, lambda opened: take_out(opened, older_than, batch, archive=archive))


def doctor(ctx: typer.Context) -> None:
    """Check the database, the disk, the workers, and what waits for a person."""
    from saga_journey.cli.doctor import doctor as examine

    if code := asyncio.run(examine(ctx.obj)):
        raise typer.Exit(code)


def version(ctx: typer.Context) -> None:
    """Show the versions of saga-journey, Python and SQLite."""
    import platform
    import sqlite3

    from saga_journey import __version__
    from saga_journey.cli.screen import Screen

    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    if ctx.obj.json:
        Screen(ctx.obj).json({"version": __version__, "python": python, "sqlite": sqlite})
    else:
        Screen(ctx.obj).out(f"saga-journey {__version__} (Python {python}, SQLite {sqlite})")
