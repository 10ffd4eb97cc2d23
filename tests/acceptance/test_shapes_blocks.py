"""Parallel blocks in the engine: branches run at once, and nothing is taken back under a call (rules 5, 6, 36)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from saga_journey import Compensated, Completed, Context, Journeys, Refused, Retry, Saga, milestone, open_journeys
from saga_journey.authoring import Structured, external, parallel, timer, to
from saga_journey.core.commands import Answer
from saga_journey.core.events import AttemptLost, CompensationDecided, MilestoneCompleted, MilestoneRefused, Resumed
from saga_journey.ports import RunKey, Store, TurnWrite
from saga_journey.testing.clock import some_turns, store_on
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.participant import PATIENCE, away, done, fail, hold, later, refuse
from tests.acceptance.sagas import AT_ONCE, ONCE
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

pytestmark = pytest.mark.anyio

T = TypeVar("T")
SLOWLY = Retry(attempts=3, first=0.9, factor=1, most=0.9)
"""Short enough for the claim to be kept meanwhile."""


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    stage.participant.side_by_side = True
    return stage


def trip(stage: Stage, **options: object) -> Saga[object]:
    block = parallel(stage.step("flight"), [stage.step("car"), stage.step("seat")])
    return stage.saga(stage.step("plan"), block, stage.step("pay"), **options)  # type: ignore[return-value,arg-type]


# --- at the same time -------------------------------------------------------------------------------------------------


async def test_two_branches_really_run_at_the_same_time(stage: Stage) -> None:
    stage.participant.will("flight", hold(effect=True))
    stage.participant.will("car", hold(effect=True))
    async with stage.moving(trip(stage)) as journeys:
        run = await journeys.start(trip(stage), {})
        flight, car = await stage.participant.called("flight"), await stage.participant.called("car")
        assert flight.live
        assert car.live
        car.answer(done())
        seat = await stage.participant.called("seat")
        assert flight.live
        assert flight.fence < car.fence < seat.fence
        flight.answer(done())
        assert isinstance(await ended(run), Completed)
    assert stage.participant.standing() == ["plan", "flight", "car", "seat", "pay"]


async def test_plain_functions_run_at_the_same_time_in_threads_of_their_own(stage: Stage) -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE)
    book: list[str] = []

    def one(ctx: Context[object]) -> None:
        meeting.wait()

    def other(ctx: Context[object]) -> None:
        meeting.wait()

    def undo_one(ctx: Context[object], result: None) -> None:
        book.append("undo one")

    def undo_other(ctx: Context[object], result: None) -> None:
        book.append("undo other")

    block = parallel(milestone(one, undo=undo_one), milestone(other, undo=undo_other))
    steps: list[Any] = [block, milestone(say_no, undo=None)]
    saga: Saga[object] = Saga("meeting", version=1, milestones=steps)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        assert isinstance(await ended(run), Compensated)
    assert book == ["undo other", "undo one"]


async def say_no(ctx: Context[object]) -> None:
    raise Refused("no")


async def test_a_timer_runs_beside_a_call(stage: Stage) -> None:
    saga = stage.saga(parallel(timer("nap", 30), stage.step("work")), stage.step("after"))
    stage.participant.will("work", hold(effect=True))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("work")
        stage.clock.advance(30)
        await stage.story.happened(MilestoneCompleted)
        assert call.live
        call.answer(done())
        assert isinstance(await ended(run), Completed)
    assert await told(stage, run.saga_id) == [
        "milestone_completed nap",
        "milestone_completed work",
        "milestone_completed after",
        "saga_completed",
    ]


async def told(stage: Stage, saga_id: str) -> list[str]:
    """The journal of a run after its starts."""
    async with stage.moving() as journeys:
        lines = await journal(journeys.run(saga_id))
    return [line for line in lines if not line.startswith(("saga_started", "attempt_started"))]


async def test_a_choice_leads_into_a_block(stage: Stage) -> None:
    big, small = to("flight", when="input.total > 100"), to("end")
    block = parallel(stage.step("flight"), stage.step("car"))
    saga = stage.saga(stage.step("plan", next_steps=[big, small]), block)
    async with stage.moving(saga) as journeys:
        large, little = await journeys.start(saga, {"total": 500}), await journeys.start(saga, {"total": 5})
        assert isinstance(await ended(large), Completed)
        assert isinstance(await ended(little), Completed)
    assert stage.participant.standing(large.saga_id) == ["plan", "flight", "car"]
    assert stage.participant.standing(little.saga_id) == ["plan"]


# --- one branch fails -------------------------------------------------------------------------------------------------


async def test_a_refusal_waits_for_the_calls_under_way_and_undoes_them_first(stage: Stage) -> None:
    stage.participant.will("flight", hold())
    stage.participant.will("car", hold(effect=True))
    saga = trip(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        flight, car = await stage.participant.called("flight"), await stage.participant.called("car")
        flight.answer(refuse())
        await stage.story.happened(CompensationDecided)
        assert car.live
        assert "undo" not in [call.op for call in stage.participant.calls]
        car.answer(done())
        assert isinstance(await ended(run), Compensated)
        lines = await journal(run)
    assert lines[-6:] == [
        "milestone_refused flight",
        "compensation_decided failure",
        "milestone_completed car",
        "milestone_compensated car",
        "milestone_compensated plan",
        "saga_compensated",
    ]
    assert [call.milestone for call in stage.participant.calls if call.op == "undo"] == ["car", "plan"]


async def test_a_branch_that_runs_out_of_time(stage: Stage) -> None:
    """It is given up and undone; its sibling is let end, and undone after it: the other one had started later."""
    stage.participant.will("flight", hold(effect=True))
    stage.participant.will("car", hold(effect=True))
    block = parallel(stage.step("flight", timeout=10.0, retry=ONCE), stage.step("car", timeout=60.0))
    saga = stage.saga(block)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.participant.called("flight")
        car = await stage.participant.called("car")
        stage.clock.advance(10 + MOMENT)
        await stage.story.happened(CompensationDecided)
        assert car.live
        car.answer(done())
        assert isinstance(await ended(run), Compensated)
    undone = [(call.milestone, call.given) for call in stage.participant.calls if call.op == "undo"]
    assert undone == [("car", {"of": "car"}), ("flight", None)]


async def test_a_thread_that_comes_late_in_one_branch_holds_the_undo_of_the_other(stage: Stage) -> None:
    entered, release, book = threading.Event(), threading.Event(), list[str]()

    def slow(ctx: Context[object]) -> None:
        entered.set()
        assert release.wait(PATIENCE)
        book.append("slow has its effect")

    def undo_slow(ctx: Context[object], result: None) -> None:
        book.append("undo slow")

    async def quick(ctx: Context[object]) -> None:
        book.append("quick")

    async def undo_quick(ctx: Context[object], result: None) -> None:
        book.append("undo quick")

    late = milestone(slow, undo=undo_slow, timeout=10.0, retry=ONCE)
    saga = Saga("late", version=1, milestones=[parallel(late, milestone(quick, undo=undo_quick))])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        await stage.story.happened(MilestoneCompleted)
        stage.clock.advance(10 + MOMENT)
        await stage.clock.pass_time(5)
        assert book == ["quick"]
        release.set()
        assert isinstance(await ended(run), Compensated)
    assert book == ["quick", "slow has its effect", "undo quick", "undo slow"]


async def test_a_branch_that_never_ends_is_left_behind_and_the_block_goes_on(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """After `linger` seconds the next attempt is made beside the thread, and what the thread says then is nobody's."""
    release, entered, book = threading.Event(), threading.Event(), list[str]()

    def stubborn(ctx: Context[object]) -> str:
        book.append(f"stubborn {ctx.attempt}")
        if ctx.attempt == 1:
            entered.set()
            release.wait(PATIENCE)
        return f"attempt {ctx.attempt}"

    async def quick(ctx: Context[object]) -> None:
        book.append("quick")

    slow = milestone(stubborn, undo=None, timeout=10.0, retry=AT_ONCE)
    saga = Saga("stubborn", version=1, milestones=[parallel(slow, milestone(quick, undo=None))])
    async with stage.moving(saga, linger=5) as journeys:
        run = await journeys.start(saga, {})
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        await stage.story.happened(MilestoneCompleted)
        stage.clock.advance(10 + MOMENT)
        with caplog.at_level(logging.WARNING, "saga_journey.engine"):
            stage.clock.advance(5)
            outcome = await ended(run)
        release.set()
    assert isinstance(outcome, Completed)
    assert outcome.results["stubborn"] == "attempt 2"
    assert sorted(book) == ["quick", "stubborn 1", "stubborn 2"]
    assert len(caplog.records) == 1


