"""What a batch writes: new runs and turns many at a time, everything else one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from saga_journey.core.codec import encode_answer, encode_definition
from saga_journey.core.definition import JourneyDefinition
from saga_journey.ports import Conflict, Fenced, NewRun, OutboxRow, RunKey, Started, TurnWrite
from saga_journey.stores.sqlite.connection import refused_by_trigger
from saga_journey.stores.sqlite.transactions import Mismatch


class Work:
    """Any other write: a function of the connection, inside the batch's transaction."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[sqlite3.Connection], Any]) -> None:
        self.run: Callable[[sqlite3.Connection], Any] = run


class SqliteGroup:
    """How a batch is written (`writer.Group`)."""

    def __init__(self, sql: dict[str, str]) -> None:
        self._sql = sql

    def together(self, db: sqlite3.Connection, batch: Sequence[Any], *, fenced: bool) -> list[Any]:
        """Rows of a kind in one statement each. Raises Mismatch when a claim is gone, before anything is committed."""
        results: list[Any] = [None] * len(batch)
        starts, turns = [], []
        for place, write in enumerate(batch):
            if type(write) is TurnWrite:
                turns.append(write)
            elif type(write) is NewRun:
                starts.append((place, write))
        if starts:
            self._start_all(db, starts, results)
        if turns:
            self._commit_all(db, turns, fenced=fenced)
        if len(starts) + len(turns) < len(batch):
            for place, write in enumerate(batch):
                if type(write) is Work:
                    results[place] = write.run(db)
        return results

    def of_runs(self, batch: Sequence[Any]) -> bool:
        return any(type(write) is not Work for write in batch)

    def alone(self, db: sqlite3.Connection, write: Any) -> Any:
        if isinstance(write, TurnWrite):
            return self._commit_alone(db, write)
        if isinstance(write, NewRun):
            results: list[Any] = [None]
            self._start_all(db, [(0, write)], results)
            return results[0]
        return write.run(db)

    # --- starts ---

    def _start_all(
        self, db: sqlite3.Connection, starts: list[tuple[int, NewRun]], results: list[Any], family: int | None = None
    ) -> None:
        numbers: dict[int, int] = {}
        runs: list[tuple[Any, ...]] = []
        turns: list[tuple[Any, ...]] = []
        outbox: list[tuple[Any, ...]] = []
        for place, new in starts:
            number = numbers.get(new.tenant) or self._next_number(db, new.tenant)
            if new.start_key is not None and (existing := self._take_key(db, new, number)):
                of_this_batch = [run[2] for run in runs if run[:2] == existing.key]
                results[place] = existing._replace(existing=existing.existing or of_this_batch[0])
                continue
            numbers[new.tenant] = number + 1
            results[place] = Started(RunKey(new.tenant, number))
            epoch = 0 if new.owner is None else 1
            runs.append((new.tenant, number, new.saga_id, new.definition, new.due_at, new.owner, epoch, new.at, family))
            turns.append((new.tenant, number, epoch, new.at, new.turn))
            if new.outbox:
                outbox += _outbox_rows(new.tenant, number, new.at, new.outbox)
        db.executemany(self._sql["insert_run"], runs)
        db.executemany(self._sql["insert_first_turn"], turns)
        if outbox:
            db.executemany(self._sql["insert_outbox"], outbox)
        for place, new in starts:
            if new.children and results[place].existing is None:
                self._start_children(db, new.children, family or results[place].key.run)

    def _start_children(self, db: sqlite3.Connection, children: Sequence[NewRun], family: int) -> None:
        """They have no key of their own, so each is new: its id says whose it is."""
        self._start_all(db, list(enumerate(children)), [None] * len(children), family)

    def _next_number(self, db: sqlite3.Connection, tenant: int) -> int:
        number: int = db.execute(self._sql["next_run"], (tenant,)).fetchone()[0]
        return number

    def _take_key(self, db: sqlite3.Connection, new: NewRun, number: int) -> Started | None:
        """None when the key is free, and taken now; else whose it is."""
        assert new.start_key is not None
        key, fingerprint = new.start_key.key, new.start_key.fingerprint
        taken = db.execute(self._sql["take_start_key"], (new.tenant, new.journey, key, number, fingerprint))
        if taken.rowcount == 1:
            return None
        run, theirs, saga_id = db.execute(self._sql["start_key_owner"], (new.tenant, new.journey, key)).fetchone()
        return Started(RunKey(new.tenant, run), saga_id, theirs == fingerprint)

    # --- turns ---

    def _commit_all(self, db: sqlite3.Connection, turns: list[TurnWrite], *, fenced: bool) -> None:
        rows, changed, sides = [], [], []
        for t in turns:
            if t.events is not None:
                rows.append((*t.key, t.seq, t.epoch, t.at, t.events))
            if t.row is not None:
                changed.append(t)
            if t.answers or t.outbox or t.starts or t.messages or t.moved is not None:
                sides.append(t)
        insert = self._sql["insert_turn" if fenced else "insert_own_turn"]
        if rows and db.executemany(insert, rows).rowcount != len(rows):
            raise Mismatch
        if changed:
            changes = [_change(t) for t in changed]
            if db.executemany(self._sql["change_run"], changes).rowcount != len(changes):
                raise Mismatch
        if changed or sides:
            self._write_sides(db, sides, [(*t.key, t.at) for t in changed if t.row.owner is None])  # type: ignore[union-attr]

    def _write_sides(self, db: sqlite3.Connection, turns: Sequence[TurnWrite], released: list[Any]) -> None:
        answers = [(*t.key, name, encode_answer(a), t.at) for t in turns if t.answers for name, a in t.answers]
        if answers:
            db.executemany(self._sql["answer_command"], answers)
        outbox = [row for t in turns if t.outbox for row in _outbox_rows(*t.key, t.at, t.outbox)]
        if outbox:
            db.executemany(self._sql["insert_outbox"], outbox)
        for t in turns:
            if t.starts:
                self._start_children(db, t.starts, db.execute(self._sql["family_of"], t.key).fetchone()[0])
            if t.moved is not None:
                self._pin(db, t.key, t.moved, t.at)
        said = [(t.key.tenant, *message, t.at) for t in turns for message in t.messages]
        if said:
            db.executemany(self._sql["store_message"], said)
            db.executemany(
                self._sql["make_recipient_due"], [(tenant, to, at, name) for tenant, to, _, name, _, at in said]
            )
        if released and db.execute(self._sql["any_open_command"]).fetchone()[0]:
            db.executemany(self._sql["wake_if_commands"], released)

    def _pin(self, db: sqlite3.Connection, key: RunKey, to: JourneyDefinition, at: float) -> None:
        body = encode_definition(to)
        db.execute(self._sql["insert_definition"], (key.tenant, to.hash, to.name, to.version, body, at))
        db.execute(self._sql["pin_run"], (*key, to.hash))

    def _commit_alone(self, db: sqlite3.Connection, t: TurnWrite) -> None:
        """Raises Fenced when the claim is gone, Conflict when its seq is taken; the very same turn there is fine."""
        if t.events is not None:
            same = (*t.key, t.seq, t.epoch, t.events)
            if db.execute(self._sql["same_turn"], same).fetchone():
                return
            if self._insert_turn(db, t) != 1:
                raise Fenced(f"run {t.key}: epoch {t.epoch} is not the newest claim")
        if t.row is not None and db.execute(self._sql["change_run"], _change(t)).rowcount != 1:
            raise Fenced(f"run {t.key}: epoch {t.epoch} is not the newest claim")
        self._write_sides(db, [t], [(*t.key, t.at)] if t.row is not None and t.row.owner is None else [])

    def _insert_turn(self, db: sqlite3.Connection, t: TurnWrite) -> int:
        try:
            return db.execute(self._sql["insert_turn"], (*t.key, t.seq, t.epoch, t.at, t.events)).rowcount
        except sqlite3.IntegrityError as error:
            if refused_by_trigger(error):
                raise
            # nothing but its key can clash
            raise Conflict(f"run {t.key}: somebody else wrote seq {t.seq}") from None


def _change(t: TurnWrite) -> tuple[Any, ...]:
    row = t.row
    assert row is not None
    return (*t.key, t.epoch, row.status, row.owner, row.due_at, row.lost, row.needs, t.at, row.stopped)


def _outbox_rows(tenant: int, run: int, at: float, rows: Sequence[OutboxRow]) -> list[tuple[Any, ...]]:
    return [(tenant, run, row.seq, row.item, row.kind, row.body, at) for row in rows]
