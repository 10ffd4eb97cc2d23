"""Settings and a URL in, a running application out: the one place that knows concrete stores and engines."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from saga_journey.authoring import Journey
from saga_journey.config import Settings
from saga_journey.engines.embedded import EmbeddedEngine
from saga_journey.engines.embedded.clock import LoopClock
from saga_journey.errors import DefinitionChanged, DefinitionError
from saga_journey.handlers.curator import Curator
from saga_journey.handlers.invoke import LocalInvoker
from saga_journey.ids import new_id
from saga_journey.journeys import Journeys
from saga_journey.ports import Clock, Observer, Publisher, Store
from saga_journey.runs import Runs
from saga_journey.stores.server_url import is_postgres, must_have_driver
from saga_journey.stores.sqlite import SqliteStore

log: logging.Logger = logging.getLogger("saga_journey.journeys")


@contextlib.asynccontextmanager
async def open_journeys(
    store: str | Store,
    *,
    sagas: Sequence[Journey[Any]] = (),
    curator: Curator | None = None,
    settings: Settings | None = None,
    working: bool = True,
    publisher: Publisher | None = None,
    observers: Sequence[Observer] = (),
    clock: Clock | None = None,
    **options: Any,
) -> AsyncIterator[Journeys]:
    """Opens the journeys of a database, and moves them until the block ends.

    `store`: sqlite:///journeys.db, sqlite:////absolute/journeys.db, sqlite:///:memory:, postgresql://role@host/database,
    or any open `ports.Store`, which is closed at the end. `sagas` registers the handlers of sagas written in Python,
    `curator` any others. `options` are fields of `Settings`, e.g. concurrency=64. `working=False` starts, asks and
    commands, and leaves the moving to other processes.

    Raises DefinitionError when handlers clash, DefinitionChanged when a saga means something else than its unfinished
    runs under the same version, StoreError (SchemaTooNew, StoreReadOnly …) when the database cannot be used.
    """
    chosen = settings or Settings(**options)
    opened: Store = await _open_store(store) if isinstance(store, str) else store
    journeys: Journeys | None = None
    terminated: list[int] = []
    try:
        names = _curated(Curator() if curator is None else curator, sagas)  # an empty one is false
        await _refuse_changed(opened, sagas)
        if working:
            _say_what_limits_nothing(chosen, names)
        journeys = await _wire(
            opened, names, sagas, chosen, clock, observers, publishing=publisher is not None, working=working
        )
        with _sigterm(chosen, terminated) as closing:
            try:
                yield journeys
            finally:
                closing.append(True)
                await _closed(journeys)
    finally:
        if journeys is None:
            await opened.close()
        if terminated:
            signal.raise_signal(signal.SIGTERM)  # now it takes its usual course


async def _open_store(url: str) -> Store:
    if not is_postgres(url):
        return await SqliteStore.open(url)
    must_have_driver()
    from saga_journey.stores.postgres.store import PostgresStore

    return await PostgresStore.open(url)


async def _closed(journeys: Journeys) -> None:
    """Closing is not cut short by somebody who says stop: that is what it does."""
    closing = asyncio.create_task(journeys.close())
    told: asyncio.CancelledError | None = None
    while not closing.done():
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError as cancelled:
            told = cancelled
    if told is not None:
        raise told
    closing.result()


def _curated(curator: Curator, sagas: Sequence[Journey[Any]]) -> Curator:
    problems: list[str] = []
    for saga in sagas:
        try:
            saga.register_in(curator)
        except DefinitionError as error:
            problems += [f"{saga.name}: {p}" for p in error.problems]
    if problems:
        raise DefinitionError("", problems, has="the journeys opened here have")
    return curator


def _say_what_limits_nothing(settings: Settings, curator: Curator) -> None:
    """Workers may share their limits, so this is no error; but it may be a name that somebody mistyped."""
    for name in settings.limits.handlers:
        if name not in curator:
            log.warning("the limit of handler %r limits nothing here: no handler of that name is registered", name)


async def _refuse_changed(store: Store, sagas: Sequence[Journey[Any]]) -> None:
    """One (name, version) with two meanings is refused while runs of the other meaning are unfinished."""
    for definition in [one.definition for saga in sagas for one in (saga, *saga.family())]:
        if left := await store.unfinished(definition.name, definition.version, definition.hash):
            raise DefinitionChanged(
                definition.name,
                [_changed(definition.version, left)],
            )


def _changed(version: int, left: Sequence[str]) -> str:
    some = ", ".join(left[:3]) + (" …" if len(left) > 3 else "")
    return (
        f"version {version} means something else than the one that unfinished sagas run ({some}): "
        f"raise version to {version + 1}; they keep their own"
    )


async def _wire(
    store: Store,
    curator: Curator,
    sagas: Sequence[Journey[Any]],
    settings: Settings,
    clock: Clock | None,
    observers: Sequence[Observer],
    *,
    publishing: bool,
    working: bool,
) -> Journeys:
    chosen_clock = clock or LoopClock(store.now)
    engine = EmbeddedEngine(
        store, chosen_clock, LocalInvoker(curator), settings, publishing=publishing, working=working
    )
    for observer in observers:
        engine.add_observer(observer)
    await engine.open()
    runs = Runs(store, engine, curator, chosen_clock, new_id)
    return Journeys(runs, frozenset(saga.definition.hash for saga in sagas))


@contextlib.contextmanager
def _sigterm(settings: Settings, terminated: list[int]) -> Iterator[list[bool]]:
    """SIGTERM as Ctrl-C: the block is cancelled and closes gracefully; `terminated` then says that it was.

    Only in the main thread, and only when nothing else in the program handles it.
    """
    unclaimed = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    closing: list[bool] = []
    if not (settings.handle_sigterm and unclaimed) or os.name != "posix":
        yield closing
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        terminated.append(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGTERM)  # a second one takes its usual course at once
        if not closing:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield closing
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
