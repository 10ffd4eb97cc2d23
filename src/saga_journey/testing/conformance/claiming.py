"""`claim`: what is due goes to one worker, under a new epoch, with all that it needs to go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from saga_journey.config import Limits
from saga_journey.core.commands import APPLIED
from saga_journey.core.state import SagaStatus
from saga_journey.ports import CRASH_LOOP, FRAGILE, RunKey, StoredCommand
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import (
    GRACE,
    LEASE,
    Journey,
    Run,
    Stage,
    Worker,
    held_by,
    next_seq,
    round_trips,
)

ROUNDS = 15


class Claiming(Chapter):
    """By one process."""

    # --- what waits ---

    async def test_a_run_comes_with_its_journal_under_a_new_epoch(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout)
        stage.clock.advance(5)
        (claimed,) = (await worker.claim(checkout)).runs
        assert (claimed.record.key, claimed.record.saga_id, claimed.record.epoch) == (run.key, run.saga_id, 1)
        assert claimed.rows == await stage.store.load(run.key)
        assert (claimed.commands, claimed.taken_over, claimed.served) == ([], False, True)
        assert (claimed.empty_claims, claimed.lost, claimed.fragile) == (0, 0, False)

    async def test_each_run_comes_with_what_is_its_own(self, stage: Stage) -> None:
        """Of whichever tenant: their runs may have the same numbers there."""
        journeys, worker = [await stage.journey(name) for name in ("acme", "globex")], await stage.worker()
        runs = [run for journey in journeys for run in await stage.start_many(journey, 5)]
        for run in runs:
            await stage.store.send(run.key, f"for {run.saga_id}", "cancel", "{}")
            await stage.store.commit(stage.turn(run, run.saga_id))
        claimed = {run.record.key: run for run in (await worker.claim(*journeys)).runs}
        for run in runs:
            mine = claimed[run.key]
            assert mine.record.saga_id == run.saga_id
            assert mine.rows == await stage.store.load(run.key)
            assert [command.command_id for command in mine.commands] == [f"for {run.saga_id}"]

    async def test_its_record_is_the_one_that_others_see(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout)
        stage.clock.advance(5)
        (claimed,) = (await worker.claim(checkout)).runs
        record = await stage.record(checkout, run)
        assert (record.owner, record.epoch, record.updated_at) == (worker.owner, 1, stage.clock.now())
        assert claimed.record == record

    async def test_each_claim_has_an_epoch_of_its_own(self, stage: Stage) -> None:
        checkout, one, other = await stage.journey(), await stage.worker(), await stage.worker()
        await stage.start(checkout)
        for epoch, worker in enumerate([one, other, one, one], 1):
            run = await worker.takes(checkout)
            assert run.epoch == epoch
            await stage.store.commit(stage.release(run, due=stage.clock.now()))

    async def test_what_is_held_is_not_claimed_again(self, stage: Stage) -> None:
        checkout, one, other = await stage.journey(), await stage.worker(), await stage.worker()
        await stage.start_many(checkout, 3)
        assert len(await one.gets(checkout)) == 3
        assert await one.gets(checkout) == await other.gets(checkout) == []

    async def test_what_is_not_due_yet_waits_and_is_announced(self, stage: Stage) -> None:
        checkout, worker, now = await stage.journey(), await stage.worker(), stage.clock.now()
        later = await stage.start(checkout, due_at=now + 20)
        sooner = await stage.start(checkout, due_at=now + 10)
        claimed = await worker.claim(checkout)
        assert (claimed.runs, claimed.next_due) == ([], now + 10)
        stage.clock.advance(10)
        claimed = await worker.claim(checkout)
        assert ([run.record.key for run in claimed.runs], claimed.next_due) == ([sooner.key], now + 20)
        stage.clock.advance(30)
        claimed = await worker.claim(checkout)
        assert ([run.record.key for run in claimed.runs], claimed.next_due) == ([later.key], None)

    async def test_what_is_due_and_was_not_claimed_is_not_announced(self, stage: Stage) -> None:
        """Else a worker without room would ask again and again."""
        checkout, worker, now = await stage.journey(), await stage.worker(), stage.clock.now()
        await stage.start_many(checkout, 2)
        await stage.start(checkout, due_at=now + 10)
        assert (await worker.claim(checkout, room=1)).next_due == now + 10
        assert (await worker.claim(room=1)).next_due == now + 10

    async def test_no_more_than_there_is_room_for(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 7)
        assert [len(await worker.gets(checkout, room=room)) for room in (0, 3, 3, 3)] == [0, 3, 3, 1]

    async def test_the_longest_due_comes_first(self, stage: Stage) -> None:
        checkout, worker, now = await stage.journey(), await stage.worker(), stage.clock.now()
        due = [await stage.start(checkout, due_at=now - ago) for ago in (3, 9, 6)]
        stage.clock.advance(1)
        came = [await worker.gets(checkout, room=1) for _ in due]
        assert came == [[due[1].key], [due[2].key], [due[0].key]]

    async def test_only_what_the_worker_has_the_handlers_for(self, stage: Stage) -> None:
        checkout, refund = await stage.journey(), await stage.journey(name="refund")
        second = await stage.journey(version=2)
        worker, _other = await stage.worker(), await stage.worker()
        runs = [await stage.start(journey) for journey in (checkout, refund, second)]
        assert sorted(await worker.gets(checkout, second)) == sorted([runs[0].key, runs[2].key])
        assert await worker.gets(checkout, second) == []

    async def test_what_is_final_is_not_claimed(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.commit(stage.ending(run))
        claimed = await worker.claim(checkout)
        assert (claimed.runs, claimed.next_due) == ([], None)

    async def test_what_was_given_back_is_not_taken_over(self, stage: Stage) -> None:
        """Nothing of it is in doubt, also when its last owner has died since."""
        checkout, old, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        run = await stage.start(checkout, old)
        await stage.store.commit(stage.release(run, due=stage.clock.now()))
        stage.outlive()
        (claimed,) = (await worker.claim(checkout)).runs
        assert (claimed.taken_over, claimed.empty_claims) == (False, 0)

    async def test_commands_come_along(self, stage: Stage) -> None:
        """In the order in which they were sent, and only those that nobody has answered."""
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        for name in ("c", "a", "b"):
            await stage.store.send(run.key, name, "cancel", f'{{"who":"{name}"}}')
            stage.clock.advance(1)
        write = stage.turn(run, answers=[("a", APPLIED)], row=stage.release(run, due=stage.clock.now()).row)
        await stage.store.commit(write)
        (claimed,) = (await worker.claim(checkout)).runs
        assert claimed.commands == [StoredCommand(run.key, c, "cancel", f'{{"who":"{c}"}}') for c in ("c", "b")]

    # --- whose handlers nobody has ---

    async def test_what_nobody_can_call_is_claimed_after_the_grace(self, stage: Stage) -> None:
        checkout, worker, _other = await stage.journey(), await stage.worker(), await stage.worker()
        run = await stage.start(checkout)
        stage.clock.advance(GRACE - 1)
        assert await worker.gets() == []
        stage.clock.advance(1)
        (claimed,) = (await worker.claim()).runs
        assert (claimed.record.key, claimed.served) == (run.key, False)
        assert await stage.store.held(worker.owner) == {run.key}

    async def test_what_nobody_can_call_is_claimed_at_once_when_nobody_else_is_there(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.worker()
        await stage.start(checkout)
        assert await worker.gets() == []
        await stage.store.leave(other.owner)
        (claimed,) = (await worker.claim()).runs
        assert claimed.served is False

    async def test_what_a_worker_has_not_looked_at_is_not_what_nobody_can_call(self, stage: Stage) -> None:
        """It was saved since: whether the worker can call it, and what limits it, is for its next claim."""
        old, worker = await stage.journey(), await stage.worker()
        new = await stage.journey(name="refund")
        runs = [await stage.start(journey) for journey in (old, new)]
        assert await worker.gets(known=old.definition) == [runs[0].key]
        assert await worker.gets() == [runs[1].key]

    async def test_what_can_be_called_comes_before_what_cannot(self, stage: Stage) -> None:
        checkout, refund, worker = await stage.journey(), await stage.journey(name="refund"), await stage.worker()
        await stage.start_many(refund, 5)
        stage.clock.advance(5)
        await stage.start_many(checkout, 5)
        claimed = (await worker.claim(checkout, room=7)).runs
        assert Counter(run.served for run in claimed) == {True: 5, False: 2}

    async def test_what_nobody_can_call_and_a_dead_worker_left_is_claimed_after_the_grace(self, stage: Stage) -> None:
        checkout, dead = await stage.journey(), await stage.mortal()
        worker, _other = await stage.worker(), await stage.worker()
        await stage.start(checkout, dead)
        stage.outlive()
        assert await worker.gets() == []
        stage.clock.advance(GRACE)
        (claimed,) = (await worker.claim()).runs
        assert (claimed.taken_over, claimed.served) == (True, False)

    # --- what dead workers left ---

    async def test_runs_of_a_dead_worker_are_taken_over(self, stage: Stage) -> None:
        checkout, dead, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        run = await stage.start(checkout, dead)
        await stage.store.commit(stage.turn(run))
        stage.outlive()
        (claimed,) = (await worker.claim(checkout)).runs
        assert (claimed.record.key, claimed.record.epoch, claimed.taken_over) == (run.key, 2, True)
        assert claimed.rows == await stage.store.load(run.key)

    async def test_runs_of_a_live_worker_are_not(self, stage: Stage) -> None:
        checkout, alive, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        await stage.start_many(checkout, 3, alive)
        for _ in range(3):
            stage.clock.advance(LEASE - 1)
            assert await worker.gets(checkout) == []
            assert await stage.store.renew(alive.owner, LEASE)

    async def test_what_a_dead_worker_left_comes_first(self, stage: Stage) -> None:
        checkout, dead, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        await stage.start_many(checkout, 5)
        orphans = await stage.start_many(checkout, 3, dead)
        stage.outlive()
        assert sorted(await worker.gets(checkout, room=3)) == sorted(run.key for run in orphans)

    async def test_what_a_dead_worker_ended_is_not_taken_over(self, stage: Stage) -> None:
        checkout, dead, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        runs = await stage.start_many(checkout, 2, dead)
        await stage.store.commit(stage.ending(runs[0]))
        stage.outlive()
        assert await worker.gets(checkout) == [runs[1].key]

    async def test_a_worker_never_takes_over_its_own_runs(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.mortal()
        run = await stage.start(checkout, worker)
        stage.outlive()
        assert await worker.gets(checkout) == []
        await stage.store.commit(stage.turn(run))

    async def test_claims_without_a_commit_are_counted(self, stage: Stage) -> None:
        """From CRASH_LOOP on, the run is handed over unread, with the seq of its next event."""
        checkout = await stage.journey()
        run = await stage.start(checkout)
        first = await (await stage.mortal()).takes(checkout)
        three = stage.turn(first)
        three.events = f"[{', '.join([(three.events or '')[1:-1]] * 3)}]"
        await stage.store.commit(three)
        stage.outlive()
        for died in range(CRASH_LOOP):
            (claimed,) = (await (await stage.mortal()).claim(checkout)).runs
            assert claimed.empty_claims == died, "the first one of them had written"
            assert claimed.rows
            stage.outlive()
        (claimed,) = (await (await stage.mortal()).claim(checkout)).runs
        assert claimed.empty_claims == CRASH_LOOP
        assert not claimed.rows
        assert claimed.next_seq == 5 == next_seq((await stage.store.load(run.key))[-1])
        assert claimed.record.epoch == CRASH_LOOP + 2

    async def test_a_commit_ends_a_row_of_claims_without_one(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.mortal()
        run = await stage.start(checkout, worker)
        for died in (0, 1):
            stage.outlive()
            worker = await stage.mortal()
            (claimed,) = (await worker.claim(checkout)).runs
            assert claimed.empty_claims == died
        run = Run.of(claimed)
        await stage.store.commit(stage.turn(run))
        stage.outlive()
        (claimed,) = (await (await stage.mortal()).claim(checkout)).runs
        assert claimed.empty_claims == 0

    async def test_a_release_ends_a_row_of_claims_without_a_commit(self, stage: Stage) -> None:
        checkout = await stage.journey()
        await stage.start(checkout)
        await (await stage.mortal()).takes(checkout)
        stage.outlive()
        (claimed,) = (await (await stage.mortal()).claim(checkout)).runs
        assert claimed.empty_claims == 1
        await stage.store.commit(stage.release(Run.of(claimed), due=stage.clock.now()))
        await (await stage.mortal()).takes(checkout)
        stage.outlive()
        (claimed,) = (await (await stage.mortal()).claim(checkout)).runs
        assert claimed.empty_claims == 1

    # --- what may kill its workers ---

    async def test_fragile_runs_are_claimed_one_at_a_time(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        fragile = await self._lost(stage, checkout, FRAGILE, 3)
        sturdy = await self._lost(stage, checkout, FRAGILE - 1, 2)
        claimed = (await worker.claim(checkout)).runs
        assert Counter(run.fragile for run in claimed) == {False: 2, True: 1}
        assert {run.lost for run in claimed} == {FRAGILE, FRAGILE - 1}
        assert {run.record.key for run in claimed if not run.fragile} == {run.key for run in sturdy}
        assert await worker.gets(checkout, fragile=False) == []
        left = [await worker.gets(checkout) for _ in range(3)]
        assert [len(keys) for keys in left] == [1, 1, 0]
        assert {key for keys in left for key in keys} < {run.key for run in fragile}

    async def _lost(self, stage: Stage, journey: Journey, lost: int, runs: int) -> list[Run]:
        """So many runs whose open attempt was lost so often, released and due."""
        found = await stage.start_many(journey, runs, await stage.worker())
        due = stage.clock.now()
        await asyncio.gather(*(stage.store.commit(stage.release(run, due, lost=lost)) for run in found))
        return found

    async def test_what_was_lost_once_and_dies_again_is_fragile(self, stage: Stage) -> None:
        """The worker that died last is not counted yet."""
        checkout, dead, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        runs = await stage.start_many(checkout, 3, dead)
        now = stage.clock.now()
        writes = [stage.turn(run, row=held_by(dead, now, lost=1)) for run in runs]
        await asyncio.gather(*(stage.store.commit(write) for write in writes))
        fresh = await stage.start(checkout, dead)
        stage.outlive()
        assert await worker.gets(checkout, fragile=False) == [fresh.key]
        for _ in runs:
            (claimed,) = (await worker.claim(checkout)).runs
            assert (claimed.lost, claimed.taken_over, claimed.fragile) == (1, True, True)

    async def test_one_fragile_run_at_a_time_whether_it_waits_or_was_left(self, stage: Stage) -> None:
        checkout, dead, worker = await stage.journey(), await stage.mortal(), await stage.worker()
        orphan = await stage.start(checkout, dead)
        await stage.store.commit(stage.turn(orphan, row=held_by(dead, stage.clock.now(), lost=1)))
        await self._lost(stage, checkout, FRAGILE, 1)
        stage.outlive()
        assert [len(await worker.gets(checkout)) for _ in range(3)] == [1, 1, 0]

    async def test_a_limit_holds_a_fragile_run_back_and_not_another_ones(self, stage: Stage) -> None:
        checkout, refund, worker = await stage.journey(), await stage.journey(name="refund"), await stage.worker()
        run = await stage.start(checkout, worker)
        (held_back,) = await self._lost(stage, checkout, FRAGILE, 1)
        stage.clock.advance(5)
        (other,) = await self._lost(stage, refund, FRAGILE, 1)
        limits = Limits(journeys={"checkout": 1})
        assert await worker.gets(checkout, refund, limits=limits) == [other.key]
        assert await worker.gets(checkout, refund, limits=limits) == []
        await stage.store.commit(stage.release(run))
        assert await worker.gets(checkout, refund, limits=limits) == [held_back.key]

    # --- handlers that came ---

    async def test_what_was_parked_for_want_of_handlers_is_woken(self, stage: Stage) -> None:
        checkout, refund, worker = await stage.journey(), await stage.journey(name="refund"), await stage.worker()
        parked = [await self._parked(stage, worker, journey, needs=True) for journey in (checkout, refund)]
        await self._parked(stage, worker, checkout, needs=False)
        await stage.store.wake_needy([checkout.definition])
        assert await worker.gets(checkout, refund) == [parked[0].key]

    async def _parked(self, stage: Stage, worker: Worker, journey: Journey, *, needs: bool) -> Run:
        run = await stage.start(journey, worker)
        await stage.store.commit(stage.release(run, status=SagaStatus.FAILED, needs=needs))
        return run

    async def test_what_is_held_is_not_woken(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await self._parked(stage, worker, checkout, needs=True)
        await stage.store.wake_needy([checkout.definition])
        await worker.takes(checkout)
        await stage.store.wake_needy([checkout.definition])
        assert await worker.gets(checkout) == []


class ClaimingTogether(Chapter):
    """By several processes."""

    async def test_no_run_goes_to_two(self, stage: Stage) -> None:
        checkout, workers = await stage.journey(), await _in_four_processes(stage)
        runs = await stage.start_many(checkout, 200)
        shares = await asyncio.gather(*(_claims_all(worker, checkout) for worker in workers))
        assert sorted(key for share in shares for key in share) == sorted(run.key for run in runs)
        for worker, share in zip(workers, shares, strict=True):
            assert await stage.store.held(worker.owner) == set(share)

    async def test_no_run_is_taken_over_by_two(self, stage: Stage) -> None:
        checkout, workers, dead = await stage.journey(), await _in_four_processes(stage), await stage.mortal()
        runs = await stage.start_many(checkout, 100, dead)
        stage.outlive()
        shares: Sequence[list[RunKey]] = [[] for _ in workers]
        while sum(map(len, shares)) < len(runs):  # what one of them looks at is not for the others meanwhile
            came = await asyncio.gather(*(_claims_all(worker, checkout) for worker in workers))
            shares = [[*share, *more] for share, more in zip(shares, came, strict=True)]
        assert sorted(key for share in shares for key in share) == sorted(run.key for run in runs)

    async def test_a_claim_by_one_is_seen_by_all(self, stage: Stage) -> None:
        checkout, workers = await stage.journey(), await _in_four_processes(stage)
        run = await stage.start(checkout)
        for epoch, worker in enumerate([*workers, *workers], 1):
            mine = await worker.takes(checkout)
            assert (mine.key, mine.epoch) == (run.key, epoch)
            await worker.store.commit(stage.turn(mine, row=stage.release(mine, due=stage.clock.now()).row))
        assert [row.epoch for row in await stage.store.load(run.key)] == list(range(9))

    async def test_a_worker_that_comes_back_and_one_that_takes_over_agree(self, stage: Stage) -> None:
        """Who renews learns what it still holds: that is all that the other one did not get, nor gets any more."""
        checkout, taker = await stage.journey(), await stage.worker(await stage.another())
        for _ in range(ROUNDS):
            owner = await stage.mortal()
            runs = await stage.start_many(checkout, 5, owner)
            stage.outlive()
            held, claimed = await asyncio.gather(_comes_back(owner), taker.claim(checkout, room=3))
            assert held == await stage.store.held(owner.owner)
            assert held == {run.key for run in runs} - {run.record.key for run in claimed.runs}
            assert await taker.gets(checkout) == []
            stage.outlive()
            await taker.claim(checkout)

    async def test_the_last_place_of_a_fragile_run_is_each_workers_own(self, stage: Stage) -> None:
        checkout, workers = await stage.journey(), await _in_four_processes(stage)
        runs = await stage.start_many(checkout, 8, workers[0])
        due = stage.clock.now()
        await asyncio.gather(*(stage.store.commit(stage.release(run, due, lost=FRAGILE)) for run in runs))
        came = await asyncio.gather(*(worker.gets(checkout) for worker in workers))
        assert all(len(keys) <= 1 for keys in came)
        keys = [key for keys in came for key in keys]
        assert len(set(keys)) == len(keys) > 0


async def _comes_back(owner: Worker) -> set[RunKey]:
    """What it holds, as it learns when it finds that its lease had run out."""
    await round_trips(owner.store)
    assert await owner.store.renew(owner.owner, LEASE) is False
    return await owner.store.held(owner.owner)


async def _in_four_processes(stage: Stage) -> list[Worker]:
    return [await stage.worker(store) for store in [stage.store, *await stage.others(3)]]


async def _claims_all(worker: Worker, journey: Journey) -> list[RunKey]:
    """Seven at a time, until nothing is left for it."""
    found: list[RunKey] = []
    while keys := await worker.gets(journey, room=7):
        found += keys
    return found
