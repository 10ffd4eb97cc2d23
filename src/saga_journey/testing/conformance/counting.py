"""`figures`: what is counted is what was written."""

from __future__ import annotations

from saga_journey.core.state import SagaStatus
from saga_journey.ports import Cohort, Count, Durations, Period, StoredJourney
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.reading import ROOMS
from saga_journey.testing.conformance.stage import Journey, Run, Stage

HOUR = 3600.0


class Counting(Chapter):
    """By one process: reads are the same for all."""

    async def test_journeys_are_listed_and_sessions_are_not(self, stage: Stage) -> None:
        first, second = await stage.journey(), await stage.journey(name="refund", version=3)
        await stage.store.save_definition(first.tenant, ROOMS)
        assert await stage.store.figures.journeys("acme") == [
            StoredJourney(first.definition, "checkout", 1),
            StoredJourney(second.definition, "refund", 3),
        ]

    async def test_each_run_is_in_one_count(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await stage.start_many(checkout, 2, worker)
        await stage.start_many(checkout, 3)
        await self._stands(stage, checkout, SagaStatus.PAUSED, None)
        await self._stands(stage, checkout, SagaStatus.FAILED, 0)
        await self._stands(stage, checkout, SagaStatus.FAILED, 0, needs=True)
        await self._stands(stage, checkout, SagaStatus.COMPENSATING, 1)
        await self._took(stage, checkout, 5, SagaStatus.COMPENSATED, 1)
        await self._took(stage, checkout, 5)
        await self._took(stage, checkout, 5)
        n = checkout.definition
        assert sorted(await stage.store.figures.counts("acme", self._all(stage, checkout)), key=str) == sorted(
            [
                Count(n, SagaStatus.IN_PROGRESS, None, 5, 0),
                Count(n, SagaStatus.PAUSED, None, 1, 0),
                Count(n, SagaStatus.FAILED, 0, 2, 1),
                Count(n, SagaStatus.COMPENSATING, 1, 1, 0),
                Count(n, SagaStatus.COMPENSATED, 1, 1, 0),
                Count(n, SagaStatus.COMPLETED, None, 2, 0),
            ],
            key=str,
        )

    async def test_a_run_that_is_parked_and_has_not_stopped_may_want_handlers(self, stage: Stage) -> None:
        checkout = await stage.journey()
        await self._stands(stage, checkout, SagaStatus.IN_PROGRESS, None, needs=True)
        counts = await stage.store.figures.counts("acme", self._all(stage, checkout))
        assert counts == [Count(checkout.definition, SagaStatus.IN_PROGRESS, None, 1, 1)]

    async def test_a_span_has_its_beginning_and_not_its_end(self, stage: Stage) -> None:
        checkout, began = await stage.journey(), stage.clock.now()
        for _ in range(4):
            await stage.start(checkout)
            stage.clock.advance(1)
        cohort = Cohort((checkout.definition,), began + 1, began + 3)
        assert [count.runs for count in await stage.store.figures.counts("acme", cohort)] == [2]

    async def test_only_the_definitions_that_were_asked_for(self, stage: Stage) -> None:
        first, second = await stage.journey(), await stage.journey(version=2)
        for journey in (first, second, second):
            await stage.start(journey)
        counts = await stage.store.figures.counts("acme", self._all(stage, second))
        assert [(count.definition, count.runs) for count in counts] == [(second.definition, 2)]
        assert await stage.store.figures.counts("acme", self._all(stage)) == []

    async def test_durations_are_those_of_runs_that_came_through(self, stage: Stage) -> None:
        checkout = await stage.journey()
        assert await stage.store.figures.durations("acme", self._all(stage, checkout)) is None
        for seconds in (4, 1, 2, 13):
            await self._took(stage, checkout, seconds)
        await self._took(stage, checkout, 99, SagaStatus.COMPENSATED, 1)
        came = await stage.store.figures.durations("acme", self._all(stage, checkout))
        assert came == Durations(runs=4, average=5.0, median=2.0, p95=13.0, shortest=1.0, longest=13.0)

    async def test_what_an_ended_run_is_asked_makes_it_no_longer(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await self._took(stage, checkout, 5)
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        stage.clock.advance(100)
        again = await worker.takes(checkout)
        await stage.store.commit(stage.release(again, due=None, status=SagaStatus.COMPLETED))
        came = await stage.store.figures.durations("acme", self._all(stage, checkout))
        assert came is not None
        assert (came.runs, came.longest) == (1, 5.0)

    async def test_what_a_run_took_is_asked_anew_when_it_turns_back(self, stage: Stage) -> None:
        """It came through, and was undone on request: it counts as stopped, behind its last milestone."""
        checkout, worker = await stage.journey(), await stage.worker()
        run = await self._took(stage, checkout, 5)
        await stage.store.send(run.key, "c-1", "compensate", "{}")
        again = await worker.takes(checkout)
        row = stage.release(again, status=SagaStatus.COMPENSATING, stopped=2).row
        await stage.store.commit(stage.turn(again, row=row))
        cohort = self._all(stage, checkout)
        assert await stage.store.figures.durations("acme", cohort) is None
        assert await stage.store.figures.counts("acme", cohort) == [
            Count(checkout.definition, SagaStatus.COMPENSATING, 2, 1, 0)
        ]

    async def test_over_time_is_by_when_runs_started(self, stage: Stage) -> None:
        checkout, began = await stage.journey(), stage.clock.now()
        for hour, fates in enumerate(("cc", "cs", "", "m")):
            for fate in fates:
                await self._started(stage, checkout, began + hour * HOUR, fate)
        cohort = Cohort((checkout.definition,), began, began + 4 * HOUR)
        assert await stage.store.figures.over_time("acme", cohort, 4) == [
            Period(began + hour * HOUR, began + (hour + 1) * HOUR, completed, stopped, average)
            for hour, (completed, stopped, average) in enumerate([(2, 0, 6.0), (1, 1, 6.0), (0, 0, None), (0, 0, None)])
        ]

    async def test_the_newest_come_with_their_journals(self, stage: Stage) -> None:
        checkout, runs = await stage.journey(), []
        for _ in range(4):
            runs.append(await self._took(stage, checkout, 1))
        sampled = await stage.store.figures.newest("acme", self._all(stage, checkout), 2)
        assert [one.saga_id for one in sampled] == [runs[3].saga_id, runs[2].saga_id]
        assert [one.definition for one in sampled] == [checkout.definition] * 2
        assert [one.rows for one in sampled] == [await stage.store.load(run.key) for run in (runs[3], runs[2])]

    # --- how ---

    def _all(self, stage: Stage, *journeys: Journey) -> Cohort:
        return Cohort(tuple(journey.definition for journey in journeys), 0.0, stage.clock.now() + 1)

    async def _stands(
        self, stage: Stage, journey: Journey, status: SagaStatus, stopped: int | None, *, needs: bool = False
    ) -> None:
        run = await stage.start(journey)
        await stage.store.commit(stage.release(run, status=status, stopped=stopped, needs=needs))

    async def _took(
        self,
        stage: Stage,
        journey: Journey,
        seconds: float,
        status: SagaStatus = SagaStatus.COMPLETED,
        stopped: int | None = None,
    ) -> Run:
        """A run that started now and ended after so many seconds; the next one starts then."""
        run = await stage.start(journey)
        stage.clock.advance(seconds)
        await stage.store.commit(stage.turn(run, row=stage.release(run, None, status=status, stopped=stopped).row))
        return run

    async def _started(self, stage: Stage, journey: Journey, at: float, fate: str) -> None:
        """c: it came through in six seconds; s: it stopped; m: it still moves."""
        run = await stage.start(journey, at=at, due_at=at)
        if fate == "m":
            return
        status, stopped = (SagaStatus.COMPLETED, None) if fate == "c" else (SagaStatus.COMPENSATED, 0)
        write = stage.turn(run, row=stage.release(run, None, status=status, stopped=stopped).row)
        write.at = at + 6
        await stage.store.commit(write)
