"""The database behind `--db`: looked at without changing it, before anything is opened that could make it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from saga_journey.cli.findings import Finding
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, USAGE, Problem, problem_of
from saga_journey.errors import SagaJourneyError
from saga_journey.stores.migrations import Applied, Migration
from saga_journey.stores.server_url import must_have_driver


@dataclass(frozen=True, slots=True)
class Schema:
    """The migrations of a database: those it has, what is still to come, what is wrong."""

    applied: list[Applied]
    pending: list[Migration]
    problem: Problem | None


class Database(Protocol):
    """One kind of database. Every method raises Problem when it cannot do what it says."""

    @property
    def name(self) -> str:
        """As messages call it: the path of a file, the URL of a server without its password."""
        ...

    async def must_open(self) -> None:
        """Returns when it is there, and this person may use it."""

    async def schema(self) -> Schema:
        """What it has and what it lacks."""
        ...

    def without_schema(self) -> Problem:
        """What is to be said when it has no migration of ours at all."""
        ...

    async def migrate(self) -> list[Migration]:
        """Brings it up to date; makes it where that is possible. Gives what was applied."""
        ...

    async def script(self, role: str | None) -> str:
        """The SQL of what `migrate` would do, and the rights of that role (None: the one of the URL)."""
        ...

    def findings(self) -> AsyncIterator[Finding]:
        """What can be seen without opening the journeys. Ends with a Problem at what keeps all else from being seen."""
        ...

    def about_time(self, ahead: float) -> list[Finding]:
        """What there is to say when store time is so many seconds ahead of the wall clock of this host."""
        ...


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


def schema_of(applied: list[Applied], pending: Callable[[], list[Migration]]) -> Schema:
    """What it has, and what it lacks; or that this version cannot say."""
    try:
        return Schema(applied, pending(), None)
    except SagaJourneyError as error:
        return Schema(applied, [], problem_of(error))


def finding_about(schema: Schema, database: Database, given: Given) -> Finding:
    """What doctor says of it. Raises Problem when nothing else can be said before that is set right."""
    if schema.problem is not None:
        raise schema.problem
    if not schema.applied:
        raise database.without_schema()
    if schema.pending:
        return Finding("schema", "bad", f"{len(schema.pending)} migrations are to come", given.again("db", "migrate"))
    newest = schema.applied[-1].number
    return Finding("schema", "ok", f"version {newest} of {newest}")
