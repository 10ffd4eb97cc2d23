"""Claiming: which due runs a worker gets. One write of the writer, so nobody else changes anything meanwhile.

Who is dead: its lock is free, or its lease is over. What the dead left comes first, then what waits, in fair shares.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from saga_journey.core.state import SagaStatus
from saga_journey.ports import (
    CRASH_LOOP,
    FRAGILE,
    Claimed,
    ClaimedRun,
    JournalRow,
    RunKey,
    RunRecord,
    StoredCommand,
    Wanted,
)
from saga_journey.stores.shares import Group, InUse, shares
from saga_journey.stores.sqlite.locks import OwnerLocks

MOST_GROUPS = 256
"""So many tenants and definitions get something in one claim; the next one goes on behind them."""


@dataclass(slots=True)
class _Found:
    """What a claim has found so far."""

    wanted: Wanted
    now: float
    grace: float
    keys: list[RunKey] = field(default_factory=list)
    unserved: list[RunKey] = field(default_factory=list)
    has_fragile: bool = False

    forward: int = 0
    """So many that go forward are among them."""

    @property
    def room(self) -> int:
        return self.wanted.room - len(self.keys) - len(self.unserved)

    def most(self, *, undo: bool) -> int:
        """So many more of these may be taken."""
        return self.room if undo else max(0, min(self.room, self.wanted.forward - self.forward))

    def got(self, keys: list[RunKey], *, undo: bool) -> None:
        self.keys += keys
        self.forward += 0 if undo else len(keys)


class Claiming:
    """Claims for the workers of this process. Inside a transaction of the writer."""

    def __init__(self, sql: dict[str, str], locks: OwnerLocks) -> None:
        self._sql = sql
        self._locks = locks
        self._after = (0, 0)  # the tenant and definition that got something last
        self._odd = False
        self.moved: bool = False  # a run that somebody has held before, perhaps this process: claims have to be proved

    def claim(self, db: sqlite3.Connection, wanted: Wanted, now: float) -> Claimed:
        others = {o: is_dead for o, is_dead in self._owners(db, now).items() if o != wanted.owner}
        alone = all(is_dead and self._locks.is_free(o) for o, is_dead in others.items())
        grace = 0.0 if alone else wanted.grace  # one that stands still and holds its lock may come back
        found = _Found(wanted, now, grace)
        self._from_the_dead(db, found, [o for o, is_dead in others.items() if is_dead])
        if found.room > 0:
            in_use = self._in_use(db, wanted)
            self._fragile(db, found, in_use)
            self._from_the_queue(db, found, in_use)
        if found.room > 0:
            asked = (json.dumps(list(wanted.served)), now - grace, found.room, wanted.known)
            found.unserved = _keys(db.execute(self._sql["unserved"], asked))
        runs = [self._claimed(db, found, key, served=True) for key in found.keys]
        runs += [self._claimed(db, found, key, served=False) for key in found.unserved]
        owned = [(*run.record.key, wanted.owner, now, run.empty_claims) for run in runs]
        db.executemany(self._sql["claim_run"], owned)
        self._give_commands(db, runs)
        return Claimed(runs, db.execute(self._sql["next_due"], (now,)).fetchone()[0])

    def _owners(self, db: sqlite3.Connection, now: float) -> dict[int, bool]:
        """Every owner, and whether it is dead: its lock is free, or its lease is over."""
        found = {}
        for owner, lease_until, dead_since in db.execute(self._sql["owners"]).fetchall():
            dead = lease_until < now or self._locks.is_free(owner)
            if dead and dead_since is None:
                db.execute(self._sql["bury_owner"], (owner, now))
            elif dead and self._locks.is_free(owner):  # one that was only frozen may wake up, and own runs again
                db.execute(self._sql["forget_owner"], (owner,))
            found[owner] = dead
        return found

    # --- which runs ---

    def _from_the_dead(self, db: sqlite3.Connection, found: _Found, dead: list[int]) -> None:
        """What died with its owner has been lost once more than is written."""
        owners, served = json.dumps(dead), json.dumps(list(found.wanted.served))
        for undo, sturdy in itertools.product((True, False), (True, False)):
            fragile = 0 if found.has_fragile or not found.wanted.fragile else 1
            if take := min(found.most(undo=undo), found.room if sturdy else fragile):
                asked = (owners, served, take, sturdy, FRAGILE - 1, undo)
                keys = _keys(db.execute(self._sql["due_orphaned"], asked))
                found.got(keys, undo=undo)
                found.has_fragile = found.has_fragile or (bool(keys) and not sturdy)

    def _in_use(self, db: sqlite3.Connection, wanted: Wanted) -> InUse:
        """How many runs are held, by tenant and journey; asked only when there are limits."""
        if not wanted.limits.on_claims:
            return Counter()
        return Counter({(tenant, journey): count for tenant, journey, count in db.execute(self._sql["in_use"])})

    def _fragile(self, db: sqlite3.Connection, found: _Found, in_use: InUse) -> None:
        """One that was released and may kill its worker, if no other one is moved here."""
        if not found.wanted.fragile or found.has_fragile:
            return
        asked = (found.now, json.dumps(list(found.wanted.served)))
        groups = [
            Group(t, d, journey, name, 1) for t, d, journey, name in db.execute(self._sql["fragile_groups"], asked)
        ]
        for group, _ in shares(groups, 1, found.wanted.limits, in_use):
            one = (found.now, group.tenant, group.definition)
            found.keys += _keys(db.execute(self._sql["fragile"], one))
            in_use[group.tenant_name, group.journey] += 1

    def _from_the_queue(self, db: sqlite3.Connection, found: _Found, in_use: InUse) -> None:
        """What is to be undone gets half of the room, what goes forward the rest, and what is left is for both."""
        if not found.room:
            return
        undoing, forward = (self._groups(db, found, undoing=undoing) for undoing in (True, False))
        self._odd = not self._odd  # half of an only place is one, in turn
        half = (found.room + self._odd) // 2 if forward and found.most(undo=False) else found.room
        self._take(db, found, undoing, half, in_use, undo=True)
        self._take(db, found, forward, found.most(undo=False), in_use, undo=False)
        self._take(db, found, undoing, found.room, in_use, undo=True)

    def _groups(self, db: sqlite3.Connection, found: _Found, *, undoing: bool) -> dict[Group, list[RunKey]]:
        """Those with due runs, in turn: the one after the last that got something comes first."""
        groups: dict[Group, list[RunKey]] = {}
        served = frozenset(found.wanted.served)
        for start in dict.fromkeys([self._after, (0, 0)]):
            after = start
            while len(groups) < MOST_GROUPS and (
                row := db.execute(self._sql["next_group"], (undoing, *after)).fetchone()
            ):
                after = row
                if row[1] in served:
                    self._add_group(db, found, groups, row, undoing=undoing)
        return groups

    def _add_group(
        self,
        db: sqlite3.Connection,
        found: _Found,
        groups: dict[Group, list[RunKey]],
        at: tuple[int, int],
        *,
        undoing: bool,
    ) -> None:
        due = _keys(db.execute(self._sql["due_of_group"], (undoing, *at, found.now, found.room, FRAGILE)))
        if due:
            journey, tenant = db.execute(self._sql["group_names"], at).fetchone()
            groups[Group(*at, journey, tenant, len(due))] = due

    def _take(
        self,
        db: sqlite3.Connection,
        found: _Found,
        groups: dict[Group, list[RunKey]],
        most: int,
        in_use: InUse,
        *,
        undo: bool,
    ) -> None:
        left = [group._replace(due=len(due)) for group, due in groups.items() if due]
        waiting = {(group.tenant, group.definition): due for group, due in groups.items()}
        for group, count in shares(left, most, found.wanted.limits, in_use):
            due = waiting[group.tenant, group.definition]
            found.got(due[:count], undo=undo)
            del due[:count]
            in_use[group.tenant_name, group.journey] += count
            self._after = (group.tenant, group.definition)

    # --- what the new owner gets ---

    def _claimed(self, db: sqlite3.Connection, found: _Found, key: RunKey, *, served: bool) -> ClaimedRun:
        """The run as its new owner gets it: as the claim is about to write it."""
        row = db.execute(self._sql["record"], key).fetchone()
        run, rows = record(row), journal(db, self._sql, key)
        self.moved = self.moved or run.epoch > 0
        wrote = any(turn.epoch == run.epoch for turn in rows)
        taken_over = run.owner is not None
        empty_claims = row[13] + 1 if taken_over and not wrote else 0
        run.owner, run.epoch, run.updated_at = found.wanted.owner, run.epoch + 1, found.now
        crashing = empty_claims >= CRASH_LOOP
        return ClaimedRun(
            record=run,
            rows=[] if crashing else rows,
            commands=[],
            taken_over=taken_over,
            empty_claims=empty_claims,
            lost=row[14],
            served=served,
            next_seq=db.execute(self._sql["last_seq"], key).fetchone()[0] if crashing else 0,
        )

    def _give_commands(self, db: sqlite3.Connection, runs: list[ClaimedRun]) -> None:
        if runs and db.execute(self._sql["any_open_command"]).fetchone()[0]:
            for run in runs:
                rows = db.execute(self._sql["open_commands"], run.record.key)
                run.commands = [StoredCommand(RunKey(*row[:2]), *row[2:]) for row in rows]


def _keys(rows: Any) -> list[RunKey]:
    return [RunKey(*row) for row in rows]


def journal(db: sqlite3.Connection, sql: dict[str, str], key: RunKey) -> list[JournalRow]:
    return [JournalRow(*row) for row in db.execute(sql["journal"], key)]


def record(row: Any) -> RunRecord:
    """A row of the query `record`."""
    return RunRecord(
        key=RunKey(row[0], row[1]),
        saga_id=row[2],
        tenant=row[3],
        journey=row[4],
        version=row[5],
        definition=row[6],
        status=SagaStatus(row[7]),
        owner=row[8],
        epoch=row[9],
        started_at=row[10],
        updated_at=row[11],
        due_at=row[12],
    )
