"""Where a test plays: a database, a participant, a clock, and what was seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from saga_journey import Journeys, Outcome, Run, Saga, open_journeys
from saga_journey.authoring import BlockOf, Journey, MilestoneOf
from saga_journey.stores.server_url import is_postgres
from saga_journey.stores.sqlite.migrate import migrate_file
from saga_journey.testing.checker import check
from saga_journey.testing.clock import ManualClock, store_on
from saga_journey.testing.witness import install_witness
from tests.acceptance.participant import PATIENCE, Participant
from tests.acceptance.sagas import step
from tests.acceptance.story import Story

MOMENT = 0.2
"""Longer than the engine takes to notice that the time of a call is up: it looks ten times a second."""


class Stage:
    """Everything of one test. What it opens uses its clock, store time included."""

    def __init__(self, url: str, folder: Path, clock: ManualClock) -> None:
        self.url = url
        self.folder = folder
        self.clock = clock
        self.participant = watched(url, folder, clock.now)
        self.story = Story()

    def step(self, milestone_id: str, /, **policy: Any) -> MilestoneOf[Any, Any]:
        """A milestone that asks this participant."""
        return step(self.participant, milestone_id, **policy)

    def saga(
        self,
        *milestones: MilestoneOf[Any, Any] | BlockOf[Any] | str,
        name: str = "checkout",
        kind: type[Journey[Any]] = Saga,
        **options: Any,
    ) -> Journey[Any]:
        """A saga of these milestones; a name alone is a step with nothing special about it."""
        steps = [self.step(m) if isinstance(m, str) else m for m in milestones]
        return kind(name, version=1, milestones=steps, **options)

    def child(self, *milestones: MilestoneOf[Any, Any] | BlockOf[Any] | str, name: str) -> Saga[Any]:
        """A saga that can be a milestone of another one."""
        saga = self.saga(*milestones, name=name)
        assert isinstance(saga, Saga)
        return saga

    @asynccontextmanager
    async def moving(
        self, *sagas: Journey[Any], clock: ManualClock | None = None, **options: Any
    ) -> AsyncIterator[Journeys]:
        """Journeys on this database, on manual time. `clock`: another one than the stage's, for a worker apart."""
        time = clock or self.clock
        store = await store_on(time, self.url)
        options.setdefault("observers", [self.story])
        async with open_journeys(store, sagas=sagas, clock=time, **options) as journeys:
            try:
                yield journeys
            except BaseException:
                self.participant.give_up()  # else the calls that are held would keep it from closing
                raise


def watched(url: str, folder: Path, now: Callable[[], float] | None = None) -> Participant:
    """A new database with a witness in it from the start, and its participant, whose ledger is in the folder."""
    if not is_postgres(url):  # there it is a copy of one that has both
        migrate_file(url)
        install_witness(url)
    return Participant(url, folder, now)


def violations(participant: Participant) -> list[str]:
    """What it protested against, and what the checker finds: every promise that was broken."""
    participant.book.close()
    ledger = participant.ledger_file if participant.calls else None  # without calls, the test has its own handlers
    return [*participant.protests, *map(str, check(participant.database, ledger))]


async def ended(run: Run) -> Outcome:
    """The outcome; a saga that has none after a long while fails the test instead of hanging it."""
    return await run.outcome(timeout=PATIENCE)
