"""The commands about templates: template ls, show, use."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="NAME", help="A template's name, or a file of your own: ./mine.yaml.")]


def ls(ctx: typer.Context) -> None:
    """List the templates."""
    from saga_journey.cli import filling

    filling.ls(ctx.obj)


def show(
    ctx: typer.Context,
    name: Name,
    yaml: Annotated[bool, typer.Option("--yaml", help="The template as it is written, and nothing else.")] = False,
    graph: Annotated[bool, typer.Option("--graph", help="Its journey as a Mermaid flowchart, likewise.")] = False,
) -> None:
    """Show a template: what it requires, its milestones, what the handlers must do."""
    from saga_journey.cli import filling

    filling.show(ctx.obj, name, as_written=yaml, as_graph=graph)


def use(
    ctx: typer.Context,
    name: Name,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A requirement; again for more.")
    ] = None,
    requirements: Annotated[
        str | None,
        typer.Option("--requirements", metavar="JSON", help="All of them: JSON, @file.json, @file.yaml, @-."),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Where to: .yaml, .json. [stdout]")] = None,
    example: Annotated[
        str | None, typer.Option("--example", metavar="DIR", help="Make a program that runs it, in a new directory.")
    ] = None,
) -> None:
    """Fill a template: the journey as YAML (or JSON), to be designed; or a whole example to begin with."""
    from saga_journey.cli import filling

    filling.use(ctx.obj, filling.Wanted(name, tuple(setting or ()), requirements, out, example))
