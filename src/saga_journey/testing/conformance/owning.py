"""`enter`, `renew`, `held`, `leave`, `workers`: who is alive, and what it holds."""

from __future__ import annotations

import asyncio

from saga_journey import ports
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import LEASE, LONG, Stage


class Owning(Chapter):
    """By one process."""

    async def test_who_enters_is_listed(self, stage: Stage) -> None:
        now, short, long = stage.clock.now(), await stage.mortal(), await stage.worker()
        assert sorted(await stage.store.workers()) == sorted(
            [
                ports.Worker(short.owner, alive=True, runs=0, seen_at=now, lease_until=now + LEASE),
                ports.Worker(long.owner, alive=True, runs=0, seen_at=now, lease_until=now + LONG),
            ]
        )

    async def test_each_owner_has_a_number_of_its_own(self, stage: Stage) -> None:
        owners = await asyncio.gather(*(stage.store.enter(LEASE) for _ in range(20)))
        assert len(set(owners)) == 20
        await asyncio.gather(*(stage.store.leave(owner) for owner in owners))
        assert await stage.store.enter(LEASE) not in owners, "whoever was called so before may still write"

    async def test_a_lease_that_is_renewed_in_time_goes_on(self, stage: Stage) -> None:
        worker = await stage.mortal()
        for _ in range(3):
            stage.clock.advance(LEASE - 1)
            assert await stage.store.renew(worker.owner, LEASE) is True
        now = stage.clock.now()
        assert await stage.store.workers() == [ports.Worker(worker.owner, True, 0, now, now + LEASE)]

    async def test_a_lease_that_has_run_out_is_noticed_and_runs_again(self, stage: Stage) -> None:
        worker = await stage.mortal()
        stage.outlive()
        assert [one.alive for one in await stage.store.workers()] == [False]
        assert await stage.store.renew(worker.owner, LEASE) is False
        assert [one.alive for one in await stage.store.workers()] == [True]
        stage.clock.advance(1)
        assert await stage.store.renew(worker.owner, LEASE) is True

    async def test_who_came_back_keeps_what_nobody_took(self, stage: Stage) -> None:
        checkout, owner, taker = await stage.journey(), await stage.mortal(), await stage.worker()
        runs = await stage.start_many(checkout, 5, owner)
        stage.outlive()
        taken = await taker.gets(checkout, room=2)
        assert await stage.store.renew(owner.owner, LEASE) is False
        assert await stage.store.held(owner.owner) == {run.key for run in runs} - set(taken)
        assert await taker.gets(checkout) == []

    async def test_who_came_back_is_told_although_a_claim_buried_it(self, stage: Stage) -> None:
        checkout, owner, taker = await stage.journey(), await stage.mortal(), await stage.worker()
        runs = await stage.start_many(checkout, 2, owner)
        for _ in range(2):
            stage.outlive()
            assert len(await taker.gets(checkout, room=1)) == 1
            assert await stage.store.renew(owner.owner, LEASE) is False
        assert await stage.store.held(owner.owner) == set()
        assert await stage.store.held(taker.owner) == {run.key for run in runs}

    async def test_held_is_what_was_started_or_claimed_and_not_let_go(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.worker()
        started = await stage.start_many(checkout, 3, worker)
        await stage.start(checkout)
        claimed = await worker.takes(checkout)
        await stage.start_many(checkout, 2, other)
        await stage.store.commit(stage.release(started[0]))
        await stage.store.commit(stage.ending(started[1]))
        await stage.store.commit(stage.turn(started[2]))
        assert await stage.store.held(worker.owner) == {started[2].key, claimed.key}
        assert await stage.store.held(other.owner + 1000) == set()

    async def test_workers_says_how_many_runs_each_has(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.mortal()
        runs = await stage.start_many(checkout, 3, worker)
        await stage.start_many(checkout, 2, other)
        await stage.store.commit(stage.ending(runs[0]))
        stage.outlive()
        came = {one.owner: (one.alive, one.runs) for one in await stage.store.workers()}
        assert came == {worker.owner: (True, 2), other.owner: (False, 2)}, "also the dead whose runs nobody took"

    async def test_looking_at_the_workers_changes_nothing(self, stage: Stage) -> None:
        checkout, owner = await stage.journey(), await stage.mortal()
        run = await stage.start(checkout, owner)
        stage.outlive()
        before = await stage.store.workers()
        assert await stage.store.workers() == before
        await stage.store.commit(stage.turn(run))
        assert await stage.store.held(owner.owner) == {run.key}

    async def test_who_leaves_is_no_more(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.commit(stage.release(run))
        await stage.store.leave(worker.owner)
        assert [one.owner for one in await stage.store.workers()] == [other.owner]

    async def test_what_it_still_held_is_left_for_others(self, stage: Stage) -> None:
        checkout, owner, other = await stage.journey(), await stage.mortal(), await stage.worker()
        run = await stage.start(checkout, owner)
        await stage.store.leave(owner.owner)
        stage.outlive()
        (claimed,) = (await other.claim(checkout)).runs
        assert (claimed.record.key, claimed.taken_over) == (run.key, True)


class OwningTogether(Chapter):
    """By several processes."""

    async def test_each_owner_of_whichever_process_has_a_number_of_its_own(self, stage: Stage) -> None:
        stores = [stage.store, *await stage.others(3)]
        owners = await asyncio.gather(*(store.enter(LEASE) for store in stores for _ in range(5)))
        assert len(set(owners)) == 20
        assert sorted(one.owner for one in await stores[1].workers()) == sorted(owners)

    async def test_all_see_who_is_alive_and_what_it_holds(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        worker = await stage.mortal(other)
        run = await stage.start(checkout, worker)
        assert await stage.store.workers() == await other.workers()
        assert await stage.store.held(worker.owner) == await other.held(worker.owner) == {run.key}
        stage.outlive()
        assert [one.alive for one in await stage.store.workers()] == [False]

    async def test_a_worker_of_another_process_lives_as_long_as_it_renews(self, stage: Stage) -> None:
        checkout, here = await stage.journey(), await stage.worker()
        there = await stage.mortal(await stage.another())
        run = await stage.start(checkout, there)
        for _ in range(3):
            stage.clock.advance(LEASE - 1)
            assert await here.gets(checkout) == []
            assert await there.store.renew(there.owner, LEASE)
        stage.outlive()
        assert await here.gets(checkout) == [run.key]
        assert await there.store.held(there.owner) == set()
