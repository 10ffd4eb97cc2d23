"""Scenario 1 of the semantics: doubt, then no."""

import pytest

from saga_journey import Compensated
from tests.acceptance.participant import fail, hold, refuse
from tests.acceptance.sagas import AT_ONCE
from tests.acceptance.stage import MOMENT, Stage, ended
from tests.acceptance.story import journal

DOUBTED = [
    "saga_started",
    "milestone_completed reserve",
    "attempt_ended charge do",
    "milestone_gave_up charge",
    "compensation_decided failure",
    "milestone_compensated charge",
    "milestone_compensated reserve",
    "saga_compensated",
]


@pytest.mark.anyio
async def test_a_no_after_a_doubt_is_no_clean_no(stage: Stage) -> None:
    """Attempt 1 has its effect and times out, attempt 2 is refused: the charge is undone with None before the rest."""
    saga = stage.saga("reserve", stage.step("charge", timeout=10, retry=AT_ONCE), "ship")
    stage.participant.will("charge", hold(effect=True), refuse("card declined"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"order": 42})
        await stage.participant.called("charge")
        stage.clock.advance(10 + MOMENT)
        outcome = await ended(run)
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert str(outcome.because) == "charge: refused (card declined) after an attempt whose outcome is unknown"
    assert told == DOUBTED
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        "do charge #1: applied (abandoned)",
        "do charge #2: refused",
        "undo charge #1 with null: undone",
        'undo reserve #1 with {"of": "reserve"}: undone',
    ]
    assert stage.participant.standing() == []
    assert stage.participant.keys(run.saga_id) == keys(
        run.saga_id, "reserve do", "charge do", "charge undo", "reserve undo"
    )


@pytest.mark.anyio
async def test_a_no_without_a_doubt_is_clean(stage: Stage) -> None:
    """The same journey when attempt 1 already says no: the charge is neither tried again nor undone."""
    saga = stage.saga("reserve", stage.step("charge", timeout=10, retry=AT_ONCE), "ship")
    stage.participant.will("charge", refuse("card declined"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"order": 42})
        outcome = await ended(run)
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert told == [
        "saga_started",
        "milestone_completed reserve",
        "milestone_refused charge",
        "compensation_decided failure",
        "milestone_compensated reserve",
        "saga_compensated",
    ]
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        "do charge #1: refused",
        'undo reserve #1 with {"of": "reserve"}: undone',
    ]


@pytest.mark.anyio
async def test_a_doubt_that_is_answered_is_none(stage: Stage) -> None:
    """Attempt 1 has its effect and loses its answer; attempt 2, under the same key, gets it: nothing is undone."""
    saga = stage.saga("reserve", stage.step("charge", retry=AT_ONCE))
    stage.participant.will("charge", fail(effect=True))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"order": 42})
        await ended(run)
        told = await journal(run)
    assert told == [
        "saga_started",
        "milestone_completed reserve",
        "attempt_ended charge do",
        "milestone_completed charge",
        "saga_completed",
    ]
    assert stage.participant.ledger() == [
        "do reserve #1: applied",
        "do charge #1: applied",
        "do charge #2: replayed",
    ]
    assert stage.participant.keys(run.saga_id) == keys(run.saga_id, "reserve do", "charge do")


def keys(saga: str, *calls: str) -> list[tuple[str, str]]:
    """(idempotency key, action key) of each `milestone op`."""
    return [(f"{saga}/{m}/{op}", f"{saga}/{m}/do") for m, op in (call.split() for call in calls)]
