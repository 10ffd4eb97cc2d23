"""`find`, `load`, `search`, `in_flight`, `unfinished`, and what is known of definitions."""

from __future__ import annotations

import asyncio

import pytest

from saga_journey.core.session import SESSION_PREFIX
from saga_journey.core.session_definition import Area, SessionDefinition
from saga_journey.core.state import FINAL, SagaStatus
from saga_journey.errors import StoreError
from saga_journey.ids import new_id
from saga_journey.ports import InFlight, RunKey, Search, Store
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Journey, Run, Stage, definition

ROOMS = SessionDefinition("research", 1, (Area("reading", "Reading", ("add",), ("papers_read",)),))


class Reading(Chapter):
    """By one process."""

    async def test_what_is_not_there_is_not_found(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.start(checkout)
        assert await stage.store.find("acme", "saga_nobody") is None
        assert await stage.store.find("nobody", run.saga_id) is None
        assert await stage.store.load(RunKey(checkout.tenant, run.key.run + 1000)) == []

    async def test_a_journal_is_read_in_the_order_of_its_events(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        for seq in range(2, 30):
            await stage.store.commit(stage.turn(run._replace(seq=seq), f"number {seq}"))
        rows = await stage.store.load(run.key)
        assert [row.seq for row in rows] == list(range(1, 30))
        assert all(f"number {row.seq}" in row.events for row in rows[1:])

    async def test_how_runs_stand(self, stage: Stage) -> None:
        """One that is no more is left out."""
        checkout, other = await stage.journey(), await stage.journey("globex")
        of = {(await _standing(stage, checkout, status)).key: status for status in SagaStatus}
        of[(await stage.start(other)).key] = SagaStatus.IN_PROGRESS
        nobody = RunKey(checkout.tenant, max(of).run + 1000)
        assert await stage.store.statuses([*of, nobody]) == of
        assert await stage.store.statuses([]) == {}

    # --- search ---

    async def test_the_newest_comes_first(self, stage: Stage) -> None:
        checkout = await stage.journey()
        runs = await _one_by_one(stage, checkout, 30)
        assert await found(stage) == [run.saga_id for run in reversed(runs)]

    async def test_the_newest_comes_first_also_after_many_at_once(self, stage: Stage) -> None:
        checkout = await stage.journey()
        asked = []
        for _ in range(10):
            asked.append(asyncio.ensure_future(stage.start_many(checkout, 10)))
            for _ in range(5):
                await asyncio.sleep(0)  # so that they are no batch
        crowd = await asyncio.gather(*asked)
        later = await _one_by_one(stage, checkout, 10)
        came = await found(stage, limit=1000)
        assert came[:10] == [run.saga_id for run in reversed(later)]
        assert set(came[10:]) == {run.saga_id for runs in crowd for run in runs}

    async def test_it_is_read_page_by_page(self, stage: Stage) -> None:
        checkout = await stage.journey()
        runs = await _one_by_one(stage, checkout, 10)
        pages, before = [], None
        while page := await found(stage, limit=4, before=before):
            pages.append(page)
            before = page[-1]
        assert [len(page) for page in pages] == [4, 4, 2]
        assert [saga for page in pages for saga in page] == [run.saga_id for run in reversed(runs)]

    async def test_by_status(self, stage: Stage) -> None:
        checkout = await stage.journey()
        of = {status: await _standing(stage, checkout, status) for status in SagaStatus}
        for status, run in of.items():
            assert await found(stage, status=status) == [run.saga_id], status

    async def test_by_journey_whichever_version(self, stage: Stage) -> None:
        journeys = [await stage.journey(name=name, version=v) for name, v in (("a", 1), ("a", 2), ("b", 1))]
        runs = [await stage.start(journey) for journey in journeys]
        assert sorted(await found(stage, journey="a")) == sorted(run.saga_id for run in runs[:2])
        assert await found(stage, journey="nobody") == []

    async def test_by_when_it_started(self, stage: Stage) -> None:
        checkout, began = await stage.journey(), stage.clock.now()
        runs = await _one_by_one(stage, checkout, 5)
        assert await found(stage, since=began + 3) == [runs[4].saga_id, runs[3].saga_id]

    async def test_by_how_its_id_begins(self, stage: Stage) -> None:
        """Character by character: no pattern, no language, no case."""
        checkout = await stage.journey()
        ids = ["saga_0a", "saga_0A", "saga_0b", "saga_1", "sagaX0a", "saga%0a", "SAGA_0a", "saga_0\u00e1"]
        for saga_id in ids:
            await stage.start(checkout, saga_id=saga_id)
        for prefix in ("saga_0", "saga_0a", "saga_", "saga%", "saga", "S", "saga_0\u00e1", ""):
            wanted = sorted(one for one in ids if one.startswith(prefix))
            assert sorted(await found(stage, prefix=prefix)) == wanted, prefix

    async def test_by_everything_at_once(self, stage: Stage) -> None:
        checkout, refund = await stage.journey(), await stage.journey(name="refund")
        began = stage.clock.now()
        for journey in (checkout, refund):
            await _one_by_one(stage, journey, 5)
            for _ in range(3):
                await stage.ended(journey)
                stage.clock.advance(1)
        asked = {"journey": "refund", "status": SagaStatus.IN_PROGRESS, "since": began + 9, "prefix": "saga_"}
        newest = await found(stage, **asked)
        assert len(newest) == 4
        assert await found(stage, **asked, before=newest[0], limit=2) == newest[1:3]

    async def test_sessions_are_apart(self, stage: Stage) -> None:
        checkout = await stage.journey()
        run = await stage.start(checkout)
        session = await stage.start(checkout, saga_id=new_id(SESSION_PREFIX.rstrip("_")), due_at=None)
        assert await found(stage) == [run.saga_id]
        assert await found(stage, sessions=True) == [session.saga_id]
        assert (await stage.record(checkout, session)).is_session
        assert not (await stage.record(checkout, run)).is_session

    # --- what is in flight ---

    async def test_in_flight_is_what_has_not_ended(self, stage: Stage) -> None:
        """Also what waits for a person; not what has ended and is just being asked something."""
        checkout, worker = await stage.journey(), await stage.worker()
        open_ones = [await _standing(stage, checkout, status) for status in SagaStatus if status not in FINAL]
        for status in FINAL:
            await stage.store.send((await _standing(stage, checkout, status)).key, "c-1", "compensate", "{}")
        open_ones.append(await stage.start(checkout, worker))
        await stage.start(checkout, saga_id=new_id("session"), due_at=None)
        assert sorted(await stage.store.in_flight()) == sorted(
            InFlight(run.key, run.saga_id, "acme", checkout.definition) for run in open_ones
        )

    async def test_in_flight_of_a_journey_of_a_tenant(self, stage: Stage) -> None:
        homes = [("acme", "checkout"), ("acme", "refund"), ("globex", "checkout")]
        runs = [await stage.start(await stage.journey(*home)) for home in homes]
        asked = [("checkout", None), (None, "acme"), ("checkout", "globex"), ("refund", "globex")]
        came = [{one.saga_id for one in await stage.store.in_flight(*one)} for one in asked]
        assert came == [
            {runs[0].saga_id, runs[2].saga_id},
            {runs[0].saga_id, runs[1].saga_id},
            {runs[2].saga_id},
            set(),
        ]

    async def test_in_flight_is_read_page_by_page(self, stage: Stage) -> None:
        journeys = [await stage.journey(tenant) for tenant in ("acme", "globex")]
        runs = [run for journey in journeys for run in await stage.start_many(journey, 5)]
        pages, after = [], None
        while page := await stage.store.in_flight(after=after, limit=3):
            pages.append(page)
            after = page[-1].key
        assert [len(page) for page in pages] == [3, 3, 3, 1]
        assert sorted(one.key for page in pages for one in page) == sorted(run.key for run in runs)

    async def test_in_flight_begins_with_the_oldest(self, stage: Stage) -> None:
        runs = await _one_by_one(stage, await stage.journey(), 10)
        assert [one.saga_id for one in await stage.store.in_flight()] == [run.saga_id for run in runs]

    async def test_unfinished_are_those_of_another_meaning(self, stage: Stage) -> None:
        """One (name, version) that means two things: at most ten of those with the other meaning, of every tenant."""
        old = await stage.journey()
        other = await stage.journey("globex")
        runs = [await stage.start(journey) for journey in (old, other)]
        await stage.ended(old)
        await stage.start(await stage.journey(version=2))
        await stage.start(await stage.journey(name="refund"))
        assert sorted(await stage.store.unfinished("checkout", 1, "new")) == sorted(run.saga_id for run in runs)
        assert await stage.store.unfinished("checkout", 1, old.spec.hash) == []
        await stage.start_many(old, 20)
        assert len(await stage.store.unfinished("checkout", 1, "new")) == 10

    # --- definitions and tenants ---

    async def test_a_tenant_is_one_number(self, stage: Stage) -> None:
        names = ["acme", "ACME", "acme ", "acmé", "acme\u0301", "acme_", "Straße", "STRASSE", "1", "01"]
        numbers = [await stage.store.tenant(name) for name in names]
        assert len(set(numbers)) == len(names)
        assert [await stage.store.tenant(name) for name in names] == numbers

    async def test_a_definition_is_one_number_for_each_tenant(self, stage: Stage) -> None:
        acme, globex = await stage.store.tenant("acme"), await stage.store.tenant("globex")
        specs = [definition(), definition(version=2), definition("refund")]
        numbers = [await stage.store.save_definition(tenant, spec) for tenant in (acme, globex) for spec in specs]
        assert len(set(numbers)) == 6
        assert [await stage.store.save_definition(acme, spec) for spec in specs] == numbers[:3]
        assert [await stage.store.definition(number) for number in numbers] == specs * 2
        assert await stage.store.definitions() == dict(zip(numbers, specs * 2, strict=True))
        third = sorted(numbers)[2]
        assert sorted(await stage.store.definitions(third)) == sorted(numbers)[3:]

    async def test_a_definition_is_found_by_its_hash(self, stage: Stage) -> None:
        checkout = await stage.journey()
        other = await stage.store.tenant("globex")
        assert await stage.store.definition_number(checkout.tenant, checkout.spec.hash) == checkout.definition
        for tenant, hash in ((checkout.tenant, "never"), (other, checkout.spec.hash)):
            with pytest.raises(StoreError):
                await stage.store.definition_number(tenant, hash)

    async def test_sessions_have_definitions_of_their_own(self, stage: Stage) -> None:
        """Which no worker looks for handlers of."""
        tenant = await stage.store.tenant("acme")
        number = await stage.store.save_definition(tenant, ROOMS)
        assert await stage.store.session_definition(number) == ROOMS
        assert await stage.store.definitions() == {}
        assert await stage.store.definition_for(tenant, number) is None

    async def test_a_new_process_reads_what_was_stored(self, stage: Stage) -> None:
        """Nothing of what a store remembers of its own writes."""
        await reads_what_was_stored(stage, stage.store)


class ReadingTogether(Chapter):
    """By several processes."""

    async def test_another_process_reads_what_was_stored(self, stage: Stage) -> None:
        await reads_what_was_stored(stage, await stage.another())

    async def test_one_tenant_and_one_definition_for_all(self, stage: Stage) -> None:
        stores = [stage.store, *await stage.others(3)]
        tenants = await asyncio.gather(*(store.tenant("acme") for store in stores for _ in range(5)))
        assert len(set(tenants)) == 1
        saved = [store.save_definition(tenants[0], spec) for store in stores for spec in (definition(), ROOMS)]
        assert len(set(await asyncio.gather(*saved))) == 2

    async def test_who_asks_for_what_is_new_misses_nothing(self, stage: Stage) -> None:
        """A worker asks only for definitions above the last one that it has seen."""
        stores, tenant, seen = await stage.others(4), await stage.store.tenant("acme"), set[int]()

        async def save(store: Store, name: str) -> list[int]:
            return [await store.save_definition(tenant, definition(name, version)) for version in range(1, 11)]

        saving = asyncio.gather(*(save(store, f"j{place}") for place, store in enumerate(stores)))
        while not saving.done():
            seen |= set(await stage.store.definitions(max(seen, default=0)))
        seen |= set(await stage.store.definitions(max(seen, default=0)))
        assert seen == {number for numbers in await saving for number in numbers}

    async def test_the_newest_comes_first_whoever_started_it(self, stage: Stage) -> None:
        checkout, stores = await stage.journey(), [stage.store, *await stage.others(2)]
        runs = []
        for place in range(30):
            runs.append(await stage.start(checkout, stores[place % 3]))
            stage.clock.advance(1)
        assert await found(stage) == [run.saga_id for run in reversed(runs)]
        assert [one.saga_id for one in await stage.store.in_flight()] == [run.saga_id for run in runs]

    async def test_pages_are_whole_while_others_start(self, stage: Stage) -> None:
        """What was there at the first page is in exactly one of them."""
        checkout, other = await stage.journey(), await stage.another()
        there = {run.saga_id for run in await stage.start_many(checkout, 40)}
        seen: list[str] = []
        while page := await found(stage, limit=7, before=seen[-1] if seen else None):
            seen += page
            await stage.start_many(checkout, 3, other)
        assert sorted(set(seen) & there) == sorted(there)
        assert len(set(seen)) == len(seen)


async def reads_what_was_stored(stage: Stage, store: Store) -> None:
    checkout = await stage.journey()
    rooms = await stage.store.save_definition(checkout.tenant, ROOMS)
    assert await store.tenant("acme") == checkout.tenant
    assert await store.definition(checkout.definition) == checkout.spec
    assert (await store.definition(checkout.definition)).hash == checkout.spec.hash
    assert await store.definition_for(checkout.tenant, checkout.definition) == checkout.spec
    assert await store.definition_number(checkout.tenant, checkout.spec.hash) == checkout.definition
    assert await store.session_definition(rooms) == ROOMS
    assert await store.definitions() == {checkout.definition: checkout.spec}


async def found(stage: Stage, **asked: object) -> list[str]:
    """The saga ids of what a search of the tenant acme finds."""
    return [record.saga_id for record in await stage.store.search("acme", Search(**asked))]  # type: ignore[arg-type]


async def _one_by_one(stage: Stage, journey: Journey, count: int) -> list[Run]:
    """So many runs, each a second after the one before."""
    runs = []
    for _ in range(count):
        runs.append(await stage.start(journey))
        stage.clock.advance(1)
    return runs


async def _standing(stage: Stage, journey: Journey, status: SagaStatus) -> Run:
    """A run that nobody holds, and that stands so."""
    if status in FINAL:
        return await stage.ended(journey, status)
    run = await stage.start(journey)
    await stage.store.commit(stage.release(run, status=status))
    return run
