"""One transaction, begun and ended by hand: what is true of a session elsewhere is said here, for poolers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.transaction import Transaction

from saga_journey.stores.postgres.connection import SESSION
from saga_journey.stores.server_url import Address

_NOT_FOR_EVER = f"set local idle_in_transaction_session_timeout = '{SESSION['idle_in_transaction_session_timeout']}'"


async def begun(db: asyncpg.Connection, address: Address) -> Transaction:
    """A transaction that is under way: commit it, or lose the connection."""
    transaction = db.transaction(isolation="read_committed")
    await transaction.start()
    if address.pooler:
        await db.execute(_NOT_FOR_EVER)
    return transaction


@asynccontextmanager
async def in_one(db: asyncpg.Connection, address: Address) -> AsyncIterator[None]:
    """Committed at the end of the block; an error ends the connection in whoever lent it, and so the transaction."""
    transaction = await begun(db, address)
    yield
    await transaction.commit()
