"""The seams of the engine: what it needs from the world, each as narrow as its intentions.

    Engine     moves runs: start, command, wait, stop.
    Store      keeps runs: start, commit, claim, commands, load, search. One truth, the journal.
    Figures    counts runs, in the store: how many stand where, how long they took, where they stopped.
    Clock      says what time it is, and calls back later. Tests bring one that moves only when told.
    Invoker    calls a handler by its name and says what came of it.
    Observer   is told around each turn and each attempt, once. Metrics, traces and logs hang here.
    Publisher  takes events to a broker; while one is configured, commits carry outbox rows.

Times are seconds since the epoch in store time; durations are seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from saga_journey.config import NO_LIMITS, Limits
from saga_journey.core.canonical import Json
from saga_journey.core.commands import Answer, Answered, External, Uncallable
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import Event, Op
from saga_journey.core.machine import Turn
from saga_journey.core.session import SESSION_PREFIX
from saga_journey.core.session_definition import SessionDefinition
from saga_journey.core.state import RunState, SagaStatus

CRASH_LOOP = 5
"""A run that was claimed so often in a row without a commit is parked without being read (SEMANTICS 21)."""

FRAGILE = 2
"""A run whose open attempt was lost so often is claimed one at a time by each worker (SEMANTICS 21)."""


PRUNED = Answer(False, "pruned", "it ended long ago, and was taken out just now")
"""What a command for a run that is no more gets for an answer."""


class RunKey(NamedTuple):
    """How a store names a run inside: the number of its tenant, and its own number there."""

    tenant: int
    run: int


class JournalRow(NamedTuple):
    """One turn as stored: the seq of its first event, the epoch of the claim that wrote it, store time, its events."""

    seq: int
    epoch: int
    at: float
    events: str


class StoredCommand(NamedTuple):
    """A command that waits for the owner of its run."""

    key: RunKey
    command_id: str
    name: str
    body: str


@dataclass(slots=True)
class RunRecord:
    """A run's index row: what can be known without folding its journal."""

    key: RunKey
    saga_id: str
    tenant: str
    journey: str
    version: int
    definition: int
    status: SagaStatus
    owner: int | None
    epoch: int
    started_at: float
    updated_at: float
    due_at: float | None

    @property
    def is_session(self) -> bool:
        """It is a session, which has no milestones: `core.session` folds its journal, and nobody claims it."""
        return self.saga_id.startswith(SESSION_PREFIX)


@dataclass(slots=True)
class ClaimedRun:
    """A run that this worker owns from now on, under a new epoch.

    `taken_over`: the last owner did not release it. `empty_claims`: how many claims in a row ended without a commit;
    from CRASH_LOOP on `rows` is empty, and `next_seq` is the seq of the next event. `lost`: how often a worker died in
    its open attempt, as far as that was recorded. `served`: this worker has all its handlers.
    """

    record: RunRecord
    rows: list[JournalRow]
    commands: list[StoredCommand]
    taken_over: bool
    empty_claims: int
    lost: int
    served: bool
    next_seq: int

    @property
    def fragile(self) -> bool:
        """It may be what kills its workers: the one that died last is not counted yet."""
        return self.lost + self.taken_over >= FRAGILE


@dataclass(slots=True)
class Claimed:
    runs: list[ClaimedRun]
    next_due: float | None
    """When the next unowned run falls due that was not due when this was asked; None when none will by itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a worker asks for when it claims."""

    owner: int
    room: int
    """At most so many runs …"""
    forward: int
    """… and so many of them going forward: the rest of the room is for what is to be undone."""
    served: Collection[int]
    """The definitions all of whose handlers this worker has."""
    known: int
    """The newest definition that it has looked at: it does not know of later ones whether they are served."""
    grace: float
    """Runs of other definitions are claimed after so many seconds, at once when no other worker lives: to be parked."""
    fragile: bool
    """One run whose attempts were lost twice may be among them."""
    limits: Limits = NO_LIMITS


class Worker(NamedTuple):
    """A process that moves runs, or that died and left `runs` of them behind. Times are store time."""

    owner: int
    alive: bool
    """It holds its lock, or nobody can tell, and its lease is not over."""
    runs: int
    seen_at: float
    lease_until: float


class InFlight(NamedTuple):
    """An unfinished run, and the number of the definition that it is pinned to."""

    key: RunKey
    saga_id: str
    tenant: str
    definition: int


class OutboxRow(NamedTuple):
    """An event for the outside. Its id comes from (saga, seq, item), so a repeat carries the same id."""

    seq: int
    item: int
    kind: str
    body: Json


