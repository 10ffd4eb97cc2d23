"""Arguments and options that more than one command has."""

from __future__ import annotations

from typing import Annotated

import typer

Id = Annotated[str, typer.Argument(metavar="ID", help="A saga's id, the beginning of one, or @last.")]
MilestoneName = Annotated[
    str | None, typer.Argument(metavar="[MILESTONE]", help="Which one; not needed when it is clear.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]
MaybeReason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]
Result = Annotated[
    str | None, typer.Option("--result", metavar="JSON", help="What it gave: JSON, @file.json, or @- (stdin).")
]
NextStep = Annotated[
    str | None, typer.Option("--next", metavar="MILESTONE", help="Where it goes on, where there is a choice.")
]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for a worker's answer.")
]
CommandId = Annotated[
    str | None,
    typer.Option("--command-id", metavar="ID", help="The same id again gives the same answer, and does nothing."),
]
Payloads = Annotated[bool, typer.Option("--payloads", help="With inputs and results.")]
