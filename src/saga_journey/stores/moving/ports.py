"""What a database can do that is moved away, and one that takes it in. What they cannot do they raise as StoreError."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from saga_journey.ports import JournalRow
from saga_journey.stores.moving.mark import Mark

Table = Literal["tenant", "definition", "owner", "run", "journal", "start_key", "command", "outbox", "archive"]
Numbered = Literal["tenant", "definition", "owner", "archive", "run"]

TABLES: tuple[Table, ...] = (
    *("tenant", "definition", "owner", "run", "journal", "start_key", "command", "outbox", "archive"),
)
"""What goes along. Of the owners only those that left runs, as dead ones: whoever claims these has taken them over."""

NUMBERED: tuple[Numbered, ...] = ("tenant", "definition", "owner", "archive", "run")
"""What has a number, and gets another one. Archived runs count as older than all others."""

Counts = Mapping[Table, int]
Key = tuple[int, int]
"""A tenant and a number of its own; 0 and a number where tenants do not matter."""


class Rows(NamedTuple):
    """All rows of a table, in the order of their key, with the numbers that they have at the target."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class RunJournal(NamedTuple):
    """The whole journal of a run. `tenant` and `run` are its numbers at the target, `definition` that at the source."""

    tenant: int
    run: int
    saga: str
    definition: int
    rows: list[JournalRow]


@dataclass(frozen=True, slots=True)
class Here:
    """A source, looked at. `in_flight`: how many runs have not ended. `now`: its store time. `mark`: it was moved.

    `behind`: it lacks migrations, so it was never moved from, not even half.
    """

    counts: Counts
    in_flight: int
    now: float
    mark: Mark | None
    behind: bool


@dataclass(frozen=True, slots=True)
class There:
    """A target, looked at: the tables that have rows; what it took in, and when; the migrations that it lacks."""

    occupied: Sequence[Table]
    took_in: Mapping[str, float]
    pending: Sequence[str]
    now: float


class Source(Protocol):
    """A database that is moved away. Close it."""

    @property
    def name(self) -> str:
        """As messages call it."""
        ...

    def look(self) -> Here:
        """Changes nothing. Raises when a worker lives."""
        ...

    def lock(self) -> Counts:
        """Brings it up to date. From now on nobody else writes it. Raises when a worker lives."""
        ...

    def contents(self) -> Iterator[bytes]:
        """All that goes along, row by row, as it is here, always in the same order."""
        ...

    def unnumbered(self, kind: Numbered) -> Iterator[list[Key]]:
        """Everything of that kind in the order that it is to have there, in pieces."""
        ...

    def number(self, kind: Numbered, keys: Sequence[Key], there: Sequence[int]) -> None:
        """The numbers that these have at the target."""
        ...

    def rows(self, table: Table, now: float) -> Rows:
        """Once everything has its number. `now`: the time of the target."""
        ...

    def journals(self) -> Iterator[RunJournal]:
        """In the order of tenants and runs."""
        ...

    def definition(self, number: int) -> str:
        """Its body."""
        ...

    def mark(self, mark: Mark) -> None:
        """Writes it, to be committed."""
        ...

    def commit(self) -> None:
        """From now on whoever opens it is told where everything is."""
        ...


class Target(Protocol):
    """A database that takes another one in. Close it."""

    @property
    def name(self) -> str:
        """As messages call it, without a password."""
        ...

    async def look(self) -> There:
        """Changes nothing."""
        ...

    async def lock(self, fingerprint: str) -> float | None:
        """Brings it up to date. From now on nobody else writes it. When it took in exactly that: the time it did so.

        Raises when it is neither that nor empty.
        """
        ...

    async def now(self) -> float: ...

    async def numbers(self, kind: Numbered, count: int) -> list[int]:
        """So many, ascending, which nobody had and nobody else will get."""
        ...

    async def take_in(self, table: Table, columns: Sequence[str], rows: AsyncIterator[tuple[Any, ...]]) -> None:
        """These rows, to be committed."""
        ...

    async def note(self, fingerprint: str, source: str) -> float:
        """That this was taken in; gives when."""
        ...

    async def counts(self) -> Counts: ...

    def digests(self) -> AbstractAsyncContextManager[AsyncIterator[tuple[int, int, bytes]]]:
        """Tenant, run and digest (`journals.digest`) of each journal, in the order of tenants and runs."""
        ...

    async def commit(self) -> None:
        """Raises StoreUnreachable when nobody knows whether it was committed."""
        ...
