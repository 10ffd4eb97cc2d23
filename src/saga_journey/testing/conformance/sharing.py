"""`claim` when more waits than there is room for: everybody gets a share, and nobody gets more than the limits say."""

from __future__ import annotations

import asyncio
from collections import Counter

from saga_journey.config import EACH, Limits
from saga_journey.core.state import SagaStatus
from saga_journey.ports import Claimed
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Journey, Run, Stage, Worker, held_by

CROWD = 500
"""Runs of somebody who has very many."""


class Sharing(Chapter):
    """By one process."""

    # --- fairness ---

    async def test_a_small_tenant_is_not_starved(self, stage: Stage) -> None:
        """It comes last, and gets all three of its runs in the first claim of ten."""
        big, small = await stage.journey("big"), await stage.journey("small")
        await self._is_served_at_once(stage, big, small)

    async def test_a_small_journey_is_not_starved(self, stage: Stage) -> None:
        big, small = await stage.journey(name="big"), await stage.journey(name="small")
        await self._is_served_at_once(stage, big, small)

    async def _is_served_at_once(self, stage: Stage, big: Journey, small: Journey) -> None:
        worker = await stage.worker()
        await stage.start_many(big, CROWD)
        stage.clock.advance(5)
        await stage.start_many(small, 3)
        assert by_definition(await worker.claim(big, small, room=10)) == {small.definition: 3, big.definition: 7}

    async def test_who_has_little_leaves_the_rest_to_others(self, stage: Stage) -> None:
        worker = await stage.worker()
        journeys = [await stage.journey(tenant) for tenant in ("a", "b", "c")]
        for journey, runs in zip(journeys, (1, 4, CROWD), strict=True):
            await stage.start_many(journey, runs)
        came = by_definition(await worker.claim(*journeys, room=12))
        assert [came[journey.definition] for journey in journeys] == [1, 4, 7]

    async def test_when_there_are_more_than_places_they_take_turns(self, stage: Stage) -> None:
        worker = await stage.worker()
        journeys = [await stage.journey(f"tenant-{number}") for number in range(30)]
        for journey in journeys:
            await stage.start_many(journey, 4)
        came = sum([by_definition(await worker.claim(*journeys, room=10)) for _ in range(3)], Counter[int]())
        assert len(came) == 30, "in three claims of ten each of the thirty has got one"

    # --- what is to be undone ---

    async def test_what_is_to_be_undone_is_not_starved(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, CROWD)
        stage.clock.advance(5)
        await undoing(stage, checkout, 3)
        assert by_status(await worker.claim(checkout, room=10))[SagaStatus.COMPENSATING] == 3

    async def test_what_is_to_be_undone_starves_nobody(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await undoing(stage, checkout, CROWD)
        stage.clock.advance(5)
        await stage.start_many(checkout, 3)
        assert by_status(await worker.claim(checkout, room=10))[SagaStatus.IN_PROGRESS] == 3

    async def test_no_more_goes_forward_than_is_wanted(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 20)
        assert [len(await worker.gets(checkout, room=10, forward=most)) for most in (0, 4)] == [0, 4]

    async def test_the_rest_of_the_room_is_for_what_is_to_be_undone(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 20)
        await undoing(stage, checkout, 20)
        came = by_status(await worker.claim(checkout, room=10, forward=2))
        assert came == {SagaStatus.IN_PROGRESS: 2, SagaStatus.COMPENSATING: 8}
        assert by_status(await worker.claim(checkout, room=10, forward=0)) == {SagaStatus.COMPENSATING: 10}

    async def test_what_goes_forward_takes_what_nobody_undoes(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 20)
        await undoing(stage, checkout, 1)
        came = by_status(await worker.claim(checkout, room=10))
        assert came == {SagaStatus.IN_PROGRESS: 9, SagaStatus.COMPENSATING: 1}

    async def test_what_dead_workers_left_going_forward_counts_as_well(self, stage: Stage) -> None:
        checkout, dead, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        await stage.start_many(checkout, 10, dead)
        await undoing(stage, checkout, 10)
        stage.outlive()
        assert by_status(await worker.claim(checkout, room=8, forward=3))[SagaStatus.IN_PROGRESS] <= 3

    async def test_every_place_is_used(self, stage: Stage) -> None:
        """Few of one journey and many of another are to be undone, and one of a third goes forward."""
        few, many, new = [await stage.journey(name=name) for name in ("few", "many", "new")]
        worker = await stage.worker()
        await undoing(stage, few, 2)
        await undoing(stage, many, 20)
        await stage.start_many(new, 1)
        assert len(await worker.gets(few, many, new, room=10)) == 10

    # --- limits ---

    async def test_a_limit_on_a_journey_counts_what_all_workers_move(self, stage: Stage) -> None:
        """Of whichever tenant and version."""
        checkout, second = await stage.journey(), await stage.journey("globex", version=2)
        limits = Limits(journeys={"checkout": 3})
        await self._is_kept(stage, [checkout, second], limits)

    async def test_a_limit_on_a_tenant_counts_what_all_workers_move(self, stage: Stage) -> None:
        """Of whichever journey."""
        checkout, refund = await stage.journey(), await stage.journey(name="refund")
        await self._is_kept(stage, [checkout, refund], Limits(tenants={"acme": 3, EACH: 1}))

    async def _is_kept(self, stage: Stage, journeys: list[Journey], limits: Limits) -> None:
        """One run is held by whoever started it, so two places are left; and one more when a run is given back."""
        one, other = await stage.worker(), await stage.worker()
        await stage.start(journeys[0], one)
        for journey in journeys:
            await stage.start_many(journey, 5)
        claimed = (await one.claim(*journeys, limits=limits)).runs
        assert len(claimed) == 2
        assert await other.gets(*journeys, limits=limits) == []
        await stage.store.commit(stage.release(Run.of(claimed[0])))
        assert len(await other.gets(*journeys, limits=limits)) == 1

    async def test_each_tenant_that_is_not_named_has_its_own_limit(self, stage: Stage) -> None:
        journeys, worker = [await stage.journey(name) for name in ("acme", "globex", "initech")], await stage.worker()
        for journey in journeys:
            await stage.start_many(journey, 5)
        came = by_definition(await worker.claim(*journeys, limits=Limits(tenants={"acme": 4, EACH: 2})))
        assert [came[journey.definition] for journey in journeys] == [4, 2, 2]

    async def test_what_a_limit_holds_back_takes_no_room(self, stage: Stage) -> None:
        checkout, refund, worker = await stage.journey(), await stage.journey(name="refund"), await stage.worker()
        await stage.start_many(checkout, 20)
        stage.clock.advance(5)
        await stage.start_many(refund, 20)
        came = by_definition(await worker.claim(checkout, refund, room=10, limits=Limits(journeys={"checkout": 2})))
        assert came == {checkout.definition: 2, refund.definition: 8}

    async def test_what_is_to_be_undone_counts_too(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 5)
        await undoing(stage, checkout, 5)
        assert len(await worker.gets(checkout, limits=Limits(journeys={"checkout": 4}))) == 4

    async def test_what_is_over_a_limit_already_is_let_alone(self, stage: Stage) -> None:
        """A limit that was lowered, or runs that were claimed by their starts."""
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 5, worker)
        await stage.start_many(checkout, 5)
        assert await worker.gets(checkout, limits=Limits(journeys={"checkout": 2})) == []
        assert len(await stage.store.held(worker.owner)) == 5