async def test_a_branch_backs_off_while_the_other_one_is_called(stage: Stage) -> None:
    stage.participant.will("flight", fail(), fail())
    saga = stage.saga(parallel(stage.step("flight", retry=AT_ONCE), stage.step("car")))
    stage.participant.will("car", hold(effect=True))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        car = await stage.participant.called("car")
        await stage.story.happened(MilestoneCompleted)
        assert car.live
        car.answer(done())
        assert isinstance(await ended(run), Completed)
    assert [(c.milestone, c.attempt) for c in stage.participant.calls if c.milestone == "flight"] == [
        ("flight", 1),
        ("flight", 2),
        ("flight", 3),
    ]


async def test_a_long_backoff_beside_a_long_wait_holds_no_claim(stage: Stage) -> None:
    """Nothing of it needs a worker for a while: its place is free, and it goes on by itself (rule 34)."""
    far = Retry(attempts=3, first=500.0, factor=1, most=500.0)
    boss = external("boss", undo=None, timeout=5000.0)
    saga = stage.saga(parallel(stage.step("flight", retry=far), boss))
    stage.participant.will("flight", fail())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.participant.called("flight")
        await until_nobody_owns(journeys, run.saga_id)
        stage.clock.advance(500)
        await stage.participant.called("flight")
        await run.advance("boss")
        assert isinstance(await ended(run), Completed)


