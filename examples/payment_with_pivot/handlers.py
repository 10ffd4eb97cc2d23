"""A payment: a hold on the customer's money, its capture for the merchant, a receipt on the disk, a note."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

TABLES = """
CREATE TABLE IF NOT EXISTS accounts (owner TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0));
CREATE TABLE IF NOT EXISTS holds (key TEXT PRIMARY KEY, customer TEXT, cents INTEGER, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, merchant TEXT NOT NULL, text TEXT NOT NULL);
INSERT OR IGNORE INTO accounts VALUES ('ada', 20000), ('charles', 10);
"""


@dataclass(frozen=True, slots=True)
class Payment:
    """Who pays how much."""

    payment: str
    customer: str
    cents: int


class Acquirer:
    """Whoever moves the money. Every key has one effect, and a released hold can be captured no more."""

    def __init__(self, place: Path) -> None:
        self._path, self._receipts = place / "payments.db", place / "receipts"
        self._receipts.mkdir(exist_ok=True)
        with closing(sqlite3.connect(self._path)) as books:
            books.executescript(TABLES)

    def reserve_funds(self, ctx: Context[Payment]) -> str:
        """Gives the hold: the key under which it was made."""
        key, paid = ctx.idempotency_key, ctx.input
        with self._books() as books:
            hold = books.execute("SELECT state FROM holds WHERE key = ?", (key,)).fetchone()
            if hold == ("released",):
                raise Refused("too late: it was released")
            if hold is None:
                self._hold(books, key, paid, ctx.params["limit_cents"])
        return key

    def release_funds(self, ctx: Context[Payment], hold: str | None) -> None:
        with self._books() as books:
            released = "UPDATE holds SET state = 'released' WHERE key = ? AND state = 'held' RETURNING customer, cents"
            if (held := books.execute(released, (ctx.action_key,)).fetchone()) is not None:
                books.execute("UPDATE accounts SET cents = cents + ? WHERE owner = ?", (held[1], held[0]))
            else:
                books.execute("INSERT OR IGNORE INTO holds (key, state) VALUES (?, 'released')", (ctx.action_key,))

    def capture_payment(self, ctx: Context[Payment]) -> int:
        """For good. A hold is captured once, so its own state says whether this was done before."""
        hold: str = ctx.result("reserve_funds")
        with self._books() as books:
            captured = "UPDATE holds SET state = 'captured' WHERE key = ? AND state = 'held' RETURNING cents"
            if (held := books.execute(captured, (hold,)).fetchone()) is not None:
                paid = "INSERT INTO accounts VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET cents = cents + ?"
                books.execute(paid, (ctx.params["merchant"], held[0], held[0]))
            elif books.execute("SELECT state FROM holds WHERE key = ?", (hold,)).fetchone() != ("captured",):
                raise Refused("nothing is held any more")
        return ctx.input.cents

    def send_receipt(self, ctx: Context[Payment]) -> str:
        receipt = self._receipts / f"{ctx.saga_id}.txt"
        receipt.write_text(f"{ctx.input.payment}: {ctx.input.customer} paid {ctx.input.cents} cents\n", "utf-8")
        return receipt.name

    def notify_merchant(self, ctx: Context[Payment]) -> None:
        note = ctx.idempotency_key, ctx.params["merchant"], f"{ctx.input.payment} is paid"
        with self._books() as books:
            books.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", note)

    @staticmethod
    def _hold(books: sqlite3.Connection, key: str, paid: Payment, limit: int) -> None:
        if paid.cents > limit:
            raise Refused("more than one payment may be")
        less = "UPDATE accounts SET cents = cents - ? WHERE owner = ? AND cents >= ?"
        if books.execute(less, (paid.cents, paid.customer, paid.cents)).rowcount == 0:
            raise Refused(f"{paid.customer} does not have that much")
        books.execute("INSERT INTO holds VALUES (?, ?, ?, 'held')", (key, paid.customer, paid.cents))

    @contextmanager
    def _books(self) -> Iterator[sqlite3.Connection]:
        """One call, one transaction."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as books, books:
            books.execute("BEGIN IMMEDIATE")
            yield books


def curator(place: Path) -> Curator:
    """The handlers of an acquirer whose books and receipts lie in that directory."""
    acquirer, found = Acquirer(place), Curator()
    for handler in (acquirer.reserve_funds, acquirer.capture_payment, acquirer.send_receipt, acquirer.notify_merchant):
        found.register(handler)
    found.register(acquirer.release_funds)
    return found


def standing(place: Path) -> list[str]:
    """What the books and the disk say."""
    with closing(sqlite3.connect(place / "payments.db")) as books:
        accounts = books.execute("SELECT owner, cents FROM accounts ORDER BY 1").fetchall()
        holds = books.execute("SELECT customer, cents, state FROM holds WHERE state <> 'released' ORDER BY 1, 2")
        notes = books.execute("SELECT merchant, text FROM notes ORDER BY 1, 2").fetchall()
        return [
            *(f"{owner} has {cents} cents" for owner, cents in accounts),
            *(f"{cents} cents of {customer} are {state}" for customer, cents, state in holds),
            *(f"note to {merchant}: {text}" for merchant, text in notes),
            *(f"receipt: {file.read_text('utf-8').strip()}" for file in sorted((place / "receipts").iterdir())),
        ]
