"""The audit: do the participants' own books agree with what the orchestrator claims, to the cent and the piece?

It reads the orders, the claims and the four books, and nothing of the engine. Every violation is a sentence that
names its order (or its account). `python audit.py DIR` prints them and exits 1 if there are any.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from claims import read_claims
from processes import PARTICIPANTS, books_of
from shop import ORDERS_FILE, Order, read_orders

# what each participant does to an order, and what an order has to move in its books
DONE: Final = {"orders": "entered", "payments": "charged", "inventory": "reserved", "shipping": "shipped"}
UNITS: Final = {"orders": "orders", "payments": "cents", "inventory": "pieces", "shipping": "parcels"}
DUE: Final[Mapping[str, Callable[[Order], int]]] = {
    "orders": lambda _order: 1,
    "payments": lambda order: order.cents,
    "inventory": lambda order: order.quantity,
    "shipping": lambda _order: 1,
}
# an order whose refund was refused keeps its charge, and what would have been undone after the refund
LEFT_IN_ATTENTION: Final = frozenset({"orders", "payments"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One move in a participant's books."""

    seq: int
    way: str
    order_id: str
    action_key: str
    source: str
    target: str
    amount: int


@dataclass(frozen=True, slots=True)
class Account:
    """One account: what it opened with and what it holds."""

    name: str
    opening: int
    balance: int


@dataclass(frozen=True)
class Book:
    """One participant's books, as they lie on the disk."""

    name: str
    entries: tuple[Entry, ...]
    accounts: tuple[Account, ...]
    undone: frozenset[str]
    asked_to_undo: frozenset[str]
    refused_undos: frozenset[str]
    protests: tuple[tuple[str, str], ...]

    def standing(self) -> list[Entry]:
        """What was done and not undone."""
        back = {entry.action_key for entry in self.entries if entry.way == "undo"}
        return [entry for entry in self.entries if entry.way == "do" and entry.action_key not in back]


def read_book(directory: Path, name: str) -> Book:
    """The books of one participant, whether it still runs or not."""
    path = books_of(directory, name).resolve()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        entries = db.execute("SELECT seq, way, order_id, action_key, source, target, amount FROM moves ORDER BY seq")
        undos = db.execute("SELECT DISTINCT order_id, verdict FROM calls WHERE way = 'undo'").fetchall()
        return Book(
            name=name,
            entries=tuple(Entry(*row) for row in entries),
            accounts=tuple(Account(*row) for row in db.execute("SELECT name, opening, balance FROM accounts")),
            undone=frozenset(key for (key,) in db.execute("SELECT action_key FROM undone")),
            asked_to_undo=frozenset(order_id for order_id, _ in undos),
            refused_undos=frozenset(order_id for order_id, verdict in undos if verdict == "refused"),
            protests=tuple(db.execute("SELECT order_id, what FROM violations ORDER BY seq")),
        )


@dataclass(frozen=True)
class Evidence:
    """All that the audit looks at."""

    orders: Mapping[str, Order]
    claims: Mapping[str, list[str]]
    books: Mapping[str, Book]

    @property
    def standing(self) -> dict[str, dict[str, list[Entry]]]:
        """What stands, by participant and order."""
        found: dict[str, dict[str, list[Entry]]] = {name: {} for name in self.books}
        for name, book in self.books.items():
            for entry in book.standing():
                found[name].setdefault(entry.order_id, []).append(entry)
        return found


def read_evidence(directory: Path, orders: Sequence[Order]) -> Evidence:
    """The books and the claims that lie in a directory, for these orders."""
    return Evidence(
        orders={order.id: order for order in orders},
        claims=read_claims(directory / "claims.jsonl"),
        books={name: read_book(directory, name) for name in PARTICIPANTS},
    )


def violations(evidence: Evidence) -> list[str]:
    """Every disagreement, as a sentence; an empty list means that the books balance."""
    return [sentence for rule in RULES for sentence in rule(evidence)]


def every_order_has_one_outcome(evidence: Evidence) -> Iterator[str]:
    """Each order ended, in one way, and nobody claims an order that was never placed."""
    for order_id in evidence.orders:
        match evidence.claims.get(order_id, []):
            case []:
                yield f"{order_id} has no outcome"
            case ["completed" | "compensated" | "attention"]:
                pass
            case endings:
                yield f"{order_id} is claimed to be {' and '.join(endings)}"
    for order_id in evidence.claims.keys() - evidence.orders.keys():
        yield f"{order_id} has an outcome, but was never placed"


def no_effect_twice(evidence: Evidence) -> Iterator[str]:
    """At most one effect for each order at each participant."""
    for name, book in evidence.books.items():
        times = Counter(entry.order_id for entry in book.entries if entry.way == "do")
        for order_id, count in times.items():
            if count > 1:
                yield f"{order_id} was {DONE[name]} {count} times"


def undos_answer_actions(evidence: Evidence) -> Iterator[str]:
    """What is undone was done before, once, and is undone once, by the same way back."""
    for name, book in evidence.books.items():
        open_entries: dict[str, Entry] = {}
        for entry in book.entries:
            if entry.way == "do":
                open_entries[entry.action_key] = entry
                continue
            done = open_entries.pop(entry.action_key, None)
            if done is None:
                yield f"{entry.order_id} was undone at {name} without having been {DONE[name]}"
            elif (done.source, done.target, done.amount) != (entry.target, entry.source, entry.amount):
                yield f"{entry.order_id} was {DONE[name]} {done.amount}, but {entry.amount} came back"


