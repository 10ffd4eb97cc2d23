"""The journal as an outsider reads it: through a connection of its own, folded turn by turn.

What a participant may ask at the moment it is called: is the intent of this call written down? (I3)

    open_intents(database, saga_id)        the calls that the newest journal says are to be made, or under way
    recorded_intents(database, saga_id)    every call that it ever said so of

and what the checker reads: `JournalReader.run(…)`, every fact with the state before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from saga_journey.core.codec import decode_definition, decode_turn
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import Event, Op
from saga_journey.core.evolve import evolve, fold
from saga_journey.core.state import RunState
from saga_journey.handlers.context import call_key
from saga_journey.testing.databases import Database, look_into


@dataclass(frozen=True, slots=True)
class HeldIntent:
    """A call that the journal holds: a participant that receives it with this key and fence was called rightly."""

    milestone: str
    op: Op
    key: str
    attempt: int
    fence: int
    not_before: float
    revision: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One event of a journal, where it stands, and the state it met."""

    seq: int
    epoch: int
    at: float
    event: Event
    before: RunState


@dataclass(frozen=True, slots=True)
class JournalTurn:
    """One row: one commit. `after` holds the intents that follow from it."""

    seq: int
    epoch: int
    at: float
    facts: tuple[Fact, ...]
    after: RunState


def open_intents(database: Database, saga_id: str) -> list[HeldIntent]:
    """The calls that are to be made, or are under way, by the newest journal. A pause does not hide those under way."""
    with closing(JournalReader(database)) as reader:
        return reader.open_intents(saga_id)


def recorded_intents(database: Database, saga_id: str) -> list[HeldIntent]:
    """Every call that the journal ever said is to be made, oldest first."""
    with closing(JournalReader(database)) as reader:
        return reader.recorded_intents(saga_id)


class JournalReader:
    """A connection that only reads. Close it."""

    def __init__(self, database: Database) -> None:
        self._looking = look_into(database)

    def close(self) -> None:
        self._looking.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        return self._looking.rows(sql, *values)

    def has_table(self, name: str) -> bool:
        return self._looking.has_table(name)

    def clock(self) -> Callable[[], float]:
        """Store time, as the database counts it."""
        return self._looking.clock()

    def open_intents(self, saga_id: str) -> list[HeldIntent]:
        turns = self.turns_of(saga_id)
        return held(turns[-1].after) if turns else []

    def recorded_intents(self, saga_id: str) -> list[HeldIntent]:
        return all_held(self.turns_of(saga_id))

    def turns_of(self, saga_id: str) -> list[JournalTurn]:
        """The whole journal of a saga; empty when there is none."""
        found = self.rows(
            "select r.tenant, r.run, d.body from run r join definition d on d.definition = r.definition "
            "where r.saga = ?",
            saga_id,
        )
        if not found:
            return []
        tenant, run, definition = found[0]
        return list(self.turns(tenant, run, saga_id, decode_definition(definition)))

    def turns(self, tenant: int, run: int, saga_id: str, definition: JourneyDefinition) -> Iterator[JournalTurn]:
        """The rows of a run, folded one after the other. What the fold raises on nonsense is raised here."""
        state = RunState(definition, saga_id)
        sql = "select seq, epoch, at, events from journal where tenant = ? and run = ? order by seq"
        for seq, epoch, at, text in self.rows(sql, tenant, run):
            events = decode_turn(text)
            facts, state = _folded(state, events, seq, epoch, at)
            yield JournalTurn(seq, epoch, at, facts, state)


def _folded(state: RunState, events: list[Event], seq: int, epoch: int, at: float) -> tuple[tuple[Fact, ...], RunState]:
    facts, before = [], state
    for place, event in enumerate(events):
        facts.append(Fact(seq + place, epoch, at, event, before))
        before = before.copy()
        fold(before, event, at)
    return tuple(facts), evolve(state, events, at)


def held(state: RunState) -> list[HeldIntent]:
    """The calls that a state says are to be made or are under way, also those of a run that is paused or parked."""
    if state.final is not None:
        return []
    found = []
    for index in state.open:
        if not state.waits_outside(index):
            op, calls = state.op_of(index), state.calls(index)
            name, revision = state.definition.milestones[index].id, state.milestones[index].revision
            key = call_key(state, index, op)
            found.append(HeldIntent(name, op, key, calls.number, calls.fence, calls.not_before, revision))
    return found


def all_held(turns: list[JournalTurn]) -> list[HeldIntent]:
    """Every intent that a journal ever held, each once."""
    return list(dict.fromkeys(intent for turn in turns for intent in held(turn.after)))
