"""Scenario 8: everything in one turn. The worker is away; a deadline passes; people speak; the worker comes back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from saga_journey import Compensated, Completed, Journeys, Run, SagaStatus, external
from saga_journey.authoring import MilestoneOf
from saga_journey.core import commands as cmd
from saga_journey.core.canonical import encode
from saga_journey.core.codec import decode_turn, encode_command
from saga_journey.core.events import WIRE_NAMES, MilestoneCompleted
from saga_journey.outcomes import Outcome
from saga_journey.ports import JournalRow, RunRecord
from tests.acceptance.stage import Stage, ended

DEADLINE = 100.0

VERBS: dict[str, cmd.External] = {
    "cancel": cmd.Cancel("ann", "too slow"),
    "advance": cmd.Advance("approval", "ok", encode("yes")),
    "resume": cmd.Resume("bob"),
}


@dataclass
class Returned:
    """What the one turn of the worker that came back looks like."""

    turn: list[str]
    answers: dict[str, str]
    outcome: Outcome
    epochs: list[int]


async def coming_back(stage: Stage, order: str, *, paused: bool, after: tuple[str, ...] = ()) -> Returned:
    """The journey waits for its approval; the worker leaves; commands are stored in that order; a worker comes."""
    saga = stage.saga("reserve", approval(stage), *after, deadline=DEADLINE)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await waiting(stage)
        if paused:
            await run.pause()
    stage.clock.advance(2 * DEADLINE)
    async with stage.moving(working=False) as outside:
        before = await rows(outside, run)
        for verb in order.split():
            await stored(outside, run, verb)
            stage.clock.advance(1)
    async with stage.moving(saga) as journeys:
        outcome = await ended(journeys.run(run.saga_id))
        after_it = await rows(journeys, run)
        answers = {verb: await answered(journeys, run, verb) for verb in order.split()}
    new = after_it[len(before) :]
    return Returned(names(new[0]), answers, outcome, [row.epoch for row in after_it])


def approval(stage: Stage) -> MilestoneOf[None, str]:
    """Somebody else says yes; `undo_approval` takes that back."""
    return external("approval", undo=stage.step("approval").handlers["undo_approval"], timeout=1000, result=str)


async def waiting(stage: Stage) -> None:
    """An external milestone without a request waits from its intent on: the commit before it is enough."""
    await stage.story.happened(MilestoneCompleted)


async def stored(journeys: Journeys, run: Run, verb: str) -> None:
    """A command of another process, durable and not answered yet."""
    record = await found(journeys, run)
    assert await journeys.store.send(record.key, verb, *encode_command(VERBS[verb])) is None


async def answered(journeys: Journeys, run: Run, verb: str) -> str:
    answer = await journeys.store.answer_to((await found(journeys, run)).key, verb)
    assert answer is not None, f"{verb} was never answered"
    return answer.code


async def rows(journeys: Journeys, run: Run) -> list[JournalRow]:
    return await journeys.store.load((await found(journeys, run)).key)


async def found(journeys: Journeys, run: Run) -> RunRecord:
    record = await journeys.store.find("default", run.saga_id)
    assert record is not None
    return record


def names(row: JournalRow) -> list[str]:
    return [WIRE_NAMES[type(event)] for event in decode_turn(row.events)]


GAVE_UP = ["milestone_gave_up", "compensation_decided"]
APPROVED = ["milestone_completed", "compensation_decided"]
LATE = {"cancel": "applied", "advance": "not_waiting", "resume": "not_paused"}
IN_TIME = {"cancel": "applied", "advance": "applied", "resume": "not_paused"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("order", "turn", "answers", "undos"),
    [
        ("cancel advance resume", GAVE_UP, LATE, ["undo approval #1 with null"]),
        ("cancel resume advance", GAVE_UP, LATE, ["undo approval #1 with null"]),
        ("resume cancel advance", GAVE_UP, LATE, ["undo approval #1 with null"]),
        ("advance cancel resume", APPROVED, IN_TIME, ['undo approval #1 with "yes"']),
        ("advance resume cancel", APPROVED, IN_TIME, ['undo approval #1 with "yes"']),
        ("resume advance cancel", APPROVED, IN_TIME, ['undo approval #1 with "yes"']),
    ],
)
async def test_what_people_said_beats_the_deadline_of_the_same_turn(
    stage: Stage, order: str, turn: list[str], answers: dict[str, str], undos: list[str]
) -> None:
    """One commit; commands as they arrived; the deadline, last, finds that the saga has turned back already."""
    back = await coming_back(stage, order, paused=False, after=("ship",))
    assert back.turn == turn
    assert back.answers == answers
    assert isinstance(back.outcome, Compensated)
    assert str(back.outcome.because) == "cancelled by ann: too slow"
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        *[f"{undo}: nothing to undo" for undo in undos],
        'undo reserve #1 with {"of": "reserve"}: undone',
    ]
    assert back.epochs == [1, 1, 2, 2, 2]


ON = {"cancel": "applied", "advance": "applied", "resume": "applied"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("order", "turn", "answers"),
    [
        ("cancel advance resume", GAVE_UP, LATE),
        ("cancel resume advance", GAVE_UP, LATE),
        ("resume cancel advance", ["resumed", *GAVE_UP], LATE | {"resume": "applied"}),
        ("advance cancel resume", APPROVED, IN_TIME),
        ("advance resume cancel", ["milestone_completed", "resumed", "compensation_decided"], ON),
        ("resume advance cancel", ["resumed", *APPROVED], ON),
    ],
)
async def test_a_cancel_lifts_the_pause_and_a_paused_saga_can_be_advanced(
    stage: Stage, order: str, turn: list[str], answers: dict[str, str]
) -> None:
    """The same while the saga is paused, which has stopped its deadline: the clock has no say in it at all."""
    back = await coming_back(stage, order, paused=True, after=("ship",))
    assert back.turn == turn
    assert back.answers == answers
    assert isinstance(back.outcome, Compensated)
    assert str(back.outcome.because) == "cancelled by ann: too slow"
    assert stage.participant.standing() == []
    assert back.epochs == [1, 1, 2, 3, 3, 3]


@pytest.mark.anyio
async def test_the_last_result_beats_the_deadline(stage: Stage) -> None:
    """It arrives with the deadline, in one turn: completed, not undone."""
    back = await coming_back(stage, "advance", paused=False)
    assert back.turn == ["milestone_completed", "saga_completed"]
    assert back.answers == {"advance": "applied"}
    assert isinstance(back.outcome, Completed)
    assert stage.participant.ledger() == ["do reserve #1: applied"]


@pytest.mark.anyio
async def test_the_end_absorbs_what_comes_after_it(stage: Stage) -> None:
    """The last result ends the saga within the turn: the cancel behind it is answered, and undoes nothing."""
    back = await coming_back(stage, "advance cancel resume", paused=False)
    assert back.turn == ["milestone_completed", "saga_completed"]
    assert back.answers == {"advance": "applied", "cancel": "finished", "resume": "not_paused"}
    assert isinstance(back.outcome, Completed)
    assert stage.participant.ledger() == ["do reserve #1: applied"]


@pytest.mark.anyio
async def test_a_result_that_is_not_the_last_leaves_the_deadline_its_turn(stage: Stage) -> None:
    """More is to come, and there is no time left for it: the deadline acts as a cancel."""
    back = await coming_back(stage, "advance", paused=False, after=("ship",))
    assert back.turn == ["milestone_completed", "compensation_decided"]
    assert isinstance(back.outcome, Compensated)
    assert str(back.outcome.because) == "deadline passed"
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        'undo approval #1 with "yes": nothing to undo',
        'undo reserve #1 with {"of": "reserve"}: undone',
    ]


@pytest.mark.anyio
async def test_nobody_spoke(stage: Stage) -> None:
    """The deadline alone: what waited is in doubt and is undone."""
    back = await coming_back(stage, "", paused=False)
    assert back.turn == ["milestone_gave_up", "compensation_decided"]
    assert isinstance(back.outcome, Compensated)
    assert str(back.outcome.because) == "deadline passed"


@pytest.mark.anyio
async def test_a_pause_holds_the_deadline_and_a_resume_moves_it(stage: Stage) -> None:
    """Paused for two deadlines and resumed: there is as much time left as before."""
    saga = stage.saga("reserve", approval(stage), deadline=DEADLINE)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await waiting(stage)
        await run.pause()
    stage.clock.advance(2 * DEADLINE)
    async with stage.moving(saga) as journeys:
        run = journeys.run(run.saga_id)
        await run.resume()
        stage.clock.advance(DEADLINE - 1)
        assert (await run.status()).status is SagaStatus.IN_PROGRESS
        stage.clock.advance(1)
        outcome = await ended(run)
    assert isinstance(outcome, Compensated)
    assert str(outcome.because) == "deadline passed"
