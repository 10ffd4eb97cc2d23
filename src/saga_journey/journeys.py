"""`Journeys`: what `open_journeys` gives. Start sagas, talk to them, watch them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from saga_journey.authoring import Journey
from saga_journey.errors import SagaJourneyError
from saga_journey.handlers.curator import Curator
from saga_journey.ports import Observer, RunRecord, Search, Store
from saga_journey.runs import Run, Runs, UserContext

if TYPE_CHECKING:
    from saga_journey.orchestrators.analytics import JourneyAnalytics
    from saga_journey.orchestrators.mvp import MVPJourneyOrchestrator
    from saga_journey.orchestrators.saga import SagaJourneyOrchestrator
    from saga_journey.orchestrators.session import SessionJourneyOrchestrator
    from saga_journey.orchestrators.structured import StructuredJourneyOrchestrator
    from saga_journey.orchestrators.tracker import MilestoneTracker

I = TypeVar("I")  # noqa: E741 - the input type of a saga


class Journeys:
    """All journeys of one store. Use it from the event loop that opened it."""

    def __init__(self, runs: Runs, opened: frozenset[str]) -> None:
        self._runs = runs
        self._opened = opened

    # --- the other doors: a program uses few of them, and imports only those ---

    @cached_property
    def saga(self) -> SagaJourneyOrchestrator:
        """The second door: sagas designed from plain data."""
        from saga_journey.orchestrators.saga import SagaJourneyOrchestrator

        return SagaJourneyOrchestrator(self._runs)

    @cached_property
    def structured(self) -> StructuredJourneyOrchestrator:
        """Ordered journeys, undone by hand."""
        from saga_journey.orchestrators.structured import StructuredJourneyOrchestrator

        return StructuredJourneyOrchestrator(self._runs)

    @cached_property
    def session(self) -> SessionJourneyOrchestrator:
        """Free navigation: areas in any order."""
        from saga_journey.orchestrators.session import SessionJourneyOrchestrator

        return SessionJourneyOrchestrator(self._runs)

    @cached_property
    def mvp(self) -> MVPJourneyOrchestrator:
        """The four-pillar journey."""
        from saga_journey.orchestrators.mvp import MVPJourneyOrchestrator

        return MVPJourneyOrchestrator(self._runs)

    @cached_property
    def tracker(self) -> MilestoneTracker:
        """Milestones one by one: where they stand, and what a person can do with them."""
        from saga_journey.orchestrators.tracker import MilestoneTracker

        return MilestoneTracker(self._runs)

    @cached_property
    def analytics(self) -> JourneyAnalytics:
        """Numbers about a journey: completion, durations, where runs stop, what to look at."""
        from saga_journey.orchestrators.analytics import JourneyAnalytics

        return JourneyAnalytics(self._runs)

    # --- runs ---

    @property
    def store(self) -> Store:
        return self._runs.store

    @property
    def curator(self) -> Curator:
        """The handlers that this process has."""
        return self._runs.curator

    async def start(
        self, journey: Journey[I], input: I, *, key: str | None = None, user_context: UserContext | None = None
    ) -> Run:
        """Starts a run; durable when it returns. The same `key` with the same input gives the same run.

        Raises InvalidInput or NotJson (the input does not fit), KeyConflict (the key has another input), Overloaded,
        StoreFull or Closed (nothing can be started now); whatever is raised, nothing was started.
        """
        if journey.definition.hash not in self._opened:
            raise SagaJourneyError(
                f"{journey.name!r} was not opened here: open_journeys(…, sagas=[{journey.name}]) registers its handlers"
            )
        children = [child.definition for child in journey.family()]
        return await self._runs.start(journey.definition, input, key=key, who=user_context, children=children)

    def run(self, saga_id: str, user_context: UserContext | None = None) -> Run:
        """A handle on a saga that was started earlier, here or elsewhere."""
        return self._runs.run(saga_id, user_context)

    async def search(self, search: Search | None = None, user_context: UserContext | None = None) -> list[RunRecord]:
        """Runs of your tenant, newest first."""
        return await self._runs.search(search or Search(), user_context)

    def observe(self, observer: Observer) -> None:
        """Tells `observer` of every committed turn and of every attempt, on the engine's loop; it must not block."""
        self._runs.engine.add_observer(observer)

    async def close(self) -> None:
        """Lets the calls under way end, releases the rest, closes the store."""
        await self._runs.engine.close()
        await self._runs.store.close()
