"""The one place where what a command raises becomes a sentence and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from itertools import groupby
from typing import Any

import typer
from typer.core import TyperGroup

from saga_journey.cli.options import Given
from saga_journey.cli.problems import INTERRUPTED, PIPE_CLOSED, USAGE, Problem, problem_of
from saga_journey.cli.screen import Screen


class Sagas(TyperGroup):
    """All commands by what they are for; what they raise becomes a sentence and an exit code here, and only here."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        every = [
            (getattr(command, "rich_help_panel", None) or "Commands", name, command)
            for name, command in self.commands.items()
        ]
        for panel, members in groupby(every, key=lambda entry: str(entry[0])):
            with formatter.section(panel):
                formatter.write_dl([(name, command.get_short_help_str(90)) for _, name, command in members])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(_end(ctx, Problem(INTERRUPTED, "interrupted", "interrupted; what was sent or started goes on")))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PIPE_CLOSED)
        except Exception as error:
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            sys.exit(_end(ctx, _usage(ctx, error) or problem_of(error), error))


def _panel(command: Any) -> str:
    return str(getattr(command, "rich_help_panel", None) or "Commands")


def _usage(ctx: Any, error: Exception) -> Problem | None:
    """A command line that does not parse: typer says it itself, except to a program."""
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    if isinstance(ctx.obj, Given) and ctx.obj.json:
        return Problem(USAGE, "usage", told())
    raise error


def _end(ctx: Any, problem: Problem, error: Exception | None = None) -> int:
    given = ctx.obj if isinstance(ctx.obj, Given) else Given()
    Screen(given).complain(problem)
    if given.verbose and error is not None:
        logging.getLogger("saga_journey.cli").error("raised by", exc_info=error)
    return problem.exit_code
