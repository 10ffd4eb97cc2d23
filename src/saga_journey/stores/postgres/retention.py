"""Taking out what ended long ago. One transaction; what it took out is in hand before it is committed."""

from __future__ import annotations

from typing import NamedTuple

from saga_journey.ports import RunKey
from saga_journey.stores.postgres.pool import Connection, Pool
from saga_journey.stores.postgres.transactions import begun, committed, in_one
from saga_journey.stores.queries import load_queries

_sql = load_queries("saga_journey.stores.postgres")


class Pruned(NamedTuple):
    """How many runs were taken out, and one of them."""

    runs: int
    one: RunKey | None


async def prune(pool: Pool, db: Connection, before: float, most: int, *, archive: bool) -> Pruned:
    """Raises Unclear when nobody knows whether it was committed; whatever else it raises, it was not."""
    transaction = await begun(db, pool.address)
    ((runs, *one),) = await pool.ask(db, _sql["prune"], before, most, archive)
    return await committed(transaction, Pruned(runs, RunKey(*one) if runs else None))


async def still_gone(pool: Pool, db: Connection, pruned: Pruned) -> Pruned | None:
    """What an unclear pruning took out; None: nothing, and it may be done again."""
    if pruned.one is None:
        return pruned
    async with in_one(db, pool.address):
        rows = await pool.ask(db, _sql["is_there"], *pruned.one)
    return None if rows else pruned