async def until_nobody_owns(journeys: Journeys, saga_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while any(record.owner is not None for record in await journeys.search() if record.saga_id == saga_id):
            pass


# --- graceful stop ----------------------------------------------------------------------------------------------------


async def test_a_graceful_stop_in_the_middle_of_a_block_loses_no_attempt(stage: Stage) -> None:
    stage.participant.will("flight", hold(effect=True))
    stage.participant.will("car", hold(effect=True))
    saga = trip(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        flight, car = await stage.participant.called("flight"), await stage.participant.called("car")
        closing = asyncio.create_task(journeys.close())
        car.answer(done())
        await stage.story.happened(MilestoneCompleted, 2)
        assert not closing.done()
        flight.answer(done())
        await closing
    assert stage.participant.ledger() == ["do plan #1: applied", "do flight #1: applied", "do car #1: applied"]
    async with stage.moving(saga) as journeys:
        assert isinstance(await ended(journeys.run(run.saga_id)), Completed)
    assert not [e for e in stage.story.events() if isinstance(e, AttemptLost)]
    assert {call.attempt for call in stage.participant.calls} == {1}


async def test_while_it_stops_it_waits_without_looking_around(stage: Stage) -> None:
    """An attempt that is due must not be made any more, nor be looked at again and again until the calls have ended."""
    stage.participant.will("car", hold(effect=True))
    stage.participant.will("flight", fail())
    saga = stage.saga(parallel(stage.step("flight", retry=SLOWLY), stage.step("car")))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        car = await stage.participant.called("car")
        await stage.participant.called("flight")
        closing = asyncio.create_task(journeys.close())
        await asyncio.sleep(0)
        stage.clock.advance(1)
        with counted(stage.clock, "call_at") as timers:
            for _ in range(200):
                await asyncio.sleep(0)
        assert len(timers) < 20
        car.answer(done())
        await closing
    async with stage.moving(saga) as journeys:
        assert isinstance(await ended(journeys.run(run.saga_id)), Completed)


@contextmanager
def counted(thing: object, method: str) -> Iterator[list[None]]:
    """One entry for each call of that method."""
    calls, inner = list[None](), getattr(thing, method)

    def counting(*arguments: Any) -> Any:
        calls.append(None)
        return inner(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thing, method, counting)
        yield calls


async def test_calls_that_do_not_end_within_the_grace_are_lost_both(stage: Stage) -> None:
    stage.participant.will("flight", hold(effect=True))
    stage.participant.will("car", hold(effect=True))
    long = {"timeout": 1e6}  # however long the closing takes, no call runs out of time
    saga = stage.saga(parallel(stage.step("flight", **long), stage.step("car", **long)), stage.step("pay"))
    async with stage.moving(saga, grace=5.0) as journeys:
        run = await journeys.start(saga, {})
        await stage.participant.called("flight")
        await stage.participant.called("car")
        closing = asyncio.create_task(journeys.close())
        async with asyncio.timeout(PATIENCE):
            while not closing.done():
                await stage.clock.pass_time(1)
    async with stage.moving(saga) as journeys:
        assert isinstance(await ended(journeys.run(run.saga_id)), Completed)
    assert sum(isinstance(e, AttemptLost) for e in stage.story.events()) == 2
    assert stage.participant.standing() == ["flight", "car", "pay"]


# --- what is decided but not durable ----------------------------------------------------------------------------------


class HoldingStore(WrappedStore):
    """Holds back every commit while `gate` is closed; `waits` says that one is waiting there."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.gate, self.waits = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        if name == "commit" and not self.gate.is_set():
            self.waits.set()
            await self.gate.wait()
        return await write()


@pytest.mark.parametrize("shape", ["line", "block"])
async def test_nothing_is_called_while_a_decision_is_being_written(stage: Stage, shape: str) -> None:
    """A backoff that ends just then was interrupted by the decision: what it would call would never be undone."""
    stage.participant.will("flight", away(), away())
    flight = stage.step("flight", retry=SLOWLY)
    saga = stage.saga("plan", parallel(flight, stage.step("car")) if shape == "block" else flight)
    store = HoldingStore(await store_on(stage.clock, stage.url))
    async with open_journeys(store, sagas=[saga], clock=stage.clock, observers=[stage.story]) as journeys:
        run = await journeys.start(saga, {})
        await stage.participant.called("flight")
        await stage.story.happened(MilestoneCompleted, 2 if shape == "block" else 1)
        await stage.clock.pass_time(0)
        store.gate.clear()
        cancelling = asyncio.create_task(run.cancel())
        await asyncio.wait_for(store.waits.wait(), PATIENCE)
        await stage.clock.pass_time(2)
        store.gate.set()
        assert (await cancelling).code == "applied"
        assert isinstance(await ended(run), Compensated)
    assert [c.attempt for c in stage.participant.calls if c.milestone == "flight"] == [1]


@pytest.mark.parametrize("moment", ["before", "as"])
async def test_an_answer_that_arrives_while_a_claim_is_given_back_is_not_forgotten(stage: Stage, moment: str) -> None:
    """Before the release is acknowledged, or as it is: the clock stands still, so nobody looks again by chance."""
    ask = external("ask", undo=stage.step("ask").handlers["undo_ask"], timeout=3600)
    saga = stage.saga(ask, stage.step("go"))
    store = SlowRelease(await store_on(stage.clock, stage.url))
    async with open_journeys(store, sagas=[saga], clock=stage.clock, observers=[stage.story]) as journeys:
        run = await journeys.start(saga, {})
        await asyncio.wait_for(store.released.wait(), PATIENCE)
        store.opens_with_a_command = moment == "as"
        cancelling = asyncio.create_task(run.cancel())
        if moment == "before":
            await some_turns()
            store.gate.set()
        assert (await asyncio.wait_for(cancelling, PATIENCE)).code == "applied"
        assert isinstance(await ended(run), Compensated)


class SlowRelease(WrappedStore):
    """The first clean release is durable at once, and acknowledged when `gate` opens."""

    def __init__(self, inner: object) -> None:
        super().__init__(inner)  # type: ignore[arg-type]
        self.gate, self.released = asyncio.Event(), asyncio.Event()
        self.opens_with_a_command = False

    async def send(self, key: RunKey, command_id: str, name: str, body: str) -> Answer | None:
        answer = await self.inner.send(key, command_id, name, body)
        if self.opens_with_a_command:
            self.gate.set()
        return answer

    async def commit(self, turn: TurnWrite) -> None:
        await self.inner.commit(turn)
        if turn.events is None and not self.released.is_set():
            self.released.set()
            await self.gate.wait()


class FailingOnce(WrappedStore):
    """One commit that records this milestone fails for a reason that nobody foresaw."""

    def __init__(self, inner: object, milestone_id: str) -> None:
        super().__init__(inner)  # type: ignore[arg-type]
        self._wanted: str | None = milestone_id

    async def commit(self, turn: TurnWrite) -> None:
        if self._wanted is not None and f'"{self._wanted}"' in (turn.events or ""):
            self._wanted = None
            raise RuntimeError("nobody foresaw this")
        await self.inner.commit(turn)


async def test_a_call_that_cannot_be_recorded_does_not_give_its_sibling_away(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The claim is given back when the sibling has ended, never under its call: two workers would call it at once."""
    stage.participant.will("car", hold(effect=True))
    saga = stage.saga(parallel(stage.step("flight"), stage.step("car")), stage.step("pay"))
    store = FailingOnce(await store_on(stage.clock, stage.url), "flight")
    with caplog.at_level(logging.CRITICAL, "saga_journey.engine"):
        async with open_journeys(store, sagas=[saga], clock=stage.clock, observers=[stage.story]) as journeys:
            run = await journeys.start(saga, {})
            car = await stage.participant.called("car")
            await stage.participant.called("flight")
            await stage.clock.pass_time(60)
            assert (await journeys.search())[0].owner is not None
            car.answer(done())
            await stage.story.happened(MilestoneCompleted)
            async with asyncio.timeout(PATIENCE):
                while not [c for c in stage.participant.calls if c.milestone == "pay"]:
                    await stage.clock.pass_time(1)
            assert isinstance(await ended(run), Completed)
    assert stage.participant.standing() == ["flight", "car", "pay"]


async def test_a_call_that_cannot_be_recorded_is_counted_as_lost(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """So that a call that can never be recorded ends, as any other one that is tried in vain."""
    saga = stage.saga(stage.step("flight"), stage.step("pay"))
    store = FailingOnce(await store_on(stage.clock, stage.url), "flight")
    with caplog.at_level(logging.CRITICAL, "saga_journey.engine"):
        async with open_journeys(store, sagas=[saga], clock=stage.clock, observers=[stage.story]) as journeys:
            run = await journeys.start(saga, {})
            await stage.participant.called("flight")
            async with asyncio.timeout(PATIENCE):
                while not [c for c in stage.participant.calls if c.milestone == "pay"]:
                    await stage.clock.pass_time(1)
            assert isinstance(await ended(run), Completed)
            assert [entry.name for entry in await run.history()].count("attempt_lost") == 1
    assert [c.attempt for c in stage.participant.calls if c.milestone == "flight"] == [1, 2]


async def test_an_undo_waits_for_a_call_that_outlived_its_milestone(stage: Stage) -> None:
    """The partner says no while the request that asks him is under way: it ends first, then the others are undone."""
    stage.participant.will("ask", hold(effect=True))
    ask = external("ask", undo=None, timeout=3600, request=_request_of(stage, "ask"))
    saga = stage.saga("plan", parallel(ask, stage.step("car")))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        request = await stage.participant.called("ask")
        await stage.story.happened(MilestoneCompleted, 2)
        await run.advance("ask", outcome="refused")
        await stage.story.happened(CompensationDecided)
        await stage.clock.pass_time(1)
        assert request.live
        assert [c for c in stage.participant.calls if c.op == "undo"] == []
        request.answer(done())
        assert isinstance(await ended(run), Compensated)
    assert [c.milestone for c in stage.participant.calls if c.op == "undo"] == ["car", "plan"]


def _request_of(stage: Stage, name: str) -> Callable[[Context[object]], Awaitable[object]]:
    request: Callable[[Context[object]], Awaitable[object]] = stage.step(name, undo=False).handlers[name]
    return request


# --- people -----------------------------------------------------------------------------------------------------------


async def test_a_pause_lets_every_branch_end_and_a_resume_goes_on_with_all(stage: Stage) -> None:
    stage.participant.will("flight", hold(effect=True))
    stage.participant.will("car", hold(effect=True))
    saga = trip(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        flight, car = await stage.participant.called("flight"), await stage.participant.called("car")
        await run.pause()
        car.answer(done())
        flight.answer(done())
        await stage.story.happened(MilestoneCompleted, 3)
        assert (await run.status()).status == "paused"
        assert [c.milestone for c in stage.participant.calls] == ["plan", "flight", "car"]
        await run.resume()
        await stage.story.happened(Resumed)
        assert isinstance(await ended(run), Completed)


async def test_a_branch_in_attention_is_helped_while_its_sibling_works(stage: Stage) -> None:
    stage.participant.will("flight", refuse())
    stage.participant.will("car", hold(effect=True))
    saga = stage.saga(parallel(stage.step("flight"), stage.step("car")), kind=Structured)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        car = await stage.participant.called("car")
        await stage.story.happened(MilestoneRefused)
        assert (await run.status()).status == "in_progress"
        assert (await run.retry("flight", reason="seats are back")).code == "applied"
        await stage.story.happened(MilestoneCompleted)
        assert car.live
        car.answer(done())
        assert isinstance(await ended(run), Completed)


async def test_a_branch_that_is_still_working_is_asked_again(stage: Stage) -> None:
    stage.participant.will("flight", later(5))
    saga = stage.saga(parallel(stage.step("flight"), stage.step("car")))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.participant.called("flight")
        await stage.story.happened(MilestoneCompleted)
        stage.clock.advance(5)
        assert isinstance(await ended(run), Completed)
    assert [(c.milestone, c.attempt) for c in stage.participant.calls] == [("flight", 1), ("car", 1), ("flight", 1)]