def nothing_after_its_undo(evidence: Evidence) -> Iterator[str]:
    """What was undone has no effect that stands: the undo closed the door behind it."""
    for name, book in evidence.books.items():
        for entry in book.standing():
            if entry.action_key in book.undone:
                yield f"{entry.order_id} was {DONE[name]} after its undo"


def completed_means_all(evidence: Evidence) -> Iterator[str]:
    """A completed order stands exactly once in every book, with what it ordered, and nobody asked to undo it."""
    standing = evidence.standing
    for order_id in _claimed(evidence, "completed"):
        for name, book in evidence.books.items():
            amounts = [entry.amount for entry in standing[name].get(order_id, [])]
            if len(amounts) != 1:
                yield f"{order_id} is completed, but was {DONE[name]} {len(amounts)} times"
            elif order_id in book.asked_to_undo:
                yield f"{order_id} is completed, but was asked to be undone at {name}"
            elif amounts != [DUE[name](evidence.orders[order_id])]:
                due = DUE[name](evidence.orders[order_id])
                yield f"{order_id} is completed, but was {DONE[name]} {amounts[0]} instead of {due}"


def compensated_means_none(evidence: Evidence) -> Iterator[str]:
    """A compensated order left nothing behind in any book."""
    standing = evidence.standing
    for order_id in _claimed(evidence, "compensated"):
        for name in evidence.books:
            if left := sum(entry.amount for entry in standing[name].get(order_id, [])):
                yield f"{order_id} is compensated, but is still {DONE[name]} ({left})"


def attention_means_a_refused_refund(evidence: Evidence) -> Iterator[str]:
    """In attention are exactly the orders whose refund was refused, with exactly the charge and the order left."""
    refused = evidence.books["payments"].refused_undos
    for order_id in sorted(refused - set(_claimed(evidence, "attention"))):
        yield f"{order_id} had its refund refused, but is not in attention"
    standing = evidence.standing
    for order_id in _claimed(evidence, "attention"):
        if order_id not in refused:
            yield f"{order_id} is in attention, but no refund of it was refused"
        for name in evidence.books:
            amounts = [entry.amount for entry in standing[name].get(order_id, [])]
            due = [DUE[name](evidence.orders[order_id])] if name in LEFT_IN_ATTENTION else []
            if amounts != due:
                yield f"{order_id} is in attention, with {amounts} {DONE[name]} instead of {due}"


def accounts_balance(evidence: Evidence) -> Iterator[str]:
    """Each account holds what it opened with, less what left and plus what arrived and was not undone."""
    for name, book in evidence.books.items():
        change: Counter[str] = Counter()
        for entry in book.standing():
            change[entry.source] -= entry.amount
            change[entry.target] += entry.amount
        for account in book.accounts:
            if account.balance != account.opening + change[account.name]:
                yield (
                    f"{account.name!r} at {name} holds {account.balance} "
                    f"instead of {account.opening} {change[account.name]:+}"
                )


def participants_do_not_protest(evidence: Evidence) -> Iterator[str]:
    """No key came with two bodies."""
    for name, book in evidence.books.items():
        for order_id, what in book.protests:
            yield f"{order_id} at {name}: {what}"


def only_placed_orders(evidence: Evidence) -> Iterator[str]:
    """Nothing happened for orders that were never placed."""
    for name, book in evidence.books.items():
        for order_id in sorted({entry.order_id for entry in book.entries} - evidence.orders.keys()):
            yield f"{order_id} was {DONE[name]}, but was never placed"


RULES: Final[tuple[Callable[[Evidence], Iterator[str]], ...]] = (
    every_order_has_one_outcome,
    only_placed_orders,
    no_effect_twice,
    undos_answer_actions,
    nothing_after_its_undo,
    completed_means_all,
    compensated_means_none,
    attention_means_a_refused_refund,
    accounts_balance,
    participants_do_not_protest,
)


@dataclass(frozen=True, slots=True)
class Balance:
    """One participant's sums: what it did, what it undid, what stands, and what should stand by the claims."""

    participant: str
    unit: str
    done: int
    undone: int
    due: int

    @property
    def standing(self) -> int:
        """What was done and not undone."""
        return self.done - self.undone


def balances(evidence: Evidence) -> Iterator[Balance]:
    """The sums of each participant's books."""
    for name, book in evidence.books.items():
        amounts: Counter[str] = Counter()
        for entry in book.entries:
            amounts[entry.way] += entry.amount
        due = _claimed(evidence, "completed") + (_claimed(evidence, "attention") if name in LEFT_IN_ATTENTION else [])
        yield Balance(
            participant=name,
            unit=UNITS[name],
            done=amounts["do"],
            undone=amounts["undo"],
            due=sum(DUE[name](evidence.orders[order_id]) for order_id in due),
        )


def _claimed(evidence: Evidence, ending: str) -> list[str]:
    """The placed orders that are claimed to have ended so, and only so."""
    return [order_id for order_id in evidence.orders if evidence.claims.get(order_id) == [ending]]


def main() -> int:
    """Audit a directory, from the command line."""
    arguments = argparse.ArgumentParser(description="Audit the books of a demonstration.")
    arguments.add_argument("dir", type=Path, help="where the four books and claims.jsonl lie")
    arguments.add_argument("--orders", type=Path, default=ORDERS_FILE, help="the orders, one JSON object a line")
    given = arguments.parse_args()
    found = violations(read_evidence(given.dir, read_orders(given.orders)))
    print("\n".join(found) or "the books balance")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
