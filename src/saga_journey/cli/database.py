"""The database behind `--db`: looked at without changing it, before anything is opened that could make it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, USAGE, Problem, problem_of
from saga_journey.errors import SagaJourneyError, StoreError
from saga_journey.stores.migrate import Migration, applied, known_migrations, pending
from saga_journey.stores.sqlite.connection import explain, parse_url
from saga_journey.stores.sqlite.store import MIGRATIONS


@dataclass(frozen=True, slots=True)
class Schema:
    """The migrations of a database: (number, name, checksum, applied at), what is still to come, what is wrong."""

    applied: list[tuple[int, str, str, str]]
    pending: list[Migration]
    problem: Problem | None


def path_of(given: Given) -> Path:
    """The file that the URL names. Raises Problem for what is not such a URL."""
    try:
        path = parse_url(given.db)
    except StoreError as error:
        hint = f"did you mean --db sqlite:///{given.db}?" if "://" not in given.db and given.db else None
        raise Problem(USAGE, "not_a_database_url", str(error), hint) from None
    if path == ":memory:":
        what = "a database in memory lives inside one process: no other one can look into it"
        raise Problem(USAGE, "in_memory", what, "give the file that the worker opened: --db sqlite:///journeys.db")
    return Path(path)


def must_be_usable(given: Given) -> None:
    """Raises Problem unless this is a database of ours, as it should be, that can be opened."""
    path = path_of(given)
    must_be_there(path, given)
    must_be_writable(path)
    schema = schema_of(path)
    if schema.problem is not None:
        raise schema.problem
    migrate = given.again("db", "migrate")
    if not schema.applied:
        what = f"{path} is a database, but not one of saga-journey"
        raise Problem(UNREACHABLE, "not_ours", what, f"another file? --db sqlite:///…\nor make it one: {migrate}")
    if schema.pending:
        names = ", ".join(f"{m.number:04d} {m.name}" for m in schema.pending)
        raise Problem(UNREACHABLE, "schema_behind", f"{path} is of an older version: it lacks {names}", migrate)


def must_be_there(path: Path, given: Given) -> None:
    """Raises Problem when there is no such file, or it is something else."""
    if path.is_dir():
        raise Problem(UNREACHABLE, "no_database", f"{path} is a directory, not a database", None)
    if not path.exists():
        hint = (
            "the worker makes it when it opens; where is it? --db sqlite:///… or SAGA_DB\n"
            f"an empty one: {given.again('db', 'migrate')}\n"
            "only looking around? saga demo"
        )
        raise Problem(UNREACHABLE, "no_database", f"there is no database {path}", hint)


def must_be_writable(path: Path) -> None:
    """SQLite in WAL mode writes beside the file also when it only reads, so both must be writable."""
    for place in (path, path.resolve().parent):
        if not os.access(place, os.R_OK | os.W_OK):
            what = f"{place} cannot be written by you, and SQLite needs that even for reading"
            hint = "run it as the user of the worker (sudo -u …), or copy the database to where you can write"
            raise Problem(UNREACHABLE, "store_read_only", what, hint)


@contextlib.contextmanager
def looking_into(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read. Raises Problem when it cannot even do that."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as db:
            yield db
    except sqlite3.Error as error:
        raise problem_of(explain(error, str(path))) from error


def schema_of(path: Path) -> Schema:
    """What the database has and what it lacks; raises Problem when it cannot be read at all."""
    with looking_into(path) as db:
        found = applied(db)
        try:
            return Schema(found, pending(db, MIGRATIONS), None)
        except SagaJourneyError as error:
            return Schema(found, [], problem_of(error))


def known() -> int:
    """The newest migration that this version knows."""
    return max(m.number for m in known_migrations(MIGRATIONS))
