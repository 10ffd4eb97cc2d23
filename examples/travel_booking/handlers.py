"""What a trip takes: seats, rooms and cars of an agency, and the traveller's card. All of it is one small database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

TABLES = """
CREATE TABLE IF NOT EXISTS offers (what TEXT PRIMARY KEY, free INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bookings (key TEXT PRIMARY KEY, trip TEXT, what TEXT, stands INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS cards (owner TEXT PRIMARY KEY, cents INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS charges (key TEXT PRIMARY KEY, owner TEXT, cents INTEGER, stands INTEGER NOT NULL);
INSERT OR IGNORE INTO offers VALUES ('flight', 9), ('hotel', 4), ('car', 2);
INSERT OR IGNORE INTO cards VALUES ('ada', 500000), ('charles', 100);
"""


@dataclass(frozen=True, slots=True)
class Trip:
    """What is booked."""

    trip: str
    traveller: str
    destination: str
    cents: int


class Agency:
    """Every key has one effect. An undo closes the key, so a call that comes after its own undo changes nothing."""

    def __init__(self, place: Path) -> None:
        self._path = place / "agency.db"
        with closing(sqlite3.connect(self._path)) as books:
            books.executescript(TABLES)

    def book(self, ctx: Context[Trip]) -> str:
        """A flight, a hotel or a car: as the milestone is called."""
        key, what = ctx.idempotency_key, ctx.milestone_id.removeprefix("book_")
        with self._books() as books:
            if not _done(books, "bookings", key):
                free = books.execute("UPDATE offers SET free = free - 1 WHERE what = ? AND free > 0", (what,))
                if free.rowcount == 0:
                    raise Refused(f"no {what} is left")
                books.execute("INSERT INTO bookings VALUES (?, ?, ?, 1)", (key, ctx.input.trip, what))
        return f"{what} to {ctx.input.destination}"

    def cancel(self, ctx: Context[Trip], booking: str | None) -> None:
        what = ctx.milestone_id.removeprefix("book_")
        with self._books() as books:
            if _closed(books, "bookings", ctx.action_key):
                books.execute("UPDATE offers SET free = free + 1 WHERE what = ?", (what,))

    def charge_card(self, ctx: Context[Trip]) -> int:
        key, trip = ctx.idempotency_key, ctx.input
        with self._books() as books:
            if not _done(books, "charges", key):
                paid = "UPDATE cards SET cents = cents - ? WHERE owner = ? AND cents >= ?"
                if books.execute(paid, (trip.cents, trip.traveller, trip.cents)).rowcount == 0:
                    raise Refused("card declined")
                books.execute("INSERT INTO charges VALUES (?, ?, ?, 1)", (key, trip.traveller, trip.cents))
        return trip.cents

    def refund_card(self, ctx: Context[Trip], cents: int | None) -> None:
        with self._books() as books:
            if _closed(books, "charges", ctx.action_key):
                back = "UPDATE cards SET cents = cents + ? WHERE owner = ?"
                books.execute(back, (ctx.input.cents, ctx.input.traveller))

    @contextmanager
    def _books(self) -> Iterator[sqlite3.Connection]:
        """One call, one transaction."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as books, books:
            books.execute("BEGIN IMMEDIATE")
            yield books


def _done(books: sqlite3.Connection, table: str, key: str) -> bool:
    """It was done under this key before. Refused when it was undone, too."""
    found = books.execute(f"SELECT stands FROM {table} WHERE key = ?", (key,)).fetchone()
    if found == (0,):
        raise Refused("too late: it was undone")
    return found is not None


def _closed(books: sqlite3.Connection, table: str, key: str) -> bool:
    """Closes the key; true when something was done under it, and has to be taken back."""
    if books.execute(f"UPDATE {table} SET stands = 0 WHERE key = ? AND stands = 1", (key,)).rowcount:
        return True
    books.execute(f"INSERT OR IGNORE INTO {table} (key, stands) VALUES (?, 0)", (key,))
    return False


def curator(place: Path) -> Curator:
    """The handlers of an agency whose books lie in that directory."""
    agency, found = Agency(place), Curator()
    for what in ("flight", "hotel", "car"):
        found.register(agency.book, f"book_{what}")
        found.register(agency.cancel, f"cancel_{what}")
    found.register(agency.charge_card)
    found.register(agency.refund_card)
    return found


def standing(place: Path) -> list[str]:
    """What the agency's books say: what is booked, and what everybody has."""
    with closing(sqlite3.connect(place / "agency.db")) as books:
        booked = books.execute("SELECT trip, what FROM bookings WHERE stands ORDER BY 1, 2").fetchall()
        free = books.execute("SELECT what, free FROM offers ORDER BY 1").fetchall()
        cards = books.execute("SELECT owner, cents FROM cards ORDER BY 1").fetchall()
    return [
        *(f"{trip} has a {what}" for trip, what in booked),
        *(f"{n} × {what} free" for what, n in free),
        *(f"{owner} has {cents} cents" for owner, cents in cards),
    ]
