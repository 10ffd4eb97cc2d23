"""`keep_finished`: sagas that ended long ago are taken out, by whatever worker has the time, and everything else stays.

A worker looks once a minute, on the clock that stands still unless a test moves it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from saga_journey import (
    Compensated,
    Completed,
    Context,
    Journeys,
    Refused,
    Rejected,
    Resolved,
    Run,
    Saga,
    SagaStatus,
    external,
    milestone,
    open_journeys,
)
from saga_journey.authoring import Journey, MilestoneOf, child
from saga_journey.core.children import child_id
from saga_journey.core.events import MilestoneCompleted
from saga_journey.errors import Archived, KeyConflict, UnknownSaga
from saga_journey.ports import Cohort, Store
from saga_journey.testing.clock import some_turns, store_on
from saga_journey.testing.databases import look_into
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.participant import PATIENCE
from tests.acceptance.stage import Stage, ended

pytestmark = pytest.mark.anyio

T = TypeVar("T")
KEEP = 1000.0
LOOK = 60.0
"""How often a worker looks (seconds)."""
LONG = 1_000_000.0


class Shop:
    """What the milestones ask: it does what it is asked for, once it has refused so often as it was told to.

    It keeps no ledger: the journal that it would be compared with is taken out.
    """

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def will_refuse(self, *asked: str) -> None:
        """Each of them once: "do charge", "undo reserve"."""
        self.refusals += asked

    def step(self, name: str, **policy: Any) -> MilestoneOf[Any, Any]:
        async def act(ctx: Context[Any]) -> str:
            self.answer(f"do {name}")
            return f"{name} is done"

        async def take_back(ctx: Context[Any], result: str | None) -> None:
            self.answer(f"undo {name}")

        return milestone(act, undo=take_back, id=name, name=name, undo_name=f"undo_{name}", **policy)

    def answer(self, asked: str) -> None:
        if asked in self.refusals:
            self.refusals.remove(asked)
            raise Refused("no")

    def saga(self, *steps: MilestoneOf[Any, Any] | str, name: str = "checkout") -> Saga[Any]:
        milestones = [self.step(step) if isinstance(step, str) else step for step in steps]
        return Saga(name, version=1, milestones=milestones)


@pytest.fixture
def shop() -> Shop:
    return Shop()


class Looked(WrappedStore):
    """Knows up to when what had ended was taken out."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.before = 0.0
        self._news = asyncio.Event()

    async def prune(self, before: float, most: int, *, archive: bool) -> int:
        pruned = await super().prune(before, most, archive=archive)
        self.before = before
        self._news.set()
        return pruned

    async def looked(self, before: float) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.before < before:
                self._news.clear()
                await self._news.wait()
        await some_turns()


@dataclass
class Place:
    """A worker that takes out what ended, and its clock."""

    stage: Stage
    store: Looked
    journeys: Journeys

    async def passes(self, seconds: float) -> None:
        """So much time, a minute at least, and then the worker looks."""
        for span in filter(None, (seconds - LOOK, LOOK)):
            self.stage.clock.advance(span)
            await self.store.looked(self.stage.clock.now() - KEEP)

    async def started(self, *sagas: Journey[Any], **options: Any) -> list[Run]:
        """One run of each, one after the other; each has come to its end, or waits for a person."""
        runs = []
        for saga in sagas:
            runs.append(await self.journeys.start(saga, {}, **options))
            await ended(runs[-1])
        return runs

    async def left(self, *runs: Run) -> list[Run]:
        """Those that are still there."""
        return [run for run in runs if await self.store.find("default", run.saga_id) is not None]


@asynccontextmanager
async def keeping(stage: Stage, *sagas: Journey[Any], **options: Any) -> AsyncIterator[Place]:
    store = Looked(await store_on(stage.clock, stage.url))
    options = {"keep_finished": KEEP, "clock": stage.clock, "observers": [stage.story], **options}
    async with open_journeys(store, sagas=sagas, **options) as journeys:
        await store.looked(stage.clock.now() - KEEP)
        yield Place(stage, store, journeys)


# --- what goes, and what stays ----------------------------------------------------------------------------------------


