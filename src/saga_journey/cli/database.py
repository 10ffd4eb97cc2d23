"""What a command asks of the database behind `--db`, of whatever kind: looked at without changing it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from saga_journey.cli.findings import Finding
from saga_journey.cli.options import Given
from saga_journey.cli.problems import Problem, problem_of
from saga_journey.errors import SagaJourneyError
from saga_journey.stores.migrations import Applied, Migration


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
