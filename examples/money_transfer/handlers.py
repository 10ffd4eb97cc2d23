"""Two banks, each with books of its own, and a statement. What leaves the one arrives in the other, or comes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

TABLES = """
CREATE TABLE IF NOT EXISTS accounts (owner TEXT PRIMARY KEY, currency TEXT, cents INTEGER CHECK (cents >= 0));
CREATE TABLE IF NOT EXISTS moves (key TEXT PRIMARY KEY, owner TEXT, cents INTEGER, stands INTEGER NOT NULL);
"""
STATEMENT = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, owner TEXT, text TEXT, stands INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is moved, from where, to where."""

    transfer: str
    source: str
    target: str
    cents: int


@contextmanager
def book(path: Path) -> Iterator[sqlite3.Connection]:
    """One call, one transaction."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as opened, opened:
        opened.execute("BEGIN IMMEDIATE")
        yield opened


class Bank:
    """Every key moves money once. Taking a move back closes its key, so a move that comes late does nothing."""

    def __init__(self, path: Path, accounts: list[tuple[str, str, int]]) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as books, books:
            books.executescript(TABLES)
            books.executemany("INSERT OR IGNORE INTO accounts VALUES (?, ?, ?)", accounts)

    def move(self, key: str, owner: str, currency: str, cents: int) -> None:
        """Adds to an account, or takes from it when `cents` is negative."""
        with book(self._path) as books:
            known = books.execute("SELECT stands FROM moves WHERE key = ?", (key,)).fetchone()
            if known == (0,):
                raise Refused("too late: it was taken back")
            if known is None:
                self._add(books, owner, currency, cents)
                books.execute("INSERT INTO moves VALUES (?, ?, ?, 1)", (key, owner, cents))

    def take_back(self, key: str) -> None:
        with book(self._path) as books:
            undone = "UPDATE moves SET stands = 0 WHERE key = ? AND stands = 1 RETURNING owner, cents"
            if (move := books.execute(undone, (key,)).fetchone()) is not None:
                books.execute("UPDATE accounts SET cents = cents - ? WHERE owner = ?", (move[1], move[0]))
            else:
                books.execute("INSERT OR IGNORE INTO moves (key, stands) VALUES (?, 0)", (key,))

    @staticmethod
    def _add(books: sqlite3.Connection, owner: str, currency: str, cents: int) -> None:
        account = books.execute("SELECT currency, cents FROM accounts WHERE owner = ?", (owner,)).fetchone()
        if account is None or account[0] != currency:
            raise Refused(f"{owner} has no account in {currency} here")
        if account[1] + cents < 0:
            raise Refused(f"{owner} does not have that much")
        books.execute("UPDATE accounts SET cents = cents + ? WHERE owner = ?", (cents, owner))


class Transfers:
    """The handlers: the bank of the source, the bank of the target, the statement."""

    def __init__(self, place: Path) -> None:
        self._north = Bank(place / "north.db", [("ada", "EUR", 30_000), ("charles", "USD", 900)])
        self._south = Bank(place / "south.db", [("grace", "EUR", 5_000)])
        self._statement = place / "statement.db"
        with closing(sqlite3.connect(self._statement)) as entries:
            entries.executescript(STATEMENT)

    def debit_source(self, ctx: Context[Transfer]) -> None:
        if ctx.input.cents > ctx.params["limit_cents"]:
            raise Refused("more than one transfer may move")
        self._north.move(ctx.idempotency_key, ctx.input.source, ctx.params["currency"], -ctx.input.cents)

    def return_debit(self, ctx: Context[Transfer], _: None) -> None:
        self._north.take_back(ctx.action_key)

    def credit_target(self, ctx: Context[Transfer]) -> None:
        self._south.move(ctx.idempotency_key, ctx.input.target, ctx.params["currency"], ctx.input.cents)

    def take_back_credit(self, ctx: Context[Transfer], _: None) -> None:
        self._south.take_back(ctx.action_key)

    def enter_statement(self, ctx: Context[Transfer]) -> None:
        given = ctx.input
        with book(self._statement) as entries:
            for owner, cents in ((given.source, -given.cents), (given.target, given.cents)):
                entry = f"{ctx.idempotency_key}/{owner}", owner, f"{given.transfer}: {cents}"
                entries.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, 1)", entry)

    def strike_statement(self, ctx: Context[Transfer], _: None) -> None:
        with book(self._statement) as entries:
            for owner in (ctx.input.source, ctx.input.target):
                struck = "INSERT INTO entries VALUES (?, ?, '', 0) ON CONFLICT (key) DO UPDATE SET stands = 0"
                entries.execute(struck, (f"{ctx.action_key}/{owner}", owner))


def curator(place: Path) -> Curator:
    """The handlers over the banks whose books lie in that directory."""
    banks, found = Transfers(place), Curator()
    for handler in (banks.debit_source, banks.credit_target, banks.enter_statement):
        found.register(handler)
    for undo in (banks.return_debit, banks.take_back_credit, banks.strike_statement):
        found.register(undo)
    return found


def standing(place: Path) -> list[str]:
    """What both banks and the statement say."""
    found = []
    for bank in ("north", "south"):
        with closing(sqlite3.connect(place / f"{bank}.db")) as books:
            for owner, currency, cents in books.execute("SELECT owner, currency, cents FROM accounts ORDER BY 1"):
                found.append(f"{bank}: {owner} has {cents} {currency} cents")
    with closing(sqlite3.connect(place / "statement.db")) as entries:
        for owner, text in entries.execute("SELECT owner, text FROM entries WHERE stands ORDER BY 1, 2"):
            found.append(f"statement of {owner}: {text}")
    return found
