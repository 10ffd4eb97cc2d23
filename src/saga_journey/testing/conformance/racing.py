"""Several workers that claim, write, freeze, come back and let go, as it comes: the journal is what they were told."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from saga_journey.ports import Conflict, Fenced, RunKey
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import LEASE, Journey, Run, Stage, Worker, events

RUNS = 10
WRITTEN, REFUSED = 80, 5
"""They race until so many turns were written, and so many were not."""
STEPS = 2000
"""Or until each of them has taken so many steps."""


@dataclass
class Race:
    """One for all racers. `told` are the turns of which one of them was told that they are written."""

    stage: Stage
    journey: Journey
    seed: int
    told: list[tuple[RunKey, str]] = field(default_factory=list)
    refused: int = 0
    claims: dict[RunKey, int] = field(default_factory=dict)
    """The newest epoch of each run that somebody was told of."""
    racers: list[Racer] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return len(self.told) >= WRITTEN and self.refused >= REFUSED


class Racer:
    """A worker that believes what it is told."""

    def __init__(self, race: Race, worker: Worker) -> None:
        self._race = race
        self._stage = race.stage
        self._worker = worker
        self._chance = random.Random(race.seed + worker.owner)
        self._held: dict[RunKey, Run] = {}
        race.racers.append(self)

    async def runs(self) -> None:
        steps = [self._claims, self._writes, self._writes, self._writes, self._lets_go, self.renews, self._freezes]
        for _ in range(STEPS):
            if self._race.over:
                return
            await self._chance.choice(steps)()

    async def _claims(self) -> None:
        claimed = await self._worker.claim(self._race.journey, room=3)
        for run in claimed.runs:
            self._held[run.record.key] = Run.of(run)
            self._race.claims[run.record.key] = run.record.epoch

    async def _writes(self) -> None:
        await self._commits(release=False)

    async def _lets_go(self) -> None:
        await self._commits(release=True)

    async def renews(self) -> None:
        if not await self._worker.store.renew(self._worker.owner, LEASE):
            held = await self._worker.store.held(self._worker.owner)
            self._held = {key: run for key, run in self._held.items() if key in held}

    async def _freezes(self) -> None:
        """Time goes on; perhaps so long that its lease is over, while some of the others renew theirs."""
        for _ in range(self._chance.choice([1, 4])):
            self._stage.clock.advance(LEASE / 3)
            for other in self._race.racers:
                if other is not self and self._chance.random() < 0.9:
                    await other.renews()

    async def _commits(self, *, release: bool) -> None:
        if not self._held:
            return
        run = self._held.pop(self._chance.choice(list(self._held)))
        said = f"{self._worker.owner} writes {run.seq} under {run.epoch}"
        row = self._stage.release(run, due=self._stage.clock.now()).row if release else None
        late = run.epoch < self._race.claims[run.key]
        try:
            await self._worker.store.commit(self._stage.turn(run, said, row=row))
        except (Fenced, Conflict):
            self._race.refused += 1
            return
        assert not late, f"seed {self._race.seed}: {said}, and epoch {self._race.claims[run.key]} had been claimed"
        self._race.told.append((run.key, events(said)))
        if not release:
            self._held[run.key] = run._replace(seq=run.seq + 1)


class RacingTogether(Chapter):
    """By several processes."""

    async def test_the_journal_is_what_the_workers_were_told(self, stage: Stage) -> None:
        """No turn that was acknowledged is missing, none that was refused is there, and no claim outlives the next."""
        race = Race(stage, await stage.journey(), random.randrange(1_000_000))
        runs = await stage.start_many(race.journey, RUNS)
        workers = [await stage.mortal(store) for store in [stage.store, *await stage.others(3)]]
        await asyncio.gather(*(Racer(race, worker).runs() for worker in workers))
        for run in runs:
            rows = await stage.store.load(run.key)
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), f"seed {race.seed}"
            told = [text for key, text in race.told if key == run.key]
            assert sorted(row.events for row in rows[1:]) == sorted(told), f"seed {race.seed}"
            assert [row.epoch for row in rows] == sorted(row.epoch for row in rows), f"seed {race.seed}"
        assert race.over, f"seed {race.seed}: {len(race.told)} were written, {race.refused} were not"
