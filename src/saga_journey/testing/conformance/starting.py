"""`start`, `through`: an accepted run is there, once; a key belongs to one run."""

from __future__ import annotations

import asyncio
import random

import pytest

from saga_journey.core.state import SagaStatus
from saga_journey.ports import JournalRow, NewRun, OutboxRow, RunRecord, Search, Started, Store
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Journey, Stage

ALL = Search(limit=1000)


class Starting(Chapter):
    """By one process."""

    async def test_a_start_is_there_when_it_returns(self, stage: Stage) -> None:
        checkout, now = await stage.journey(), stage.clock.now()
        new = stage.new(checkout)
        started = await stage.store.start(new)
        assert started == Started(started.key)
        assert started.key.tenant == checkout.tenant
        assert await stage.store.find("acme", new.saga_id) == RunRecord(
            key=started.key,
            saga_id=new.saga_id,
            tenant="acme",
            journey="checkout",
            version=1,
            definition=checkout.definition,
            status=SagaStatus.IN_PROGRESS,
            owner=None,
            epoch=0,
            started_at=now,
            updated_at=now,
            due_at=now,
        )
        assert await stage.store.load(started.key) == [JournalRow(1, 0, now, new.turn)]

    async def test_a_start_with_an_owner_is_claimed_by_its_commit(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        record = await stage.record(checkout, run)
        assert (record.owner, record.epoch) == (worker.owner, 1)
        assert [row.epoch for row in await stage.store.load(run.key)] == [1]
        assert await worker.gets(checkout) == []

    async def test_a_run_that_never_needs_a_worker_is_never_claimed(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start(checkout, due_at=None)
        claimed = await worker.claim(checkout)
        assert (claimed.runs, claimed.next_due) == ([], None)

    async def test_without_a_key_each_start_is_a_run_of_its_own(self, stage: Stage) -> None:
        checkout = await stage.journey()
        runs = await stage.start_many(checkout, 50)
        assert len({run.key for run in runs}) == 50
        assert {record.saga_id for record in await stage.store.search("acme", ALL)} == {run.saga_id for run in runs}

    async def test_the_same_key_and_input_give_the_same_run(self, stage: Stage) -> None:
        first, again = await self._twice(stage, b"input")
        assert again == Started(first.key, again.existing, same=True)

    async def test_the_same_key_with_another_input_says_so(self, stage: Stage) -> None:
        first, again = await self._twice(stage, b"another")
        assert again == Started(first.key, again.existing, same=False)

    async def _twice(self, stage: Stage, fingerprint: bytes) -> tuple[Started, Started]:
        """The second start is of a run with a child and an event, and leaves no trace."""
        checkout = await stage.journey()
        new = stage.new(checkout, "order-7")
        first = await stage.store.start(new)
        other = stage.new(checkout, "order-7", fingerprint)
        other.children = [stage.child(other.saga_id, checkout)]
        again = await stage.store.start(other)
        assert (first.existing, again.existing) == (None, new.saga_id)
        assert [record.saga_id for record in await stage.store.search("acme", ALL)] == [new.saga_id]
        assert await stage.store.load(first.key) == [JournalRow(1, 0, stage.clock.now(), new.turn)]
        return first, again

    async def test_a_key_belongs_to_a_tenant_and_a_journey(self, stage: Stage) -> None:
        homes = [("acme", "checkout"), ("acme", "refund"), ("globex", "checkout")]
        journeys = [await stage.journey(tenant, name) for tenant, name in homes]
        started = [await stage.store.start(stage.new(journey, "order-7")) for journey in journeys]
        assert [one.existing for one in started] == [None, None, None]

    async def test_keys_that_look_alike_are_different(self, stage: Stage) -> None:
        checkout = await stage.journey()
        keys = [
            "order-7",
            "ORDER-7",
            "order-7 ",
            " order-7",
            "order_7",
            "\u00f3rder-7",
            "o\u0301rder-7",
            "order-\uff17",
        ]
        started = [await stage.store.start(stage.new(checkout, key)) for key in keys]
        assert [one.existing for one in started] == [None] * len(keys)

    async def test_one_key_many_times_at_once_is_one_run(self, stage: Stage) -> None:
        """Those with another input are told so, also when they come in the same moment as the first one."""
        checkout = await stage.journey()
        news = [stage.new(checkout, "order-7", b"%d" % (place % 2)) for place in range(50)]
        started = await asyncio.gather(*(stage.store.start(new) for new in news))
        ((winner, first),) = [(new, one) for new, one in zip(news, started, strict=True) if one.existing is None]
        assert winner.start_key is not None
        for new, one in zip(news, started, strict=True):
            assert new.start_key is not None
            same = new.start_key.fingerprint == winner.start_key.fingerprint
            assert one == Started(first.key, None if new is winner else winner.saga_id, same)
        assert [record.saga_id for record in await stage.store.search("acme", ALL)] == [winner.saga_id]

    async def test_children_start_in_the_commit_of_their_parent(self, stage: Stage) -> None:
        checkout, refund = await stage.journey(), await stage.journey(name="refund")
        parent = stage.new(checkout, "order-7")
        child = stage.child(parent.saga_id, refund)
        child.children = [stage.child(child.saga_id, refund)]
        parent.children = [child, stage.child(parent.saga_id, refund, 2)]
        await stage.store.start(parent)
        await self._are_there(stage, refund, [*parent.children, *child.children])
        worker = await stage.worker()
        assert len(await worker.gets(refund, checkout)) == 4

    async def _are_there(self, stage: Stage, journey: Journey, news: list[NewRun]) -> None:
        for new in news:
            record = await stage.store.find("acme", new.saga_id)
            assert record is not None
            assert (record.definition, record.owner, record.due_at) == (journey.definition, None, new.due_at)
            assert await stage.store.load(record.key) == [JournalRow(1, 0, new.at, new.turn)]

    async def test_events_of_a_start_wait_to_be_published(self, stage: Stage) -> None:
        checkout = await stage.journey()
        rows = [OutboxRow(1, item, "order.placed", stage.new(checkout).turn) for item in (1, 2)]  # type: ignore[arg-type]
        child = stage.child("saga_0123456789abcdef", checkout, outbox=rows[:1])
        new = stage.new(checkout, outbox=rows, children=[child])
        started = await stage.store.start(new)
        assert await self.outbox(stage.store, started.key) == rows
        record = await stage.store.find("acme", child.saga_id)
        assert record is not None
        assert await self.outbox(stage.store, record.key) == rows[:1]

    async def test_one_bad_start_fails_alone(self, stage: Stage) -> None:
        """No store can keep half of a character."""
        checkout = await stage.journey()
        news = [stage.new(checkout, f"order-{number}") for number in range(100)]
        news[50].turn = news[50].turn.replace("A-1001", "\ud800")
        told = await asyncio.gather(*(stage.store.start(new) for new in news), return_exceptions=True)
        assert [isinstance(one, Exception) for one in told] == [place == 50 for place in range(100)]
        found = await stage.store.search("acme", ALL)
        assert {record.saga_id for record in found} == {new.saga_id for new in news if new is not news[50]}
        assert (await stage.store.start(stage.new(checkout, "order-50"))).existing is None, "it took its key"

    async def test_many_starts_share_transactions(self, stage: Stage) -> None:
        checkout = await stage.journey()
        before = stage.store.commits
        await stage.start_many(checkout, 100)
        assert 1 <= stage.store.commits - before <= 20

    async def test_what_became_of_a_start_that_nobody_waits_for_is_decided_after_through(self, stage: Stage) -> None:
        """It is there or it is not; it does not come later."""
        checkout = await stage.journey()
        news = [stage.new(checkout) for _ in range(30)]
        for new in news:
            asked = asyncio.ensure_future(stage.store.start(new))
            for _ in range(random.randrange(4)):
                await asyncio.sleep(0)
            asked.cancel()
        await stage.store.through()
        decided = await stage.store.search("acme", ALL)
        await stage.start_many(await stage.journey("globex"), 30)
        await stage.store.through()
        assert await stage.store.search("acme", ALL) == decided

    async def test_through_waits_for_starts_and_commits_that_were_asked_for(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        runs = await stage.start_many(checkout, 20, worker)
        turns = [asyncio.ensure_future(stage.store.commit(stage.turn(run))) for run in runs]
        starts = [asyncio.ensure_future(stage.store.start(stage.new(checkout))) for _ in range(20)]
        await asyncio.sleep(0)
        await stage.store.through()
        assert len(await stage.store.search("acme", ALL)) == 40
        assert [len(await stage.store.load(run.key)) for run in runs] == [2] * 20
        await asyncio.gather(*turns)
        await asyncio.gather(*starts)

    async def test_what_is_under_way_when_the_store_closes_is_told_the_truth(self, stage: Stage) -> None:
        checkout = await stage.journey()
        news = [stage.new(checkout) for _ in range(20)]
        asked = [asyncio.ensure_future(stage.store.start(new)) for new in news]
        await asyncio.sleep(0)
        await stage.store.close()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, Started | Exception) for one in told)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it says: it is closed
            await stage.store.start(stage.new(checkout))


class StartingTogether(Chapter):
    """By several processes."""

    async def test_what_one_process_started_all_others_find(self, stage: Stage) -> None:
        checkout = await stage.journey()
        for other in await stage.others(2):
            run = await stage.start(checkout, other)
            assert await stage.record(checkout, run) == await stage.record(checkout, run, other)
            assert await stage.store.load(run.key) == await other.load(run.key)

    async def test_what_was_acknowledged_outlives_its_process(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        run = await stage.start(checkout, other)
        before = await stage.standing(checkout, run)
        await stage.close(other)
        assert await stage.standing(checkout, run) == before

    async def test_what_was_under_way_at_the_end_of_a_process_is_told_the_truth(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        news = [stage.new(checkout) for _ in range(20)]
        asked = [asyncio.ensure_future(other.start(new)) for new in news]
        await asyncio.sleep(0)
        await stage.close(other)
        told = await asyncio.gather(*asked, return_exceptions=True)
        found = {record.saga_id for record in await stage.store.search("acme", ALL)}
        there = {new.saga_id for new, one in zip(news, told, strict=True) if isinstance(one, Started)}
        assert found == there

    async def test_a_key_is_one_run_whoever_asks(self, stage: Stage) -> None:
        """Eight processes start the same hundred keys, in their own order, ten at a time."""
        checkout, stores = await stage.journey(), [stage.store, *await stage.others(7)]
        told = await asyncio.gather(*(_opens(stage, checkout, store, 100) for store in stores))
        for key in told[0]:
            answers = [one[key] for one in told]
            ((mine, first),) = [(saga, answer) for saga, answer in answers if answer.existing is None]
            for saga, answer in answers:
                assert answer == Started(first.key, None if saga == mine else mine, same=True)
        found = await stage.store.search("acme", ALL)
        assert len(found) == 100
        assert {record.key for record in found} == {answer.key for _, answer in told[0].values()}

    async def test_no_two_runs_have_one_number(self, stage: Stage) -> None:
        checkout, stores = await stage.journey(), [stage.store, *await stage.others(3)]
        runs = await asyncio.gather(*(stage.start_many(checkout, 50, store) for store in stores))
        assert len({run.key for of_one in runs for run in of_one}) == 200


async def _opens(stage: Stage, journey: Journey, store: Store, keys: int) -> dict[str, tuple[str, Started]]:
    """For each key: the saga id that was sent, and the answer."""
    order, found = [f"order-{number}" for number in range(keys)], {}
    random.shuffle(order)
    for first in range(0, keys, 10):
        news = {key: stage.new(journey, key) for key in order[first : first + 10]}
        started = await asyncio.gather(*(store.start(new) for new in news.values()))
        for (key, new), one in zip(news.items(), started, strict=True):
            found[key] = (new.saga_id, one)
    return found
