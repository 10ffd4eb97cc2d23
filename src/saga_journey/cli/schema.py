"""`saga db migrate` and `saga db status`."""

from __future__ import annotations

from typing import Any

from saga_journey.cli.database import looking_into, must_be_there, path_of, schema_of
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, Problem
from saga_journey.cli.screen import Screen, Span
from saga_journey.cli.table import table
from saga_journey.stores.sqlite.store import migrate_file


def migrate(given: Given) -> None:
    """Makes the database when there is none, and brings it up to date."""
    path, screen = path_of(given), Screen(given)
    if not path.resolve().parent.is_dir():
        what = f"there is no directory {path.resolve().parent} to make {path.name} in"
        raise Problem(UNREACHABLE, "no_directory", what, "make it first, or name another one: --db sqlite:///…")
    if path.exists():
        must_be_there(path, given)
        _must_be_ours_or_empty(given)
    done = migrate_file(given.db)
    if given.json:
        screen.json({"database": str(path), "applied": [{"number": m.number, "name": m.name} for m in done]})
        return
    for migration in done:
        screen.out(f"applied {migration.number:04d} {migration.name}")
    screen.say(f"{path} is up to date")


def _must_be_ours_or_empty(given: Given) -> None:
    """Tables are not made among those of some other program."""
    path = path_of(given)
    schema = schema_of(path)
    if schema.problem is not None:
        raise schema.problem
    if not schema.applied and (strange := tables(given)):
        what = f"{path} belongs to another program: it has the tables {', '.join(strange[:3])} …"
        raise Problem(UNREACHABLE, "not_ours", what, "give the sagas a file of their own: --db sqlite:///journeys.db")


def tables(given: Given) -> list[str]:
    with looking_into(path_of(given)) as db:
        rows = db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'").fetchall()
    return [row[0] for row in rows]


def status(given: Given) -> int:
    """The migrations that the database has, and those it lacks; 7 when it cannot be used as it is."""
    path, screen = path_of(given), Screen(given)
    must_be_there(path, given)
    schema = schema_of(path)
    rows = [_row(number, name, "applied", at) for number, name, _, at in schema.applied]
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
