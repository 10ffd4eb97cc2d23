"""The command `saga db move`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def move(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The database that is moved: sqlite:///journeys.db")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="An empty one: postgresql://app@db.example.com/journeys")
    ],
) -> None:
    """Move a database to a PostgreSQL server, sagas in flight included. No worker may be at work."""
    from saga_journey.stores.server_url import must_have_driver

    must_have_driver()
    from saga_journey.cli import relocating

    asyncio.run(relocating.relocate(ctx.obj, source, target))
