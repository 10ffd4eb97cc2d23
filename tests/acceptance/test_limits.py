"""Limits: so many runs of a journey or a tenant are moved at once, and handlers are called so fast only.

Nothing is refused: what is over a limit waits in the store, or in line for its turn. Time stands still unless a test
says so, so "at once" is without any.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import replace
from typing import Any

import pytest

from saga_journey import Compensated, Completed, Context, Journeys, Run, Saga, SagaStatus, milestone, open_journeys
from saga_journey.authoring import Journey, MilestoneOf, parallel
from saga_journey.config import EACH, Limits, Rate, Settings
from saga_journey.core.events import MilestoneCompensated, MilestoneCompleted
from saga_journey.ports import AttemptStarting
from saga_journey.testing.clock import START, ManualClock, some_turns
from tests.acceptance.cluster import Cluster
from tests.acceptance.overlap import answered_one_by_one, most_at_once, under_way
from tests.acceptance.participant import done, hold
from tests.acceptance.sagas import called
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

pytestmark = pytest.mark.anyio

TEN = 10
STRAIGHT = ["saga_started", "milestone_completed charge", "saga_completed"]


async def started(journeys: Journeys, saga: Journey[Any], count: int, tenant: str = "default") -> list[Run]:
    who = {"tenant_id": tenant}
    return [await journeys.start(saga, {"n": n}, user_context=who) for n in range(count)]  # type: ignore[arg-type]


async def all_completed(runs: list[Run]) -> None:
    assert all([isinstance(await ended(run), Completed) for run in runs])


# --- so many runs of a journey, of a tenant -----------------------------------------------------------------------


async def test_a_journey_is_moved_so_often_at_once_over_two_workers(stage: Stage) -> None:
    """Ten are started, at either worker; three are called at once over both, as long as three are left."""
    saga, limits = stage.saga("charge"), Limits(journeys={"checkout": 3})
    stage.participant.will("charge", *[hold()] * TEN)
    async with stage.moving(saga, limits=limits) as one, stage.moving(saga, limits=limits) as other:
        runs = [await worker.start(saga, {"n": n}) for n in range(TEN // 2) for worker in (one, other)]
        await answered_one_by_one(stage.participant, "charge", most=3, calls=TEN)
        await all_completed(runs)
        assert [await journal(run) for run in runs] == [STRAIGHT] * TEN
    assert most_at_once(stage.story, "charge") == 3


async def test_other_journeys_are_not_held_up(stage: Stage) -> None:
    """Twenty of another one are started behind ten limited ones, and end while those wait."""
    saga, other = stage.saga("charge"), stage.saga("greet", name="greeting")
    stage.participant.will("charge", *[hold()] * TEN)
    async with stage.moving(saga, other, limits=Limits(journeys={"checkout": 1}), concurrency=4) as journeys:
        limited = await started(journeys, saga, TEN)
        await all_completed(await started(journeys, other, 20))
        assert len(under_way(stage.participant, "charge")) == 1
        await answered_one_by_one(stage.participant, "charge", most=1, calls=TEN)
        await all_completed(limited)


async def test_a_tenant_has_so_many_and_each_other_one_its_own(stage: Stage) -> None:
    """Two of acme's, one of each tenant that is not named; what a tenant may not use, nobody else loses."""
    saga, limits = stage.saga("charge"), Limits(tenants={"acme": 2, EACH: 1})
    stage.participant.will("charge", *[hold()] * 12)
    async with stage.moving(saga, limits=limits) as one, stage.moving(saga, limits=limits) as other:
        runs = [run for tenant in ("acme", "globex", "initech") for run in await started(one, saga, 3, tenant)]
        runs += await started(other, saga, 3, "acme")
        for moved in ([2, 1, 1], [2, 1, 1], [2, 1, 1]):
            await stage.participant.until(
                lambda: by_tenant(stage) == moved,  # noqa: B023 - asked in this turn only
                f"not {moved} of the tenants were under way",
            )
            for call in under_way(stage.participant, "charge"):
                call.answer(done())
        await all_completed(runs)


def by_tenant(stage: Stage) -> list[int]:
    live = under_way(stage.participant, "charge")
    return [sum(call.tenant == tenant for call in live) for tenant in ("acme", "globex", "initech")]