async def test_what_ended_is_taken_out_when_its_time_has_passed(stage: Stage, shop: Shop) -> None:
    """However it ended; and not what ended ten seconds later."""
    saga, stuck = shop.saga("reserve", "charge"), shop.saga("book", "pay", name="stuck")
    async with keeping(stage, saga, stuck) as place:
        early = await place.started(saga)
        shop.will_refuse("do charge", "do pay", "undo book")
        early += await place.started(saga, stuck)
        await early[2].resolve("it is as it is")
        assert [type(await ended(run)) for run in early] == [Completed, Compensated, Resolved]
        stage.clock.advance(10)
        late = await place.started(saga)
        await place.passes(KEEP - 5)
        assert await place.left(*early, *late) == late
        assert [record.saga_id for record in await place.journeys.search()] == [late[0].saga_id]
        await place.passes(LOOK)
        assert await place.left(*late) == []


async def test_what_has_not_ended_stays(stage: Stage, shop: Shop) -> None:
    """What is called, what waits, what needs a person, and what is paused, though it began long ago."""
    door = asyncio.Event()

    async def work(ctx: Context[Any]) -> None:
        await door.wait()

    saga, short = shop.saga(milestone(work, undo=None, timeout=LONG)), shop.saga("greet", name="short")
    waits = shop.saga("ask", external("approval", undo=None, timeout=LONG), name="waits")
    stuck = shop.saga("book", "pay", name="stuck")
    shop.will_refuse("do pay", "undo book")
    async with keeping(stage, saga, waits, stuck, short) as place:
        (failed,) = await place.started(stuck)
        old = [await place.journeys.start(one, {}) for one in (saga, waits, waits)]
        _, paused, waiting = old
        await paused.pause()
        gone = await place.started(short)
        await place.passes(KEEP + LOOK)
        assert await place.left(*old, failed, *gone) == [*old, failed]
        views = [await run.status() for run in (*old, failed)]
        assert [view.status for view in views] == [
            SagaStatus(s) for s in ("in_progress", "paused", "in_progress", "failed")
        ]
        door.set()
        await paused.resume()
        for run in (paused, waiting):
            await run.advance("approval")
        assert all([isinstance(await ended(run), Completed) for run in old])
        await failed.resolve("enough")


class Nobody:
    """A publisher that takes nothing."""

    async def publish(self, rows: Sequence[Mapping[str, Any]]) -> None: ...


async def test_what_waits_to_be_published_stays_until_it_is(stage: Stage, shop: Shop) -> None:
    saga = shop.saga("reserve")
    async with keeping(stage, saga, publisher=Nobody()) as place:
        told = await place.started(saga)
        publish_all(stage)
        untold = await place.started(saga)
        await place.passes(KEEP + LOOK)
        assert await place.left(*told, *untold) == untold
        publish_all(stage)
        await place.passes(LOOK)
        assert await place.left(*untold) == []


def publish_all(stage: Stage) -> None:
    with closing(look_into(stage.url, writing=True)) as looking:
        looking.execute("update outbox set published_at = at")


async def test_a_family_goes_together_when_the_last_of_it_has_ended(stage: Stage, shop: Shop) -> None:
    """A parent, its child and the child's child. They are undone later, and it counts from then."""
    grandchild = shop.saga("work", name="grandchild")
    middle = shop.saga(child(grandchild), name="middle")
    parent = shop.saga(child(middle), name="parent")
    async with keeping(stage, parent, middle, grandchild) as place:
        family = [(await place.started(parent))[0]]
        for name in ("middle", "grandchild"):
            family.append(place.journeys.run(child_id(family[-1].saga_id, name, 1)))
        stage.clock.advance(500)
        assert (await family[0].compensate()).accepted
        assert [type(await ended(run)) for run in family] == [Compensated] * 3
        await place.passes(KEEP - 100)
        assert len(await place.left(*family)) == 3
        await place.passes(100 + LOOK)
        assert await place.left(*family) == []
        assert [await place.store.is_archived("default", run.saga_id) for run in family] == [True] * 3


