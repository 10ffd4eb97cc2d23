"""The parts together: starts runs, moves them, takes commands, waits for outcomes, stops gracefully."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from saga_journey.config import Settings
from saga_journey.core.codec import encode_command, encode_turn
from saga_journey.core.commands import Answer, External
from saga_journey.core.machine import Turn
from saga_journey.core.state import RunState
from saga_journey.engines.embedded.clock import pass_until
from saga_journey.engines.embedded.driver import Driver
from saga_journey.engines.embedded.family import Family
from saga_journey.engines.embedded.observers import Observers
from saga_journey.engines.embedded.outgoing import outbox_rows
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.engines.embedded.scheduler import Scheduler
from saga_journey.engines.embedded.tasks import Tasks
from saga_journey.engines.embedded.turn import Turns
from saga_journey.engines.embedded.watchers import Watcher, Watchers
from saga_journey.errors import Closed, StoreError
from saga_journey.ports import (
    PRUNED,
    Clock,
    Invoker,
    NewRun,
    Observer,
    RunKey,
    Started,
    StartKey,
    Store,
    StoredCommand,
    TurnWrite,
)

log: logging.Logger = logging.getLogger("saga_journey.engine")


class EmbeddedEngine:
    """Moves runs inside this process (`ports.Engine`). With `working=False` it only starts, asks and commands."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        invoker: Invoker,
        settings: Settings,
        *,
        publishing: bool,
        working: bool = True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._working = working
        self._publishing = publishing
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._observers = Observers()
        self._watchers = Watchers(store, self.moves, self._tasks)
        self._family = Family(store, publishing=publishing)
        self._turns = Turns(
            store,
            clock,
            invoker,
            family=self._family,
            publishing=publishing,
            told=self._told,
            observers=self._observers,
        )
        self._scheduler = Scheduler(
            store, clock, invoker, self._turns, self._family, settings, self._observers, self._spawn
        )
        self._driver = Driver(
            store, clock, invoker, settings, self._turns, self._scheduler, self._observers, self._tasks
        )
        self._starting = 0  # starts whose commit is under way
        self._none_starting: asyncio.Future[None] | None = None
        self._asked: dict[tuple[RunKey, str], asyncio.Future[Answer]] = {}
        self._closed = False

    async def open(self) -> None:
        self._stop_listening = self._store.on_change(self._watchers.others_wrote)
        if self._working:
            try:
                await self._scheduler.open()
            except BaseException:
                await self.close()
                raise

    def add_observer(self, observer: Observer) -> None:
        self._observers.add(observer)

    # --- starting ---

    async def start(
        self, tenant: str, turn: Turn, definition: int, tenant_number: int, key: StartKey | None
    ) -> Started:
        """A run for which a place is free is claimed by the commit that starts it; another one waits unclaimed."""
        if self._closed:
            raise _closed()
        if not turn.state.definition.is_line:
            await self._family.meet(tenant_number, turn.state.definition)
        place = self._scheduler.take_place(tenant, turn.state.definition.name) if self._working else False
        self._starting += 1
        try:
            new = self._new_run(turn, definition, tenant_number, key, here=place)
            started = await self._store.start(new)
            if started.existing is None:
                self._begin(OwnedRun(started.key, tenant, 1, turn.state), turn, here=place)
                self._observers.starts(tenant, new.children)
        except asyncio.CancelledError:
            if place:
                self._starting += 1  # closing waits for it
                _ = self._tasks.begin(self._pick_up(tenant, turn))
            raise
        finally:
            self._scheduler.give_place_back(place)
            self._start_ended()
        return started

    async def _pick_up(self, tenant: str, turn: Turn) -> None:
        """A caller that gives up waiting does not stop a saga that was started: if it was, it is moved."""
        try:
            assert self._scheduler.owner is not None
            await self._store.through()
            record = await self._store.find(tenant, turn.state.saga_id)
            if record is not None and record.owner == self._scheduler.owner:
                self._begin(OwnedRun(record.key, tenant, record.epoch, turn.state), turn, here=True)
        finally:
            self._start_ended()

    def _start_ended(self) -> None:
        self._starting -= 1
        waiter = self._none_starting
        if not self._starting and waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _new_run(self, turn: Turn, definition: int, tenant: int, key: StartKey | None, *, here: bool) -> NewRun:
        state, nothing = turn.state, RunState(turn.state.definition, turn.state.saga_id)
        return NewRun(
            tenant=tenant,
            saga_id=state.saga_id,
            definition=definition,
            journey=state.definition.name,
            turn=encode_turn(turn.events),
            at=state.at,
            due_at=state.at,
            owner=self._scheduler.owner if here else None,
            start_key=key,
            outbox=outbox_rows(nothing, turn.events, ()) if self._publishing else (),
            children=() if state.definition.is_line else self._family.born(tenant, nothing, state),
        )

    def _begin(self, run: OwnedRun, turn: Turn, *, here: bool) -> None:
        """The start is durable: from now on the run is moved, here or by whoever claims it."""
        if not turn.state.definition.is_line:
            self._scheduler.nudge()  # it may have started children
        if self._observers.anybody:
            self._observers.turn(run, turn.events)
        if here:
            self._scheduler.owned[run.key] = run
            run.task = self._spawn(run)
        elif self._working:
            self._scheduler.wait_for_place(run.key)

    # --- what its parts ask of it, and tell it ---

    def _spawn(self, run: OwnedRun) -> asyncio.Task[None]:
        return self._loop.create_task(self._driver.drive(run))  # the run, owned as long as the task lives, keeps it

    def _told(self, run: OwnedRun, write: TurnWrite, answers: Sequence[tuple[str, Answer]]) -> None:
        """A turn is durable: whoever waited for it hears of it."""
        for command_id, answer in answers:
            asked = self._asked.pop((run.key, command_id), None)
            if asked is not None and not asked.done():
                asked.set_result(answer)
        if write.starts or write.messages:
            self._observers.starts(run.tenant, write.starts)
            self._scheduler.nudge()
        if run.gone:
            self._scheduler.released(run, write)
            self._watchers.released(run)

    # --- asking and commanding ---

    async def send(self, key: RunKey, command_id: str, command: External) -> Answer:
        """Stores the command, and returns the answer of the run's owner. The same id again gives the same answer."""
        name, body = encode_command(command)
        asked = self._asked.setdefault((key, command_id), self._loop.create_future())
        try:
            answer = await self._store.send(key, command_id, name, body)
            if answer is not None:
                return answer
            if not self._scheduler.deliver(StoredCommand(key, command_id, name, body)):
                self._scheduler.nudge()
            while not asked.done():
                change = self.change()
                if (answer := await self._store.answer_to(key, command_id)) is not None:
                    return answer
                await self.wait_for(asked, change)
                if not asked.done() and not await self._store.statuses([key]):
                    return PRUNED
            return asked.result()
        finally:
            self._asked.pop((key, command_id), None)

    # --- being waited for ---

    def watch(self, key: RunKey) -> Watcher:
        if self._closed:
            raise _closed()
        return self._watchers.watch(key)

    def unwatch(self, key: RunKey, watcher: Watcher) -> None:
        self._watchers.unwatch(key, watcher)

    def moves(self, key: RunKey) -> bool:
        return key in self._scheduler.owned

    def change(self) -> asyncio.Future[None]:
        return self._watchers.change()

    async def wait_for(self, future: asyncio.Future[Any], change: asyncio.Future[None]) -> None:
        await self._watchers.wait_for(future, change)

    # --- stopping ---

    async def close(self) -> None:
        """Starts nothing new, lets the calls under way end (`grace` seconds at most), releases every claim.

        What still runs then counts as lost for the next owner: it is called again with the same key.
        """
        if self._closed:
            return
        self._closed = self._turns.stopping = True
        self._stop_listening()
        if self._starting:
            self._none_starting = self._loop.create_future()
            await self._none_starting  # what is being started is ours to release
        if self._working:
            await self._scheduler.close()
            await self._finish()
        self._driver.close()
        self._watchers.close(_closed)

    async def _finish(self) -> None:
        for run in list(self._scheduler.owned.values()):
            run.wake()
        moving = {run.task for run in self._scheduler.owned.values() if run.task is not None}
        if moving:
            await self._grace(moving)
        left = [run for run in self._scheduler.owned.values() if run.task is not None]
        if left:
            log.warning("%d sagas are left in the middle: a call that has not ended counts as lost", len(left))
        torn = [*self._tasks, *(run.task for run in left if run.task is not None)]
        for task in torn:
            task.cancel()
        await asyncio.gather(*torn, return_exceptions=True)
        await self._leave()

    async def _leave(self) -> None:
        if self._scheduler.owner is not None:
            try:
                await self._store.leave(self._scheduler.owner)
            except StoreError as error:
                log.warning("this worker could not sign off (%s); others notice by its lock", error)

    async def _grace(self, moving: set[asyncio.Task[None]]) -> None:
        """Waits for them on the port's clock, so that a test decides how long that is."""
        over = asyncio.create_task(pass_until(self._clock, self._clock.now() + self._settings.grace))
        ended = asyncio.create_task(asyncio.wait(moving))
        await asyncio.wait({over, ended}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        ended.cancel()


def _closed() -> Closed:
    return Closed("these journeys are closed: open them again")
