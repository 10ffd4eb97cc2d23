"""A worker process of a bad day: it moves sagas until it is told to end, or is killed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from saga_journey import open_journeys
from saga_journey.ports import Fenced, Store, TurnWrite
from saga_journey.testing.databases import open_store
from saga_journey.testing.ledger import Ledger
from saga_journey.testing.wrapping import WrappedStore
from tests.chaos.notes import Notes
from tests.chaos.place import Place, never_behind
from tests.chaos.sagas import mix
from tests.chaos.signals import told_to_end
from tests.crash.life import Publishing


@dataclass(frozen=True)
class Job:
    """How workers work. `tells_commits`: each of them is noted."""

    lease: float
    concurrency: int = 16
    tells_commits: bool = False


class TellingStore(WrappedStore):
    """Notes what happens to a worker that comes back: writes that were fenced, leases that had run out."""

    def __init__(self, inner: Store, notes: Notes, *, tells_commits: bool) -> None:
        super().__init__(inner)
        self._notes = notes
        self._tells_commits = tells_commits
        self.refused = asyncio.Event()

    async def commit(self, turn: TurnWrite) -> None:
        """Who waits may be told first that the saga is lost, and wait no more: the verdict is noted all the same."""
        write = asyncio.ensure_future(super().commit(turn))
        write.add_done_callback(lambda done: self._note_verdict(turn, done))
        await asyncio.shield(write)

    def _note_verdict(self, turn: TurnWrite, done: asyncio.Future[None]) -> None:
        if done.cancelled():
            return
        if isinstance(done.exception(), Fenced):
            self.refused.set()
            self._notes.note("fenced", run=turn.key.run, epoch=turn.epoch, seq=turn.seq)
        elif self._tells_commits and done.exception() is None:
            self._notes.note("commit")

    async def renew(self, owner: int, lease: float) -> bool:
        in_time = await super().renew(owner, lease)
        if not in_time:
            self._notes.note("lapsed", owner=owner)
        return in_time


def work(place: Place, name: str, job: Job) -> None:
    """The whole life of the process."""
    place.log_as(name)
    asyncio.run(_live(place, Notes(place.notes, name), job))


async def _live(place: Place, notes: Notes, job: Job) -> None:
    over = told_to_end()
    ledger = Ledger(place.ledger, database=place.url, now=never_behind(place.url), strict=False)
    _ = ledger.journal  # connected before several participants ask for it at once, each in a thread of its own
    store = TellingStore(await open_store(place.url), notes, tells_commits=job.tells_commits)
    async with open_journeys(
        store,
        sagas=mix(ledger),
        publisher=Publishing(),
        lease=job.lease,
        concurrency=job.concurrency,
        handle_sigterm=False,
    ):
        notes.note("open")
        await over.wait()
    ledger.close()
