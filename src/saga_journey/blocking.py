"""The same journeys for synchronous programs: it delegates to an event loop in a thread; nothing exists twice.

with blocking.open_journeys("sqlite:///journeys.db", sagas=[checkout]) as journeys:
    run = journeys.start(checkout, Order(sku="A1", cents=1999), key="order-42")
    print(run.outcome())
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from saga_journey import bootstrap
from saga_journey.authoring import Journey
from saga_journey.config import Settings
from saga_journey.errors import Closed
from saga_journey.journeys import Journeys as AsyncJourneys
from saga_journey.orchestrators.analytics import JourneyAnalytics as AsyncJourneyAnalytics
from saga_journey.orchestrators.mvp import MVPJourneyOrchestrator as AsyncMVPJourneyOrchestrator
from saga_journey.orchestrators.saga import SagaJourneyOrchestrator as AsyncSagaJourneyOrchestrator
from saga_journey.orchestrators.session import SessionJourneyOrchestrator as AsyncSessionJourneyOrchestrator
from saga_journey.orchestrators.structured import (
    StructuredJourneyOrchestrator as AsyncStructuredJourneyOrchestrator,
)
from saga_journey.orchestrators.tracker import MilestoneTracker as AsyncMilestoneTracker
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
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
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
        if left := asyncio.all_tasks(self.loop):  # somebody had no patience
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
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

    # `Final`: only then must every type checker infer the type that `_waits` gives them.
    status: Final = _waits(AsyncRun.status)
    history: Final = _waits(AsyncRun.history)
    preview: Final = _waits(AsyncRun.preview)
    outcome: Final = _waits(AsyncRun.outcome)
    advance: Final = _waits(AsyncRun.advance)
    cancel: Final = _waits(AsyncRun.cancel)
    compensate: Final = _waits(AsyncRun.compensate)
    pause: Final = _waits(AsyncRun.pause)
    resume: Final = _waits(AsyncRun.resume)
    retry: Final = _waits(AsyncRun.retry)
    skip: Final = _waits(AsyncRun.skip)
    rollback: Final = _waits(AsyncRun.rollback)
    choose: Final = _waits(AsyncRun.choose)
    mark_undone: Final = _waits(AsyncRun.mark_undone)
    it_happened: Final = _waits(AsyncRun.it_happened)
    it_did_not_happen: Final = _waits(AsyncRun.it_did_not_happen)
    move: Final = _waits(AsyncRun.move)
    resolve: Final = _waits(AsyncRun.resolve)

    @property
    def saga_id(self) -> str:
        return self._behind.saga_id


class SagaJourneyOrchestrator(_Blocking[AsyncSagaJourneyOrchestrator]):
    """As the asynchronous one; each operation waits for its answer."""

    design_saga_journey: Final = _waits(AsyncSagaJourneyOrchestrator.design_saga_journey)
    execute_saga_journey: Final = _waits(AsyncSagaJourneyOrchestrator.execute_saga_journey)
    advance_saga_step: Final = _waits(AsyncSagaJourneyOrchestrator.advance_saga_step)
    get_saga_status: Final = _waits(AsyncSagaJourneyOrchestrator.get_saga_status)
    get_saga_execution_history: Final = _waits(AsyncSagaJourneyOrchestrator.get_saga_execution_history)
    compensate_saga: Final = _waits(AsyncSagaJourneyOrchestrator.compensate_saga)


class StructuredJourneyOrchestrator(_Blocking[AsyncStructuredJourneyOrchestrator]):
    """As the asynchronous one; each operation waits for its answer."""

    get_available_journey_types: Final = _waits(AsyncStructuredJourneyOrchestrator.get_available_journey_types)
    get_journey_template: Final = _waits(AsyncStructuredJourneyOrchestrator.get_journey_template)
    design_journey: Final = _waits(AsyncStructuredJourneyOrchestrator.design_journey)
    customize_journey: Final = _waits(AsyncStructuredJourneyOrchestrator.customize_journey)
    execute_journey: Final = _waits(AsyncStructuredJourneyOrchestrator.execute_journey)
    advance_journey_step: Final = _waits(AsyncStructuredJourneyOrchestrator.advance_journey_step)
    get_journey_status: Final = _waits(AsyncStructuredJourneyOrchestrator.get_journey_status)
    pause_journey: Final = _waits(AsyncStructuredJourneyOrchestrator.pause_journey)
    resume_journey: Final = _waits(AsyncStructuredJourneyOrchestrator.resume_journey)
    cancel_journey: Final = _waits(AsyncStructuredJourneyOrchestrator.cancel_journey)


class SessionJourneyOrchestrator(_Blocking[AsyncSessionJourneyOrchestrator]):
    """As the asynchronous one; each operation waits for its answer."""

    start_session: Final = _waits(AsyncSessionJourneyOrchestrator.start_session)
    start: Final = _waits(AsyncSessionJourneyOrchestrator.start)
    get_session_state: Final = _waits(AsyncSessionJourneyOrchestrator.get_session_state)
    end_session: Final = _waits(AsyncSessionJourneyOrchestrator.end_session)
    get_session_progress: Final = _waits(AsyncSessionJourneyOrchestrator.get_session_progress)
    get_available_areas: Final = _waits(AsyncSessionJourneyOrchestrator.get_available_areas)
    navigate_to_area: Final = _waits(AsyncSessionJourneyOrchestrator.navigate_to_area)
    get_area_state: Final = _waits(AsyncSessionJourneyOrchestrator.get_area_state)
    update_area_state: Final = _waits(AsyncSessionJourneyOrchestrator.update_area_state)
    get_available_actions: Final = _waits(AsyncSessionJourneyOrchestrator.get_available_actions)
    check_area_completion: Final = _waits(AsyncSessionJourneyOrchestrator.check_area_completion)
    start_journey_in_area: Final = _waits(AsyncSessionJourneyOrchestrator.start_journey_in_area)


class MVPJourneyOrchestrator(_Blocking[AsyncMVPJourneyOrchestrator]):
    """As the asynchronous one; each operation waits for its answer."""

    start_mvp_journey: Final = _waits(AsyncMVPJourneyOrchestrator.start_mvp_journey)
    navigate_to_pillar: Final = _waits(AsyncMVPJourneyOrchestrator.navigate_to_pillar)
    get_pillar_state: Final = _waits(AsyncMVPJourneyOrchestrator.get_pillar_state)
    update_pillar_progress: Final = _waits(AsyncMVPJourneyOrchestrator.update_pillar_progress)
    get_mvp_progress: Final = _waits(AsyncMVPJourneyOrchestrator.get_mvp_progress)
    get_recommended_next_pillar: Final = _waits(AsyncMVPJourneyOrchestrator.get_recommended_next_pillar)
    check_mvp_completion: Final = _waits(AsyncMVPJourneyOrchestrator.check_mvp_completion)
    end_mvp_journey: Final = _waits(AsyncMVPJourneyOrchestrator.end_mvp_journey)


class MilestoneTracker(_Blocking[AsyncMilestoneTracker]):
    """As the asynchronous one; each operation waits for its answer."""

    track_milestone_start: Final = _waits(AsyncMilestoneTracker.track_milestone_start)
    track_milestone_complete: Final = _waits(AsyncMilestoneTracker.track_milestone_complete)
    get_milestone_status: Final = _waits(AsyncMilestoneTracker.get_milestone_status)
    get_journey_progress: Final = _waits(AsyncMilestoneTracker.get_journey_progress)
    retry_milestone: Final = _waits(AsyncMilestoneTracker.retry_milestone)
    rollback_milestone: Final = _waits(AsyncMilestoneTracker.rollback_milestone)
    skip_milestone: Final = _waits(AsyncMilestoneTracker.skip_milestone)
    get_milestone_history: Final = _waits(AsyncMilestoneTracker.get_milestone_history)
    get_milestone_analytics: Final = _waits(AsyncMilestoneTracker.get_milestone_analytics)


class JourneyAnalytics(_Blocking[AsyncJourneyAnalytics]):
    """As the asynchronous one; each operation waits for its answer."""

    calculate_journey_metrics: Final = _waits(AsyncJourneyAnalytics.calculate_journey_metrics)
    get_completion_rate: Final = _waits(AsyncJourneyAnalytics.get_completion_rate)
    get_average_duration: Final = _waits(AsyncJourneyAnalytics.get_average_duration)
    identify_drop_off_points: Final = _waits(AsyncJourneyAnalytics.identify_drop_off_points)
    analyze_journey_performance: Final = _waits(AsyncJourneyAnalytics.analyze_journey_performance)
    get_optimization_recommendations: Final = _waits(AsyncJourneyAnalytics.get_optimization_recommendations)
    compare_journeys: Final = _waits(AsyncJourneyAnalytics.compare_journeys)
    get_journey_benchmarks: Final = _waits(AsyncJourneyAnalytics.get_journey_benchmarks)


class Journeys(_Blocking[AsyncJourneys]):
    """As `saga_journey.Journeys`; each method waits for its answer."""

    @property
    def structured(self) -> StructuredJourneyOrchestrator:
        return StructuredJourneyOrchestrator(self._behind.structured, self._loop)

    @property
    def saga(self) -> SagaJourneyOrchestrator:
        return SagaJourneyOrchestrator(self._behind.saga, self._loop)

    @property
    def session(self) -> SessionJourneyOrchestrator:
        return SessionJourneyOrchestrator(self._behind.session, self._loop)

    @property
    def mvp(self) -> MVPJourneyOrchestrator:
        return MVPJourneyOrchestrator(self._behind.mvp, self._loop)

    @property
    def tracker(self) -> MilestoneTracker:
        return MilestoneTracker(self._behind.tracker, self._loop)

    @property
    def analytics(self) -> JourneyAnalytics:
        return JourneyAnalytics(self._behind.analytics, self._loop)

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


def _takes_what(
    opens: Callable[P, AbstractAsyncContextManager[AsyncJourneys]],
) -> Callable[[Callable[..., Iterator[Journeys]]], Callable[P, AbstractContextManager[Journeys]]]:
    """The function under it as a context manager with the arguments of `opens`, known to type checkers too."""

    def takes(function: Callable[..., Iterator[Journeys]]) -> Callable[P, AbstractContextManager[Journeys]]:
        return contextlib.contextmanager(function)

    return takes


class _Terminated(BaseException):
    """SIGTERM, in the middle of the block."""


def _wanted(settings: Settings | None = None, *, handle_sigterm: bool = True, **_: object) -> bool:
    return handle_sigterm if settings is None else settings.handle_sigterm


@contextlib.contextmanager
def _sigterm(wanted: bool) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()
    if not (wanted and main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL):
        yield
        return

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@_takes_what(bootstrap.open_journeys)
def open_journeys(store: str, **options: Any) -> Iterator[Journeys]:
    """As `saga_journey.open_journeys`, with the same options."""
    loop = _Loop()
    terminated = False
    try:
        opened = bootstrap.open_journeys(store, **options)
        journeys = loop.run(_enter(opened))
        try:
            with _sigterm(_wanted(**options)):
                yield Journeys(journeys, loop)
        except _Terminated:
            terminated = True
        finally:
            loop.run(_leave(opened))
    finally:
        loop.close()
    if terminated:
        signal.raise_signal(signal.SIGTERM)


async def _enter(opened: AbstractAsyncContextManager[AsyncJourneys]) -> AsyncJourneys:
    return await opened.__aenter__()


async def _leave(opened: AbstractAsyncContextManager[AsyncJourneys]) -> None:
    await opened.__aexit__(None, None, None)
