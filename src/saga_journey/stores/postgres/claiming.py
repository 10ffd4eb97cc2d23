"""Claiming: which due runs a worker gets. One transaction; everything it gave is in hand before it is committed.

So a claim whose COMMIT got no answer is looked up, not repeated: whoever holds those runs under those epochs has them.

Who is dead: its lease is over by the server's clock. Before anything is taken from it, it is locked against its own
batches, and marked: from then on each of its writes has to prove that its claim is the newest one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from saga_journey.core.state import SagaStatus
from saga_journey.ports import CRASH_LOOP, Claimed, ClaimedRun, JournalRow, RunKey, RunRecord, StoredCommand, Wanted
from saga_journey.stores.boot_clock import boot_clock
from saga_journey.stores.postgres.pool import Connection, Pool
from saga_journey.stores.postgres.server_time import ServerTime
from saga_journey.stores.postgres.transactions import begun, committed, in_one
from saga_journey.stores.queries import load_queries
from saga_journey.stores.shares import Group, InUse, shares

MOST_GROUPS = 256
"""So many tenants and definitions get something in one claim; the next one goes on behind them."""

_sql = load_queries("saga_journey.stores.postgres")


class Taken(NamedTuple):
    """A run that has changed hands. `over`: its last owner did not release it. `served`: this worker can call it."""

    tenant: int
    run: int
    over: bool
    served: bool


@dataclass(slots=True)
class _Moment:
    """What a claim knows, and what it has got so far."""

    now: float
    server_start: float
    others_live: bool
    room: int
    forward: int
    taken: list[Taken] = field(default_factory=list)
    has_fragile: bool = False

    def most(self, *, undo: bool) -> int:
        """So many more of these may be taken."""
        return self.room if undo else min(self.room, self.forward)

    def got(self, rows: Sequence[Any], *, over: bool = False, served: bool = True, undo: bool = True) -> int:
        self.taken += [Taken(row[0], row[1], over, served) for row in rows]
        self.room -= len(rows)
        self.forward -= 0 if undo else len(rows)
        return len(rows)


class Claiming:
    """Claims for the workers of this process."""

    def __init__(self, pool: Pool, time: Callable[[], float | None], server_time: ServerTime) -> None:
        self._pool = pool
        self._time = time
        self._server_time = server_time
        self._odd = False
        self._after = (0, 0)  # the tenant and definition that got something last

    async def claim(self, db: Connection, wanted: Wanted) -> Claimed:
        """Raises Unclear when nobody knows whether it was committed; whatever else it raises, it was not."""
        transaction = await begun(db, self._pool.address)
        return await committed(transaction, await self._claimed(db, wanted))

    async def still_ours(self, db: Connection, owner: int, claimed: Claimed) -> Claimed | None:
        """The runs of an unclear claim that this owner has got; None: it has got none, and may claim again."""
        if not claimed.runs:
            return claimed
        keys = [run.record.key for run in claimed.runs]
        async with in_one(db, self._pool.address):
            rows = await self._ask(db, "still_ours", [k.tenant for k in keys], [k.run for k in keys])
        held = {(row[0], row[1]): row[2] for row in rows if row[3] == owner}
        claimed.runs = [run for run in claimed.runs if held.get(run.record.key) == run.record.epoch]
        return claimed if claimed.runs else None

    async def _claimed(self, db: Connection, wanted: Wanted) -> Claimed:
        asked = boot_clock()
        (row,) = await self._ask(db, "how_it_stands", wanted.owner, self._time(), wanted.grace)
        now, others_live, may_judge, server_start = row
        if self._time() is None:  # what is decided of these runs must not be dated before they were claimed
            self._server_time.said(now, asked, boot_clock())
        moment = _Moment(now, server_start, others_live, wanted.room, wanted.forward)
        await self._ask(db, "bury_owners", wanted.owner, moment.now)
        await self._ask(db, "forget_owners", wanted.owner, moment.now)
        if may_judge:
            await self._from_the_dead(db, wanted, moment)
        if moment.room > 0:
            in_use = await self._in_use(db, wanted)
            await self._fragile(db, wanted, moment, in_use)
            await self._from_the_queue(db, wanted, moment, in_use)
        await self._unserved(db, wanted, moment)
        (due,) = await self._ask(db, "next_due", moment.now)
        return Claimed(await self._runs(db, moment.taken), due[0])

    # --- what dead owners left ---

    async def _from_the_dead(self, db: Connection, wanted: Wanted, moment: _Moment) -> None:
        found = await self._ask(db, "dead_owners", wanted.owner, moment.now, moment.server_start)
        if not found or moment.room <= 0:
            return
        rows = await self._ask(db, "still_dead", [row[0] for row in found], moment.now)
        dead = [row[0] for row in rows]
        grace = wanted.grace if moment.others_live else 0.0
        long_dead = [row[0] for row in rows if row[1] is not None and row[1] <= moment.now - grace]
        for served, left_by in ((True, dead), (False, long_dead)):
            for undo in (True, False):
                await self._orphans(db, wanted, moment, left_by, served=served, undo=undo, sturdy=True)
                if wanted.fragile and not moment.has_fragile:
                    await self._orphans(db, wanted, moment, left_by, served=served, undo=undo, sturdy=False)

    async def _orphans(
        self,
        db: Connection,
        wanted: Wanted,
        moment: _Moment,
        dead: list[int],
        *,
        served: bool,
        undo: bool,
        sturdy: bool,
    ) -> None:
        most = min(moment.most(undo=undo), moment.room if sturdy else 1)
        if most <= 0 or not dead:
            return
        asked = (wanted.owner, moment.now, dead, list(wanted.served), served, sturdy, undo, most)
        got = moment.got(await self._ask(db, "take_orphans", *asked), over=True, served=served, undo=undo)
        moment.has_fragile = moment.has_fragile or (not sturdy and got > 0)

    # --- what waits ---

    async def _in_use(self, db: Connection, wanted: Wanted) -> InUse:
        """How many runs are held, by tenant and journey; asked only when there are limits, by one at a time."""
        if not wanted.limits.on_claims:
            return Counter()
        await self._ask(db, "lock_limits")
        return Counter({(tenant, journey): count for tenant, journey, count in await self._ask(db, "in_use")})

    async def _fragile(self, db: Connection, wanted: Wanted, moment: _Moment, in_use: InUse) -> None:
        """One that was released and may kill its worker, if no other one is moved here."""
        if not wanted.fragile or moment.has_fragile:
            return
        rows = await self._ask(db, "fragile_groups", moment.now, list(wanted.served))
        for group, _ in shares([Group(t, d, j, name, 1) for t, d, j, name in rows], 1, wanted.limits, in_use):
            got = moment.got(
                await self._ask(db, "take_fragile", wanted.owner, moment.now, group.tenant, group.definition)
            )
            in_use[group.tenant_name, group.journey] += got

    async def _from_the_queue(self, db: Connection, wanted: Wanted, moment: _Moment, in_use: InUse) -> None:
        """What is to be undone gets half of the room, what goes forward the rest, and what is left is for both."""
        if moment.room <= 0:
            return
        undoing = await self._groups(db, wanted, moment, undoing=True)
        forward = await self._groups(db, wanted, moment, undoing=False)
        self._odd = not self._odd  # half of an only place is one, in turn
        half = (moment.room + self._odd) // 2 if forward and moment.forward > 0 else moment.room
        undoing = await self._take(db, wanted, moment, undoing, half, in_use, undo=True)
        await self._take(db, wanted, moment, forward, moment.most(undo=False), in_use, undo=False)
        await self._take(db, wanted, moment, undoing, moment.room, in_use, undo=True)

    async def _groups(self, db: Connection, wanted: Wanted, moment: _Moment, *, undoing: bool) -> list[Group]:
        """Those with due runs, in turn: the one after the last that got something comes first."""
        found: dict[tuple[int, int], Group] = {}
        limited = wanted.limits.on_claims  # then those that come first may not be given anything
        most = MOST_GROUPS if limited else min(MOST_GROUPS, moment.room)
        for after in dict.fromkeys([self._after, (0, 0)]):
            asked = (undoing, moment.now, *after, moment.room, list(wanted.served), most, limited)
            for tenant, definition, journey, name, due in await self._ask(db, "due_groups", *asked):
                found.setdefault((tenant, definition), Group(tenant, definition, journey, name, due))
            if len(found) >= most:
                break
        return list(found.values())

    async def _take(
        self,
        db: Connection,
        wanted: Wanted,
        moment: _Moment,
        groups: list[Group],
        most: int,
        in_use: InUse,
        *,
        undo: bool,
    ) -> list[Group]:
        """Gives the groups with what is left of them."""
        given = shares(groups, most, wanted.limits, in_use)
        if not given:
            return groups
        columns = zip(*((group.tenant, group.definition, count) for group, count in given), strict=True)
        rows = await self._ask(db, "take_due", wanted.owner, moment.now, undo, *map(list, columns))
        moment.got(rows, undo=undo)
        self._after = (given[-1][0].tenant, given[-1][0].definition)
        for group, count in given:
            in_use[group.tenant_name, group.journey] += count
        taken = dict(given)
        left = [group._replace(due=group.due - taken.get(group, 0)) for group in groups]
        return [group for group in left if group.due > 0]

    async def _unserved(self, db: Connection, wanted: Wanted, moment: _Moment) -> None:
        """Runs whose handlers nobody has had for the whole grace: they are taken to be parked."""
        if moment.room <= 0:
            return
        others = [row[0] for row in await self._ask(db, "other_definitions", list(wanted.served), wanted.known)]
        if others:
            since = moment.now - (wanted.grace if moment.others_live else 0.0)
            rows = await self._ask(db, "take_unserved", wanted.owner, moment.now, since, others, moment.room)
            moment.got(rows, served=False)

    # --- what the new owner gets ---

    async def _runs(self, db: Connection, taken: Sequence[Taken]) -> list[ClaimedRun]:
        if not taken:
            return []
        keys = [t.tenant for t in taken], [t.run for t in taken]
        rows = {(row[0], row[1]): row for row in await self._ask(db, "record", *keys)}
        sound = [t for t in taken if rows[t[:2]][13] < CRASH_LOOP]
        journals = await self._journals(db, sound)
        commands: dict[tuple[int, int], list[StoredCommand]] = {}
        for row in await self._ask(db, "open_commands", *keys):
            commands.setdefault((row[0], row[1]), []).append(StoredCommand(RunKey(*row[:2]), *row[2:]))
        return [
            ClaimedRun(
                record=record(rows[t[:2]]),
                rows=journals.get(t[:2], []),
                commands=commands.get(t[:2], []),
                taken_over=t.over,
                empty_claims=rows[t[:2]][13],
                lost=rows[t[:2]][14],
                served=t.served,
                next_seq=0 if t[:2] in journals else (await self._ask(db, "last_seq", *t[:2]))[0][0],
            )
            for t in taken
        ]

    async def _journals(self, db: Connection, taken: Sequence[Taken]) -> dict[tuple[int, int], list[JournalRow]]:
        found: dict[tuple[int, int], list[JournalRow]] = {t[:2]: [] for t in taken}
        for row in await self._ask(db, "journals", [t.tenant for t in taken], [t.run for t in taken]):
            found[row[0], row[1]].append(JournalRow(*row[2:]))
        return found

    async def _ask(self, db: Connection, name: str, *values: Any) -> list[Any]:
        return await self._pool.ask(db, _sql[name], *values)


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
