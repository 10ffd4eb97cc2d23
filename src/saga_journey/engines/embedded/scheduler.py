"""Which runs this process owns: claims what is due while there is room, drives it, gives it back.

Recovery is this path and no other one: a run whose owner died is due, so it is claimed, its lost attempts are counted
in its first commit, and it goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from saga_journey.config import Settings
from saga_journey.core import events as ev
from saga_journey.core.codec import decode_command, decode_turn, encode_turn
from saga_journey.core.commands import Command, HandlersBack, TakeOver, TimePassed, Uncallable
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import UNDO
from saga_journey.core.evolve import evolve
from saga_journey.core.state import RunState, SagaStatus
from saga_journey.engines.embedded.collector import Collector
from saga_journey.engines.embedded.family import Family
from saga_journey.engines.embedded.lease import Lease
from saga_journey.engines.embedded.observers import Observers
from saga_journey.engines.embedded.owned import OwnedRun, Sent
from saga_journey.engines.embedded.retention import prune
from saga_journey.engines.embedded.tasks import Tasks
from saga_journey.engines.embedded.turn import NEVER, Turns
from saga_journey.errors import Overloaded, StoreBroken, StoreFull, StoreUnreachable
from saga_journey.ports import (
    CRASH_LOOP,
    Claimed,
    ClaimedRun,
    Clock,
    Fenced,
    Invoker,
    RowChange,
    RunKey,
    Store,
    StoredCommand,
    Timer,
    TurnCommitted,
    TurnWrite,
    Wanted,
)

log: logging.Logger = logging.getLogger("saga_journey.engine")

LOOK_EVERY = 1.0
"""How often a worker with room looks for runs of dead workers (seconds)."""


class Scheduler:
    """Owns runs. `drive` moves one until it ends, waits, or is lost."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        invoker: Invoker,
        turns: Turns,
        family: Family,
        settings: Settings,
        observers: Observers,
        drive: Callable[[OwnedRun], asyncio.Task[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._invoker = invoker
        self._turns = turns
        self._family = family
        self._settings = settings
        self._observers = observers
        self._drive = drive
        self._collector = Collector()
        self.owned: dict[RunKey, OwnedRun] = {}
        self.reserved: int = 0  # places promised to starts whose commit is under way
        self._for_undo = int(settings.concurrency * settings.undo_share)  # places that only what is undone may take …
        self._kept = self._for_undo  # … and those of them that are free for it
        self._waiting: set[RunKey] = set()  # runs started here that found no place
        self._behind = False  # the last claim took all it asked for: there may be more
        self.owner: int | None = None
        self.lease: Lease = Lease(store, clock, settings.lease, self._look_what_is_left)
        self._served: dict[int, bool] = {}
        self._nudged = asyncio.Event()
        self._timer: Timer | None = None
        self._stop_listening: Callable[[], None] = _nothing
        self._timer_at = NEVER
        self._tasks: list[asyncio.Task[None]] = []
        self._claim_under_way: asyncio.Task[None] | None = None
        self._deliveries = Tasks()

    # --- life ---

    async def open(self) -> None:
        self.owner = self._turns.owner = await self.lease.enter()
        self._tasks = [asyncio.create_task(self._claiming()), asyncio.create_task(self.lease.keep())]
        if self._settings.keep_finished is not None:
            self._tasks.append(asyncio.create_task(prune(self._store, self._clock, self._settings)))
        await self._serve_definitions()
        await self._wake_needy()
        self._stop_listening = self._store.on_change(self.nudge)
        self.nudge()

    async def close(self) -> None:
        """Claims no more. What is owned is the caller's to finish or release."""
        self._stop_listening()
        for task in self._tasks:
            task.cancel()
        self.lease.given_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._claim_under_way is not None:  # what it claims is ours to release
            await asyncio.gather(self._claim_under_way, return_exceptions=True)
        self._collector.wake()
        if self._timer is not None:
            self._timer.cancel()

    def nudge(self) -> None:
        """Something may be due: a place is free, another process wrote, time has come."""
        self._nudged.set()

    @property
    def room(self) -> int:
        return self._settings.concurrency - len(self.owned) - self.reserved

    @property
    def is_crowded(self) -> bool:
        """No place is left for what goes forward."""
        return self.room <= self._kept

    def take_place(self, tenant: str, journey: str) -> bool:
        """Promises a place to a run that is being started; False: it has to wait. Raises Overloaded at the door.

        What is limited over all workers waits to be claimed: only then is it counted.
        """
        if len(self._waiting) >= self._settings.backlog:
            raise Overloaded(len(self._waiting), LOOK_EVERY)
        limits = self._settings.limits
        limited = limits.on_claims and (journey in limits.journeys or limits.of_tenant(tenant) is not None)
        free = not self.is_crowded and not self._waiting and not limited
        self.reserved += free
        return free

    def give_place_back(self, place: bool) -> None:
        self.reserved -= place

    def wait_for_place(self, key: RunKey) -> None:
        """A run that was started without a place is claimed when there is one, here or by another worker."""
        if key not in self.owned:  # a claim under way may have been faster than the answer to its start
            self._waiting.add(key)
            self.nudge()

    # --- claiming ---

    async def _claiming(self) -> None:
        while True:
            await self._nudged.wait()
            self._nudged.clear()
            try:
                await self._store.writable()
                await self._deliver_commands()
                self._claim_under_way = asyncio.create_task(self._claim())
                await asyncio.shield(self._claim_under_way)
            except (StoreFull, StoreUnreachable):
                self.nudge()
            except StoreBroken:
                return  # the store has said so; nothing can be claimed any more
            except Exception:
                log.exception("claiming failed; trying again")
            self._wake_at(self._clock.now() + LOOK_EVERY)

    async def _claim(self) -> None:
        await self._serve_definitions()
        if self.room <= 0 or self.owner is None:
            return
        asked = self.room if self._behind else max(1, self.room // 2)  # leave places for what starts meanwhile
        wanted = self._wanted(self.owner, asked)
        self.reserved += asked
        try:
            claimed = await self._store.claim(wanted)
        finally:
            self.reserved -= asked
        await self._adopt_all(claimed, wanted)

    def _wanted(self, owner: int, room: int) -> Wanted:
        undoing = sum(run.state.direction == UNDO for run in self.owned.values())
        self._kept = max(0, self._for_undo - undoing)
        return Wanted(
            owner=owner,
            room=room,
            forward=min(room, max(0, self.room - self._kept)),
            served=[n for n, served in self._served.items() if served],
            known=max(self._served, default=0),
            grace=self._settings.handler_grace,
            fragile=not any(run.alone for run in self.owned.values()),
            limits=self._settings.limits,
        )

    async def _adopt_all(self, claimed: Claimed, wanted: Wanted) -> None:
        full = len(claimed.runs) == wanted.room
        forward = sum(run.record.status is not SagaStatus.COMPENSATING for run in claimed.runs)
        self._behind = full or forward >= wanted.forward
        if not self._behind:
            self._waiting.clear()  # what was not claimed now is owned by other workers
        self._collector.claimed(len(claimed.runs))
        for run in claimed.runs:
            self._waiting.discard(run.record.key)
            await self._adopt(run)
        if full and self.room > 0:
            self.nudge()
        elif claimed.next_due is not None:
            self._wake_at(claimed.next_due)

    async def _adopt(self, claimed: ClaimedRun) -> None:
        """Folds the journal and lets the run go on; a run that kills its workers is parked unread."""
        if claimed.empty_claims >= CRASH_LOOP:
            detail = (
                f"claimed {claimed.empty_claims} times in a row, and each worker died before it could write anything"
            )
            await self._park_unread(claimed, "crash_loop", detail)
            return
        try:
            definition = await self._store.definition(claimed.record.definition)
            await self._family.meet(claimed.record.key.tenant, definition)
            state = fold(definition, claimed)
            run = OwnedRun(claimed.record.key, claimed.record.tenant, claimed.record.epoch, state, claimed.lost)
            run.alone = claimed.fragile
            run.uncallable = self._uncallable(claimed, state)
            run.inbox = [*_news(claimed, run)]
            run.inbox += [sent(c) for c in claimed.commands if run.first_seen(c.command_id)]
        except Exception as error:
            log.exception("%s cannot be read", claimed.record.saga_id)
            await self._park_unread(claimed, "cannot_decode", f"its journal cannot be read: {error}")
            return
        if (before := self.owned.get(run.key)) is not None:  # others had it since, and gave it back
            self._has_lost(before)
        self.owned[run.key] = run
        run.task = self._drive(run)

    def _uncallable(self, claimed: ClaimedRun, state: RunState) -> Uncallable | None:
        """Why this worker cannot call anything of this run."""
        if state.final is not None:
            return None
        if not claimed.served and (missing := ", ".join(self._invoker.missing(state.definition))):
            return Uncallable("handler_missing", f"no worker here has {missing}: open one that registers them")
        unreadable = self._invoker.unreadable(state)
        return Uncallable("cannot_decode", unreadable) if unreadable else None

    async def _park_unread(self, claimed: ClaimedRun, kind: ev.AttentionKind, detail: str) -> None:
        log.error("%s waits for a person: %s", claimed.record.saga_id, detail)
        now = self._clock.now()
        record, raised = claimed.record, ev.AttentionRaised(kind, None, detail)
        row = RowChange(SagaStatus.FAILED, None, NEVER, claimed.lost, needs=kind == "cannot_decode")
        write = TurnWrite(record.key, record.epoch, claimed.next_seq, now, encode_turn([raised]), row)
        try:
            await self._store.commit(write)
        except Fenced:
            log.info("%s was claimed by another worker meanwhile", record.saga_id)
            return
        seen = (record.saga_id, record.tenant, record.journey, (raised,), row.status, write.seq, now)
        self._observers.tell(TurnCommitted(*seen))

    async def _serve_definitions(self) -> None:
        """Which stored definitions this worker can run: all of whose handlers it has."""
        for number, definition in (await self._store.definitions(max(self._served, default=0))).items():
            self._served[number] = not self._invoker.missing(definition)

    # --- commands for runs that are owned here ---

    async def _deliver_commands(self) -> None:
        if self.owner is None:
            return
        for command in await self._store.commands_for(self.owner):
            self.deliver(command)

    def deliver(self, command: StoredCommand) -> bool:
        """Hands a stored command to its run, when this process owns it."""
        run = self.owned.get(command.key)
        if run is None or run.gone:
            return False
        if run.first_seen(command.command_id):
            run.inbox.append(sent(command))  # at once: if the run is just being released, `released` sees it
            _ = self._deliveries.begin(self._turns.take(run))
        return True

    # --- when the lease had run out ---

    async def _look_what_is_left(self, owner: int) -> None:
        """What others have taken over meanwhile is called here no more."""
        before = list(self.owned.values())  # what is claimed from now on is not in doubt
        held = await self._store.held(owner)
        for run in before:
            if run.key not in held:
                self._has_lost(run)
        await self._wake_needy()  # parked for want of the handlers that are here: nobody else was

    def _has_lost(self, run: OwnedRun) -> None:
        """Another worker has claimed it. When a commit of it is under way, that says so."""
        if not run.gone and not run.committing:
            self._turns.lose(run)

    async def _wake_needy(self) -> None:
        await self._store.wake_needy([n for n, served in self._served.items() if served])

    # --- time ---

    def _wake_at(self, when: float) -> None:
        """At once when that moment has passed since somebody looked at the clock."""
        if when <= self._clock.now():
            self.nudge()
            return
        if self._timer is not None and self._timer_at <= when and self._timer_at > self._clock.now():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self.nudge)

    def suspects_no_longer(self, run: OwnedRun) -> None:
        """A call of it came back, so it does not kill its worker: the next such run may be claimed."""
        run.alone = False
        self.nudge()

    def released(self, run: OwnedRun, write: TurnWrite) -> None:
        """The run is not owned here any more; its place is free."""
        if self.owned.get(run.key) is run:
            del self.owned[run.key]
        if run.state.direction == UNDO:
            self._kept = min(self._kept + 1, self._for_undo)
        if write.row is not None and write.row.due_at is not None and write.row.due_at < NEVER:
            self._wake_at(write.row.due_at)
        waited = self._waiting or self._behind or run.alone or run.inbox  # what arrived last is for its next owner
        if waited or self._settings.limits.on_claims:
            self.nudge()


def fold(definition: JourneyDefinition, claimed: ClaimedRun) -> RunState:
    """The state that the journal says."""
    state = RunState(definition, claimed.record.saga_id)
    for row in claimed.rows:
        state = evolve(state, decode_turn(row.events), row.at)
    return state


def sent(command: StoredCommand) -> Sent:
    return Sent(decode_command(command.name, command.body), command.command_id)


def _news(claimed: ClaimedRun, run: OwnedRun) -> list[Command]:
    """What a claim itself tells the machine."""
    news: list[Command] = [TimePassed()]
    if claimed.taken_over:
        news.append(TakeOver())
    if run.uncallable is None:
        news.append(HandlersBack())
    return news


def _nothing() -> None:
    """Nobody listens yet."""