async def test_a_child_that_ended_long_ago_stays_while_its_parent_goes_on(stage: Stage, shop: Shop) -> None:
    travel, short = shop.saga("flight", name="travel"), shop.saga("greet", name="short")
    approval = external("approval", undo=None, timeout=LONG)
    parent = shop.saga(child(travel), approval, name="parent")
    async with keeping(stage, parent, travel, short) as place:
        run = await place.journeys.start(parent, {})
        own = place.journeys.run(child_id(run.saga_id, "travel", 1))
        await stage.story.happened(MilestoneCompleted, saga=run.saga_id)
        gone = await place.started(short)
        await place.passes(KEEP + LOOK)
        assert await place.left(run, own, *gone) == [run, own]
        await run.advance("approval")
        assert isinstance(await ended(run), Completed)
        await place.passes(KEEP + LOOK)
        assert await place.left(run, own) == []


async def test_without_it_everything_stays(stage: Stage, shop: Shop) -> None:
    saga = shop.saga("reserve")
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await ended(run)
        await stage.clock.leap(LONG)
        assert isinstance(await ended(run), Completed)


# --- what is left of it -----------------------------------------------------------------------------------------------


async def test_its_key_is_free_again(stage: Stage, shop: Shop) -> None:
    """Before, another input under it is a conflict; afterwards it is another saga."""
    saga = shop.saga("reserve")
    async with keeping(stage, saga) as place:
        (run,) = await place.started(saga, key="order-42")
        with pytest.raises(KeyConflict):
            await place.journeys.start(saga, {"n": 2}, key="order-42")
        await place.passes(KEEP + LOOK)
        again = await place.journeys.start(saga, {"n": 2}, key="order-42")
        assert again.saga_id != run.saga_id
        assert isinstance(await ended(again), Completed)


ASKED: dict[str, Callable[[Run], Awaitable[Any]]] = {
    "status": Run.status,
    "history": Run.history,
    "outcome": Run.outcome,
    "preview": Run.preview,
    "compensate": Run.compensate,
    "cancel": Run.cancel,
    "retry": Run.retry,
}


@pytest.mark.parametrize("asked", ASKED)
async def test_who_asks_for_it_hears_that_it_was_archived(stage: Stage, shop: Shop, asked: str) -> None:
    """By whatever handle; and another tenant hears what it hears of any saga that is not its own."""
    saga = shop.saga("reserve")
    async with keeping(stage, saga) as place:
        (run,) = await place.started(saga)
        await place.passes(KEEP + LOOK)
        for handle in (run, place.journeys.run(run.saga_id)):
            with pytest.raises(Archived) as archived:
                await ASKED[asked](handle)
            assert str(archived.value) == (
                f"'{run.saga_id}' ended long ago and was archived: what it was is in the table `archive`"
            )
        with pytest.raises(UnknownSaga) as unknown:
            await ASKED[asked](place.journeys.run(run.saga_id, {"tenant_id": "globex"}))
        assert type(unknown.value) is UnknownSaga


@pytest.mark.parametrize("asked", ASKED)
async def test_who_asks_for_what_was_deleted_hears_that_there_is_none(stage: Stage, shop: Shop, asked: str) -> None:
    saga = shop.saga("reserve")
    async with keeping(stage, saga, archive_finished=False) as place:
        (run,) = await place.started(saga)
        await place.passes(KEEP + LOOK)
        with pytest.raises(UnknownSaga, match=r"no saga 'saga_.*' here: `saga ls` lists") as unknown:
            await ASKED[asked](run)
        assert type(unknown.value) is UnknownSaga


async def test_the_archive_holds_what_it_was(stage: Stage, shop: Shop) -> None:
    """Its whole journal and its commands with their answers, as JSON; when it ran, and how it ended."""
    saga = shop.saga(shop.step("reserve", params={"shop": 'O"Neill'}))
    async with keeping(stage, saga) as place:
        (run,) = await place.started(saga)
        stage.clock.advance(7)
        await run.compensate("a mistake", who="ann", command_id="c-1")
        assert isinstance(await ended(run), Compensated)
        record = await place.store.find("default", run.saga_id)
        assert record is not None
        rows = await place.store.load(record.key)
        await place.passes(KEEP + LOOK)
    with closing(look_into(stage.url)) as looking:
        columns = "tenant, run, saga, definition, status, started_at, ended_at, body"
        ((*said, body),) = looking.rows(f"select {columns} from archive")
        assert looking.rows("select count(*) from journal") == looking.rows("select count(*) from command") == [(0,)]
    assert said == [*record.key, run.saga_id, record.definition, "compensated", record.started_at, record.updated_at]
    told = json.loads(body)
    assert told["turns"] == [[row.seq, row.epoch, row.at, json.loads(row.events)] for row in rows]
    ((command_id, name, command, sent_at, answer, answered_at),) = told["commands"]
    assert (command_id, name, command["reason"], answer["code"]) == ("c-1", "compensate", "a mistake", "applied")
    assert sent_at == answered_at == record.started_at + 7


