"""How far the orders have come, seen from outside: in the participants' books and the orchestrator's claims."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from claims import read_claims
from processes import PARTICIPANTS, books_of


@dataclass(frozen=True, slots=True)
class Progress:
    """One look: how many ended in which way, how many are under way, and how many of those are being undone."""

    endings: Counter[str]
    under_way: int
    being_undone: int

    @property
    def ended(self) -> int:
        """The orders that have an outcome."""
        return self.endings.total()


class Watch:
    """Looks at books that are in use, as often as one likes, without disturbing those who write them."""

    def __init__(self, directory: Path) -> None:
        self._claims = directory / "claims.jsonl"
        self._closing = ExitStack()
        self._books = {name: self._open(books_of(directory, name)) for name in PARTICIPANTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def look(self) -> Progress:
        """How things are now."""
        claims = read_claims(self._claims)
        begun = self._orders("orders", "SELECT order_id FROM moves WHERE way = 'do'")
        asked_to_undo = "SELECT order_id FROM calls WHERE way = 'undo'"
        undone = set[str]().union(*(self._orders(name, asked_to_undo) for name in self._books))
        return Progress(
            endings=Counter(endings[-1] for endings in claims.values()),
            under_way=len(begun - claims.keys()),
            being_undone=len(undone - claims.keys()),
        )

    def verdicts(self) -> Counter[str]:
        """What the participants thought of all the calls they got."""
        return sum(
            (
                Counter(dict(book.execute("SELECT verdict, count(*) FROM calls GROUP BY verdict").fetchall()))
                for book in self._books.values()
            ),
            Counter(),
        )

    def _orders(self, name: str, query: str) -> set[str]:
        return {order for (order,) in self._books[name].execute(query)}

    def _open(self, path: Path) -> sqlite3.Connection:
        return self._closing.enter_context(closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)))
