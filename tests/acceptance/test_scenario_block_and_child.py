"""Scenario 9: block and child. One branch refuses while others are called, back off, or wait for a stuck child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from saga_journey import Failed, Journeys, Resolved, Retry, Run, Saga
from saga_journey.authoring import Journey, child, external, parallel
from saga_journey.core.children import child_id
from saga_journey.core.events import AttemptEnded, AttentionRaised, CompensationDecided, MilestoneCompleted, UndoGivenUp
from tests.acceptance.participant import Received, done, fail, hold, refuse
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

pytestmark = pytest.mark.anyio

SLOWLY = Retry(attempts=3, first=500.0, factor=1, most=500.0)


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    stage.participant.side_by_side = True
    return stage


@dataclass
class Family:
    """The parent, the child that is stuck in its undo, and the call of `a` that is still to be answered."""

    parent: Run
    child: Run
    a: Received
    b1: Received


def sagas(stage: Stage) -> tuple[Journey[Any], Saga[Any]]:
    travel = stage.child("c1", "c2", name="travel")
    block = parallel(
        stage.step("a"),
        [stage.step("b1"), stage.step("b2", retry=SLOWLY)],
        child(travel, id="c"),
        external("e", undo=stage.step("e").handlers["undo_e"], timeout=5000.0),
    )
    return stage.saga("one", "two", block, "last", name="parent"), travel


async def stuck(stage: Stage, journeys: Journeys, parent: Journey[Any]) -> Family:
    """Behind two milestones all branches are open; the child failed, and its own undo is stuck."""
    stage.participant.will("a", hold())
    stage.participant.will("b1", hold(effect=True))
    stage.participant.will("c2", refuse())
    stage.participant.will("c1", refuse("cannot"), op="undo")
    run = await journeys.start(parent, {})
    own = journeys.run(child_id(run.saga_id, "c", 1))
    a, b1 = await stage.participant.called("a"), await stage.participant.called("b1")
    await stage.story.happened(AttentionRaised, saga=own.saga_id)
    assert (await own.status()).attention[0].kind == "stuck_undo"
    return Family(run, own, a, b1)


async def test_a_refusal_beside_a_call_a_wait_and_a_stuck_child(stage: Stage) -> None:
    parent, travel = sagas(stage)
    async with stage.moving(parent, travel) as journeys:
        family = await stuck(stage, journeys, parent)
        family.a.answer(refuse("sold out"))
        await stage.story.happened(CompensationDecided, saga=family.parent.saga_id)
        assert [c.milestone for c in stage.participant.calls if c.op == "undo"] == ["c1"]

        family.b1.answer(done())
        await stage.story.happened(MilestoneCompleted, 3, saga=family.parent.saga_id)
        status = await family.parent.status()
        assert status.status == "compensating"
        assert status.waiting_for == f"the child {family.child.saga_id} of c"
        assert [c.milestone for c in stage.participant.calls if c.op == "undo"] == ["c1"]
        assert "b2" not in [c.milestone for c in stage.participant.calls]

        await family.child.resolve("settled by hand", who="ann")
        outcome = await ended(family.parent)
        assert isinstance(outcome, Failed)
        assert [(a.kind, a.milestone) for a in outcome.attention] == [("stuck_undo", "c")]

        await family.parent.skip("c", reason="settled by hand", who="ann")
        closed = await ended(family.parent)
        lines = await journal(family.parent)
    assert isinstance(closed, Resolved)
    assert closed.left == ("c",)
    assert lines == [
        "saga_started",
        "milestone_completed one",
        "milestone_completed two",
        "attempt_started a",
        "attempt_started b1",
        "attempt_started c",
        "attempt_started e",
        "milestone_refused a",
        "child_recalled c",
        "milestone_gave_up e",
        "compensation_decided failure",
        "milestone_completed b1",
        "milestone_gave_up c",
        "milestone_compensated e",
        "undo_given_up c",
        "attention_raised c stuck_undo",
        "undo_skipped c who=ann",
        "milestone_compensated b1",
        "milestone_compensated two",
        "milestone_compensated one",
        "saga_resolved left=['c']",
    ]
    undone = [c.milestone for c in stage.participant.calls if c.op == "undo" and c.saga == family.parent.saga_id]
    assert undone == ["e", "b1", "two", "one"]
    assert [c.given for c in stage.participant.calls if c.op == "undo" and c.milestone == "e"] == [None]


async def test_a_refusal_beside_a_backoff(stage: Stage) -> None:
    """The other half: b1 is done, and b2 backs off after a call of which nobody knows."""
    parent, travel = sagas(stage)
    stage.participant.will("b2", fail(effect=True))
    async with stage.moving(parent, travel) as journeys:
        family = await stuck(stage, journeys, parent)
        family.b1.answer(done())
        await stage.story.happened(AttemptEnded, saga=family.parent.saga_id)
        family.a.answer(refuse("sold out"))
        await stage.story.happened(CompensationDecided, saga=family.parent.saga_id)
        stage.clock.advance(1000)
        await family.child.mark_undone(reason="by hand", who="ann")
        await ended(family.parent)
        lines = await journal(family.parent)
    assert "milestone_gave_up b2" in lines
    assert "milestone_refused c" in lines, "its child undid itself, so the milestone is a clean no"
    undone = [c.milestone for c in stage.participant.calls if c.op == "undo" and c.saga == family.parent.saga_id]
    assert undone == ["b2", "e", "b1", "two", "one"]
    assert lines[-1] == "saga_compensated"
    assert [c.milestone for c in stage.participant.calls if c.op == "do"].count("b2") == 1


async def test_a_child_that_is_retried_after_all(stage: Stage) -> None:
    """The stuck undo of the child is mended while its parent waits for it."""
    parent, travel = sagas(stage)
    async with stage.moving(parent, travel) as journeys:
        family = await stuck(stage, journeys, parent)
        await family.parent.cancel(who="ann")
        family.a.answer(done())
        family.b1.answer(done())
        await stage.story.happened(UndoGivenUp, saga=family.child.saga_id)
        assert (await family.parent.status()).status == "compensating"
        await family.child.retry(reason="mended", who="ann")
        await ended(family.parent)
        lines = await journal(family.parent)
    assert lines[-1] == "saga_compensated"
    assert stage.participant.standing() == []