@dataclass(slots=True)
class RowChange:
    """The index row after a turn. `owner` None releases the claim; `due_at` None: final, nothing to wait for."""

    status: SagaStatus
    owner: int | None
    due_at: float | None
    lost: int
    needs: bool
    """Parked for want of a handler: looked at again when a worker opens."""
    stopped: int | None = None
    """Where the run stopped going forward (`progress.stopped_milestone`); None: it goes on, or came through."""


@dataclass(slots=True)
class StartKey:
    """The caller's idempotency key, unique per (tenant, journey name)."""

    key: str
    fingerprint: bytes


@dataclass(slots=True)
class NewRun:
    """A run to start. `owner` is set when a slot is free for it: it is claimed by the commit that starts it.

    `due_at` None: it never needs a worker (a session). `journey` is the namespace of its start key.
    """

    tenant: int
    saga_id: str
    definition: int
    journey: str
    turn: str
    at: float
    due_at: float | None
    owner: int | None
    start_key: StartKey | None = None
    outbox: Sequence[OutboxRow] = ()
    children: Sequence[NewRun] = ()
    """Runs that its first step starts, in the same commit."""


class Message(NamedTuple):
    """A command from one run to another one of its tenant, stored in the commit that says it."""

    to: str
    command_id: str
    name: str
    body: str


class Started(NamedTuple):
    """`existing`: the key belongs to this saga already. `same`: it was started with the same input."""

    key: RunKey
    existing: str | None = None
    same: bool = True


@dataclass(slots=True)
class TurnWrite:
    """What one turn commits, all or nothing, under the epoch of the claim.

    `events` is None when only the index row changes (a clean release).
    """

    key: RunKey
    epoch: int
    seq: int
    at: float
    events: str | None
    row: RowChange | None = None
    answers: Sequence[tuple[str, Answer]] = ()
    outbox: Sequence[OutboxRow] = ()
    starts: Sequence[NewRun] = ()
    messages: Sequence[Message] = ()
    moved: JourneyDefinition | None = None
    """The definition that the run is pinned to from this turn on, when it is another one; stored when it is new."""


class Fenced(Exception):
    """The claim under which this was written is not the newest one any more: nothing was written."""


class Conflict(Exception):
    """Somebody else wrote that seq first: nothing was written. Load again, decide again, commit again."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which runs to list, newest first. `before` is the last saga id of the page before.

    Either sagas and structured journeys, or with `sessions` only those.
    """

    status: SagaStatus | None = None
    journey: str | None = None
    since: float | None = None
    prefix: str | None = None
    before: str | None = None
    limit: int = 50
    sessions: bool = False


class StoredJourney(NamedTuple):
    """A definition of a tenant: the number under which it is stored, and which journey it is."""

    definition: int
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Which runs a figure is about: of these definitions, started from `since` on and before `until` (store time)."""

    definitions: tuple[int, ...]
    since: float
    until: float


class Count(NamedTuple):
    """So many runs of a definition stand so; `stopped` as in `RowChange`.

    `want_handlers` of them are parked because no worker has their handlers.
    """

    definition: int
    status: SagaStatus
    stopped: int | None
    runs: int
    want_handlers: int


class Durations(NamedTuple):
    """How long completed runs took from start to end, in seconds: waits, pauses and retries are in it.

    `median` and `p95` are by nearest rank: durations that really occurred.
    """

    runs: int
    average: float
    median: float
    p95: float
    shortest: float
    longest: float


class Period(NamedTuple):
    """Of the runs that were started in a period: how many came through, how many stopped, and the average duration.

    `average` is in seconds, and None when none came through.
    """

    since: float
    until: float
    completed: int
    stopped: int
    average: float | None


class SampledRun(NamedTuple):
    """One run of a sample, with its journal."""

    saga_id: str
    definition: int
    rows: list[JournalRow]


class Figures(Protocol):
    """Counts the runs of one tenant. Reads only, and never the runs of another one.

    Each answer is one moment of the store; two answers may be two.
    """

    async def journeys(self, tenant: str) -> list[StoredJourney]:
        """Every definition of a journey that this tenant has stored, oldest first; no sessions."""
        ...

    async def counts(self, tenant: str, cohort: Cohort) -> list[Count]:
        """How many runs stand where: each run is in exactly one count, and a count of none is left out."""
        ...

    async def durations(self, tenant: str, cohort: Cohort) -> Durations | None:
        """How long the runs took that are completed now; None when none is."""
        ...

    async def over_time(self, tenant: str, cohort: Cohort, periods: int) -> list[Period]:
        """The cohort's span in so many equal periods, oldest first. Its bounds are finite."""
        ...

    async def newest(self, tenant: str, cohort: Cohort, most: int) -> list[SampledRun]:
        """The newest runs and their journals, at most so many; fewer when their journals are large (32 MiB in all)."""
        ...


