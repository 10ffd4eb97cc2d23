"""Plain numbered migrations: `migrations/0001_initial.sql`, `0002_….sql`, applied in order.

A database remembers which it has, with a checksum of each; one from a newer version is refused, never guessed at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

from saga_journey.errors import SchemaTooNew, StoreError


@dataclass(frozen=True, slots=True)
class Migration:
    """One that this version brings."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """As it is called in every message: `0001 initial`."""
        return f"{self.number:04d} {self.name}"


class Applied(NamedTuple):
    """One that a database has. `at` is a moment in UTC, as the database writes it."""

    number: int
    name: str
    checksum: str
    at: str


def known_migrations(package: str) -> list[Migration]:
    """The migrations that this version brings, in order."""
    files = sorted(f for f in (p.name for p in resources.files(package).iterdir()) if f.endswith(".sql"))
    return [
        Migration(int(name[:4]), name[5:-4], resources.files(package).joinpath(name).read_text("utf-8"))
        for name in files
    ]


def still_to_come(known: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """What a database lacks, in order.

    Raises SchemaTooNew for a database from the future, StoreError for one where a migration had another content.
    """
    by_number = {m.number: m for m in known}
    for done in applied:
        if done.number not in by_number:
            raise SchemaTooNew(
                f"the database has migration {done.number:04d} ({done.name}), this version knows up to "
                f"{max(by_number):04d}: upgrade saga-journey, or open another database"
            )
        if by_number[done.number].checksum != done.checksum:
            raise StoreError(
                f"migration {done.number:04d} ({done.name}) was applied with another content: "
                "restore the package's file"
            )
    return [m for number, m in sorted(by_number.items()) if number not in {done.number for done in applied}]
