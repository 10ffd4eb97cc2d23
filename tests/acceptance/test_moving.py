"""A run that is moved to other policies, on a real store: durable, replayed by the next worker, and nothing breaks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Saga, external
from saga_journey.authoring import Journey
from saga_journey.core import events as ev
from saga_journey.core.codec import decode_turn
from saga_journey.core.definition import JourneyDefinition, Retry
from saga_journey.core.evolve import evolve
from saga_journey.core.state import RunState
from saga_journey.errors import Rejected
from saga_journey.testing.checker import check
from saga_journey.testing.databases import path_of
from tests.acceptance.participant import fail, hold
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal


def approval(stage: Stage, **options: Any) -> Journey[Any]:
    wait = external("approve", undo=None, timeout=100)
    return Saga("approval", version=1, milestones=[stage.step("reserve"), wait, stage.step("charge")], **options)


def revised(definition: JourneyDefinition, deadline: float | None = None, **policies: Any) -> JourneyDefinition:
    milestones = tuple(replace(m, **policies) for m in definition.milestones)
    return JourneyDefinition(definition.name, definition.version + 1, milestones, definition.kind, deadline)


@pytest.mark.anyio
async def test_a_run_that_waits_is_given_more_time(stage: Stage) -> None:
    saga = approval(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        answer = await run.move(revised(saga.definition, timeout=5000.0), reason="holidays", who="ann")
        assert (answer.code, (await run.status()).version) == ("applied", 2)
        record = await journeys.store.find("default", run.saga_id)
        assert record is not None
        assert (record.version, round((record.due_at or 0) - stage.clock.now())) == (2, 5000)
    async with stage.moving(saga) as journeys:  # another worker, who knows the new definition from the store alone
        await stage.clock.pass_time(1000.0)
        run = journeys.run(run.saga_id)
        assert (await run.status()).waiting_for == "an answer to approve"
        await run.advance("approve")
        assert isinstance(await ended(run), Completed)
        assert (await journal(run))[2] == "definition_moved who=ann"


@pytest.mark.anyio
async def test_while_it_is_being_called_its_owner_moves_it(stage: Stage) -> None:
    """What is being called goes on; what fails then is tried as the new policies say."""
    saga = stage.saga(stage.step("reserve"), stage.step("charge", retry=Retry(attempts=2, first=0, most=0)))
    stage.participant.will("charge", hold(), fail(), fail(), fail())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("charge")
        patient = revised(saga.definition, retry=Retry(attempts=5, first=0, most=0))
        assert (await run.move(patient)).code == "applied"
        assert (await run.move(patient)).code == "no_change"
        call.answer(fail())
        assert isinstance(await ended(run), Completed)
    assert len([call for call in stage.participant.calls if call.milestone == "charge"]) == 5


@pytest.mark.anyio
async def test_a_deadline_that_has_passed_already_turns_it_back(stage: Stage) -> None:
    saga = approval(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        stage.clock.advance(50.0)
        await run.move(revised(saga.definition, deadline=10.0))
        outcome = await ended(run)
        assert isinstance(outcome, Compensated)
        assert outcome.because.kind == "deadline"


@pytest.mark.anyio
async def test_it_is_moved_back_and_forth(stage: Stage) -> None:
    saga = approval(stage)
    first, second = saga.definition, revised(saga.definition, timeout=7000.0)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        for definition in (second, first, second):
            assert (await run.move(definition)).code == "applied"
        stage.clock.advance(200.0)
        await run.advance("approve")
        assert isinstance(await ended(run), Completed)


@pytest.mark.anyio
async def test_more_than_policies_is_refused(stage: Stage) -> None:
    saga = approval(stage)
    other = JourneyDefinition("approval", 2, saga.definition.milestones[:2])
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        with pytest.raises(Rejected, match=r"not_only_policies.*charge is removed, undone by undo_charge"):
            await run.move(other)
        await run.advance("approve")
        await ended(run)
        with pytest.raises(Rejected, match=r"final: .* no policy will be asked for again"):
            await run.move(revised(saga.definition, timeout=5000.0))


@pytest.mark.anyio
async def test_the_journal_alone_says_what_it_was_moved_to(stage: Stage) -> None:
    """Folded from the definition that it was started with, or from the one that its row names: the same state."""
    saga = approval(stage)
    new = revised(saga.definition, timeout=5000.0)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        await run.move(new)
        record = await journeys.store.find("default", run.saga_id)
        assert record is not None
        rows = await journeys.store.load(record.key)
        assert await journeys.store.definition(record.definition) == new
    for start in (saga.definition, new):
        state = RunState(start, run.saga_id)
        for row in rows:
            state = evolve(state, decode_turn(row.events), row.at)
        assert (state.definition, state.open) == (new, (1,))


LIES = {
    "its row says another one": "update run set definition = 1",
    "it was moved over more than policies": """update journal set events = replace(events, '"undo_charge"', '"other"')
    where events like '%definition_moved%'""",
    "it was moved from another one": """update journal set events = replace(events, '"before":"', '"before":"x')
    where events like '%definition_moved%'""",
}


@pytest.mark.anyio
@pytest.mark.sqlite_only("the lies are told to a copy of the file")
@pytest.mark.parametrize("lie", LIES)
async def test_the_checker_finds_a_move_that_did_not_happen_so(stage: Stage, lie: str, tmp_path: Path) -> None:
    saga = approval(stage)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        await run.move(revised(saga.definition, timeout=5000.0))
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path_of(stage.url))) as true, closing(sqlite3.connect(copy)) as db:
        true.backup(db)
    assert check(copy) == []
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute("drop trigger witness_changed")
        db.execute("drop trigger witness_repinned")
        db.execute(LIES[lie])
    assert "I19" in {violation.invariant for violation in check(copy)}