async def test_a_place_that_is_freed_is_used_by_the_other_worker(stage: Stage) -> None:
    """The worker that had it closes; the other one hears of it within a second or two of real time."""
    saga, limits = stage.saga("charge"), Limits(journeys={"checkout": 1})
    stage.participant.will("charge", hold(), hold())
    async with stage.moving(saga, limits=limits) as other:
        async with stage.moving(saga, limits=limits) as one:
            first = await one.start(saga, {"n": 1})
            call = await stage.participant.called("charge")
            second = await other.start(saga, {"n": 2})
            call.answer(done())
        async with asyncio.timeout(3):
            (await stage.participant.called("charge")).answer(done())
        await all_completed([other.run(first.saga_id), second])


async def test_what_is_undone_counts_as_well(stage: Stage) -> None:
    """Two places: two undos at once, and the third waits for one of them."""
    saga = stage.saga("charge")
    stage.participant.will("charge", *[hold()] * 3, op="undo")
    async with stage.moving(saga, limits=Limits(journeys={"checkout": 2})) as journeys:
        runs = await started(journeys, saga, 3)
        await all_completed(runs)
        asked = [asyncio.create_task(run.compensate()) for run in runs]
        await answered_one_by_one(stage.participant, "charge", most=2, calls=3, op="undo")
        await asyncio.gather(*asked)
        await stage.story.happened(MilestoneCompensated, 3)
    assert most_at_once(stage.story, "charge", op="undo") == 2


# --- so many calls of a handler at once ---------------------------------------------------------------------------


def at_once(most: int, *handlers: str) -> Limits:
    return Limits(handlers={name: Rate(at_once=most) for name in handlers})


async def test_a_handler_is_called_so_often_at_once(stage: Stage) -> None:
    """Two at once, as long as two are left; other handlers are called meanwhile, also by the same worker."""
    saga, other = stage.saga("charge"), stage.saga("greet", name="greeting")
    stage.participant.will("charge", *[hold()] * TEN)
    async with stage.moving(saga, other, limits=at_once(2, "charge")) as journeys:
        runs = await started(journeys, saga, TEN)
        await all_completed(await started(journeys, other, TEN))
        await answered_one_by_one(stage.participant, "charge", most=2, calls=TEN)
        await all_completed(runs)
        assert [await journal(run) for run in runs] == [STRAIGHT] * TEN
    assert most_at_once(stage.story, "charge") == 2


async def test_who_came_first_is_called_first(stage: Stage) -> None:
    """A run that goes on to the same handler again stands behind those who wait already."""

    async def act(ctx: Context[Any]) -> Any:
        return await called(stage.participant, ctx, "do")

    twice = [milestone(act, undo=None, id=name) for name in ("first", "second")]
    saga = Saga("twice", version=1, milestones=twice)
    stage.participant.will("first", *[hold()] * 4)
    async with stage.moving(saga, limits=at_once(1, "act")) as journeys:
        runs = await started(journeys, saga, 4)
        for _ in runs:
            (await stage.participant.called("first")).answer(done())
        await all_completed(runs)
    order = [(seen.milestone, seen.saga_id) for seen in stage.story.attempts() if isinstance(seen, AttemptStarting)]
    assert order == [(name, run.saga_id) for name in ("first", "second") for run in runs]


async def test_a_handler_that_is_slow_is_always_called(stage: Stage) -> None:
    """Each call takes two seconds: five of them take ten. Those in line do not go away while there are places."""
    saga = stage.saga("charge")
    stage.participant.will("charge", *[hold()] * 5)
    async with stage.moving(saga, limits=at_once(1, "charge")) as journeys:
        runs = await started(journeys, saga, 5)
        for _ in runs:
            call = await stage.participant.called("charge")
            for _ in range(4):
                stage.clock.advance(0.5)
                await some_turns()
            call.answer(done())
        await all_completed(runs)


class CountedClock(ManualClock):
    """How often somebody looked at it."""

    looks = 0

    def now(self) -> float:
        self.looks += 1
        return super().now()


