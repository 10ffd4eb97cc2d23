"""A compliance office: its cases in a database, and an audit trail beside it that only ever grows.

Each line of the trail says what was done, and has the hash of the line before it: who changes or removes a line breaks
the chain. What is undone is marked by a new line.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

TABLES = """
CREATE TABLE IF NOT EXISTS steps (key TEXT PRIMARY KEY, case_id TEXT, what TEXT, text TEXT, stands INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked into."""

    case: str
    subject: str
    amounts: list[int]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What came of it."""

    score: int
    serious: bool


class Office:
    """Every step is a row under its key, and a line in the trail; an undo takes the row and marks the line."""

    def __init__(self, place: Path) -> None:
        self._path, self._trail = place / "cases.db", place / "trail.jsonl"
        with closing(sqlite3.connect(self._path)) as books:
            books.executescript(TABLES)

    def open_case(self, ctx: Context[Case]) -> None:
        self._do(ctx, "opened", ctx.input.subject)

    def collect_evidence(self, ctx: Context[Case]) -> list[int]:
        if not ctx.input.amounts:
            raise Refused("there is no evidence")
        self._do(ctx, "evidence", f"{len(ctx.input.amounts)} transactions")
        return ctx.input.amounts

    def assess_case(self, ctx: Context[Case]) -> Assessment:
        """Many transactions just below 10,000.00 are what one looks for."""
        amounts = ctx.result(self.collect_evidence)
        score = 100 * sum(900_000 <= cents < 1_000_000 for cents in amounts) // len(amounts)
        self._do(ctx, "assessed", f"score {score}")
        return Assessment(score, serious=score >= ctx.params["reported_from"])

    def file_report(self, ctx: Context[Case]) -> None:
        self._do(ctx, "reported", f"to {ctx.params['authority']}")

    def close_case(self, ctx: Context[Case]) -> None:
        self._do(ctx, "closed", "")

    def undo(self, ctx: Context[Case], result: object) -> None:
        """All undos are one: the row goes, the line is marked. An undo of what was never done closes the key."""
        key = ctx.action_key
        with self._books() as books:
            gone = "UPDATE steps SET stands = 0 WHERE key = ? AND stands = 1 RETURNING what"
            undone = books.execute(gone, (key,)).fetchone()
            books.execute("INSERT OR IGNORE INTO steps (key, stands) VALUES (?, 0)", (key,))
            if undone is not None:
                self._write(ctx.idempotency_key, ctx.input.case, f"undone: {undone[0]}", marks=key)

    def _do(self, ctx: Context[Case], what: str, text: str) -> None:
        key = ctx.idempotency_key
        with self._books() as books:
            known = books.execute("SELECT stands FROM steps WHERE key = ?", (key,)).fetchone()
            if known == (0,):
                raise Refused("too late: it was undone")
            if known is None:
                books.execute("INSERT INTO steps VALUES (?, ?, ?, ?, 1)", (key, ctx.input.case, what, text))
                self._write(key, ctx.input.case, f"{what} {text}".strip(), marks=None)

    def _write(self, key: str, case: str, what: str, marks: str | None) -> None:
        """One more line. It is on the disk before the row is, and not written again after a crash between the two."""
        lines = read_trail(self._trail)
        if any(line["key"] == key for line in lines):
            return
        line = {"key": key, "case": case, "what": what, "marks": marks, "after": digest(lines[-1]) if lines else None}
        with self._trail.open("a", encoding="utf-8") as trail:
            trail.write(json.dumps(line) + "\n")
            trail.flush()
            os.fsync(trail.fileno())

    @contextmanager
    def _books(self) -> Iterator[sqlite3.Connection]:
        """One call, one transaction; its lock is the trail's, too."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as books, books:
            books.execute("BEGIN IMMEDIATE")
            yield books


def read_trail(path: Path) -> list[dict[str, str | None]]:
    """Its lines, oldest first."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def digest(line: dict[str, str | None]) -> str:
    return hashlib.sha256(json.dumps(line).encode()).hexdigest()


def is_whole(lines: list[dict[str, str | None]]) -> bool:
    """Nobody has changed or removed a line."""
    return [line["after"] for line in lines] == [None, *map(digest, lines)][: len(lines)]


def curator(place: Path) -> Curator:
    """The handlers of an office whose cases and trail lie in that directory."""
    office, found = Office(place), Curator()
    for handler in (office.open_case, office.collect_evidence, office.assess_case):
        found.register(handler)
    for handler in (office.file_report, office.close_case):
        found.register(handler)
    for name in ("withdraw_case", "discard_evidence", "void_assessment", "withdraw_report", "reopen_case"):
        found.register(office.undo, name)
    return found


def standing(place: Path) -> list[str]:
    """What the cases say. The trail is not among it: it says what happened, and stays."""
    with closing(sqlite3.connect(place / "cases.db")) as books:
        rows = books.execute("SELECT case_id, what, text FROM steps WHERE stands ORDER BY rowid").fetchall()
    return [f"{case} {what} {text}".strip() for case, what, text in rows]
