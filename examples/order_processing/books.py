"""The books of one participant: accounts, the moves between them, and what every key was answered.

Three promises, each kept in the one transaction that also moves the amount:

* A key has one effect. The same key with the same body gets the stored answer again; with another body it is
  turned away, and noted as a violation.
* An undo closes the door behind it. Once the undo of an action has been taken, whether or not it found anything
  to undo, a call under that action's key changes nothing: it came too late.
* Every move has two ends. What leaves one account arrives in another, and an undo takes the same way back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trouble import Refusal

Body = Mapping[str, object]
Way = Literal["do", "undo"]
Verdict = Literal["applied", "replayed", "refused", "late", "nothing", "working", "other_body"]

TABLES = """
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, opening INTEGER NOT NULL, balance INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS moves (
    seq INTEGER PRIMARY KEY, way TEXT NOT NULL, order_id TEXT NOT NULL, action_key TEXT NOT NULL,
    source TEXT NOT NULL, target TEXT NOT NULL, amount INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS moves_by_action ON moves (action_key);
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, asked TEXT NOT NULL, status INTEGER, answer TEXT);
CREATE TABLE IF NOT EXISTS undone (action_key TEXT PRIMARY KEY, order_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY, way TEXT NOT NULL, order_id TEXT NOT NULL, key TEXT NOT NULL,
    verdict TEXT NOT NULL, status INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key);
CREATE TABLE IF NOT EXISTS violations (seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, key TEXT, what TEXT);
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: an action (whose key is its own action key), or the undo of the action with `action_key`."""

    way: Way
    key: str
    action_key: str
    order_id: str
    body: Body

    @property
    def asked(self) -> str:
        """What the caller asked for, in a form that can be compared."""
        return json.dumps([self.way, self.action_key, self.body], sort_keys=True)


@dataclass(frozen=True, slots=True)
class Move:
    """An amount (cents, pieces, parcels, orders) on its way from one account to another."""

    source: str
    target: str
    amount: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is told (status, body), and what the books think of it (verdict)."""

    verdict: Verdict
    status: int
    body: Body


class Books:
    """One participant's books in one SQLite file. Each call is one transaction, which also records the call."""

    def __init__(self, path: Path, openings: Mapping[str, int]) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # this process is never the one that gets killed
        self._db.executescript(TABLES)
        self._db.executemany(
            "INSERT OR IGNORE INTO accounts VALUES (?, ?, ?)",
            [(name, amount, amount) for name, amount in openings.items()],
        )

    def close(self) -> None:
        """Fold the write-ahead log into the file, so that a copy of the file is a copy of the books."""
        self._db.close()

    def act(self, call: Call, move: Move, short: Refusal, refusal: Refusal | None = None) -> Answer:
        """Take an action: move the amount once, unless it is refused, or its undo was here before it.

        `refusal` is a no for reasons of the business; `short` is the no when the source account cannot give.
        """
        with self._transaction():
            return self._noted(
                call,
                self._other_body(call)
                or self._too_late(call)
                or self._replay(call)
                or self._act(call, move, short, refusal),
            )

    def undo(self, call: Call, refusal: Refusal | None = None) -> Answer:
        """Take an undo: what the action moved goes back, and the action's key is closed for ever."""
        with self._transaction():
            return self._noted(
                call,
                self._other_body(call) or self._replay(call) or self._undo(call, refusal),
            )

    def put_off(self, call: Call) -> Answer | None:
        """Answer the first call under this key "accepted, ask again"; None when it was asked before."""
        if self._one("SELECT 1 FROM calls WHERE key = ?", call.key):
            return None
        with self._transaction():
            return self._noted(call, Answer("working", 202, {"order": call.order_id}))

    def _other_body(self, call: Call) -> Answer | None:
        row = self._one("SELECT asked FROM answers WHERE key = ?", call.key)
        if row is None or row[0] == call.asked:
            return None
        what = "this key was used before, with another body"
        self._db.execute(
            "INSERT INTO violations (order_id, key, what) VALUES (?, ?, ?)", (call.order_id, call.key, what)
        )
        return Answer("other_body", 422, {"problem": what})

    def _too_late(self, call: Call) -> Answer | None:
        if self._one("SELECT 1 FROM undone WHERE action_key = ?", call.action_key) is None:
            return None
        return Answer("late", 410, {"problem": "this action was undone before it came"})

    def _replay(self, call: Call) -> Answer | None:
        row = self._one("SELECT status, answer FROM answers WHERE key = ?", call.key)
        return None if row is None else Answer("replayed", row[0], json.loads(row[1]))

    def _act(self, call: Call, move: Move, short: Refusal, refusal: Refusal | None) -> Answer:
        no = refusal or (None if self._can_give(move) else short)
        if no is not None:
            return self._remembered(call, Answer("refused", no.status, {"problem": no.reason}))
        self._write(call, move)
        return self._remembered(call, Answer("applied", 201, {"order": call.order_id, "amount": move.amount}))

    def _undo(self, call: Call, refusal: Refusal | None) -> Answer:
        if refusal is not None:  # not remembered: a person may put things right and let it be asked again
            return Answer("refused", refusal.status, {"problem": refusal.reason})
        move = self._standing(call.action_key)
        self._db.execute("INSERT OR IGNORE INTO undone VALUES (?, ?)", (call.action_key, call.order_id))
        if move is None:
            return self._remembered(call, Answer("nothing", 404, {"problem": "nothing to undo"}))
        self._write(call, Move(move.target, move.source, move.amount))
        return self._remembered(call, Answer("applied", 200, {"order": call.order_id, "amount": move.amount}))

    def _can_give(self, move: Move) -> bool:
        row = self._one("SELECT balance FROM accounts WHERE name = ?", move.source)
        return row is not None and row[0] >= move.amount

    def _standing(self, action_key: str) -> Move | None:
        """What this action moved, unless it has been moved back."""
        rows = self._db.execute(
            "SELECT way, source, target, amount FROM moves WHERE action_key = ? ORDER BY seq", (action_key,)
        ).fetchall()
        return Move(*rows[0][1:]) if [row[0] for row in rows] == ["do"] else None

    def _write(self, call: Call, move: Move) -> None:
        self._db.execute(
            "INSERT INTO moves (way, order_id, action_key, source, target, amount) VALUES (?, ?, ?, ?, ?, ?)",
            (call.way, call.order_id, call.action_key, move.source, move.target, move.amount),
        )
        self._db.execute("INSERT OR IGNORE INTO accounts VALUES (?, 0, 0)", (move.target,))
        for account, change in ((move.source, -move.amount), (move.target, move.amount)):
            self._db.execute("UPDATE accounts SET balance = balance + ? WHERE name = ?", (change, account))

    def _remembered(self, call: Call, answer: Answer) -> Answer:
        """The answer that every later call under this key gets."""
        self._db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?)",
            (call.key, call.asked, answer.status, json.dumps(answer.body)),
        )
        return answer

    def _noted(self, call: Call, answer: Answer) -> Answer:
        """The line in the list of calls: who asked for what, and what came of it."""
        self._db.execute(
            "INSERT INTO calls (way, order_id, key, verdict, status) VALUES (?, ?, ?, ?, ?)",
            (call.way, call.order_id, call.key, answer.verdict, answer.status),
        )
        return answer

    def _one(self, query: str, value: str) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._db.execute(query, (value,)).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