async def test_no_figure_counts_it(stage: Stage, shop: Shop) -> None:
    saga = shop.saga("reserve")
    async with keeping(stage, saga) as place:
        await place.started(saga)
        definitions = [journey.definition for journey in await place.store.figures.journeys("default")]
        cohort = Cohort(tuple(definitions), 0.0, stage.clock.now() + LONG)
        assert [count.runs for count in await place.store.figures.counts("default", cohort)] == [1]
        await place.passes(KEEP + LOOK)
        assert await place.store.figures.counts("default", cohort) == []
        assert await place.store.figures.durations("default", cohort) is None
        assert await place.store.figures.newest("default", cohort, 10) == []


# --- who asks in the same moment --------------------------------------------------------------------------------------


class TakenOutBeforeIt(WrappedStore):
    """Just before a command is stored, everything that ended is taken out."""

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        if name == "send":
            await self.inner.prune(LONG**2, 100, archive=True)
        return await write()


@pytest.mark.parametrize("working", [True, False])
async def test_a_command_that_comes_too_late_by_a_moment_is_rejected(stage: Stage, shop: Shop, working: bool) -> None:
    """It was found, and it is gone when the command arrives."""
    saga = shop.saga("reserve")
    store = TakenOutBeforeIt(await store_on(stage.clock, stage.url))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await ended(run)
        async with open_journeys(store, sagas=[saga], clock=stage.clock, working=working) as late:
            with pytest.raises(Rejected, match="it ended long ago, and was taken out just now") as rejected:
                await asyncio.wait_for(late.run(run.saga_id).compensate(), PATIENCE)
        assert rejected.value.code == "pruned"
        with pytest.raises(Archived):
            await run.status()


class LooksLate(WrappedStore):
    """It looks for an answer for the first time when that has been taken out already, with its run."""

    async def around_read(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        if name == "answer_to":
            async with asyncio.timeout(PATIENCE):
                while not await self.inner.prune(LONG**2, 100, archive=True):
                    await some_turns()
        return await read()


async def test_who_hears_nothing_of_a_command_until_its_saga_is_gone_does_not_wait_for_ever(
    stage: Stage, shop: Shop
) -> None:
    """Another process answered it, and took the saga out; the one that asked was away so long."""
    saga = shop.saga("reserve")
    store = LooksLate(await store_on(stage.clock, stage.url))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await ended(run)
        async with open_journeys(store, sagas=[saga], clock=stage.clock, working=False) as away:
            with pytest.raises(Rejected) as rejected:
                await asyncio.wait_for(away.run(run.saga_id).compensate(), PATIENCE)
        assert rejected.value.code == "pruned"


async def test_what_somebody_wants_undone_stays_until_it_is(stage: Stage, shop: Shop) -> None:
    """It was asked in time, when nobody was there to do it; the next worker takes out others, and undoes this one."""
    saga = shop.saga("reserve")
    async with stage.moving(saga) as journeys:
        wanted, other = [await journeys.start(saga, {}) for _ in range(2)]
        await asyncio.gather(ended(wanted), ended(other))
    async with stage.moving(saga, working=False) as outside:
        asking = asyncio.create_task(outside.run(wanted.saga_id).compensate())
        await stage.clock.leap(KEEP + LOOK)
        async with keeping(stage, saga) as place:
            assert (await asyncio.wait_for(asking, PATIENCE)).accepted
            assert await place.left(wanted, other) == [wanted]
            assert isinstance(await ended(place.journeys.run(wanted.saga_id)), Compensated)
