"""Children in the engine: two runs, one commit for each word between them (rule 38)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Failed, Rejected, Resolved, Run, Saga
from saga_journey.authoring import Journey, MilestoneOf, Structured, child, external, parallel
from saga_journey.core.children import child_id
from saga_journey.core.events import (
    ChildRecalled,
    CompensationDecided,
    MilestoneCompleted,
    SagaStarted,
)
from saga_journey.testing.clock import DAY
from tests.acceptance.participant import done, hold, refuse
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    stage.participant.side_by_side = True
    return stage


Pair = tuple[Journey[Any], Saga[Any]]


def travelling(
    stage: Stage, *own: MilestoneOf[Any, Any] | str, within: float | None = None, pivot: bool = False
) -> Pair:
    """A parent whose second of three milestones is a saga of two, or of these."""
    travel = stage.child(*(own or ("flight", "hotel")), name="travel")
    last = stage.step("pay", undo=not pivot)
    trip: MilestoneOf[Any, Any] = child(travel, within=within, pivot=pivot)
    return stage.saga("plan", trip, last, name="parent"), travel


async def test_a_parent_and_its_child_complete(stage: Stage) -> None:
    parent, travel = travelling(stage)
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {"to": "Rome"})
        outcome = await ended(run)
        own = journeys.run(child_id(run.saga_id, "travel", 1))
        assert (await own.status()).input == {"to": "Rome"}
        assert isinstance(await ended(own), Completed)
    assert isinstance(outcome, Completed)
    results = {"flight": {"of": "flight"}, "hotel": {"of": "hotel"}}
    assert outcome.results["travel"] == {"saga_id": own.saga_id, "results": results}
    assert stage.participant.standing() == ["plan", "flight", "hotel", "pay"]


async def test_a_child_is_given_the_result_of_a_milestone(stage: Stage) -> None:
    travel = stage.child("flight", name="travel")
    plan = stage.step("plan")
    parent = stage.saga(plan, child(travel, given=plan), name="parent")
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        await ended(run)
        own = journeys.run(child_id(run.saga_id, "travel", 1))
        assert (await own.status()).input == {"of": "plan"}


async def test_a_child_that_refuses_undoes_itself_and_then_its_parent(stage: Stage) -> None:
    parent, travel = travelling(stage)
    stage.participant.will("hotel", refuse())
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        outcome = await ended(run)
        lines = await journal(run)
    assert isinstance(outcome, Compensated)
    assert lines == [
        "saga_started",
        "milestone_completed plan",
        "milestone_refused travel",
        "compensation_decided failure",
        "milestone_compensated plan",
        "saga_compensated",
    ]
    assert stage.participant.standing() == []


async def test_a_finished_child_is_undone_when_its_parent_fails_later(stage: Stage) -> None:
    parent, travel = travelling(stage)
    stage.participant.will("pay", refuse())
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        assert isinstance(await ended(run), Compensated)
        own = await journal(journeys.run(child_id(run.saga_id, "travel", 1)))
    assert [c.milestone for c in stage.participant.calls if c.op == "undo"] == ["hotel", "flight", "plan"]
    assert own[-4:] == [
        "compensation_decided requested",
        "milestone_compensated hotel",
        "milestone_compensated flight",
        "saga_compensated",
    ]


async def test_a_completed_parent_is_undone_the_day_after_with_its_child(stage: Stage) -> None:
    parent, travel = travelling(stage)
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        await ended(run)
        await stage.clock.leap(DAY)
        plan = await run.preview()
        assert [planned.milestone for planned in plan.undos] == ["pay", "travel", "plan"]
        assert plan.missing_handlers == (), "a child undoes itself: no handler is missing for it"
        assert (await run.compensate("the day after")).code == "applied"
        assert isinstance(await ended(run), Compensated)
    assert stage.participant.standing() == []


async def test_nobody_but_its_parent_stops_a_child(stage: Stage) -> None:
    parent, travel = travelling(stage)
    stage.participant.will("hotel", hold(effect=True))
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        hotel = await stage.participant.called("hotel")
        own = journeys.run(child_id(run.saga_id, "travel", 1))
        for verb in (own.cancel, own.compensate):
            with pytest.raises(Rejected, match="it belongs to") as rejected:
                await verb()
            assert rejected.value.code == "owned_by_parent"
        hotel.answer(done())
        assert isinstance(await ended(run), Completed)


async def test_a_cancelled_parent_waits_for_the_call_under_way_in_its_child(stage: Stage) -> None:
    parent, travel = travelling(stage)
    stage.participant.will("hotel", hold(effect=True))
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        hotel = await stage.participant.called("hotel")
        await run.cancel()
        await stage.story.happened(CompensationDecided, 2)
        assert hotel.live
        hotel.answer(done())
        assert isinstance(await ended(run), Compensated)
    assert [c.milestone for c in stage.participant.calls if c.op == "undo"] == ["hotel", "flight", "plan"]


async def test_a_child_that_completes_while_its_parent_is_cancelled_is_undone(stage: Stage) -> None:
    """In whichever order the two words arrive."""
    for turns in range(0, 40, 4):
        parent, travel = travelling(stage, "flight")
        stage.participant.will("flight", hold(effect=True))
        async with stage.moving(parent, travel) as journeys:
            run = await journeys.start(parent, {})
            stage.participant.will(
                "pay", hold(effect=True), saga=run.saga_id
            )  # so that it cannot end before the cancel
            flight = await stage.participant.called("flight", saga=child_id(run.saga_id, "travel", 1))
            cancelling = asyncio.create_task(run.cancel())
            paying = asyncio.create_task(_pays_after(cancelling, stage, run))
            for _ in range(turns):
                await asyncio.sleep(0)
            flight.answer(done())
            await cancelling
            assert isinstance(await ended(run), Compensated)
            paying.cancel()
    assert stage.participant.standing() == []


async def _pays_after(cancelling: asyncio.Task[Any], stage: Stage, run: Run) -> None:
    """If it comes to that."""
    call = await stage.participant.called("pay", saga=run.saga_id)
    await cancelling
    call.answer(done())


async def test_a_child_that_takes_too_long_is_undone(stage: Stage) -> None:
    waits = external("boss", undo=None, timeout=5000.0)
    parent, travel = travelling(stage, "flight", waits, within=60.0)
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        await stage.story.happened(MilestoneCompleted, 2)
        stage.clock.advance(60 + MOMENT)
        await stage.story.happened(ChildRecalled)
        assert isinstance(await ended(run), Compensated)
    assert stage.participant.standing() == []


async def test_a_child_that_is_faster_than_its_time_limit_stays(stage: Stage) -> None:
    """The limit strikes while the child ends: the child is completed, and its parent goes on with it."""
    parent, travel = travelling(stage, stage.step("flight", timeout=500.0), within=60.0)
    stage.participant.will("flight", hold(effect=True))
    async with stage.moving(parent, travel, concurrency=1) as journeys:
        run = await journeys.start(parent, {})
        flight = await stage.participant.called("flight")
        own = child_id(run.saga_id, "travel", 1)
        stage.clock.advance(59)
        flight.answer(done())
        stage.clock.advance(2)
        outcome = await ended(run)
        statuses = {(await journeys.run(one).status()).status for one in (run.saga_id, own)}
    assert (isinstance(outcome, Completed), statuses) in ((True, {"completed"}), (False, {"compensated"}))


async def test_a_child_that_a_person_closed_leaves_its_parent_to_a_person(stage: Stage) -> None:
    parent, travel = travelling(stage)
    stage.participant.will("hotel", refuse())
    stage.participant.will("flight", refuse("cannot"), op="undo")
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        own = journeys.run(child_id(run.saga_id, "travel", 1))
        await stage.story.happened(SagaStarted, 2)
        assert isinstance(await ended(own), Failed)
        assert (await run.status()).waiting_for == f"the child {own.saga_id} of travel"
        await own.resolve("settled by hand")
        outcome = await ended(run)
        assert isinstance(outcome, Failed)
        assert [(a.kind, a.milestone) for a in outcome.attention] == [("child_resolved", "travel")]
        await run.cancel()
        outcome = await ended(run)
        assert isinstance(outcome, Failed), "the child has ended, and says so when it is asked"
        assert [(a.kind, a.milestone) for a in outcome.attention] == [("stuck_undo", "travel")]
        await run.retry("travel", reason="once more")
        await stage.story.until(lambda: _given_up(stage) == 2, "the second answer of the child")
        assert isinstance(await ended(run), Failed)
        await run.mark_undone("travel", reason="by hand")
        assert isinstance(await ended(run), Compensated)


def _given_up(stage: Stage) -> int:
    return sum(
        getattr(e, "milestone", "") == "travel" and type(e).__name__ == "UndoGivenUp" for e in stage.story.events()
    )


async def test_a_structured_child_that_was_stopped_does_not_count_as_undone(stage: Stage) -> None:
    """It undoes nothing by itself, so what it did may stand: a person is asked, and nothing is called compensated."""
    boss = external("boss", undo=None, timeout=5000.0)
    travel: Any = stage.saga("flight", boss, name="travel", kind=Structured)
    parent = stage.saga("plan", child(travel), name="parent")
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        await stage.story.happened(MilestoneCompleted, 2)
        await run.cancel()
        outcome = await ended(run)
        assert isinstance(outcome, Failed)
        assert [(a.kind, a.milestone) for a in outcome.attention] == [("stuck_undo", "travel")]
        assert (await journeys.run(child_id(run.saga_id, "travel", 1)).status()).status == "cancelled"
        await run.skip("travel", reason="it stays")
        assert isinstance(await ended(run), Resolved)
    assert stage.participant.standing() == ["flight"]


async def test_a_pivot_may_be_a_child(stage: Stage) -> None:
    book = stage.step("book", pivot=True)
    parent, travel = travelling(stage, "flight", book, pivot=True)
    stage.participant.will("book", hold(effect=True))
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        call = await stage.participant.called("book")
        assert (await run.cancel()).code == "deferred"
        call.answer(done())
        assert isinstance(await ended(run), Completed)
        lines = await journal(run)
    assert lines[-4:] == ["milestone_completed travel", "stop_too_late", "milestone_completed pay", "saga_completed"]


async def test_children_of_children(stage: Stage) -> None:
    leg = stage.child("train", name="leg")
    travel = stage.child("flight", child(leg), name="travel")
    parent = stage.saga(parallel(child(travel), stage.step("hotel")), "pay", name="parent")
    stage.participant.will("pay", refuse())
    async with stage.moving(parent, travel, leg) as journeys:
        run = await journeys.start(parent, {})
        assert isinstance(await ended(run), Compensated)
        assert len(await journeys.search()) == 3
    assert stage.participant.standing() == []
    assert [c.milestone for c in stage.participant.calls if c.op == "undo"] == ["hotel", "train", "flight"]


async def test_a_crowd_of_parents_with_few_places(stage: Stage) -> None:
    """A parent that waits for its child holds no place, so one place is enough for all of them."""
    parent, travel = travelling(stage)
    async with stage.moving(parent, travel, concurrency=1) as journeys:
        runs = [await journeys.start(parent, {"n": n}) for n in range(10)]
        for run in runs:
            await _going_on(stage, run.outcome())
    assert len(stage.participant.standing()) == 40


async def _going_on(stage: Stage, outcome: Coroutine[None, None, object]) -> None:
    """With time passing: a run that nobody owns is looked for once a second."""
    waiting = asyncio.create_task(outcome)
    async with asyncio.timeout(10):
        while not waiting.done():
            await stage.clock.pass_time(0.5)
    assert isinstance(waiting.result(), Completed)


async def test_a_child_that_waits_is_answered_like_any_other(stage: Stage) -> None:
    boss = external("boss", undo=None, timeout=5000.0, request=None)
    parent, travel = travelling(stage, "flight", boss)
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        await stage.story.happened(MilestoneCompleted, 2)
        with pytest.raises(Rejected, match="it waits for no answer"):
            await run.advance("travel")
        await journeys.run(child_id(run.saga_id, "travel", 1)).advance("boss")
        assert isinstance(await ended(run), Completed)


async def test_a_restart_between_any_two_words_of_the_family_loses_none(stage: Stage) -> None:
    """Closed and opened again after every event, and the story is the same."""
    parent, travel = travelling(stage)
    stage.participant.will("pay", refuse())
    run_id, restarts = "", 0
    for _ in range(60):
        async with stage.moving(parent, travel) as journeys:
            if not run_id:
                run_id = (await journeys.start(parent, {})).saga_id
            seen = len(stage.story.events())
            status = (await journeys.run(run_id).status()).status
            if status == "compensated":
                break
            await stage.story.until(lambda seen=seen: len(stage.story.events()) > seen, "something")  # type: ignore[misc]
            restarts += 1
    assert restarts > 3
    assert kinds(stage.story.events(run_id))[-1] == "SagaCompensated"
    assert stage.participant.standing() == []


def kinds(events: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_a_child_has_the_user_and_the_tenant_of_its_parent(stage: Stage) -> None:
    parent, travel = travelling(stage)
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {}, user_context={"tenant_id": "acme", "user_id": "ann"})
        await ended(run)
        own = journeys.run(child_id(run.saga_id, "travel", 1), {"tenant_id": "acme"})
        assert (await own.status()).status == "completed"
    assert {call.tenant for call in stage.participant.calls} == {"acme"}


async def test_observers_hear_of_a_child_from_its_start_to_its_end(stage: Stage) -> None:
    parent, travel = travelling(stage)
    stage.participant.will("pay", refuse())
    async with stage.moving(parent, travel) as journeys:
        run = await journeys.start(parent, {})
        await ended(run)
    assert kinds(stage.story.events(child_id(run.saga_id, "travel", 1))) == [
        "SagaStarted",
        "MilestoneCompleted",
        "MilestoneCompleted",
        "SagaCompleted",
        "CompensationDecided",
        "MilestoneCompensated",
        "MilestoneCompensated",
        "SagaCompensated",
    ]
