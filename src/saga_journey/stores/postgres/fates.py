"""What became of a write that raised: is it certainly not there, or does nobody know?"""

from __future__ import annotations

from enum import Enum

import asyncpg

from saga_journey.errors import StoreError
from saga_journey.stores.postgres.connection import code_of, lost, try_again

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, StoreError)
"""What a question to the server may raise."""

IN_THE_WAY = frozenset({"23505", "SJ001"})
"""A row is there already, or a claim has moved: each write has to be looked at."""
NO_ROOM, READ_ONLY = "53100", "25006"


class Fate(Enum):
    UNSENT = "there was no connection"
    UNCLEAR = "the connection was lost: it may be there or not"
    LATER = "it is not there; the same may go better later"
    CHECK = "it is not there; something else is, or another claim"
    WRONG = "it is not there, and never will be"

    @property
    def away(self) -> bool:
        """The server is."""
        return self in (Fate.UNSENT, Fate.UNCLEAR)


def fate_of(error: Exception) -> Fate:
    """Of one of FAILURES."""
    if isinstance(error, StoreError):  # `connection.connect` raises nothing else
        return Fate.UNSENT
    if lost(error):
        return Fate.UNCLEAR
    if code_of(error) in IN_THE_WAY:
        return Fate.CHECK
    return Fate.LATER if try_again(error) or code_of(error) in (NO_ROOM, READ_ONLY) else Fate.WRONG
