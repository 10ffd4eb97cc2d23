"""`now`: one time for all who are on a database, which never runs backwards."""

from __future__ import annotations

from itertools import pairwise

import pytest

from saga_journey.ports import Wanted
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import LEASE, LONG, Stage

NEARLY = 1.0
"""Two processes may differ by so much (seconds)."""


class StoreTime(Chapter):
    """By one process. These tests leave its time alone, where others bring their own."""

    async def test_it_never_runs_backwards(self, stage: Stage) -> None:
        now = (await stage.another(own_time=True)).now
        assert all(earlier <= later for earlier, later in pairwise([now() for _ in range(5000)]))

    async def test_it_goes_on(self, stage: Stage) -> None:
        store = await stage.another(own_time=True)
        began = store.now()
        while store.now() == began:
            await store.tenant("acme")

    async def test_leases_go_by_it(self, stage: Stage) -> None:
        store = await stage.another(own_time=True)
        before = store.now()
        await store.enter(LEASE)
        (worker,), after = await store.workers(), store.now()
        assert worker.alive
        assert before - NEARLY <= worker.seen_at <= after + NEARLY
        assert worker.lease_until == pytest.approx(worker.seen_at + LEASE)

    async def test_runs_fall_due_by_it(self, stage: Stage) -> None:
        store = await stage.another(own_time=True)
        checkout, owner, before = await stage.journey(store=store), await store.enter(LONG), store.now()
        for seconds in (-NEARLY, 3600.0):
            await stage.start(checkout, store, at=before, due_at=before + seconds)
        claimed = await store.claim(
            Wanted(owner, 10, 10, [checkout.definition], checkout.definition, LEASE, fragile=True)
        )
        assert [run.record.due_at for run in claimed.runs] == [before - NEARLY]
        assert claimed.next_due == before + 3600.0
        record = await store.find("acme", claimed.runs[0].record.saga_id)
        assert record is not None
        assert before - NEARLY <= record.updated_at <= store.now(), "nothing is decided of a run before it was claimed"


class StoreTimeTogether(Chapter):
    """By several processes."""

    async def test_all_agree_within_a_second(self, stage: Stage) -> None:
        one, other = await stage.another(own_time=True), await stage.another(own_time=True)
        for _ in range(100):
            early, there, late = one.now(), other.now(), one.now()
            assert early - NEARLY <= there <= late + NEARLY

    async def test_it_does_not_start_anew_with_the_next_process(self, stage: Stage) -> None:
        store = await stage.another(own_time=True)
        await store.enter(LEASE)
        last = store.now()
        await stage.close(store)
        assert (await stage.another(own_time=True)).now() >= last - NEARLY

    async def test_a_lease_of_one_runs_by_the_time_of_another(self, stage: Stage) -> None:
        one, other = await stage.another(own_time=True), await stage.another(own_time=True)
        owner = await one.enter(LONG)
        (worker,) = await other.workers()
        assert (worker.owner, worker.alive) == (owner, True)
        assert await other.renew(owner, LONG) is True