async def test_standing_in_line_costs_nothing(stage: Stage) -> None:
    """Nobody looks at the clock while it stands still."""
    saga, clock = stage.saga("charge"), CountedClock()
    stage.participant.will("charge", *[hold()] * 3)
    async with stage.moving(saga, limits=at_once(1, "charge"), clock=clock) as journeys:
        runs = await started(journeys, saga, 3)
        await stage.participant.called("charge")
        await some_turns()
        looks = clock.looks
        for _ in range(10):
            await some_turns()
        assert clock.looks - looks < 10  # the store may look, now and then
        await answered_one_by_one(stage.participant, "charge", most=1, calls=3)
        await all_completed(runs)


async def test_undo_handlers_have_rates_too(stage: Stage) -> None:
    """Actions are as fast as ever."""
    saga = stage.saga("charge")
    stage.participant.will("charge", *[hold()] * 4)
    stage.participant.will("charge", *[hold()] * 4, op="undo")
    async with stage.moving(saga, limits=at_once(1, "undo_charge")) as journeys:
        runs = await started(journeys, saga, 4)
        await answered_one_by_one(stage.participant, "charge", most=4, calls=4)
        await all_completed(runs)
        await asyncio.gather(*(run.compensate() for run in runs))
        await answered_one_by_one(stage.participant, "charge", most=1, calls=4, op="undo")
        await stage.story.happened(MilestoneCompensated, 4)
        told = [await journal(run) for run in runs]
    assert (
        told == [[*STRAIGHT, "compensation_decided requested", "milestone_compensated charge", "saga_compensated"]] * 4
    )


async def test_branches_do_not_wait_for_one_that_stands_in_line(stage: Stage) -> None:
    """The cars come one by one; all flights are called at once."""
    stage.participant.side_by_side = True
    saga = stage.saga(parallel(stage.step("flight"), stage.step("car")), "pay")
    stage.participant.will("flight", *[hold()] * 3)
    stage.participant.will("car", *[hold()] * 3)
    async with stage.moving(saga, limits=at_once(1, "car")) as journeys:
        runs = await started(journeys, saga, 3)
        await answered_one_by_one(stage.participant, "flight", most=3, calls=3)
        await answered_one_by_one(stage.participant, "car", most=1, calls=3)
        await all_completed(runs)
    assert (most_at_once(stage.story, "car"), most_at_once(stage.story, "flight")) == (1, 3)


async def test_two_branches_with_the_same_handler(stage: Stage) -> None:
    """One after the other, and behind nobody who came later."""
    stage.participant.side_by_side = True

    async def rent(ctx: Context[Any]) -> Any:
        return await called(stage.participant, ctx, "do", undoable=False)

    block = parallel(*(milestone(rent, undo=None, id=name) for name in ("car", "van")))
    saga = stage.saga(block)
    async with stage.moving(saga, limits=at_once(1, "rent")) as journeys:
        runs = await started(journeys, saga, 3)
        await all_completed(runs)
    assert most_at_once(stage.story, "car", "van") == 1


# --- so many calls in a second ------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
async def test_calls_of_a_handler_are_spaced(stage: Stage, slow: bool) -> None:
    """Two in a second: one at once, then one in every half second, however long each of them takes."""
    saga = stage.saga("charge")
    stage.participant.will("charge", *[hold()] * (6 if slow else 0))
    async with stage.moving(saga, limits=Limits(handlers={"charge": Rate(per_second=2)})) as journeys:
        runs = await started(journeys, saga, 6)
        for _ in runs:
            await stage.participant.called("charge")
            await some_turns()
            stage.clock.advance(0.25)
            await some_turns()
            stage.clock.advance(0.25)
        for call in under_way(stage.participant, "charge"):
            call.answer(done())
        await all_completed(runs)
    began = [seen.at - START for seen in stage.story.attempts() if isinstance(seen, AttemptStarting)]
    assert began == [0, 0.5, 1.0, 1.5, 2.0, 2.5]


async def test_both_rates_of_a_handler_hold(stage: Stage) -> None:
    """One at once and two in a second: the next is called when the last has ended, and its time has come."""
    saga = stage.saga("charge")
    stage.participant.will("charge", hold())
    rates = Limits(handlers={"charge": Rate(at_once=1, per_second=2)})
    async with stage.moving(saga, limits=rates) as journeys:
        runs = await started(journeys, saga, 3)
        call = await stage.participant.called("charge")
        stage.clock.advance(0.75)
        await some_turns()
        assert len(stage.participant.calls) == 1
        call.answer(done())
        await stage.participant.called("charge")
        await stage.story.happened(MilestoneCompleted, 2)
        assert len(stage.participant.calls) == 2
        stage.clock.advance(0.5)
        await all_completed(runs)
    began = [seen.at - START for seen in stage.story.attempts() if isinstance(seen, AttemptStarting)]
    assert began == [0, 0.75, 1.25]


