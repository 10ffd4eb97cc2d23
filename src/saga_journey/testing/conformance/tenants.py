"""Nothing of one tenant is ever answered to another one."""

from __future__ import annotations

import math

from saga_journey.core.state import SagaStatus
from saga_journey.ports import Cohort, Message, Search
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Journey, Run, Stage


class Tenants(Chapter):
    """`acme` and `globex` have the same journey, and everything of the one is asked for by the other."""

    async def test_runs(self, stage: Stage) -> None:
        mine, theirs = await self._both(stage)
        assert await stage.store.find("globex", mine.saga_id) is None
        assert await stage.store.find("acme", theirs.saga_id) is None
        for tenant, run in (("acme", mine), ("globex", theirs)):
            assert [record.saga_id for record in await stage.store.search(tenant, Search())] == [run.saga_id]
            assert [one.saga_id for one in await stage.store.in_flight(tenant=tenant)] == [run.saga_id]
        assert await stage.store.search("globex", Search(prefix=mine.saga_id)) == []
        assert await stage.store.search("globex", Search(before=mine.saga_id)) == []
        assert await stage.store.search("nobody", Search()) == []

    async def test_one_id_may_belong_to_both(self, stage: Stage) -> None:
        acme, globex = await stage.journey(), await stage.journey("globex")
        mine = await stage.start(acme, saga_id="saga_0123")
        theirs = await stage.start(globex, saga_id="saga_0123")
        assert (await stage.record(acme, mine)).key == mine.key
        assert (await stage.record(globex, theirs)).key == theirs.key
        assert mine.key != theirs.key

    async def test_definitions(self, stage: Stage) -> None:
        acme, globex = await stage.journey(), await stage.journey("globex")
        assert acme.definition != globex.definition
        assert await stage.store.definition_for(globex.tenant, acme.definition) is None
        assert await stage.store.definition_for(acme.tenant, globex.definition) is None

    async def test_messages(self, stage: Stage) -> None:
        mine, theirs = await self._both(stage)
        write = stage.turn(mine, messages=[Message(theirs.saga_id, "m-1", "recall", "{}")])
        await stage.store.commit(write)
        claimed = (await (await stage.worker()).claim(await stage.journey(), await stage.journey("globex"))).runs
        assert {run.record.key for run in claimed} == {mine.key, theirs.key}
        assert [run.commands for run in claimed] == [[], []]

    async def test_figures(self, stage: Stage) -> None:
        mine, _theirs = await self._both(stage)
        acme, globex = await stage.journey(), await stage.journey("globex")
        cohort = Cohort((acme.definition, globex.definition), 0.0, math.nextafter(stage.clock.now(), math.inf) + 1)
        figures = stage.store.figures
        assert [one.definition for one in await figures.journeys("acme")] == [acme.definition]
        assert [one.definition for one in await figures.counts("acme", cohort)] == [acme.definition]
        assert [one.saga_id for one in await figures.newest("acme", cohort, 10)] == [mine.saga_id]
        await stage.ended(globex)
        assert await figures.durations("acme", cohort) is None
        assert [period.completed for period in await figures.over_time("acme", cohort, 1)] == [0]
        assert [period.completed for period in await figures.over_time("globex", cohort, 1)] == [1]

    async def _both(self, stage: Stage) -> tuple[Run, Run]:
        """A run of each."""
        return await self._one(stage, await stage.journey()), await self._one(stage, await stage.journey("globex"))

    async def _one(self, stage: Stage, journey: Journey) -> Run:
        run = await stage.start(journey, key="order-7")
        assert (await stage.record(journey, run)).status is SagaStatus.IN_PROGRESS
        return run
