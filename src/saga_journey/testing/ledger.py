"""The ledger: what really reached the participants, whatever the engine believes. Append-only, one file for all.

    with Ledger(tmp / "ledger.db", database=tmp / "journeys.db") as ledger:
        stock, card = Participant(ledger, "stock"), Participant(ledger, "card", do=[Reply.REFUSE])
        checkout = Saga("checkout", version=1, milestones=[stock.milestone(), card.milestone()])
        ...
        assert ledger.story() == ["do stock", "do card: refuse", "undo stock"]

A participant of the ledger applies an effect once for each key, as a good service does; it has the barrier (an undo
that came first turns the late action away); and it notes at receipt whether the journal, read through its own
connection, held the intent of this call. In `strict` mode the ledger refuses nonsense loudly: two undos of one
milestone, or undos out of order, raise `Nonsense` there and again at the end of the block, so also a test that forgot
to look will fail.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from saga_journey.core.events import Op
from saga_journey.testing.databases import Database
from saga_journey.testing.journal import JournalReader, all_held

_SCHEMA = """
create table if not exists entry (
    n integer primary key autoincrement,
    tenant text not null, key text not null, saga text not null, milestone text not null, op text not null,
    body text not null, fence integer not null, received real not null, applied integer not null, why text not null,
    visible integer, action_key text not null, undoable integer not null, emits integer not null,
    worker integer not null
);
create index if not exists entry_action on entry (action_key, op);
create index if not exists entry_saga on entry (saga);
create trigger if not exists entry_stays before update on entry begin select raise(abort, 'append-only'); end;
create trigger if not exists entry_kept before delete on entry begin select raise(abort, 'append-only'); end;
"""

REPLAY = "replay"
BARRIER = "barrier: the undo was here first"
NOTHING_TO_UNDO = "nothing to undo"


class Nonsense(AssertionError):
    """What no saga may ever ask of its participants."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a participant is asked. `body` is a hash of all that may matter to it."""

    tenant: str
    key: str
    saga: str
    milestone: str
    op: Op
    body: str
    fence: int
    action_key: str
    undoable: bool
    emits: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A request as it was received. `why` says why it was not applied; `visible` None: the journal was not asked."""

    n: int
    tenant: str
    key: str
    saga: str
    milestone: str
    op: Op
    body: str
    fence: int
    received: float
    applied: bool
    why: str
    visible: bool | None
    action_key: str
    undoable: bool
    emits: int
    worker: int

    def __str__(self) -> str:
        return f"{self.op} {self.milestone}" + ("" if self.applied else f": {self.why}")


class Ledger:
    """One connection to a ledger file; any number of processes may have one."""

    def __init__(
        self,
        path: str | Path,
        *,
        database: Database | None = None,
        now: Callable[[], float] | None = None,
        strict: bool = True,
    ) -> None:
        """`database` is the journal to look into at each receipt. `now` is store time (by default that journal's)."""
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")  # a killed process loses nothing, and no test pulls the plug
        self._db.executescript(_SCHEMA)
        self._lock = threading.Lock()
        self._database = database
        self._reader: JournalReader | None = None
        self._now = now
        self._strict = strict
        self.nonsense: list[Nonsense] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self.nonsense:
            raise self.nonsense[0]

    def close(self) -> None:
        self._db.close()
        if self._reader is not None:
            self._reader.close()

    # --- receiving ---

    def requests_for(self, key: str) -> int:
        """How many requests with this key have been received."""
        count: int = self._db.execute("select count(*) from entry where key = ?", (key,)).fetchone()[0]
        return count

    def receive(self, request: Request, *, unwilling: str | None = None) -> Entry:
        """Notes a request, and applies it once for each key unless the participant is unwilling; says what was done.

        Raises Nonsense when `strict`.
        """
        visible, now = self._intent_is_visible(request), self._time()
        with self._lock:
            self._db.execute("begin immediate")
            try:
                applied, why = self._verdict(request) if unwilling is None else (False, unwilling)
                problem = self._problem(request) if applied and self._strict else None
                entry = self._append(request, now, problem is None and applied, problem or why, visible)
                self._db.execute("commit")
            finally:
                if self._db.in_transaction:
                    self._db.execute("rollback")
        if problem is not None:
            self.nonsense.append(Nonsense(f"{request.saga}: {problem}"))
            raise self.nonsense[-1]
        return entry

    def _verdict(self, r: Request) -> tuple[bool, str]:
        """The barrier, and one effect for each key."""
        if self._applied("key = ?", r.key):
            return False, REPLAY
        if r.op == "do":
            undone_first = "action_key = ? and op = 'undo' and (applied = 1 or why = ?)"
            return (False, BARRIER) if self._any(undone_first, r.action_key, NOTHING_TO_UNDO) else (True, "")
        done = self._applied("action_key = ? and op = 'do'", r.action_key)
        return (True, "") if done else (False, NOTHING_TO_UNDO)

    def _problem(self, r: Request) -> str | None:
        if self._applied("saga = ? and milestone = ? and op = ?", r.saga, r.milestone, r.op):
            return f"{r.op} {r.milestone} a second time, under another key ({r.key})"
        if r.op == "do":
            return None
        later = self._standing_after(r)
        return f"undo {r.milestone} before {later}, which was done after it" if later else None

    def _standing_after(self, r: Request) -> str | None:
        row = self._db.execute(
            "select milestone from entry d where saga = ?1 and op = 'do' and applied = 1 and undoable = 1 "
            "and n > (select min(n) from entry where action_key = ?2 and op = 'do') and action_key <> ?2 "
            "and not exists (select 1 from entry u where u.action_key = d.action_key and u.op = 'undo' "
            "and u.applied = 1) limit 1",
            (r.saga, r.action_key),
        ).fetchone()
        return None if row is None else str(row[0])

    def _applied(self, condition: str, *values: str) -> bool:
        return self._any(f"applied = 1 and {condition}", *values)

    def _any(self, condition: str, *values: str) -> bool:
        return self._db.execute(f"select 1 from entry where {condition} limit 1", values).fetchone() is not None

    def _append(self, r: Request, now: float, applied: bool, why: str, visible: bool | None) -> Entry:
        asked = r.tenant, r.key, r.saga, r.milestone, r.op, r.body, r.fence
        values = (*asked, now, applied, why, visible, r.action_key, r.undoable, r.emits, os.getpid())
        marks = ", ".join("?" * len(values))
        names = ", ".join(f.name for f in fields(Entry)[1:])
        n = self._db.execute(f"insert into entry ({names}) values ({marks}) returning n", values).fetchone()[0]
        return Entry(n, *values)

    def _intent_is_visible(self, r: Request) -> bool | None:
        if self._database is None:
            return None
        held = all_held(self.journal.turns_of(r.saga))
        return any(i.key == r.key and i.op == r.op and i.fence == r.fence for i in held)

    def _time(self) -> float:
        if self._now is None:
            self._now = time.time if self._database is None else self.journal.clock()
        return self._now()

    @property
    def journal(self) -> JournalReader:
        """Its own connection to the database."""
        assert self._database is not None, "this ledger looks into no journal"
        if self._reader is None:
            self._reader = JournalReader(self._database)
        return self._reader

    # --- reading ---

    def entries(self, saga: str | None = None) -> list[Entry]:
        """All requests in the order in which they were received."""
        return read_entries(self._db, saga)

    def story(self, saga: str | None = None) -> list[str]:
        """The same, one short sentence each: the thing to assert in a test."""
        return [str(entry) for entry in self.entries(saga)]


def read_ledger(path: str | Path) -> list[Entry]:
    """The entries of a ledger file; none when no participant was ever called."""
    if not Path(path).exists():
        return []
    db = sqlite3.connect(path, isolation_level=None)
    try:
        return read_entries(db)
    finally:
        db.close()


def read_entries(db: sqlite3.Connection, saga: str | None = None) -> list[Entry]:
    names = ", ".join(f.name for f in fields(Entry))
    sql = f"select {names} from entry where ?1 is null or saga = ?1 order by n"
    return [_entry(row) for row in db.execute(sql, (saga,))]


def _entry(row: tuple[object, ...]) -> Entry:
    said = dict(zip((f.name for f in fields(Entry)), row, strict=True))
    for name in ("applied", "undoable"):
        said[name] = bool(said[name])
    said["visible"] = None if said["visible"] is None else bool(said["visible"])
    return Entry(**said)  # type: ignore[arg-type]  # the columns are the fields
