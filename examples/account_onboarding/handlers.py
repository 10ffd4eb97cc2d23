"""A bank's new customer: the applicant's record, the question to whoever approves, the account, and some letters."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

TABLES = """
CREATE TABLE IF NOT EXISTS things (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, application TEXT, text TEXT, stands INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Application:
    """Who applies."""

    application: str
    name: str
    age: int


class Office:
    """Everything is a row under its key: there once, and gone when its undo has come, even if that comes first."""

    def __init__(self, place: Path) -> None:
        self._path = place / "office.db"
        with closing(sqlite3.connect(self._path)) as books:
            books.executescript(TABLES)

    def register_applicant(self, ctx: Context[Application]) -> None:
        self._keep(ctx, "record", f"{ctx.input.name}, {ctx.input.age}")

    def erase_applicant(self, ctx: Context[Application], _: None) -> None:
        self._take_away(ctx, "record")

    def check_identity(self, ctx: Context[Application]) -> None:
        if ctx.input.age < ctx.params["least_age"]:
            raise Refused(f"{ctx.input.name} is too young")

    def ask_approver(self, ctx: Context[Application]) -> None:
        """The answer comes when somebody advances the milestone `approval`."""
        self._keep(ctx, "question", f"{ctx.params['approver']}, an account for {ctx.input.name}?")

    def withdraw_question(self, ctx: Context[Application], _: None) -> None:
        self._take_away(ctx, "question")

    def open_account(self, ctx: Context[Application]) -> str:
        number = f"ACC-{ctx.input.application}"
        self._keep(ctx, "account", f"{number}, approved by {ctx.result('approval')['approved_by']}")
        return number

    def close_account(self, ctx: Context[Application], number: str | None) -> None:
        self._take_away(ctx, "account")

    def send_welcome(self, ctx: Context[Application]) -> None:
        self._keep(ctx, "letter", f"Welcome, {ctx.input.name}: {ctx.result(self.open_account)}")

    def remind_approver(self, ctx: Context[Application]) -> bool:
        """Nobody is reminded of a question that has been answered."""
        waits = ctx.result("approval", default=None) is None
        if waits:
            self._keep(ctx, "letter", f"{ctx.params['approver']}, {ctx.input.name} is still waiting")
        return waits

    def _keep(self, ctx: Context[Application], kind: str, text: str) -> None:
        with self._books() as books:
            row = ctx.idempotency_key, kind, ctx.input.application, text
            books.execute("INSERT OR IGNORE INTO things VALUES (?, ?, ?, ?, 1)", row)
            if books.execute("SELECT stands FROM things WHERE key = ?", row[:1]).fetchone() == (0,):
                raise Refused("too late: it was taken away")

    def _take_away(self, ctx: Context[Application], kind: str) -> None:
        with self._books() as books:
            gone = "INSERT INTO things VALUES (?, ?, ?, '', 0) ON CONFLICT (key) DO UPDATE SET stands = 0, text = ''"
            books.execute(gone, (ctx.action_key, kind, ctx.input.application))

    @contextmanager
    def _books(self) -> Iterator[sqlite3.Connection]:
        """One call, one transaction."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as books, books:
            books.execute("BEGIN IMMEDIATE")
            yield books


def curator(place: Path) -> Curator:
    """The handlers of an office whose books lie in that directory."""
    office, found = Office(place), Curator()
    for handler in (office.register_applicant, office.check_identity, office.ask_approver, office.send_welcome):
        found.register(handler)
    for telling in (office.open_account, office.remind_approver):
        found.register(telling)
    for undo in (office.erase_applicant, office.withdraw_question, office.close_account):
        found.register(undo)
    return found


def standing(place: Path) -> list[str]:
    """What is there: records, questions, accounts, letters."""
    with closing(sqlite3.connect(place / "office.db")) as books:
        rows = books.execute("SELECT kind, application, text FROM things WHERE stands ORDER BY 1, 2, 3").fetchall()
    return [f"{kind} of {application}: {text}" for kind, application, text in rows]