# --- what becomes of a run that stands in line --------------------------------------------------------------------


async def in_line(stage: Stage, journeys: Journeys, *sagas: Journey[Any]) -> list[Run]:
    """One run of each; the first is being charged, the others have reserved and stand in line, in this order."""
    runs = []
    for count, saga in enumerate(sagas, 1):
        runs.append(await journeys.start(saga, {}))
        await stage.story.happened(MilestoneCompleted, count)
        await some_turns()
    return runs


async def test_cancelled_in_line_it_was_never_called(stage: Stage) -> None:
    """What it did before is undone, its place in line is the next one's, and nothing is in doubt."""
    saga = stage.saga("reserve", "charge")
    stage.participant.will("charge", hold())
    async with stage.moving(saga, limits=at_once(1, "charge")) as journeys:
        first, second, third = await in_line(stage, journeys, saga, saga, saga)
        await second.cancel()
        assert isinstance(await ended(second), Compensated)
        assert await journal(second) == [
            "saga_started",
            "milestone_completed reserve",
            "attempt_withdrawn charge do",
            "compensation_decided cancelled",
            "milestone_compensated reserve",
            "saga_compensated",
        ]
        under_way(stage.participant, "charge")[0].answer(done())
        await all_completed([first, third])
    assert stage.participant.ledger(second.saga_id) == [
        "do reserve #1: applied",
        'undo reserve #1 with {"of": "reserve"}: undone',
    ]


async def test_paused_in_line_it_goes_on_later(stage: Stage) -> None:
    """It is not called while it is paused, though its turn comes; the one behind it is."""
    saga = stage.saga("reserve", "charge")
    stage.participant.will("charge", hold())
    async with stage.moving(saga, limits=at_once(1, "charge")) as journeys:
        first, second, third = await in_line(stage, journeys, saga, saga, saga)
        await second.pause()
        assert (await second.status()).status is SagaStatus.PAUSED
        under_way(stage.participant, "charge")[0].answer(done())
        await all_completed([first, third])
        assert stage.participant.ledger(second.saga_id) == ["do reserve #1: applied"]
        await second.resume()
        await all_completed([second])
        assert "attempt_lost charge do" not in await journal(second)
    assert stage.participant.ledger(second.saga_id) == ["do reserve #1: applied", "do charge #1: applied"]


async def test_cancelled_with_one_branch_called_and_one_in_line(stage: Stage) -> None:
    """The call ends and is undone; the branch that was never called is not."""
    stage.participant.side_by_side = True
    saga = stage.saga(parallel(stage.step("flight"), stage.step("car")))
    stage.participant.will("car", hold())
    async with stage.moving(saga, limits=at_once(1, "car")) as journeys:
        first = await journeys.start(saga, {"n": 1})
        await stage.participant.called("car")
        stage.participant.will("flight", hold())
        second = await journeys.start(saga, {"n": 2})
        flight = await stage.participant.called("flight", saga=second.saga_id)
        await second.cancel()
        flight.answer(done())
        assert isinstance(await ended(second), Compensated)
        told = await journal(second)
        under_way(stage.participant, "car")[0].answer(done())
        await all_completed([first])
    assert "attempt_withdrawn car do" in told
    assert stage.participant.ledger(second.saga_id) == [
        "do flight #1: applied",
        'undo flight #1 with {"of": "flight"}: undone',
    ]


async def test_its_time_is_up_while_it_stands_in_line(stage: Stage) -> None:
    """A milestone that was never called within its time is refused: there is nothing to undo of it."""
    charge = stage.step("charge")
    patient, hasty = stage.saga("reserve", charge), stage.saga("reserve_soon", within(3.0, charge), name="hasty")
    stage.participant.will("charge", hold())
    async with stage.moving(patient, hasty, limits=at_once(1, "charge")) as journeys:
        first, second = await in_line(stage, journeys, patient, hasty)
        stage.clock.advance(2.5)
        await some_turns()
        assert (await journal(second))[2:] == []
        stage.clock.advance(0.5)
        assert isinstance(await ended(second), Compensated)
        assert (await journal(second))[2:] == [
            "milestone_refused charge",
            "compensation_decided failure",
            "milestone_compensated reserve_soon",
            "saga_compensated",
        ]
        under_way(stage.participant, "charge")[0].answer(done())
        await all_completed([first])
    assert len(stage.participant.ledger(second.saga_id)) == 2


