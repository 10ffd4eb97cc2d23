"""A worker whose lease ran out: what others have taken over is called there no more, and what nobody took goes on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from saga_journey import Completed, Context, Journeys, Run, Saga, Working, milestone, open_journeys
from saga_journey.authoring import parallel, timer
from saga_journey.core import events as ev
from saga_journey.errors import StoreUnreachable
from saga_journey.ports import RunKey, Store
from saga_journey.testing.clock import ManualClock, some_turns, store_on
from saga_journey.testing.databases import look_into
from saga_journey.testing.witness import install_witness
from saga_journey.testing.wrapping import WatchedStore
from tests.acceptance.cluster import Cluster, cluster_at
from tests.acceptance.participant import PATIENCE
from tests.acceptance.processes import Program
from tests.acceptance.programs.caught import sagas
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.anyio

T = TypeVar("T")
LEASE = 1.0
CLAIMED = "another worker has claimed it; what was decided here is dropped"


async def caught(cluster: Cluster, worker: Program, line: Journeys) -> list[Run]:
    """Two sagas whose handlers have begun: one that can be cancelled, and one in a thread."""
    waiting, blocking, _ = sagas()
    runs = [await line.start(waiting, {}), await line.start(blocking, {})]
    await heard(worker, "wait #1 begins", "block #1 begins")
    return runs


async def heard(worker: Program, *lines: str) -> None:
    """It says these, in whatever order."""
    while missing := [line for line in lines if line not in worker.said]:
        await worker.line(missing[0])


async def test_a_worker_that_was_stopped_ends_its_attempts_at_once_and_goes_on(cluster: Cluster) -> None:
    """Another one has ended its sagas. Its handler is cancelled, the result of its thread is dropped, it says so."""
    async with cluster.outside_with(*sagas()) as line, cluster.worker("", name="caught", lease=LEASE) as frozen:
        runs = await caught(cluster, frozen, line)
        frozen.signal(signal.SIGSTOP)
        async with cluster.worker("", name="caught", lease=LEASE) as other:
            outcomes = [await ended(run) for run in runs]
            told = [await journal(run) for run in runs]
            frozen.signal(signal.SIGCONT)
            async with asyncio.timeout(3):
                await heard(frozen, "wait #1 is cancelled", *(f"log {run.saga_id}: {CLAIMED}" for run in runs))
            frozen.say("open")
            await frozen.line("block #1 ends")
            await other.left()
        greeting = await line.start(sagas()[2], {})
        assert isinstance(await ended(greeting), Completed)
        assert [await journal(run) for run in runs] == told
        await frozen.left()
    assert [outcome.results for outcome in outcomes if isinstance(outcome, Completed)] == [
        {"wait": "of attempt 2"},
        {"block": "of attempt 2"},
    ]
    assert [lines[1:] for lines in told] == [
        [f"attempt_lost {name} do", f"milestone_completed {name}", "saga_completed"] for name in ("wait", "block")
    ]
    assert sorted(frozen.logged) == sorted(f"log {run.saga_id}: {CLAIMED}" for run in runs)
    assert "wait #1 ends" not in frozen.said
    assert (frozen.errors, other.logged) == ("", [])


# --- when the server was away ---------------------------------------------------------------------------------------


@asynccontextmanager
async def on_a_server_of_its_own(place: Path) -> AsyncIterator[tuple[PostgresServer, Cluster]]:
    from saga_journey.stores.postgres.migrate import migrate_database  # needs asyncpg, which may be absent

    with running_postgres() as server:
        url = server.databases.fresh()
        await migrate_database(url)
        install_witness(url)
        async with cluster_at(url, place) as cluster:
            yield server, cluster


async def test_when_the_server_was_away_and_nobody_else_is_there_nothing_is_cancelled(tmp_path: Path) -> None:
    """PostgreSQL is killed, and comes back after the lease is over: the calls under way end as if nothing had been."""
    async with (
        on_a_server_of_its_own(tmp_path) as (server, cluster),
        cluster.outside_with(*sagas()) as line,
        cluster.worker("", name="caught", lease=LEASE) as worker,
    ):
        runs = await caught(cluster, worker, line)
        server.kill()
        server.start()
        with closing(look_into(cluster.url, writing=True)) as there:
            there.execute("update owner set lease_until = 0")  # however quickly it came up
        await lapsed(cluster, line)
        greeting = await line.start(sagas()[2], {})
        assert isinstance(await ended(greeting), Completed)
        worker.say("open")
        outcomes = [await ended(run) for run in runs]
        told = [await journal(run) for run in runs]
        await worker.left()
    assert [outcome.results for outcome in outcomes if isinstance(outcome, Completed)] == [
        {"wait": "of attempt 1"},
        {"block": "of attempt 1"},
    ]
    assert told == [["saga_started", f"milestone_completed {name}", "saga_completed"] for name in ("wait", "block")]
    assert not [line for line in worker.logged if CLAIMED in line]


async def lapsed(cluster: Cluster, line: Journeys) -> None:
    """The worker has come back after its lease was over."""

    async def is_seen() -> bool:
        with closing(look_into(cluster.url)) as looking:
            return looking.rows("select count(*) from owner where lapsed_at is not null") == [(1,)]

    await cluster.seen(line, is_seen)


# --- in one process, on clocks of their own ---------------------------------------------------------------------------


class Handler:
    """Waits until it is answered; says when it is called, and when it is cancelled."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answers: list[asyncio.Future[str]] = []
        self._news = asyncio.Event()

    async def act(self, ctx: Context[Any]) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        self._say("called")
        try:
            return await answer
        except asyncio.CancelledError:
            self._say("cancelled")
            raise

    def _say(self, line: str) -> None:
        self.said.append(line)
        self._news.set()

    async def has_said(self, *lines: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while self.said != [*lines]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it said {self.said}") from None

    def give_up(self) -> None:
        for answer in self.answers:
            if not answer.done():
                answer.set_result("the test is over")

    def saga(self) -> Saga[Any]:
        return Saga("waiting", version=1, milestones=[milestone(self.act, undo=None, name="act", timeout=1000)])


class Beside(Handler):
    """The same in a block, where each call has a lane of its own."""

    def saga(self) -> Saga[Any]:
        act = milestone(self.act, undo=None, name="act", id="act", timeout=1000)
        return Saga("waiting", version=1, milestones=[parallel(act, timer("nap", 10_000))])


@asynccontextmanager
async def worker_on(store: Store, handler: Handler, clock: ManualClock, **options: Any) -> AsyncIterator[Journeys]:
    async with open_journeys(store, sagas=[handler.saga()], clock=clock, **options) as journeys:
        try:
            yield journeys
        finally:
            handler.give_up()


class Faulty(WatchedStore):
    """Asked what an owner holds, the server goes away, once. A gate keeps renewals for as long as it is closed."""

    unreachable = 0
    unforeseen = 0
    gate: asyncio.Event | None = None

    async def held(self, owner: int) -> set[RunKey]:
        if self.unreachable:
            self.unreachable -= 1
            raise StoreUnreachable("gone")
        return await super().held(owner)

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        if name == "renew" and self.gate is not None:
            await self.gate.wait()
        if name == "renew" and self.unforeseen:
            self.unforeseen -= 1
            raise RuntimeError("nobody foresaw this")
        return await super().around_write(name, write)


async def test_when_it_cannot_ask_what_it_has_lost_it_asks_again(stage: Stage) -> None:
    """Its lease had run out, then the server went away for a moment: the next renewal does not make it forget."""
    mine, others, clock = Handler(), Handler(), ManualClock()
    store = Faulty(await store_on(clock, stage.url))
    store.unreachable = 1
    async with worker_on(store, mine, clock) as frozen:
        run = await frozen.start(mine.saga(), {})
        await mine.has_said("called")
        async with worker_on(await store_on(stage.clock, stage.url), others, stage.clock, lease=1000):
            stage.clock.advance(20)
            await others.has_said("called")
            for seconds in (20, 5):
                clock.advance(seconds)
                await store.quiet()
            await mine.has_said("called", "cancelled")
            assert store.unreachable == 0
            others.answers[0].set_result("theirs")
            assert isinstance(await ended(run), Completed)


@pytest.mark.parametrize("handler", [Handler, Beside])
async def test_whose_lease_has_run_out_calls_nothing_before_it_is_renewed(stage: Stage, handler: type[Handler]) -> None:
    """The next attempt fell due while it was frozen: nobody knows yet whether the saga is still its own."""
    mine, clock = handler(), ManualClock()
    store = Faulty(await store_on(clock, stage.url))
    async with worker_on(store, mine, clock, observers=[stage.story]) as frozen:
        run = await frozen.start(mine.saga(), {})
        await mine.has_said("called")
        mine.answers[0].set_exception(Working(retry_in=0.5))
        await stage.story.happened(ev.AttemptWorking)
        store.gate = asyncio.Event()
        clock.advance(60)
        await some_turns()
        assert mine.said == ["called"]
        store.gate.set()
        await mine.has_said("called", "called")
        mine.answers[1].set_result("mine")
        await stage.story.happened(ev.MilestoneCompleted)
        clock.advance(10_000)
        assert isinstance(await ended(run), Completed)


async def test_a_renewal_that_fails_for_a_reason_that_nobody_foresaw_is_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the worker would live, and call nothing any more."""
    mine, clock = Handler(), ManualClock()
    store = Faulty(await store_on(clock, stage.url))
    async with worker_on(store, mine, clock, observers=[stage.story]) as worker:
        run = await worker.start(mine.saga(), {})
        await mine.has_said("called")
        mine.answers[0].set_exception(Working(retry_in=0.5))
        await stage.story.happened(ev.AttemptWorking)
        store.unforeseen = 1
        clock.advance(60)
        await some_turns()
        clock.advance(2)
        await mine.has_said("called", "called")
        mine.answers[1].set_result("mine")
        assert isinstance(await ended(run), Completed)
    assert "the lease could not be renewed: nobody foresaw this" in caplog.messages


async def test_what_others_took_and_gave_back_is_not_called_twice_at_once(stage: Stage) -> None:
    """It claims the saga again before it has noticed that it had lost it: the old call is cancelled, and the new one
    waits until the lease is renewed."""
    mine, clock = Handler(), ManualClock()

    async def later(ctx: Context[Any]) -> str:
        raise Working(retry_in=30)

    theirs = Saga("waiting", version=1, milestones=[milestone(later, undo=None, name="act", id="act", timeout=1000)])
    store = Faulty(await store_on(clock, stage.url))
    async with worker_on(store, mine, clock, observers=[stage.story]) as frozen:
        run = await frozen.start(mine.saga(), {})
        await mine.has_said("called")
        async with stage.moving(theirs, lease=1000):
            stage.clock.advance(20)
            await stage.story.happened(ev.AttemptWorking)
        store.gate = asyncio.Event()
        clock.advance(60)
        await mine.has_said("called", "cancelled")
        store.gate.set()
        await mine.has_said("called", "cancelled", "called")
        await some_turns()
        mine.answers[1].set_result("mine")
        assert isinstance(await ended(run), Completed)
