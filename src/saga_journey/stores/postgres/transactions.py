"""One transaction, begun and ended by hand: what is true of a session elsewhere is said here, for poolers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from asyncpg.transaction import Transaction

from saga_journey.stores.postgres.connection import SESSION, lost
from saga_journey.stores.server_url import Address

T = TypeVar("T")

_NOT_FOR_EVER = f"set local idle_in_transaction_session_timeout = '{SESSION['idle_in_transaction_session_timeout']}'"


async def begun(db: asyncpg.Connection, address: Address) -> Transaction:
    """A transaction that is under way: commit it, or lose the connection."""
    transaction = db.transaction(isolation="read_committed")
    await transaction.start()
    if address.pooler:
        await db.execute(_NOT_FOR_EVER)
    return transaction


class Unclear(Exception):
    """A COMMIT got no answer. `given` is what the transaction would have given."""

    def __init__(self, given: Any) -> None:
        self.given = given


async def committed(transaction: Transaction, given: T) -> T:
    """What the transaction gives, now that it is committed.

    Raises Unclear when nobody knows whether it was; whatever else it raises, it was not.
    """
    try:
        await transaction.commit()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise Unclear(given) from error
        raise
    return given


@asynccontextmanager
async def in_one(db: asyncpg.Connection, address: Address) -> AsyncIterator[None]:
    """Committed at the end of the block; an error ends the connection in whoever lent it, and so the transaction."""
    transaction = await begun(db, address)
    yield
    await transaction.commit()
