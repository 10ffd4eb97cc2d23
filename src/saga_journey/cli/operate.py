"""The commands about the database and this program: db migrate, db status, doctor, version."""

from __future__ import annotations

import asyncio

import typer


def migrate(ctx: typer.Context) -> None:
    """Make the database when there is none, and bring it up to date."""
    from saga_journey.cli import schema

    schema.migrate(ctx.obj)


def status(ctx: typer.Context) -> None:
    """Show which migrations the database has, and which it lacks."""
    from saga_journey.cli import schema

    if code := schema.status(ctx.obj):
        raise typer.Exit(code)


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
