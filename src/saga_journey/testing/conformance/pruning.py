"""`prune`, `is_archived`: what ended long ago goes, a family at a time, and nothing else does."""

from __future__ import annotations

import asyncio
import math

from saga_journey.core.canonical import encode
from saga_journey.core.state import SagaStatus
from saga_journey.ports import PRUNED, Cohort, OutboxRow, Search, Store
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Journey, Run, Stage

EVER = math.inf
MANY = 1000


class Pruning(Chapter):
    """By one process."""

    async def test_what_ended_before_that_moment_goes(self, stage: Stage) -> None:
        checkout, began = await stage.journey(), stage.clock.now()
        runs = await _ended_one_by_one(stage, checkout, 5)
        assert await stage.store.prune(began + 3, MANY, archive=False) == 3
        assert await _left(stage, runs) == runs[3:]
        assert await stage.store.prune(began + 3, MANY, archive=False) == 0

    async def test_it_counts_from_the_end_and_not_from_the_start(self, stage: Stage) -> None:
        checkout, worker, began = await stage.journey(), await stage.worker(), stage.clock.now()
        run = await stage.start(checkout, worker)
        stage.clock.advance(100)
        await stage.store.commit(stage.ending(run))
        assert await stage.store.prune(began + 100, MANY, archive=False) == 0
        assert await stage.store.prune(began + 101, MANY, archive=False) == 1

    async def test_nothing_is_left_of_it(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.start(checkout, key="order-7")
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        await stage.store.commit(stage.ending(run, answers=[("c-1", PRUNED)]))
        assert await stage.store.prune(EVER, MANY, archive=False) == 1
        assert await stage.store.find("acme", run.saga_id) is None
        assert await stage.store.load(run.key) == []
        assert await stage.store.search("acme", Search()) == []
        assert await stage.store.answer_to(run.key, "c-1") is None
        cohort = Cohort((checkout.definition,), 0.0, stage.clock.now() + 1)
        assert await stage.store.figures.counts("acme", cohort) == []
        assert await stage.store.definition(checkout.definition) == checkout.spec

    async def test_every_kind_of_end_is_one(self, stage: Stage) -> None:
        checkout = await stage.journey()
        ends = (SagaStatus.COMPLETED, SagaStatus.COMPENSATED, SagaStatus.CANCELLED, SagaStatus.RESOLVED)
        for status in ends:
            await stage.ended(checkout, status)
        assert await stage.store.prune(EVER, MANY, archive=False) == len(ends)

    async def test_what_has_not_ended_stays(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        runs = [await stage.start(checkout), await stage.start(checkout, worker)]
        for status in (SagaStatus.FAILED, SagaStatus.PAUSED, SagaStatus.COMPENSATING):
            runs.append(await stage.start(checkout))
            await stage.store.commit(stage.turn(runs[-1], row=stage.release(runs[-1], status=status, stopped=0).row))
        stage.clock.advance(10_000)
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        assert await _left(stage, runs) == runs

    async def test_what_somebody_has_just_asked_stays_until_it_is_answered(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.ended(checkout)
        assert await stage.store.send(run.key, "c-1", "compensate", "{}") is None
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        again = await worker.takes(checkout)
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        await stage.store.commit(stage.ending(again, answers=[("c-1", PRUNED)]))
        assert await stage.store.prune(EVER, MANY, archive=False) == 1

    async def test_a_command_for_a_run_that_is_no_more_is_answered_so(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.ended(checkout)
        await stage.store.prune(EVER, MANY, archive=False)
        for _ in range(2):
            assert await stage.store.send(run.key, "c-1", "compensate", "{}") == PRUNED

    async def test_the_oldest_go_first_and_no_more_than_so_many(self, stage: Stage) -> None:
        checkout = await stage.journey()
        runs = await _ended_one_by_one(stage, checkout, 5)
        for gone, left in ((2, runs[2:]), (2, runs[4:]), (1, []), (0, [])):
            assert await stage.store.prune(EVER, 2, archive=False) == gone
            assert await _left(stage, runs) == left

    async def test_what_stays_does_not_keep_what_came_after_it(self, stage: Stage) -> None:
        """A parent that has ended, and whose child goes on for years: there may be many of them."""
        for _ in range(5):
            parent, *_ = await _family(stage)
            await stage.store.commit(stage.ending(parent))
        runs = await _ended_one_by_one(stage, await stage.journey(), 3)
        assert await stage.store.prune(EVER, 2, archive=False) == 2
        assert await _left(stage, runs) == runs[2:]

    async def test_a_key_goes_with_its_run(self, stage: Stage) -> None:
        checkout = await stage.journey()
        gone, stays = await stage.ended(checkout, key="order-1"), await stage.start(checkout, key="order-2")
        await stage.store.prune(EVER, MANY, archive=False)
        started = [await stage.store.start(stage.new(checkout, key)) for key in ("order-1", "order-2")]
        assert [one.existing for one in started] == [None, stays.saga_id]
        assert started[0].key != gone.key

    # --- families ---

    async def test_a_family_goes_as_a_whole(self, stage: Stage) -> None:
        family = await _family(stage)
        for run in family:
            await stage.store.commit(stage.ending(run))
        assert await stage.store.prune(EVER, MANY, archive=False) == 3
        assert await _left(stage, family) == []

    async def test_a_family_stays_while_one_of_it_has_not_ended(self, stage: Stage) -> None:
        families = [await _family(stage) for _ in range(3)]
        for place, family in enumerate(families):
            for run in family:
                if run is not family[place]:
                    await stage.store.commit(stage.ending(run))
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        for family in families:
            assert await _left(stage, family) == family

    async def test_a_family_stays_until_the_last_end_is_old_enough(self, stage: Stage) -> None:
        family, began = await _family(stage), stage.clock.now()
        for run in (family[0], family[2], family[1]):
            await stage.store.commit(stage.ending(run))
            stage.clock.advance(1)
        assert await stage.store.prune(began + 2, MANY, archive=False) == 0
        assert await _left(stage, family) == family
        assert await stage.store.prune(began + 3, MANY, archive=False) == 3

    async def test_a_child_that_a_turn_started_belongs_to_the_family(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        parent = await stage.start(checkout, worker)
        new = stage.child(parent.saga_id, checkout)
        await stage.store.commit(stage.turn(parent, starts=[new]))
        child = await worker.takes(checkout)
        await stage.store.commit(stage.ending(child))
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        await stage.store.commit(stage.ending(parent._replace(seq=3)))
        assert await stage.store.prune(EVER, MANY, archive=False) == 2

    # --- events that wait ---

    async def test_what_waits_to_be_published_keeps_its_run(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.start(checkout, outbox=[OutboxRow(1, 1, "order.placed", encode("x"))])
        await stage.store.commit(stage.ending(run))
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        await self.publish(stage.store, run.key)
        assert await stage.store.prune(EVER, MANY, archive=False) == 1
        assert await self.outbox(stage.store, run.key) == []

    async def test_what_waits_to_be_published_does_not_keep_what_came_after_it(self, stage: Stage) -> None:
        checkout = await stage.journey()
        for _ in range(5):
            await stage.ended(checkout, outbox=[OutboxRow(1, 1, "order.placed", encode("x"))])
        runs = await _ended_one_by_one(stage, checkout, 3)
        assert await stage.store.prune(EVER, 2, archive=False) == 2
        assert await _left(stage, runs) == runs[2:]

    async def test_what_a_child_has_to_publish_keeps_its_family(self, stage: Stage) -> None:
        family = await _family(stage, outbox=[OutboxRow(1, 1, "order.placed", encode("x"))])
        for run in family:
            await stage.store.commit(stage.ending(run))
        assert await stage.store.prune(EVER, MANY, archive=False) == 0
        await self.publish(stage.store, family[2].key)
        assert await stage.store.prune(EVER, MANY, archive=False) == 3

    # --- the archive ---

    async def test_what_is_archived_is_not_found_any_more_and_is_known(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.ended(checkout, key="order-7")
        assert await stage.store.is_archived("acme", run.saga_id) is False
        assert await stage.store.prune(EVER, MANY, archive=True) == 1
        assert await stage.store.is_archived("acme", run.saga_id) is True
        assert await stage.store.is_archived("globex", run.saga_id) is False
        assert await stage.store.find("acme", run.saga_id) is None
        assert await stage.store.search("acme", Search()) == []
        assert (await stage.store.start(stage.new(checkout, "order-7"))).existing is None

    async def test_what_is_pruned_without_an_archive_is_gone(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.ended(checkout)
        await stage.store.prune(EVER, MANY, archive=False)
        assert await stage.store.is_archived("acme", run.saga_id) is False

    async def test_a_family_is_archived_with_all_that_it_said(self, stage: Stage) -> None:
        family = await _family(stage)
        for run in family:
            await stage.store.send(run.key, "c-1", "cancel", encode("\U0010ffff \\u0000 \" ' 日本"))
            await stage.store.commit(stage.ending(run, answers=[("c-1", PRUNED)]))
        assert await stage.store.prune(EVER, MANY, archive=True) == 3
        assert [await stage.store.is_archived("acme", run.saga_id) for run in family] == [True] * 3


class PruningTogether(Chapter):
    """By several processes."""

    async def test_several_at_once_do_not_count_one_twice(self, stage: Stage) -> None:
        checkout, stores = await stage.journey(), [stage.store, *await stage.others(2)]
        runs = await stage.start_many(checkout, 60)
        await asyncio.gather(*(stage.store.commit(stage.ending(run)) for run in runs))
        gone = 0
        while gone < 60:
            came = await asyncio.gather(*(store.prune(EVER, 10, archive=True) for store in stores))
            assert sum(came) > 0, f"{60 - gone} are left, and nobody prunes them"
            gone += sum(came)
        assert gone == 60
        assert await stage.store.search("acme", Search()) == []

    async def test_who_asks_while_it_goes_is_answered_or_keeps_it(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        runs = await stage.start_many(checkout, 40)
        await asyncio.gather(*(stage.store.commit(stage.ending(run)) for run in runs))
        asked = [other.send(run.key, "c-1", "compensate", "{}") for run in runs]
        answers, _ = await asyncio.gather(asyncio.gather(*asked), _prunes(stage.store))
        left = {run.key for run in await _left(stage, runs)}
        assert [answer == PRUNED for answer in answers] == [run.key not in left for run in runs]
        assert set(await (await stage.worker()).gets(checkout)) == left

    async def test_a_key_that_is_asked_for_while_it_goes_is_still_one_run(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        keys = [f"order-{number}" for number in range(40)]
        old = {key: await stage.ended(checkout, key=key) for key in keys}
        asked = [other.start(stage.new(checkout, key)) for key in keys]
        started, _ = await asyncio.gather(asyncio.gather(*asked), _prunes(stage.store))
        for key, first in zip(keys, started, strict=True):
            again = await stage.store.start(stage.new(checkout, key))
            if first.existing is None:
                assert again.key == first.key, "it was started twice"
            else:
                assert first.existing == old[key].saga_id


async def _prunes(store: Store) -> None:
    """Five at a time, eight times at once."""
    await asyncio.gather(*(store.prune(EVER, 5, archive=False) for _ in range(8)))


async def _ended_one_by_one(stage: Stage, journey: Journey, count: int) -> list[Run]:
    """So many runs, each of which ended a second after the one before."""
    runs = []
    for _ in range(count):
        runs.append(await stage.ended(journey))
        stage.clock.advance(1)
    return runs


async def _left(stage: Stage, runs: list[Run]) -> list[Run]:
    """Those of them that are still there."""
    return [run for run in runs if await stage.store.find("acme", run.saga_id) is not None]


async def _family(stage: Stage, outbox: list[OutboxRow] | None = None) -> list[Run]:
    """A parent, its child, and the child of that, which has so much to publish; nobody holds them."""
    checkout = await stage.journey()
    parent = stage.new(checkout)
    child = stage.child(parent.saga_id, checkout)
    child.children = [stage.child(child.saga_id, checkout, outbox=outbox or [])]
    parent.children = [child]
    await stage.store.start(parent)
    family = []
    for new in (parent, child, child.children[0]):
        record = await stage.store.find("acme", new.saga_id)
        assert record is not None
        family.append(Run(record.key, record.saga_id, record.epoch, 2))
    return family
