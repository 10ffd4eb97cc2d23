"""Values and texts that no store can keep: refused where they enter, with the place; nothing is started or changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from saga_journey import Completed, Curator, Journeys, Run, Search, external
from saga_journey.authoring import Journey
from saga_journey.core import events as ev
from saga_journey.errors import NotJson, SagaJourneyError, UnknownSaga
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal
from tests.acceptance.test_api_verdicts import UNRECORDABLE

# --- values -------------------------------------------------------------------------------------------------------


def problem_with(kind: str) -> str:
    """What is said of such a value, after the name of the thing that it was to be."""
    return UNRECORDABLE[kind][1].removeprefix("result")


@pytest.mark.anyio
@pytest.mark.parametrize("kind", UNRECORDABLE)
async def test_an_input_that_cannot_be_recorded_starts_nothing(stage: Stage, kind: str) -> None:
    """By neither door; and the key that came with it is still free."""
    saga = stage.saga("reserve")
    undos = {"reserve": "undo_reserve"}
    async with stage.moving(saga) as journeys:
        designed = await journeys.saga.design_saga_journey("checkout", {"milestones": [{"id": "reserve"}]}, undos)
        for start in (
            lambda value: journeys.start(saga, value, key="order-42"),
            lambda value: journeys.saga.execute_saga_journey(
                designed["journey_id"], None, value, idempotency_key="order-42"
            ),
        ):
            with pytest.raises(NotJson) as refused:
                await start(UNRECORDABLE[kind][0])
            assert str(refused.value).startswith("the input of 'checkout'")
            assert problem_with(kind) in str(refused.value)
        assert await journeys.search() == []
        assert isinstance(await ended(await journeys.start(saga, {}, key="order-42")), Completed)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", UNRECORDABLE)
async def test_an_answer_that_cannot_be_recorded_leaves_the_milestone_waiting(stage: Stage, kind: str) -> None:
    """By neither door; the next answer is taken as if nothing had been said."""
    saga = stage.saga("reserve", external("approval", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        value = UNRECORDABLE[kind][0]
        said: Any = {"milestone_id": "approval", "outcome": "ok", "result": value}
        for answer in (run.advance("approval", value), journeys.saga.advance_saga_step(run.saga_id, None, None, said)):
            with pytest.raises(NotJson) as refused:
                await answer
            assert str(refused.value).startswith("the result of 'approval'")
            assert problem_with(kind) in str(refused.value)
        assert await journal(run) == ["saga_started", "milestone_completed reserve"]
        await run.advance("approval", "yes")
        outcome = await ended(run)
    assert isinstance(outcome, Completed)
    assert outcome.results["approval"] == "yes"


# --- texts --------------------------------------------------------------------------------------------------------

TEXTS = {"NUL": "a\0b", "a lone surrogate": "\ud800", "2 MB": "x" * 2_000_000}

SAYING: dict[str, Callable[[Run, str], Awaitable[object]]] = {
    "who": lambda run, text: run.pause(who=text),
    "reason": lambda run, text: run.pause(text),
    "command_id": lambda run, text: run.pause(command_id=text),
    "milestone": lambda run, text: run.advance(text, "yes"),
    "the reason of a no": lambda run, text: run.advance("approval", outcome="refused", reason=text),
    "evidence": lambda run, text: run.mark_undone("approval", reason="by hand", evidence=text),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("place", SAYING)
async def test_what_is_said_to_a_saga_must_be_text_that_can_be_stored(stage: Stage, place: str, kind: str) -> None:
    saga = stage.saga(external("approval", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        with pytest.raises(SagaJourneyError):
            await SAYING[place](run, TEXTS[kind])
        assert await journal(run) == ["saga_started"]
        await run.advance("approval", "yes")
        assert isinstance(await ended(run), Completed)


Starting = Callable[[Journeys, Journey[Any], str], Awaitable[object]]
STARTING: dict[str, Starting] = {
    "key": lambda journeys, saga, text: journeys.start(saga, {}, key=text),
    "tenant_id": lambda journeys, saga, text: journeys.start(saga, {}, user_context={"tenant_id": text}),
    "user_id": lambda journeys, saga, text: journeys.start(saga, {}, user_context={"user_id": text}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("place", STARTING)
async def test_who_starts_a_saga_must_be_text_that_can_be_stored(stage: Stage, place: str, kind: str) -> None:
    """A saga in whose journal it stood could not be moved to a store that refuses it."""
    saga = stage.saga("reserve")
    async with stage.moving(saga) as journeys:
        with pytest.raises(SagaJourneyError, match=place):
            await STARTING[place](journeys, saga, TEXTS[kind])
        assert await journeys.search() == []
        assert isinstance(await ended(await journeys.start(saga, {})), Completed)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", TEXTS)
async def test_an_id_that_no_saga_can_have_is_an_unknown_saga(stage: Stage, kind: str) -> None:
    """As any other that is not there; nor is anything found by it."""
    text = TEXTS[kind]
    async with stage.moving(curator=Curator()) as journeys:
        with pytest.raises(UnknownSaga):
            await journeys.run(text).status()
        with pytest.raises(UnknownSaga):
            await journeys.saga.advance_saga_step(text, None, None, {"outcome": "ok"})
        for search in (Search(prefix=text), Search(journey=text), Search(before=text)):
            assert await journeys.search(search) == []