class SharingTogether(Chapter):
    """By several processes."""

    async def test_limits_hold_when_two_claim_at_once(self, stage: Stage) -> None:
        checkout = await stage.journey()
        workers = [await stage.worker(store) for store in [stage.store, *await stage.others(3)]]
        for limit in (3, 5, 9):
            await stage.start_many(checkout, 20)
            wanted = Limits(journeys={"checkout": limit}, tenants={EACH: limit + 1})
            await asyncio.gather(*(worker.claim(checkout, limits=wanted) for worker in workers))
            assert sum([len(await worker.store.held(worker.owner)) for worker in workers]) == limit

    async def test_a_small_tenant_is_served_whoever_claims(self, stage: Stage) -> None:
        big, small = await stage.journey("big"), await stage.journey("small")
        workers = [await stage.worker(store) for store in [stage.store, await stage.another()]]
        for worker in workers:
            await stage.start_many(big, CROWD // 2)
            stage.clock.advance(5)
            await stage.start_many(small, 3)
            assert by_definition(await worker.claim(big, small, room=10))[small.definition] == 3


async def undoing(stage: Stage, journey: Journey, count: int) -> None:
    """So many runs that turned back, and wait for a worker."""
    worker: Worker = await stage.worker()
    runs, now = await stage.start_many(journey, count, worker), stage.clock.now()
    turned = [stage.turn(run, "turned", row=held_by(worker, now, status=SagaStatus.COMPENSATING)) for run in runs]
    await asyncio.gather(*(stage.store.commit(write) for write in turned))
    given = [stage.release(run._replace(seq=3), now, status=SagaStatus.COMPENSATING) for run in runs]
    await asyncio.gather(*(stage.store.commit(write) for write in given))


def by_definition(claimed: Claimed) -> Counter[int]:
    """How many runs of each definition."""
    return Counter(run.record.definition for run in claimed.runs)


def by_status(claimed: Claimed) -> Counter[SagaStatus]:
    return Counter(run.record.status for run in claimed.runs)
