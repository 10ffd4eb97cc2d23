"""The same journeys for synchronous programs: it delegates to an event loop in a thread; nothing exists twice.

with blocking.open_journeys("sqlite:///journeys.db", sagas=[checkout]) as journeys:
    run = journeys.start(checkout, Order(sku="A1", cents=1999), key="order-42")
    print(run.outcome())
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from saga_journey import bootstrap
from saga_journey.authoring import Journey
from saga_journey.errors import Closed
from saga_journey.journeys import Journeys as AsyncJourneys
from saga_journey.orchestrators.saga import SagaJourneyOrchestrator as AsyncSagaJourneyOrchestrator
from saga_journey.ports import Observer, RunRecord, Search
from saga_journey.runs import Run as AsyncRun
from saga_journey.runs import UserContext

I = TypeVar("I")  # noqa: E741 - the input type of a saga
A = TypeVar("A")
T = TypeVar("T")
P = ParamSpec("P")


class _Loop:
    """An event loop in a daemon thread; `run` waits for a coroutine there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="saga-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        if self.loop.is_closed():
            work.close()
            raise Closed("these journeys are closed: open them again")
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class _Blocking(Generic[A]):
    """An asynchronous object and the loop it lives on. Safe to use from any thread but that loop's."""

    def __init__(self, behind: A, loop: _Loop) -> None:
        self._behind = behind
        self._loop = loop

    def __repr__(self) -> str:
        return f"blocking {self._behind!r}"


def _waits(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_Blocking[A], P], T]:
    """The method of the asynchronous object, with the same arguments, as one that waits for its answer."""

    @functools.wraps(method)
    def wait(self: _Blocking[A], /, *args: P.args, **options: P.kwargs) -> T:
        return self._loop.run(method(self._behind, *args, **options))

    return wait


class Run(_Blocking[AsyncRun]):
    """As `saga_journey.Run`; each method waits for its answer."""

    status = _waits(AsyncRun.status)
    history = _waits(AsyncRun.history)
    preview = _waits(AsyncRun.preview)
    outcome = _waits(AsyncRun.outcome)
    advance = _waits(AsyncRun.advance)
    cancel = _waits(AsyncRun.cancel)
    compensate = _waits(AsyncRun.compensate)
    pause = _waits(AsyncRun.pause)
    resume = _waits(AsyncRun.resume)
    retry = _waits(AsyncRun.retry)
    skip = _waits(AsyncRun.skip)
    mark_undone = _waits(AsyncRun.mark_undone)
    it_happened = _waits(AsyncRun.it_happened)
    it_did_not_happen = _waits(AsyncRun.it_did_not_happen)
    resolve = _waits(AsyncRun.resolve)

    @property
    def saga_id(self) -> str:
        return self._behind.saga_id


class SagaJourneyOrchestrator(_Blocking[AsyncSagaJourneyOrchestrator]):
    """As the asynchronous one; each operation waits for its answer."""

    design_saga_journey = _waits(AsyncSagaJourneyOrchestrator.design_saga_journey)
    execute_saga_journey = _waits(AsyncSagaJourneyOrchestrator.execute_saga_journey)
    advance_saga_step = _waits(AsyncSagaJourneyOrchestrator.advance_saga_step)
    get_saga_status = _waits(AsyncSagaJourneyOrchestrator.get_saga_status)
    get_saga_execution_history = _waits(AsyncSagaJourneyOrchestrator.get_saga_execution_history)
    compensate_saga = _waits(AsyncSagaJourneyOrchestrator.compensate_saga)


class Journeys(_Blocking[AsyncJourneys]):
    """As `saga_journey.Journeys`; each method waits for its answer."""

    @property
    def saga(self) -> SagaJourneyOrchestrator:
        return SagaJourneyOrchestrator(self._behind.saga, self._loop)

    def start(
        self, journey: Journey[I], input: I, *, key: str | None = None, user_context: UserContext | None = None
    ) -> Run:
        """Starts a run; durable when it returns."""
        return Run(self._loop.run(self._behind.start(journey, input, key=key, user_context=user_context)), self._loop)

    def run(self, saga_id: str, user_context: UserContext | None = None) -> Run:
        """A handle on a saga that was started earlier."""
        return Run(self._behind.run(saga_id, user_context), self._loop)

    def search(self, search: Search | None = None, user_context: UserContext | None = None) -> list[RunRecord]:
        """Runs of your tenant, newest first."""
        return self._loop.run(self._behind.search(search, user_context))

    def observe(self, observer: Observer) -> None:
        """Called on the loop's thread, not on yours."""
        self._loop.loop.call_soon_threadsafe(self._behind.observe, observer)


@contextlib.contextmanager
def open_journeys(store: str, **options: Any) -> Iterator[Journeys]:
    """As `saga_journey.open_journeys`, with the same options."""
    loop = _Loop()
    try:
        opened = bootstrap.open_journeys(store, **options)
        journeys = loop.run(_enter(opened))
        try:
            yield Journeys(journeys, loop)
        finally:
            loop.run(_leave(opened))
    finally:
        loop.close()


async def _enter(opened: contextlib.AbstractAsyncContextManager[AsyncJourneys]) -> AsyncJourneys:
    return await opened.__aenter__()


async def _leave(opened: contextlib.AbstractAsyncContextManager[AsyncJourneys]) -> None:
    await opened.__aexit__(None, None, None)