def within(seconds: float, of: MilestoneOf[Any, Any]) -> MilestoneOf[Any, Any]:
    """The same milestone, with so much time."""
    assert of.spec is not None
    return replace(of, spec=replace(of.spec, within=seconds))


async def test_who_stands_far_behind_gives_the_place_to_others_and_comes_again(stage: Stage) -> None:
    """Four places: one is called, three stand in line. After a second the last one leaves, for five seconds."""
    saga, other = stage.saga("reserve", "charge"), stage.saga("greet", name="greeting")
    stage.participant.will("charge", *[hold()] * 4)
    stage.participant.will("greet", hold())
    async with stage.moving(saga, other, limits=at_once(1, "charge"), concurrency=4, undo_share=0) as journeys:
        runs = await in_line(stage, journeys, *[saga] * 4)
        first = await stage.participant.called("charge")
        greeting = await journeys.start(other, {})
        await some_turns()
        assert stage.participant.ledger(greeting.saga_id) == []
        stage.clock.advance(1.0)
        (await stage.participant.called("greet")).answer(done())
        await all_completed([greeting])
        first.answer(done())
        for _ in range(2):
            (await stage.participant.called("charge")).answer(done())
        await all_completed(runs[:3])
        stage.clock.advance(5.0)
        (await stage.participant.called("charge")).answer(done())
        await all_completed(runs)
        told = [await journal(run) for run in runs]
    assert told == [[STRAIGHT[0], "milestone_completed reserve", *STRAIGHT[1:]]] * 4
    assert [line for line in stage.participant.ledger() if "charge" in line] == ["do charge #1: applied"] * 4


async def test_away_from_the_line_its_clocks_go_on(stage: Stage) -> None:
    """It left for five seconds, and has three for its charge: they are over in time."""
    charge = stage.step("charge")
    patient, hasty = stage.saga("reserve", charge), stage.saga("reserve_soon", within(3.0, charge), name="hasty")
    other = stage.saga("greet", name="greeting")
    stage.participant.will("charge", hold())
    limits = at_once(1, "charge")
    async with stage.moving(patient, hasty, other, limits=limits, concurrency=4, undo_share=0) as journeys:
        first, *others = await in_line(stage, journeys, patient, hasty, hasty, hasty)
        greeting = await journeys.start(other, {})
        stage.clock.advance(1.0)
        await all_completed([greeting])
        stage.clock.advance(2.0)
        outcomes = [await ended(run) for run in others]
        under_way(stage.participant, "charge")[0].answer(done())
        await all_completed([first])
    assert [type(outcome) for outcome in outcomes] == [Compensated] * 3
    assert [call.saga for call in stage.participant.calls if call.milestone == "charge"] == [first.saga_id]


# --- the worker of a line ends ------------------------------------------------------------------------------------


ONE = {"charge": {"at_once": 1}}


async def test_sigterm_while_runs_stand_in_line(cluster: Cluster) -> None:
    """The one that is called gets its answer; the others are given back as they are."""
    cluster.participant.will("charge", hold())
    async with cluster.worker("checkout", name="limited", rates=ONE) as worker:
        call = await caught(cluster, 5)
        worker.signal(signal.SIGTERM)
        await worker.line("closing")
        call.answer(done())
        assert await worker.ended() == -signal.SIGTERM
    assert (worker.logged, worker.errors) == ([], "")
    async with cluster.worker("checkout", name="limited", rates=ONE) as successor:
        stories = await cluster.stories()
        await successor.left()
    milestones = ("reserve", "charge", "ship")
    assert [told for _, told in stories] == [
        ["saga_started", *(f"milestone_completed {m}" for m in milestones), "saga_completed"]
    ] * 5
    assert sorted(cluster.participant.ledger()) == sorted([f"do {m} #1: applied" for m in milestones] * 5)


