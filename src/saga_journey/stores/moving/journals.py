"""A journal as both sides compare it, and whether it folds."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from functools import lru_cache

from saga_journey.core import session, session_codec
from saga_journey.core.codec import decode_definition, decode_turn
from saga_journey.core.evolve import evolve
from saga_journey.core.state import RunState
from saga_journey.ports import JournalRow
from saga_journey.stores.moving.ports import RunJournal, Source

DEFINITIONS = 256
"""So many are kept at a time."""

_HEAD = struct.Struct(">iid")


def digest(rows: Iterable[JournalRow]) -> bytes:
    """SHA-256 of a journal: of each row its seq and epoch (32 bits), its time (a double) and its events (UTF-8)."""
    whole = hashlib.sha256()
    for row in rows:
        whole.update(_HEAD.pack(row.seq, row.epoch, row.at))
        whole.update(row.events.encode())
    return whole.digest()


class Folding:
    """Folds the journals of a source, of runs and of sessions."""

    def __init__(self, source: Source) -> None:
        self._journey = lru_cache(DEFINITIONS)(lambda number: decode_definition(source.definition(number)))
        self._session = lru_cache(DEFINITIONS)(
            lambda number: session_codec.decode_definition(source.definition(number))
        )

    def fold(self, run: RunJournal) -> None:
        """Raises whatever the fold stumbles over."""
        if run.saga.startswith(session.SESSION_PREFIX):
            seen = session.SessionState(self._session(run.definition), run.saga)
            for row in run.rows:
                seen = session.evolve(seen, session_codec.decode_turn(row.events), row.at)
        else:
            state = RunState(self._journey(run.definition), run.saga)
            for row in run.rows:
                state = evolve(state, decode_turn(row.events), row.at)
