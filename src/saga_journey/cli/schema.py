"""`saga db migrate` and `saga db status`."""

from __future__ import annotations

from typing import Any

from saga_journey.cli.database_url import database_of
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE
from saga_journey.cli.screen import Screen, Span
from saga_journey.cli.table import table


async def migrate(given: Given) -> None:
    """Makes what sagas need in the database, and brings it up to date."""
    database, screen = database_of(given), Screen(given)
    done = await database.migrate()
    if given.json:
        screen.json({"database": database.name, "applied": [{"number": m.number, "name": m.name} for m in done]})
        return
    for migration in done:
        screen.out(f"applied {migration.title}")
    screen.say(f"{database.name} is up to date")


async def print_script(given: Given, role: str | None) -> None:
    """Prints what `migrate` would run, and changes nothing."""
    database, screen = database_of(given), Screen(given)
    script = await database.script(role)
    if given.json:
        screen.json({"database": database.name, "sql": script})
    else:
        screen.out(*script.splitlines())


async def status(given: Given) -> int:
    """The migrations that the database has, and those it lacks; 7 when it cannot be used as it is."""
    screen = Screen(given)
    schema = await database_of(given).schema()
    rows = [_row(done.number, done.name, "applied", done.at) for done in schema.applied]
    rows += [_row(m.number, m.name, "pending", None) for m in schema.pending]
    for row in rows:
        if given.json:
            screen.json(row)
    if not given.json:
        screen.out(*table(("NUMBER", "NAME", "STATE", "APPLIED AT (UTC)"), [_spans(row) for row in rows], screen.room))
    if schema.problem is not None:
        raise schema.problem
    if schema.pending:
        screen.hint(f"next: {given.again('db', 'migrate')}")
        return UNREACHABLE
    return 0


def _row(number: int, name: str, state: str, at: str | None) -> dict[str, Any]:
    return {"number": number, "name": name, "state": state, "applied_at": at}


def _spans(row: dict[str, Any]) -> list[Span]:
    style = "good" if row["state"] == "applied" else "warn"
    return [(f"{row['number']:04d}", ""), (row["name"], ""), (row["state"], style), (row["applied_at"] or "", "")]
