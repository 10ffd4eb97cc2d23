"""The database that `--db` names; nothing is opened that could make it."""

from __future__ import annotations

from saga_journey.cli.database import Database
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, USAGE, Problem
from saga_journey.stores.server_url import must_have_driver


def database_of(given: Given) -> Database:
    """The database that the URL names, looked at by nobody yet. Raises Problem for what is no such URL."""
    if given.db.startswith("postgres"):
        must_have_driver()
        from saga_journey.cli.postgres_server import PostgresServer

        return PostgresServer(given)
    from saga_journey.cli.sqlite_file import SqliteFile

    if given.db.startswith("sqlite:"):
        return SqliteFile(given)
    what = f"{given.database!r} is not a database: {KINDS}"
    hint = f"did you mean --db sqlite:///{given.db}?" if "://" not in given.db and given.db else None
    raise Problem(USAGE, "not_a_database_url", what, hint)


KINDS = (
    "sqlite:///journeys.db (a file beside you), sqlite:////var/lib/app/journeys.db (an absolute path), "
    "postgresql://app@db.example.com/journeys (a server)"
)


async def must_be_usable(given: Given) -> None:
    """Raises Problem unless this is a database of ours, as it should be, that can be opened."""
    database = database_of(given)
    await database.must_open()
    schema = await database.schema()
    if schema.problem is not None:
        raise schema.problem
    if not schema.applied:
        raise database.without_schema()
    if schema.pending:
        names = ", ".join(m.title for m in schema.pending)
        what = f"{database.name} is of an older version: it lacks {names}"
        raise Problem(UNREACHABLE, "schema_behind", what, given.again("db", "migrate"))
