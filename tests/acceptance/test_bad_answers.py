"""Answers that come too early, too late, twice or for the wrong one; keys and ids that belong to somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Context, Rejected, Retry, Run, external
from saga_journey.core import events as ev
from saga_journey.core.commands import Answer
from saga_journey.errors import KeyConflict
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import done, fail, hold
from tests.acceptance.sagas import AT_ONCE
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

APPLIED = Answer(True, "applied")


# --- answers ------------------------------------------------------------------------------------------------------

Said = Callable[[Run], Awaitable[Answer]]

WRONG: dict[str, tuple[Said, str, str]] = {
    "a milestone that is still to come": (lambda run: run.advance("payment"), "not_waiting_yet", "payment"),
    "a milestone that is done": (lambda run: run.advance("reserve"), "not_waiting", "reserve"),
    "a milestone that there is not": (lambda run: run.advance("aproval"), "unknown_milestone", "aproval"),
    "another attempt": (lambda run: run.advance("approval", expected_attempt=2), "stale", "approval"),
    "no attempt at all": (lambda run: run.advance("approval", expected_attempt=0), "stale", "approval"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("which", WRONG)
async def test_an_answer_to(stage: Stage, which: str) -> None:
    """The no says of which saga and milestone; nothing has changed, and the right answer is still taken."""
    say, code, milestone = WRONG[which]
    saga = stage.saga("reserve", wait("approval"), wait("payment"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        before = await journal(run)
        with pytest.raises(Rejected) as no:
            await say(run)
        assert no.value.code == code
        assert run.saga_id in str(no.value)
        assert f"'{milestone}'" in str(no.value)
        assert await journal(run) == before
        for _ in range(2):
            assert await run.advance() == APPLIED
        assert isinstance(await ended(run), Completed)


def wait(id: str) -> Any:
    return external(id, undo=None, timeout=1000)


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["it was answered", "it was cancelled", "its time was up"])
async def test_an_answer_after_the_end(stage: Stage, end: str) -> None:
    """Too late is said as such, whatever came first; what came first stays."""
    saga = stage.saga("reserve", wait("approval"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        match end:
            case "it was answered":
                await run.advance("approval", "yes")
            case "it was cancelled":
                await run.cancel()
            case _:
                stage.clock.advance(1000)
        outcome = await ended(run)
        told = await journal(run)
        for answer in ("yes", "no"):
            with pytest.raises(Rejected, match=f"^not_waiting: {run.saga_id}: "):
                await run.advance("approval", answer)
        assert await journal(run) == told
    assert isinstance(outcome, Completed if end == "it was answered" else Compensated)


@pytest.mark.anyio
async def test_two_answers_at_the_same_moment(stage: Stage) -> None:
    """One of them counts, the other is told that it came second; a command that is repeated gets its own answer."""
    saga = stage.saga("reserve", wait("approval"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        said = [("yes", "yes"), ("no", "no"), ("yes", "yes"), ("no", "no")]
        heard = await asyncio.gather(
            *(run.advance("approval", what, command_id=id) for what, id in said), return_exceptions=True
        )
        yes, no, *again = [code_of(answer) for answer in heard]
        assert (sorted([yes, no]), again) == (["applied", "not_waiting"], [yes, no])
        outcome = await ended(run)
    assert isinstance(outcome, Completed)
    assert outcome.results["approval"] == ("yes" if yes == "applied" else "no")


def code_of(heard: Answer | BaseException) -> str:
    if isinstance(heard, Rejected | Answer):
        return heard.code
    raise AssertionError("neither yes nor no") from heard


@pytest.mark.anyio
async def test_two_processes_answer_at_the_same_moment(cluster: Cluster) -> None:
    """Neither is the one that moves the saga; exactly one of them is told that its answer counts."""
    async with (
        cluster.worker("checkout") as worker,
        cluster.outside("checkout") as here,
        cluster.outside("checkout") as there,
    ):
        run = await here.start(cluster.sagas("checkout")["approved"], {})
        answers = {"here": run, "there": there.run(run.saga_id)}
        heard = await asyncio.gather(
            *(one.advance("approval", where) for where, one in answers.items()), return_exceptions=True
        )
        outcome = await ended(run)
        told = await journal(run)
        await worker.left()
    codes = dict(zip(answers, map(code_of, heard), strict=True))
    assert sorted(codes.values()) == ["applied", "not_waiting"]
    assert isinstance(outcome, Completed)
    assert codes[outcome.results["approval"]] == "applied"
    assert told == ["saga_started", "milestone_completed approval", "saga_completed"]


@pytest.mark.anyio
async def test_an_expectation_that_the_next_attempt_has_made_stale(stage: Stage) -> None:
    """The request failed once and was made again: an answer to the first one is not taken for one to the second."""

    async def ask(ctx: Context[Any]) -> None:
        if ctx.attempt == 1:
            raise ConnectionError

    saga = stage.saga(external("approval", undo=None, timeout=1000, request=ask, retry=AT_ONCE))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneWaiting)
        with pytest.raises(Rejected, match=r"stale: .*attempt 2 .*is the current one, not 1"):
            await run.advance("approval", "yes, the first time", expected_attempt=1)
        assert await run.advance("approval", "yes", expected_attempt=2) == APPLIED
        outcome = await ended(run)
    assert isinstance(outcome, Completed)
    assert outcome.results["approval"] == "yes"


@pytest.mark.anyio
@pytest.mark.parametrize("state", ["being called", "backing off"])
async def test_an_action_is_not_answered_from_outside(stage: Stage, state: str) -> None:
    """Only what waits for the outside is; whatever somebody says meanwhile, the action's own word counts."""
    stage.participant.will("print", hold() if state == "being called" else fail())
    saga = stage.saga(stage.step("print", retry=Retry(attempts=2, first=3600, most=3600)))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("print")
        if state == "backing off":
            await stage.story.happened(ev.AttemptEnded)
        with pytest.raises(Rejected, match=f"not_waiting: {run.saga_id}: 'print' is running: it waits for no answer"):
            await run.advance("print", "printed elsewhere")
        if state == "being called":
            call.answer(done("printed"))
        else:
            stage.participant.will("print", done("printed"))
            await run.retry("print")
        outcome = await ended(run)
    assert isinstance(outcome, Completed)
    assert outcome.results["print"] == "printed"


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_one_key_with_two_bodies_at_the_same_moment(stage: Stage) -> None:
    """One saga; whoever said the same gets it, everybody else is told whose key it is."""
    saga = stage.saga("reserve")
    async with stage.moving(saga) as journeys:
        heard = await asyncio.gather(
            *(journeys.start(saga, {"cents": n % 2}, key="order-42") for n in range(10)), return_exceptions=True
        )
        (record,) = await journeys.search()
        await ended(journeys.run(record.saga_id))
    assert [run.saga_id for run in heard if isinstance(run, Run)] == [record.saga_id] * 5
    refused = [no for no in heard if isinstance(no, KeyConflict)]
    assert [(no.key, no.saga_id) for no in refused] == [("order-42", record.saga_id)] * 5
    (said,) = {str(no) for no in refused}
    assert said.startswith(f"key 'order-42' of journey 'checkout' belongs to {record.saga_id}, which was started with ")
    assert stage.participant.ledger() == ["do reserve #1: applied"]


@pytest.mark.anyio
async def test_the_key_of_a_saga_that_another_process_started(cluster: Cluster) -> None:
    """By either door: the same body finds it, another one is a conflict, before and after its end."""
    async with cluster.worker("queueing") as worker, cluster.outside("queueing") as line:
        worker.say("start 1")
        await worker.line("started")
        saga = cluster.sagas("queueing")["queueing"]
        theirs = await cluster.run(line)
        for _ in ("under way", "ended"):
            assert (await line.start(saga, {}, key="0")).saga_id == theirs.saga_id
            with pytest.raises(KeyConflict, match=f"key '0' of journey 'queueing' belongs to {theirs.saga_id}, "):
                await line.start(saga, {"another": "body"}, key="0")
            assert isinstance(await ended(theirs), Completed)
        await worker.left()
    assert cluster.participant.ledger() == ["do charge #1: applied", "do ship #1: applied"]
