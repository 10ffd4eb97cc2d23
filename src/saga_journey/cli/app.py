"""The command line as a whole: its commands, and the options that every one of them has."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from saga_journey.cli import act, journeys, look, move_database, operate, templates
from saga_journey.cli.group import Sagas
from saga_journey.cli.options import DEFAULT_DB, Given, hoisted, os_user
from saga_journey.cli.problems import USAGE, Problem
from saga_journey.cli.screen import Screen

LOOK, ACT, DEFINE, OPERATE = "Look", "Act on a saga", "Definitions", "The database and this program"

app: typer.Typer = typer.Typer(
    cls=Sagas,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
database: typer.Typer = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The database: migrate, status, prune, move."
)

journey: typer.Typer = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Definitions: ls, get, validate, diff, graph, test, deploy --check, move.",
)
template: typer.Typer = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Journeys ready to be filled: ls, show, use."
)


def main() -> None:
    """The command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    words = sys.argv[1:]
    if any("\ud800" <= c <= "\udfff" for word in words for c in word):
        Screen(Given()).complain(Problem(USAGE, "not_utf8", "the command line is not UTF-8 text"))
        sys.exit(USAGE)
    command().main(args=hoisted(words, _takes_value(command())), prog_name="saga")


@cache
def command() -> Any:
    """The command line as Click knows it: reading all signatures takes a while."""
    return get_command(app)


def _takes_value(of: Any) -> set[str]:
    """The options of all commands that are followed by a value."""
    found = {option for p in of.params if not getattr(p, "is_flag", True) for option in p.opts}
    for inner in getattr(of, "commands", {}).values():
        found |= _takes_value(inner)
    return found


def _version(wanted: bool) -> None:
    if wanted:
        from saga_journey import __version__

        typer.echo(f"saga-journey {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    ctx: typer.Context,
    db: Annotated[str | None, typer.Option(metavar="URL", help=f"The database. [env SAGA_DB; {DEFAULT_DB}]")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON: one object, or one a line for lists.")] = False,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose sagas.")] = "default",
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Who you are, for the record. [your login]")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the plan without being asked.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours. [env NO_COLOR]")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only data and errors, no hints.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="What happens inside, on stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="The version, and nothing else.")
    ] = False,
) -> None:
    """Looks after sagas: what they did, what they wait for, and what a person can do about it.

    An ID may be the beginning of one, or @last. The options of this page may stand before or after a command.
    """
    ctx.obj = Given(
        db=db or os.environ.get("SAGA_DB") or DEFAULT_DB,
        db_said=db is not None,
        json=json,
        tenant=tenant,
        user=user or os_user(),
        yes=yes,
        color=not no_color and not os.environ.get("NO_COLOR"),
        quiet=quiet,
        verbose=verbose,
    )
    _log(verbose=verbose)


def _log(*, verbose: bool) -> None:
    """The library's log is for -v; what a person must know, the commands say themselves."""
    log = logging.getLogger("saga_journey")
    log.setLevel(logging.DEBUG if verbose else logging.CRITICAL + 1)
    log.addHandler(logging.StreamHandler() if verbose else logging.NullHandler())


for _asks in (look.demo, look.ls, look.get, look.watch, look.history):
    app.command(rich_help_panel=LOOK)(_asks)
for _acts in (
    *(act.retry, act.skip, act.cancel, act.compensate, act.pause, act.resume, act.advance),
    *(act.choose, act.rollback, act.mark_undone, act.it_happened, act.it_did_not_happen, act.resolve),
):
    app.command(rich_help_panel=ACT)(_acts)
for _defines in (journeys.ls, journeys.get, journeys.validate, journeys.diff, journeys.graph):
    journey.command()(_defines)
journey.command("test")(journeys.rehearse)
journey.command()(journeys.deploy)
journey.command()(journeys.move)
app.add_typer(journey, name="journey", rich_help_panel=DEFINE)
for _reuses in (templates.ls, templates.show, templates.use):
    template.command()(_reuses)
app.add_typer(template, name="template", rich_help_panel=DEFINE)
database.command()(operate.migrate)
database.command()(operate.status)
database.command()(operate.prune)
database.command()(move_database.move)
app.command(rich_help_panel=OPERATE)(operate.worker)
for _operates in (operate.doctor, operate.version):
    app.command(rich_help_panel=OPERATE)(_operates)
app.add_typer(database, name="db", rich_help_panel=OPERATE)
