"""A run as its owner sees it: start keys, outcome, status, history, and every verb with its yes and its no."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from saga_journey import (
    Cancelled,
    Compensated,
    Completed,
    Context,
    Failed,
    Rejected,
    Resolved,
    Retry,
    Run,
    SagaStatus,
    Search,
    Structured,
    external,
)
from saga_journey.core import events as ev
from saga_journey.core.commands import Answer
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.progress import CompensationPlan, HistoryEntry, PlannedUndo
from saga_journey.core.state import Attention
from saga_journey.errors import (
    Closed,
    InvalidInput,
    KeyConflict,
    Overloaded,
    SagaJourneyError,
    StillRunning,
    UnknownSaga,
)
from tests.acceptance.participant import done, fail, hold, refuse
from tests.acceptance.sagas import ONCE
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

APPLIED = Answer(True, "applied")


# --- starting -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_same_key_and_input_give_the_same_run(stage: Stage) -> None:
    """One after the other, all at once, with the keys of the input in another order, and after a restart."""
    saga = stage.saga("reserve")
    async with stage.moving(saga) as journeys:
        first = await journeys.start(saga, {"a": 1, "b": 2}, key="order-42")
        again = await asyncio.gather(*(journeys.start(saga, {"b": 2, "a": 1}, key="order-42") for _ in range(20)))
        assert isinstance(await ended(first), Completed)
    async with stage.moving(saga) as journeys:
        again.append(await journeys.start(saga, {"a": 1, "b": 2}, key="order-42"))
        assert len(await journeys.search()) == 1
    assert {run.saga_id for run in again} == {first.saga_id}
    assert stage.participant.ledger() == ["do reserve #1: applied"]


@pytest.mark.anyio
async def test_twenty_first_starts_at_once_under_one_key(stage: Stage) -> None:
    """They all arrive before any is written: one saga, and each of them gets it."""
    saga = stage.saga("reserve")
    async with stage.moving(saga) as journeys:
        runs = await asyncio.gather(*(journeys.start(saga, {}, key="order-42") for _ in range(20)))
        for run in runs:
            assert isinstance(await ended(run), Completed)
        assert len(await journeys.search()) == 1
    assert len({run.saga_id for run in runs}) == 1
    assert stage.participant.ledger() == ["do reserve #1: applied"]


@pytest.mark.anyio
async def test_another_input_under_the_key_is_a_conflict(stage: Stage) -> None:
    """It names both; the same key in another journey, or of another tenant, is another key."""
    saga, other = stage.saga("reserve"), stage.saga("reserve_more", name="other")
    async with stage.moving(saga, other) as journeys:
        first = await journeys.start(saga, {"cents": 1}, key="order-42")
        with pytest.raises(KeyConflict) as conflict:
            await journeys.start(saga, {"cents": 2}, key="order-42")
        runs = [
            await journeys.start(other, {"cents": 2}, key="order-42"),
            await journeys.start(saga, {"cents": 2}, key="order-42", user_context={"tenant_id": "acme"}),
            await journeys.start(saga, {"cents": 2}),
        ]
        for run in (first, *runs):
            await ended(run)
        assert len(await journeys.search()) == 3
    assert str(conflict.value) == (
        f"key 'order-42' of journey 'checkout' belongs to {first.saga_id}, which was started with another input: "
        "use another key, or start with the same input to get that saga"
    )
    assert len({run.saga_id for run in (first, *runs)}) == 4


@pytest.mark.anyio
@pytest.mark.parametrize("key", ["", "x" * 501, 7], ids=["empty", "too long", "no text"])
async def test_a_key_that_is_none(stage: Stage, key: Any) -> None:
    saga = stage.saga("reserve")
    async with stage.moving(saga) as journeys:
        with pytest.raises(InvalidInput, match=r"key is .*: it is a text of 1 to 500 characters"):
            await journeys.start(saga, {}, key=key)
        assert await journeys.search() == []


@pytest.mark.anyio
async def test_a_saga_that_was_not_opened_here(stage: Stage) -> None:
    """The sentence says how to open it."""
    saga = stage.saga("reserve")
    async with stage.moving() as journeys:
        with pytest.raises(SagaJourneyError, match=r"'checkout' was not opened here: open_journeys\(…, sagas=\["):
            await journeys.start(saga, {})


@pytest.mark.anyio
async def test_the_door_closes_when_too_many_wait(stage: Stage) -> None:
    """One place, two may wait: the fourth is turned away with a time to come back, and nothing of it is kept."""
    saga = stage.saga("reserve")
    stage.participant.will("reserve", hold())
    async with stage.moving(saga, concurrency=1, backlog=2) as journeys:
        runs = [await journeys.start(saga, {})]
        call = await stage.participant.called("reserve")
        runs += [await journeys.start(saga, {}) for _ in range(2)]
        with pytest.raises(Overloaded, match="2 sagas wait to be moved: try again in 1 s, or raise `backlog=`"):
            await journeys.start(saga, {})
        call.answer(done())
        for run in runs:
            assert isinstance(await ended(run), Completed)
        runs.append(await journeys.start(saga, {}))
        await ended(runs[-1])
        assert len(await journeys.search()) == 4


@pytest.mark.anyio
async def test_after_the_end_of_the_block(stage: Stage) -> None:
    """Everything says that the journeys are closed, whoever was waiting included; nothing was lost."""
    saga = stage.saga("reserve", external("approval", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        waiting = asyncio.create_task(run.outcome())
        await asyncio.sleep(0)
    with pytest.raises(Closed):
        await waiting
    for ask in (run.status, run.cancel, run.outcome, run.history, lambda: journeys.start(saga, {}), journeys.search):
        with pytest.raises(Closed, match="these journeys are closed"):
            await ask()


# --- asking -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_status_tells_where_it_stands(stage: Stage) -> None:
    """In the middle: what is done, what is called, what is to come; and afterwards."""
    saga = stage.saga("reserve", stage.step("charge", pivot=True, undo=False), stage.step("ship", undo=False))
    stage.participant.will("charge", hold())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"n": 1}, user_context={"user_id": "ann"})
        call = await stage.participant.called("charge")
        view = await run.status()
        assert (view.saga_id, view.journey, view.version, view.status) == (
            run.saga_id,
            "checkout",
            1,
            SagaStatus.IN_PROGRESS,
        )
        assert (view.percent, view.waiting_for, view.because, view.attention, view.verbs) == (33, None, None, (), ())
        assert (view.seq, view.input) == (2, {"n": 1})
        assert [(m.id, m.status, m.undo, m.attempts, m.pivot, m.has_undo) for m in view.milestones] == [
            ("reserve", "completed", "none", 1, False, True),
            ("charge", "running", "none", 1, True, False),
            ("ship", "pending", "none", 0, False, False),
        ]
        assert view.milestones[0].result == {"of": "reserve"}
        call.answer(done())
        await ended(run)
        view = await run.status()
    assert (view.status, view.percent, view.seq) == (SagaStatus.COMPLETED, 100, 5)


@pytest.mark.anyio
async def test_history_is_every_event_with_its_time(stage: Stage) -> None:
    saga = stage.saga("reserve")
    stage.participant.will("reserve", hold())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"n": 1}, user_context={"user_id": "ann"})
        began = stage.clock.now()
        call = await stage.participant.called("reserve")
        stage.clock.advance(5)
        call.answer(done())
        await ended(run)
        assert await run.history() == [
            HistoryEntry(1, began, "saga_started", {"input": {"n": 1}, "user": "ann"}),
            HistoryEntry(2, began + 5, "milestone_completed", {"milestone": "reserve", "result": {"of": "reserve"}}),
            HistoryEntry(3, began + 5, "saga_completed", {}),
        ]


@pytest.mark.anyio
async def test_outcome_gives_up_waiting_when_told_to(stage: Stage) -> None:
    """The saga goes on, and can be waited for again, by many."""
    saga = stage.saga("reserve")
    stage.participant.will("reserve", hold())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("reserve")
        with pytest.raises(StillRunning, match=f"{run.saga_id} has no outcome after 0.01 s; it goes on"):
            await run.outcome(timeout=0.01)
        waiting = [asyncio.create_task(ended(journeys.run(run.saga_id))) for _ in range(3)]
        call.answer(done())
        assert all(isinstance(outcome, Completed) for outcome in await asyncio.gather(*waiting))


@pytest.mark.anyio
async def test_outcome_waits_through_a_pause_and_tells_of_a_failure(stage: Stage) -> None:
    """`Failed` is a snapshot: whoever asks again after the retry waits for the end."""
    saga = stage.saga("reserve", stage.step("charge", undo=False), stage.step("ship", retry=ONCE), kind=Structured)
    stage.participant.will("ship", refuse("no lorry"))
    stage.participant.will("charge", hold())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("charge")
        waiting = asyncio.create_task(ended(run))
        await run.pause()
        call.answer(done())
        await stage.story.happened(ev.MilestoneCompleted, 2)
        assert not waiting.done()
        assert (await run.status()).status is SagaStatus.PAUSED
        await run.resume()
        attention = Attention("milestone_failed", "ship", "no lorry")
        assert await waiting == Failed((attention,), ("retry", "skip", "cancel", "resolve"))
        await run.retry()
        assert isinstance(await ended(run), Completed)


@pytest.mark.anyio
async def test_preview_says_what_a_compensation_would_do(stage: Stage) -> None:
    """In which order, with what, what stays; and why it cannot be done at all."""
    stage.participant.will("gift", fail())
    gift = stage.step("gift", optional=True, retry=ONCE)
    saga = stage.saga("reserve", gift, stage.step("greet", undo=False))
    final = stage.saga("book", stage.step("pay", pivot=True, undo=False), name="final")
    async with stage.moving(saga, final) as journeys:
        run, past = await journeys.start(saga, {}), await journeys.start(final, {})
        await ended(run)
        await ended(past)
        plans = [await run.preview(), await past.preview()]
        assert await run.preview() == plans[0]
        assert await journal(run) == ["saga_started", *TOLD]
    assert plans == [
        CompensationPlan(
            seq=5,
            refused=None,
            undos=(
                PlannedUndo("gift", "undo_gift", None, in_doubt=True),
                PlannedUndo("reserve", "undo_reserve", {"of": "reserve"}, in_doubt=False),
            ),
            stays=("greet",),
        ),
        CompensationPlan(
            seq=4, refused="the saga is completed past its pivot: there is no way back", undos=(), stays=("pay",)
        ),
    ]


TOLD = ["milestone_completed reserve", "milestone_gave_up gift", "milestone_completed greet", "saga_completed"]


@pytest.mark.anyio
async def test_search_finds_what_is_asked_for(stage: Stage) -> None:
    """By status, journey, time and prefix, newest first, page by page."""
    saga, other = stage.saga("reserve"), stage.saga("book", name="other")
    stage.participant.will("book", refuse())
    async with stage.moving(saga, other) as journeys:
        runs = []
        for which in (saga, other, saga, saga):
            runs.append(await journeys.start(which, {}))
            await ended(runs[-1])
            stage.clock.advance(10)
        ids = [run.saga_id for run in runs][::-1]
        since = stage.clock.now() - 25
        found = {
            "all": Search(),
            "completed": Search(status=SagaStatus.COMPLETED),
            "other": Search(journey="other"),
            "since": Search(since=since),
            "prefix": Search(prefix=ids[1]),
            "first page": Search(limit=3),
            "second page": Search(limit=3, before=ids[2]),
            "nothing": Search(journey="nobody"),
        }
        pages = {name: [r.saga_id for r in await journeys.search(search)] for name, search in found.items()}
    assert pages == {
        "all": ids,
        "completed": [ids[0], ids[1], ids[3]],
        "other": [ids[2]],
        "since": ids[:2],
        "prefix": [ids[1]],
        "first page": ids[:3],
        "second page": [ids[3]],
        "nothing": [],
    }


# --- verbs --------------------------------------------------------------------------------------------------------


async def rejected(verb: Awaitable[Any]) -> str:
    """The code of the no."""
    with pytest.raises(Rejected) as no:
        await verb
    return no.value.code


@pytest.mark.anyio
async def test_cancel_undoes_what_is_done_and_says_so(stage: Stage) -> None:
    saga = stage.saga("reserve", external("approval", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        stage.participant.will("reserve", hold(), op="undo")
        assert await run.cancel("too slow", who="ann") == APPLIED
        call = await stage.participant.called("reserve", "undo")
        assert await run.cancel() == Answer(True, "no_change", "the saga is compensating")
        assert await run.compensate() == Answer(True, "no_change", "the saga is compensating")
        call.answer(done())
        outcome = await ended(run)
        assert await run.cancel() == Answer(True, "no_change", "the saga is compensated")
        assert await rejected(run.resolve("enough")) == "final"
    assert isinstance(outcome, Compensated)
    assert (str(outcome.because), outcome.standing) == ("cancelled by ann: too slow", ("approval",))


@pytest.mark.anyio
async def test_pause_and_resume(stage: Stage) -> None:
    """What is called ends; nothing follows until it is resumed; saying it twice changes nothing."""
    saga = stage.saga("reserve", "ship")
    stage.participant.will("reserve", hold())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("reserve")
        assert await run.pause("lunch", who="ann") == APPLIED
        assert await run.pause() == Answer(True, "no_change", "the saga is paused")
        call.answer(done())
        await stage.story.happened(ev.MilestoneCompleted)
        assert await rejected(run.retry("ship")) == "paused"
        assert await run.resume(who="ann") == APPLIED
        await ended(run)
        assert await rejected(run.resume()) == "not_paused"
        assert await rejected(run.pause()) == "final"
        told = await journal(run)
    assert told == [
        "saga_started",
        "paused who=ann",
        "milestone_completed reserve",
        "resumed who=ann",
        "milestone_completed ship",
        "saga_completed",
    ]


@pytest.mark.anyio
async def test_retry_cuts_a_backoff_short(stage: Stage) -> None:
    """Now instead of in an hour; it counts as the next attempt."""
    slowly = Retry(attempts=3, first=3600, factor=1, most=3600)
    saga = stage.saga(stage.step("reserve", retry=slowly))
    stage.participant.will("reserve", fail(), fail())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        for times in (1, 2):
            await stage.story.happened(ev.AttemptEnded, times)
            assert await rejected(run.retry("reserve", input={"n": 2})) == "not_in_attention"
            assert await run.retry("reserve", who="ann") == APPLIED
        assert isinstance(await ended(run), Completed)
        told = await journal(run)
    assert told == [
        "saga_started",
        *["attempt_ended reserve do", "attempt_hastened reserve do who=ann"] * 2,
        "milestone_completed reserve",
        "saga_completed",
    ]
    assert stage.participant.ledger()[-1] == "do reserve #3: applied"


@pytest.mark.anyio
async def test_retry_with_an_edited_input(stage: Stage) -> None:
    """After a clean no past the pivot: another revision, another key; what is done keeps what it saw."""
    saga = stage.saga(
        stage.step("pay", pivot=True, undo=False), stage.step("ship", undo=False), stage.step("tell", undo=False)
    )
    stage.participant.will("ship", refuse("no such street"))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"street": "Mil Lane"})
        assert isinstance(await ended(run), Failed)
        assert await run.retry("ship", input={"street": "Mill Lane"}, who="ann", reason="a typing error") == APPLIED
        assert isinstance(await ended(run), Completed)
        told = await journal(run)
    assert told[3:] == [
        "attention_raised ship cannot_go_on",
        "input_revised ship who=ann",
        "milestone_retried ship do who=ann",
        "milestone_completed ship",
        "milestone_completed tell",
        "saga_completed",
    ]
    assert [(c.milestone, c.key.removeprefix(run.saga_id), c.body[0]) for c in stage.participant.calls] == [
        ("pay", "/pay/do", {"street": "Mil Lane"}),
        ("ship", "/ship/do", {"street": "Mil Lane"}),
        ("ship", "/ship/do/r2", {"street": "Mill Lane"}),
        ("tell", "/tell/do/r2", {"street": "Mill Lane"}),
    ]


@pytest.mark.anyio
async def test_an_input_is_not_edited_under_a_doubt(stage: Stage) -> None:
    """The old one may have had its effect: first somebody says what is so."""
    saga = stage.saga(stage.step("pay", pivot=True, undo=False), stage.step("ship", undo=False, retry=ONCE))
    stage.participant.will("ship", fail())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"n": 1})
        assert isinstance(await ended(run), Failed)
        assert await rejected(run.retry("ship", input={"n": 2})) == "in_doubt"
        assert await run.it_did_not_happen("ship", reason="the lorry stands in the yard", who="ann") == APPLIED
        assert await run.retry("ship", input={"n": 2}) == APPLIED
        assert isinstance(await ended(run), Completed)
    assert [c.body[0] for c in stage.participant.calls] == [{"n": 1}, {"n": 1}, {"n": 2}]


@pytest.mark.anyio
async def test_skip_needs_what_others_will_read(stage: Stage) -> None:
    """Waiting: with a result of its type; never ahead, never what is being called."""

    async def no_request(ctx: Context[Any]) -> int:
        return 7

    async def forget(ctx: Context[Any], number: int | None) -> None:
        return None

    count = external("count", undo=forget, timeout=1000, result=int)
    saga = stage.saga("reserve", count, "ship")
    stage.participant.will("reserve", hold())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("reserve")
        assert await rejected(run.skip("reserve", reason="impatient")) == "not_skippable"
        assert await rejected(run.skip("ship", reason="ahead")) == "not_skippable"
        call.answer(done())
        await stage.story.happened(ev.MilestoneCompleted)
        with pytest.raises(InvalidInput, match="the result of 'count' does not fit int"):
            await run.skip("count", reason="impatient", result="many")
        assert await rejected(run.skip("count", reason="impatient")) == "needs_result"
        assert await run.skip("count", reason="impatient", result=8, who="ann") == APPLIED
        outcome = await ended(run)
        assert await rejected(run.skip("count", reason="again", result=8)) == "final"
    assert isinstance(outcome, Completed)
    assert outcome.results["count"] == 8
    assert outcome.doubtful == ("count",)


@pytest.mark.anyio
async def test_a_pivot_is_skipped_only_with_its_result(stage: Stage) -> None:
    """And counts as completed then: there is no way back."""
    pay = stage.step("pay", pivot=True, undo=False, retry=ONCE)
    saga = stage.saga("reserve", pay, stage.step("ship", undo=False))
    stage.participant.will("pay", fail())
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        assert isinstance(await ended(run), Failed)
        assert await rejected(run.skip("pay", reason="paid in cash")) == "needs_result"
        assert await run.skip("pay", reason="paid in cash", result="cash", who="ann") == APPLIED
        assert isinstance(await ended(run), Completed)
        assert await rejected(run.compensate()) == "past_pivot"
        told = await journal(run)
    assert told[2:] == [
        "milestone_gave_up pay",
        "attention_raised pay pivot_in_doubt",
        "milestone_completed pay who=ann",
        "milestone_completed ship",
        "saga_completed",
    ]


@pytest.mark.anyio
async def test_resolve_closes_what_waits_for_a_person(stage: Stage) -> None:
    """And says what still stands; saying it twice changes nothing; a saga that can move is not closed."""
    saga = stage.saga("reserve", "charge")
    stage.participant.will("charge", refuse())
    stage.participant.will("reserve", hold(), op="undo")
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        call = await stage.participant.called("reserve", "undo")
        assert await rejected(run.resolve("too early")) == "not_in_attention"
        call.answer(refuse("gone"))
        assert isinstance(await ended(run), Failed)
        assert await rejected(run.mark_undone("charge", reason="wrong one")) == "not_in_attention"
        assert await run.resolve("written off", who="ann") == APPLIED
        assert await run.resolve("again") == Answer(True, "no_change", "the saga is resolved")
        assert await ended(run) == Resolved("written off", left=("reserve",))
        assert await rejected(run.compensate()) == "final"


@pytest.mark.anyio
async def test_a_structured_journey_is_stopped_where_it_is(stage: Stage) -> None:
    """Nothing is undone; what stands is listed."""
    saga = stage.saga("reserve", external("approval", undo=None, timeout=1000), kind=Structured)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await stage.story.happened(ev.MilestoneCompleted)
        assert await rejected(run.compensate()) == "not_a_saga"
        assert await run.cancel(who="ann") == APPLIED
        outcome = await ended(run)
    assert isinstance(outcome, Cancelled)
    assert (str(outcome.because), outcome.standing) == ("cancelled by ann", ("reserve",))
    assert stage.participant.ledger() == ["do reserve #1: applied"]


@pytest.mark.anyio
async def test_compensate_what_is_completed_and_what_is_not(stage: Stage) -> None:
    """The same verb for both; a plan that is out of date is refused."""
    saga = stage.saga("reserve", "ship")
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        await ended(run)
        plan = await run.preview()
        assert await rejected(run.compensate(expected=plan.seq - 1)) == "conflict"
        assert await rejected(run.cancel()) == "finished"
        assert await run.compensate("sent back", expected=plan.seq, who="ann") == APPLIED
        await stage.story.happened(ev.SagaCompensated)
        outcome = await ended(run)
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert str(outcome.because) == "compensation requested by ann: sent back"
    assert told == [
        "saga_started",
        "milestone_completed reserve",
        "milestone_completed ship",
        "saga_completed",
        "compensation_decided requested",
        "milestone_compensated ship",
        "milestone_compensated reserve",
        "saga_compensated",
    ]


VERBS: dict[str, Callable[[Run], Awaitable[Any]]] = {
    "status": lambda run: run.status(),
    "history": lambda run: run.history(),
    "preview": lambda run: run.preview(),
    "outcome": lambda run: run.outcome(),
    "advance": lambda run: run.advance("approval", "yes"),
    "cancel": lambda run: run.cancel(),
    "compensate": lambda run: run.compensate(),
    "pause": lambda run: run.pause(),
    "resume": lambda run: run.resume(),
    "retry": lambda run: run.retry(input={"n": 1}),
    "skip": lambda run: run.skip(reason="none"),
    "choose": lambda run: run.choose("approval"),
    "rollback": lambda run: run.rollback(reason="none"),
    "mark_undone": lambda run: run.mark_undone(reason="none"),
    "it_happened": lambda run: run.it_happened(reason="none"),
    "it_did_not_happen": lambda run: run.it_did_not_happen(reason="none"),
    "move": lambda run: run.move(JourneyDefinition("checkout", 2, (Milestone("approval", None, kind="external"),))),
    "resolve": lambda run: run.resolve("none"),
}


def test_every_verb_is_among_them() -> None:
    assert set(VERBS) == {name for name in vars(Run) if not name.startswith("_")} - {"saga_id"}


@pytest.mark.anyio
@pytest.mark.parametrize("verb", VERBS)
async def test_tenants_are_closed_to_one_another(stage: Stage, verb: str) -> None:
    """Another tenant's saga does not exist, whatever is asked of it; one that never was sounds the same."""
    saga = stage.saga(external("approval", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        theirs = await journeys.start(saga, {}, key="k", user_context={"tenant_id": "acme"})
        before = await journal(theirs)
        for name in (theirs.saga_id, "saga_never"):
            with pytest.raises(UnknownSaga) as unknown:
                await VERBS[verb](journeys.run(name, {"tenant_id": "globex"}))
            assert str(unknown.value).startswith(f"no saga {name!r} here")
        assert await journeys.search(user_context={"tenant_id": "globex"}) == []
        assert await journeys.search(Search(prefix="saga_", before=theirs.saga_id), {"tenant_id": "globex"}) == []
        assert [r.saga_id for r in await journeys.search(user_context={"tenant_id": "acme"})] == [theirs.saga_id]
        assert await journal(theirs) == before


@pytest.mark.anyio
async def test_a_command_is_heard_once(stage: Stage) -> None:
    """The same id gives the same answer, a yes and a no alike; another id is another command."""
    saga = stage.saga(external("approval", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        for _ in range(3):
            assert await run.pause(command_id="p") == APPLIED
            assert await rejected(run.retry(command_id="r")) == "paused"
        assert (await run.pause(command_id="q")).code == "no_change"
        assert await run.advance("approval", "yes", command_id="a") == APPLIED
        assert await run.advance("approval", "yes", command_id="a") == APPLIED
        assert await rejected(run.advance("approval", "yes", command_id="b")) == "not_waiting"
        assert await journal(run) == ["saga_started", "paused", "milestone_completed approval", "saga_completed"]


@pytest.mark.anyio
async def test_an_answer_must_fit_the_declared_type(stage: Stage) -> None:
    """From outside, of the wrong type, or none where there must be one: refused, and the milestone waits on."""

    async def forget(ctx: Context[Any], number: int | None) -> None:
        return None

    count = external("count", undo=forget, timeout=1000, result=int)
    saga = stage.saga(count, external("word", undo=None, timeout=1000))
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {})
        assert await rejected(run.advance()) == "needs_result"
        assert await rejected(run.advance(result="many")) == "wrong_result"
        with pytest.raises(InvalidInput, match="the result of 'count' does not fit int"):
            await run.advance("count", "many")
        with pytest.raises(InvalidInput, match="outcome is 'maybe': it is 'ok', 'refused' or 'unknown'"):
            await run.advance("count", 7, outcome="maybe")
        assert await rejected(run.advance("word", "yes")) == "not_waiting_yet"
        assert await rejected(run.advance("count", 7, expected_attempt=2)) == "stale"
        assert await rejected(run.advance("nobody", 7)) == "unknown_milestone"
        assert await run.advance("count", 7, expected_attempt=1) == APPLIED
        assert await rejected(run.advance("count", 7)) == "not_waiting"
        assert await run.advance() == APPLIED
        outcome = await ended(run)
    assert isinstance(outcome, Completed)
    assert dict(outcome.results) == {"count": 7}