class Store(Protocol):
    """Keeps runs. Everything it acknowledged survives power loss; what it refused, it did not write.

    All writes of a process go through one writer, many in one transaction, and each fails alone.
    """

    @property
    def commits(self) -> int:
        """Transactions committed by this process so far."""
        ...

    @property
    def stalled(self) -> bool:
        """Nothing can be written for now: the disk has no room, or the server cannot be reached.

        Nothing new is called until a commit has gone through.
        """
        ...

    @property
    def now(self) -> Callable[[], float]:
        """Reads store time. It never runs backwards, whatever the wall clock does."""
        ...

    @property
    def figures(self) -> Figures:
        """Counts what is stored here."""
        ...

    async def tenant(self, name: str) -> int:
        """The number of a tenant, made when it is new."""
        ...

    async def save_definition(self, tenant: int, definition: JourneyDefinition | SessionDefinition) -> int:
        """The number of a definition, stored by its hash."""
        ...

    async def definition(self, number: int) -> JourneyDefinition:
        """The definition with that number, as it was stored."""
        ...

    async def definition_number(self, tenant: int, hash: str) -> int:
        """The number of a definition that was saved. Raises StoreError for one that never was."""
        ...

    async def definition_for(self, tenant: int, number: int) -> JourneyDefinition | None:
        """The definition with that number, if it is a journey's, and this tenant's."""
        ...

    async def definitions(self, above: int = 0) -> dict[int, JourneyDefinition]:
        """The stored definitions of journeys by number, those with a greater number than `above`; none of a session."""
        ...

    async def session_definition(self, number: int) -> SessionDefinition:
        """The definition of a session with that number, as it was stored."""
        ...

    async def unfinished(self, name: str, version: int, other_than: str) -> list[str]:
        """Saga ids of unfinished runs of (name, version) whose definition has another hash (at most 10)."""
        ...

    async def in_flight(
        self, journey: str | None = None, tenant: str | None = None, after: RunKey | None = None, limit: int = 1000
    ) -> list[InFlight]:
        """Unfinished runs, of a journey or of all, of a tenant or (what a deploy means for them) of every one.

        A page of them, the oldest first; `after` is the last one of the page before.
        """
        ...

    def start(self, new: NewRun) -> Awaitable[Started]:
        """Durable when it returns. Raises StoreFull when there is no room, StoreUnreachable when there is no server."""
        ...

    def commit(self, turn: TurnWrite) -> Awaitable[None]:
        """Durable when it returns; waits as long as nothing can be written.

        Raises Fenced when the claim is gone, Conflict when another turn has that seq; the very same turn is none.
        """
        ...

    async def through(self) -> None:
        """Returns when it is decided what became of every start and commit that was asked for before this."""

    async def enter(self, lease: float) -> int:
        """Registers this process as an owner of runs; alive while it holds its lock, or renews its lease."""
        ...

    async def renew(self, owner: int, lease: float) -> bool:
        """The lease runs from now on. False: it had run out, and others may have taken runs over meanwhile (`held`)."""
        ...

    async def held(self, owner: int) -> set[RunKey]:
        """The runs that this owner holds."""
        ...

    async def leave(self, owner: int) -> None:
        """This owner is no more; what it still holds is left for others to take over."""

    async def workers(self) -> list[Worker]:
        """Every owner that is registered, also the dead ones whose runs nobody has taken over yet. Changes nothing."""
        ...

    async def claim(self, wanted: Wanted) -> Claimed:
        """Claims runs that are due, each under a new epoch: what dead workers left first, then what waits.

        When more waits than there is room for, each tenant and each definition gets a share, whatever the others have
        waiting, and so has what is to be undone. A claim whose answer was lost is found out, not repeated.
        """
        ...

    async def wake_needy(self, served: Collection[int]) -> None:
        """Makes runs due that were parked for want of handlers which this worker has."""

    async def send(self, key: RunKey, command_id: str, name: str, body: str) -> Answer | None:
        """Stores a command and makes its run due. The same id again gives the same answer (None: not answered yet)."""
        ...

    async def answer_to(self, key: RunKey, command_id: str) -> Answer | None: ...

    async def commands_for(self, owner: int) -> list[StoredCommand]:
        """Commands not yet answered for runs that this owner holds."""
        ...

    async def find(self, tenant: str, saga_id: str) -> RunRecord | None: ...

    async def statuses(self, keys: Collection[RunKey]) -> dict[RunKey, SagaStatus]:
        """How these runs stand; one that is no more is left out."""
        ...

    async def load(self, key: RunKey) -> list[JournalRow]: ...

    async def search(self, tenant: str, search: Search) -> list[RunRecord]: ...

    async def prune(self, before: float, most: int, *, archive: bool) -> int:
        """Deletes runs that ended before that moment (store time), at most so many families; says how many runs.

        A family is a run that nobody else started, with all its children: it goes when all of them have ended, and
        nothing of it waits to be published. `archive` keeps what it was, in a table of its own, where no run is looked
        for. A start key goes with its run.
        """
        ...

    async def is_archived(self, tenant: str, saga_id: str) -> bool:
        """It was pruned, and is kept in the archive."""
        ...

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back when another process wrote, or might have. Returns what takes the callback away again."""
        ...

    async def writable(self) -> None:
        """Returns when a commit has gone through since the store stalled."""

    async def close(self) -> None: ...


class Engine(Protocol):
    """Moves runs. What it acknowledged goes on after any crash, by this process or another one."""

    async def open(self) -> None: ...

    async def start(
        self, tenant: str, turn: Turn, definition: int, tenant_number: int, key: StartKey | None
    ) -> Started:
        """Durable when it returns. Raises Overloaded, StoreFull or Closed; then nothing was started."""
        ...

    async def send(self, key: RunKey, command_id: str, command: External) -> Answer:
        """The answer of the run's owner. The same id again gives the same answer, and does nothing."""
        ...

    def moves(self, key: RunKey) -> bool:
        """This process moves the run now, so whoever watches it will be told."""
        ...

    def watch(self, key: RunKey) -> asyncio.Future[RunState | None]:
        """The run's state when it has an outcome; None when it is time to look into the store for it.

        That is when this process stops moving it before it has one, and when another process brought it there. Raises
        Closed, at once or later, when the engine is closed.
        """
        ...

    def unwatch(self, key: RunKey, watcher: asyncio.Future[RunState | None]) -> None: ...

    def change(self) -> asyncio.Future[None]:
        """Ends with the next commit of another process. Take it before you look, so that nothing falls in between."""
        ...

    async def wait_for(self, future: asyncio.Future[Any], change: asyncio.Future[None]) -> None:
        """Until one of them is done, or it is time to look into the store anyway."""

    def add_observer(self, observer: Observer) -> None: ...

    async def close(self) -> None:
        """Lets the calls under way end, releases every claim."""


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time, asked for."""

    def now(self) -> float:
        """Store time in seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls back once, not before `when`."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """One attempt, as the engine hands it to the invoker. `deadline` is when its caller stops waiting."""

    state: RunState
    milestone: int
    op: Op
    attempt: int
    fence: int
    tenant: str
    deadline: float
    began: float
    stoppable: bool = False
    """Set by the invoker: cancelling the awaiting task ends the call (a thread only goes on by itself)."""
    over_time: bool = False
    """Set by the engine: the deadline has passed, whatever the handler says now is not counted."""
    cancelled: bool = False
    """Set by the engine: its task was cancelled because of that."""
    emitted: tuple[tuple[str, Json], ...] = ()
    """What the handler emitted; written only with the ok of this attempt."""


class Invoker(Protocol):
    """Calls handlers by name."""

    def missing(self, definition: JourneyDefinition) -> tuple[str, ...]:
        """The handler names of this definition that cannot be called here."""
        ...

    def unreadable(self, state: RunState) -> str | None:
        """Why what is stored of this run does not fit today's types; None when it does. Asked once per claim."""
        ...

    def prepare(self, call: Call) -> Awaitable[Answered] | Uncallable:
        """The call, to be awaited once; or why it cannot be made (handler missing, stored input does not decode)."""
        ...

    def choose(self, state: RunState, milestone: int) -> str:
        """Where the journey goes on after that milestone: a function of the state. Raises `machine.NoArm`."""
        ...

    def problem_with(self, definition: JourneyDefinition, milestone: str, result: Json | None) -> str | None:
        """Why a result given from outside does not fit the milestone's declared type; None when it fits."""
        ...


# --- what observers see -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttemptStarting:
    """Just before a handler is called."""

    saga_id: str
    tenant: str
    journey: str
    milestone: str
    op: Op
    attempt: int
    at: float


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """Just after. `lingered`: it was still running this many seconds after its timeout, or was left behind."""

    saga_id: str
    tenant: str
    journey: str
    milestone: str
    op: Op
    attempt: int
    at: float
    seconds: float
    outcome: Answered
    lingered: float = 0.0


@dataclass(frozen=True, slots=True)
class TurnCommitted:
    """A turn is durable: these events are now true."""

    saga_id: str
    tenant: str
    journey: str
    events: Sequence[Event]
    status: SagaStatus
    seq: int
    at: float


Observation = AttemptStarting | AttemptEnded | TurnCommitted


Observer = Callable[[Observation], object]
"""Called in the engine's loop; must not block. What it raises is logged and changes nothing."""


class Publisher(Protocol):
    """Takes outbox rows to a broker."""

    async def publish(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Returns when the broker has confirmed all of them; raises when it has not."""
