"""Deploys that do not fit what is running: another definition, no handler, an older version, several at once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Context, Failed, Saga, blocking, external, milestone, open_journeys
from saga_journey.core import events as ev
from saga_journey.errors import DefinitionChanged, SchemaTooNew, StoreFull
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.stores.sqlite.migrate import migrate_file
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import EXIT, refuse
from tests.acceptance.programs import phases
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

APP = phases.phases.__name__
EXIT_STATUS = 9

# --- another definition -------------------------------------------------------------------------------------------


def waiting(stage: Stage, *after: str, version: int = 1) -> Saga[Any]:
    """A checkout that waits for somebody, and what it does then."""
    approval = external("approval", undo=None, timeout=1000)
    return Saga("checkout", version=version, milestones=[stage.step("reserve"), approval, *map(stage.step, after)])


@pytest.mark.anyio
async def test_a_definition_that_changed_under_a_running_saga(stage: Stage) -> None:
    """Under its old version it does not open, and says why; under a new one both go on, each by its own."""
    async with stage.moving(waiting(stage, "charge", "ship")) as journeys:
        old = await journeys.start(waiting(stage, "charge", "ship"), {})
        await stage.story.happened(ev.MilestoneCompleted)
    with pytest.raises(DefinitionChanged) as changed:
        async with stage.moving(waiting(stage, "ship", "charge")):
            raise AssertionError("it opened")
    (problem,) = changed.value.problems
    assert f"unfinished sagas run ({old.saga_id}): raise version to 2; they keep their own" in problem
    mended = waiting(stage, "ship", "charge", version=2)
    async with stage.moving(mended) as journeys:
        new = await journeys.start(mended, {})
        await stage.story.happened(ev.MilestoneCompleted, saga=new.saga_id)
        for run in (new, journeys.run(old.saga_id)):
            await run.advance()
            assert isinstance(await ended(run), Completed)
    done = [f"do {milestone} #1: applied" for milestone in ("reserve", "charge", "ship")]
    assert stage.participant.ledger(old.saga_id) == done
    assert stage.participant.ledger(new.saga_id) == [done[0], done[2], done[1]]


@pytest.mark.anyio
async def test_a_version_may_mean_something_else_once_its_sagas_have_ended(stage: Stage) -> None:
    """One that waits for a person has not ended."""
    before = stage.saga(stage.step("pay", pivot=True, undo=False), stage.step("ship", undo=False))
    after = stage.saga("reserve")
    stage.participant.will("ship", refuse())
    async with stage.moving(before) as journeys:
        stuck = await journeys.start(before, {})
        assert isinstance(await ended(stuck), Failed)
    with pytest.raises(DefinitionChanged, match=stuck.saga_id):
        async with stage.moving(after):
            raise AssertionError("it opened")
    async with stage.moving() as journeys:
        await journeys.run(stuck.saga_id).resolve("shipped by hand")
    async with stage.moving(after) as journeys:
        assert isinstance(await ended(await journeys.start(after, {})), Completed)


@pytest.mark.anyio
async def test_a_handler_that_is_gone_after_a_restart_is_no_success(stage: Stage) -> None:
    """The saga waits for a person, who is told its name, and goes on alone when it is back."""
    async with stage.moving(waiting(stage, "charge")) as journeys:
        run = await journeys.start(waiting(stage, "charge"), {})
        await stage.story.happened(ev.MilestoneCompleted)
    async with stage.moving() as journeys:
        run = journeys.run(run.saga_id)
        await run.advance()
        outcome = await ended(run)
        assert isinstance(outcome, Failed)
        assert [(a.kind, a.milestone) for a in outcome.attention] == [("handler_missing", "charge")]
        assert "no worker here has charge, reserve, undo_charge, undo_reserve" in outcome.attention[0].detail
    async with stage.moving(waiting(stage, "charge")) as journeys:
        await stage.story.happened(ev.SagaCompleted)
        assert (await journal(journeys.run(run.saga_id)))[-2:] == ["milestone_completed charge", "saga_completed"]
    assert stage.participant.ledger() == ["do reserve #1: applied", "do charge #1: applied"]


# --- another version of the library -------------------------------------------------------------------------------


async def act(ctx: Context[Any]) -> str:
    return "done"


SMALL = Saga("small", version=1, milestones=[milestone(act, undo=None)])


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A database that a later version has migrated."""
    file = tmp_path / "journeys.db"
    migrate_file(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("insert into migration (number, name, checksum) values (9999, 'future', 'x')")
    return file


@pytest.mark.anyio
@pytest.mark.parametrize("working", [True, False])
async def test_a_database_from_a_newer_version(newer: Path, working: bool) -> None:
    """It is told which file, which version and what to do; the file stays as it is, and nothing of it is held open."""
    before = newer.read_bytes()
    with pytest.raises(SchemaTooNew) as refused:
        async with open_journeys(f"sqlite:///{newer}", sagas=[SMALL], working=working):
            raise AssertionError("it opened")
    assert newer.read_bytes() == before
    assert [path.name for path in newer.parent.iterdir()] == ["journeys.db"]
    said = str(refused.value)
    assert "migration 9999 (future), this version knows up to 000" in said
    assert "upgrade saga-journey, or open another database" in said
    assert str(newer) in said


def test_a_database_from_a_newer_version_for_a_synchronous_program(newer: Path) -> None:
    with pytest.raises(SchemaTooNew), blocking.open_journeys(f"sqlite:///{newer}", sagas=[SMALL]):
        raise AssertionError("it opened")
    assert [path.name for path in newer.parent.iterdir()] == ["journeys.db"]


# --- opening that fails, or takes its time ------------------------------------------------------------------------


@pytest.mark.anyio
async def test_two_that_make_the_same_database(tmp_path: Path) -> None:
    """The second one waits while the first is making it: that takes a moment, and is no reason to fail."""
    file = tmp_path / "journeys.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as first:
        first.execute("begin immediate")  # as the other one does before it makes the file ready for many
        opening = asyncio.create_task(opened(file))
        await asyncio.wait({opening}, timeout=MOMENT)
        first.execute("commit")
    assert await opening == []


async def opened(file: Path) -> list[object]:
    """What is found there."""
    async with open_journeys(f"sqlite:///{file}", sagas=[SMALL]) as journeys:
        return [*await journeys.search()]


class Interrupted(WrappedStore):
    """Whoever opens journeys on it comes to a stop in the middle: by an error, or until it is cancelled."""

    def __init__(self, inner: SqliteStore, error: Exception | None) -> None:
        super().__init__(inner)
        self.reached = asyncio.Event()
        self._error = error

    async def wake_needy(self, served: Any) -> None:
        self.reached.set()
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()


@pytest.mark.anyio
@pytest.mark.parametrize("error", [StoreFull("no room"), None], ids=["an error", "a cancellation"])
async def test_opening_that_is_stopped_in_the_middle_leaves_nothing_behind(tmp_path: Path, error: Any) -> None:
    """No task that goes on claiming, no owner that seems to be there: the next one that opens has it all."""
    store = Interrupted(await SqliteStore.open(f"sqlite:///{tmp_path}/journeys.db"), error)
    before = asyncio.all_tasks()

    async def open_it() -> None:
        async with open_journeys(store, sagas=[SMALL]):
            raise AssertionError("it opened")

    opening = asyncio.create_task(open_it())
    await store.reached.wait()
    opening.cancel() if error is None else None
    with pytest.raises(asyncio.CancelledError if error is None else StoreFull):
        await opening
    assert asyncio.all_tasks() == before
    assert [path.name for path in tmp_path.iterdir()] == ["journeys.db"]


# --- a handler that takes its process with it ---------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_undo_that_takes_its_process_with_it(cluster: Cluster) -> None:
    """As an action that does (test_scenario_poison.py), it spends its losses; then the saga waits for a person."""
    cluster.participant.will("refuse", refuse())
    cluster.participant.will("book", EXIT, EXIT, op="undo")
    for life in (1, 2):
        async with cluster.worker(APP, name=APP) as worker:
            if life == 1:
                worker.say("start turned_back 1")
            assert await worker.ended() == EXIT_STATUS
    async with open_journeys(cluster.url, sagas=[*cluster.sagas(APP).values()]) as journeys:
        run = await cluster.run(journeys)
        outcome = await ended(run)
        assert isinstance(outcome, Failed)
        assert [tuple(a) for a in outcome.attention] == [
            ("stuck_undo", "book", "the worker died while calling it (2 times)")
        ]
        await run.retry("book", who="ann", reason="mended")
        assert isinstance(await ended(run), Compensated)
        told = await journal(run)
    assert told == [
        "saga_started",
        "milestone_completed book",
        "milestone_refused refuse",
        "compensation_decided failure",
        *["attempt_lost book undo"] * 2,
        "undo_given_up book",
        "attention_raised book stuck_undo",
        "milestone_retried book undo who=ann",
        "milestone_compensated book",
        "saga_compensated",
    ]