async def test_kill_9_while_runs_stand_in_line(cluster: Cluster) -> None:
    """Nobody knows that four were never called: they were claimed, so each counts as lost once. Nothing is doubled."""
    cluster.participant.will("charge", hold(effect=True))
    async with cluster.worker("checkout", name="limited", rates=ONE) as worker:
        await caught(cluster, 5)
        await worker.killed()
    async with cluster.worker("checkout", name="limited", rates=ONE) as successor:
        stories = await cluster.stories()
        await successor.left()
    assert all(isinstance(outcome, Completed) for outcome, _ in stories)
    assert [told[2] for _, told in stories] == ["attempt_lost charge do"] * 5
    charges = [line for line in cluster.participant.ledger() if "charge" in line]
    assert sorted(charges) == [
        "do charge #1: applied (abandoned)",
        *["do charge #2: applied"] * 4,
        "do charge #2: replayed",
    ]


async def caught(cluster: Cluster, count: int) -> Any:
    """So many sagas have reserved; one of them is being charged."""
    async with cluster.outside("checkout") as line:
        runs = [await line.start(cluster.sagas("checkout")["checkout"], {"n": n}) for n in range(count)]
        call = await cluster.participant.called("charge")

        async def all_reserved() -> bool:
            return all(["milestone_completed reserve" in await journal(run) for run in runs])

        await cluster.seen(line, all_reserved)
    return call


# --- settings that cannot be meant --------------------------------------------------------------------------------


BAD: list[tuple[type, dict[str, Any], str]] = [
    (Rate, {}, "a Rate without at_once= and per_second= limits nothing"),
    (Rate, {"at_once": 0}, "at_once is 0: it must be above 0"),
    (Rate, {"at_once": -1}, "at_once is -1: it must be above 0"),
    (Rate, {"at_once": 1.5}, "at_once is 1.5: it must be a whole number"),
    (Rate, {"per_second": 0}, "per_second is 0: it must be above 0"),
    (Rate, {"per_second": -0.5}, "per_second is -0.5: it must be above 0"),
    (Rate, {"per_second": float("nan")}, "per_second is nan: it must be above 0"),
    (Rate, {"per_second": "2"}, "per_second is '2': it must be above 0"),
    (Limits, {"journeys": {"a": 0}}, "the limit of journeys 'a' is 0: it must be above 0"),
    (Limits, {"journeys": {"a": 2.5}}, "the limit of journeys 'a' is 2.5: it must be a whole number"),
    (Limits, {"tenants": {EACH: -3}}, "the limit of tenants '*' is -3: it must be above 0"),
    (Limits, {"handlers": {"charge": 3}}, "the limit of handler 'charge' is 3: it must be a Rate"),
    (Settings, {"undo_share": 1}, "undo_share is 1: it is a share, from 0 to below 1"),
    (Settings, {"undo_share": -0.1}, "undo_share is -0.1: it is a share, from 0 to below 1"),
    (Settings, {"keep_finished": 0}, "keep_finished is 0: it must be above 0"),
    (Settings, {"keep_finished": -1}, "keep_finished is -1: it must be above 0"),
    (Settings, {"concurrency": 0}, "concurrency is 0: it must be above 0"),
    (Settings, {"concurrency": 2.5}, "concurrency is 2.5: it must be a whole number"),
]


@pytest.mark.parametrize(("kind", "said", "sentence"), BAD, ids=[sentence for *_, sentence in BAD])
def test_a_setting_that_cannot_be_meant(kind: type, said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as wrong:
        kind(**said)
    assert str(wrong.value) == sentence


async def test_it_is_said_before_anything_is_opened(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="undo_share is 2: it is a share, from 0 to below 1"):
        async with open_journeys(f"sqlite:///{tmp_path}/journeys.db", undo_share=2):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_a_limit_of_a_handler_that_nobody_has_is_said(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    once = Rate(at_once=1)
    with caplog.at_level(logging.WARNING, "saga_journey"):
        async with stage.moving(stage.saga("charge"), limits=Limits(handlers={"charge": once, "chrage": once})):
            pass
    said = "the limit of handler 'chrage' limits nothing here: no handler of that name is registered"
    assert [record.getMessage() for record in caplog.records] == [said]
