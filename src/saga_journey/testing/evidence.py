"""What the checker looks at, saga by saga: the journal J, the ledger L, the outbox O, the clients' answers A."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from saga_journey.core.codec import decode_definition, decode_turn
from saga_journey.core.definition import JourneyDefinition, Milestone, Retry
from saga_journey.core.events import DO, DefinitionMoved, Op
from saga_journey.core.session import SESSION_PREFIX
from saga_journey.core.state import FINAL, RunState, SagaStatus
from saga_journey.testing.acknowledged import Acknowledged, read_log
from saga_journey.testing.databases import Database
from saga_journey.testing.journal import Fact, HeldIntent, JournalReader, JournalTurn, all_held
from saga_journey.testing.ledger import Entry, read_ledger


class StoredRun(NamedTuple):
    """The index row of a run, as it is in the database."""

    tenant: int
    run: int
    saga: str
    definition: int
    status: str
    due_at: float | None
    owner: int | None
    epoch: int
    updated_at: float


class StoredCommand(NamedTuple):
    command: str
    name: str
    answered: bool


class OutboxFact(NamedTuple):
    seq: int
    item: int
    kind: str
    body: str


class Held(NamedTuple):
    """An owner that a witness saw holding the run under this epoch."""

    epoch: int
    owner: int


class Written(NamedTuple):
    """A journal row that a witness saw written as its `n`th, and the newest epoch at that moment."""

    seq: int
    epoch: int
    newest: int
    n: int


class Changed(NamedTuple):
    """A journal row that a witness saw changed or deleted."""

    seq: int
    what: str


@dataclass
class SagaEvidence:
    """All that is known of one saga. `unreadable`: why its journal does not fold to its end; `turns` are what did."""

    row: StoredRun
    tenant: str
    definition: JourneyDefinition
    definition_tenant: int
    definition_hash: str
    turns: list[JournalTurn]
    unreadable: str | None
    calls: list[Entry]
    commands: list[StoredCommand]
    outbox: list[OutboxFact]
    holders: list[Held] = field(default_factory=list)
    writes: list[Written] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.facts: list[Fact] = [fact for turn in self.turns for fact in turn.facts]
        self.intents: list[HeldIntent] = all_held(self.turns)
        self.strange: list[Entry] = [e for e in self.calls if e.milestone not in self.definition.index]
        self.calls = [e for e in self.calls if e.milestone in self.definition.index]
        self._seen = {write.seq: write.n for write in self.writes}
        self._had = list({turn.after.definition.hash: turn.after.definition for turn in self.turns}.values())

    @property
    def saga_id(self) -> str:
        return self.row.saga

    @property
    def readable(self) -> bool:
        """There is a journal, and it folds to its end: `state` can be asked for."""
        return bool(self.turns) and self.unreadable is None

    @property
    def state(self) -> RunState:
        """The newest state, by folding. Only of a readable one."""
        return self.turns[-1].after

    @property
    def last(self) -> RunState:
        """The same, as far as its journal can be read."""
        return self.turns[-1].after if self.turns else RunState(self.definition, self.saga_id)

    @property
    def final(self) -> SagaStatus | None:
        """How it ended, by its index row; None while it has not."""
        status = SagaStatus(self.row.status)
        return status if status in FINAL else None

    def spec(self, milestone: str) -> Milestone:
        return self.definition.milestones[self.definition.index[milestone]]

    def budget(self, milestone: str, op: Op) -> Retry:
        """The most that it was ever allowed: it may have been moved over policies."""
        specs = [d.milestones[d.index[milestone]] for d in self._had] or [self.spec(milestone)]
        policies = [spec.retry if op == DO else spec.undo_retry for spec in specs]
        return Retry(attempts=max(p.attempts for p in policies), lost=max(p.lost for p in policies))

    def facts_of(self, *kinds: type) -> Iterator[Fact]:
        return (fact for fact in self.facts if isinstance(fact.event, kinds))

    def entries(self, op: Op, milestone: str | None = None, *, applied: bool | None = None) -> list[Entry]:
        """Requests received, oldest first."""
        return [
            e
            for e in self.calls
            if e.op == op
            and (milestone is None or e.milestone == milestone)
            and (applied is None or e.applied == applied)
        ]

    def turn_at(self, seq: int) -> JournalTurn | None:
        """The row that holds the event with that seq."""
        return next((t for t in self.turns if t.seq <= seq < t.seq + len(t.facts)), None)

    def knew(self, seq: int, of: SagaEvidence, their_seq: int) -> bool:
        """Was event `their_seq` of another saga there when our event `seq` was written?

        A witness of both tells. Their times are those of two workers, whose clocks may differ by some milliseconds.
        """
        ours, theirs = self.turn_at(seq), of.turn_at(their_seq)
        if ours is None or theirs is None:
            return False
        n, their_n = self._seen.get(ours.seq), of._seen.get(theirs.seq)
        return theirs.at <= ours.at if n is None or their_n is None else their_n <= n


@dataclass
class Evidence:
    """All sagas of a database, and what belongs to none of them."""

    sagas: dict[str, SagaEvidence]
    said: list[Acknowledged]
    homeless: list[str]
    """Rows that no run of their tenant explains, each as a sentence."""
    owners: frozenset[int]
    """Those that a claim can still be taken from; a run of any other owner would wait for ever."""
    has_ledger: bool
    now: Callable[[], float]


def gather(database: Database, ledger: str | Path | None, acknowledged: str | Path | None) -> Evidence:
    """Reads everything, through connections of its own. The processes that wrote it may live or be dead."""
    entries = read_ledger(ledger) if ledger is not None else []
    with closing(JournalReader(database)) as reader:
        owners = _owners(reader)
        tables = _Tables(reader)
        calls: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            calls[entry.saga].append(entry)
        sagas = {row.saga: tables.saga(row, calls[row.saga]) for row in tables.runs}
        homeless = [
            *tables.homeless(),
            *(f"{e} of {e.saga} reached a participant" for e in entries if e.saga not in sagas),
        ]
        said = read_log(acknowledged) if acknowledged is not None else []
        owners |= _owners(reader)  # whoever came or went while the runs were read
        return Evidence(sagas, said, homeless, owners, ledger is not None, reader.clock())


def _owners(reader: JournalReader) -> frozenset[int]:
    return frozenset(owner for (owner,) in reader.rows("select owner from owner"))


class _Tables:
    """The tables of a database, by (tenant, run)."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self.runs = [
            StoredRun(*row)
            for row in reader.rows(
                "select tenant, run, saga, definition, status, due_at, owner, epoch, updated_at from run order by 1, 2"
            )
            if not row[2].startswith(SESSION_PREFIX)  # it promises none of this
        ]
        self._known = set(reader.rows("select tenant, run from run"))
        self._tenants = dict(reader.rows("select tenant, name from tenant"))
        self._definitions = {
            number: (tenant, said, decode_definition(body))
            for number, tenant, said, body in reader.rows("select definition, tenant, hash, body from definition")
            if json.loads(body).get("kind") != "session"
        }
        self._commands = self._grouped("command", "command, name, answer is not null")
        self._outbox = self._grouped("outbox", "seq, item, kind, body")
        self._holders = self._witnessed("witness_holder", "epoch, owner")
        self._writes = self._witnessed("witness_write", "seq, epoch, newest, rowid")
        self._changes = self._witnessed("witness_change", "seq, what")
        moving = "select tenant, run, events from journal where events like '%\"definition_moved\"%' order by 1, 2, seq"
        self._moving: dict[tuple[int, int], str] = {}
        for tenant, run, events in reader.rows(moving):
            self._moving.setdefault((tenant, run), events)

    def _witnessed(self, table: str, columns: str) -> dict[tuple[int, int], list[Any]]:
        return self._grouped(table, columns, "rowid") if self._reader.has_table(table) else {}

    def _grouped(self, table: str, columns: str, order: str = "1, 2, 3, 4") -> dict[tuple[int, int], list[Any]]:
        found: dict[tuple[int, int], list[Any]] = defaultdict(list)
        for tenant, run, *rest in self._reader.rows(f"select tenant, run, {columns} from {table} order by {order}"):
            found[tenant, run].append(rest)
        return found

    def saga(self, row: StoredRun, calls: list[Entry]) -> SagaEvidence:
        key = (row.tenant, row.run)
        definition_tenant, definition_hash, definition = self._definitions[row.definition]
        turns, unreadable = self._turns(row, definition)
        return SagaEvidence(
            row,
            self._tenants[row.tenant],
            definition,
            definition_tenant,
            definition_hash,
            turns,
            unreadable,
            calls,
            [StoredCommand(name, verb, bool(answered)) for name, verb, answered in self._commands.get(key, ())],
            [OutboxFact(*o) for o in self._outbox.get(key, ())],
            [Held(*h) for h in self._holders.get(key, ())],
            [Written(*w) for w in self._writes.get(key, ())],
            [Changed(*c) for c in self._changes.get(key, ())],
        )

    def _turns(self, row: StoredRun, definition: JourneyDefinition) -> tuple[list[JournalTurn], str | None]:
        turns: list[JournalTurn] = []
        try:
            first = self._first(row, definition)
            turns.extend(self._reader.turns(row.tenant, row.run, row.saga, first))  # what it got before it failed
        except Exception as error:  # noqa: BLE001 - whatever the fold stumbles over, the journal is not sound
            return turns, f"after event {turns[-1].after.seq if turns else 0}: {type(error).__name__} {error}".strip()
        return turns, None

    def _first(self, row: StoredRun, definition: JourneyDefinition) -> JourneyDefinition:
        """The definition that it was started with; its index row has the one that it was moved to last."""
        events = decode_turn(self._moving.get((row.tenant, row.run), "[]"))
        moves = [event for event in events if isinstance(event, DefinitionMoved)]
        of_tenant = {said: d for tenant, said, d in self._definitions.values() if tenant == row.tenant} if moves else {}
        return of_tenant.get(moves[0].before, definition) if moves else definition

    def homeless(self) -> list[str]:
        found = []
        for table in ("journal", "outbox", "command", "start_key"):
            for tenant, run in self._reader.rows(f"select distinct tenant, run from {table}"):
                if (tenant, run) not in self._known:
                    found.append(f"{table} has rows of run {run} of tenant {tenant}, which does not exist")
        return found
