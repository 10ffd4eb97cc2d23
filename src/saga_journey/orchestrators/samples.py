"""What happened at the milestones of the newest runs: their journals are read and folded, in a bounded number."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.tally import Followed, MilestoneTally, follow, tally
from saga_journey.errors import InvalidInput
from saga_journey.orchestrators.cohorts import Question
from saga_journey.ports import SampledRun
from saga_journey.runs import Runs

MOST = 1000
"""So many journals are read at most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The `runs` newest runs, milestone by milestone. `unreadable` more have journals that cannot be folded here."""

    runs: int
    unreadable: int
    milestones: dict[str, MilestoneTally]


async def take_sample(runs: Runs, question: Question, most: int = MOST) -> Sample:
    """Reads at most so many journals. Raises InvalidInput for a number outside of 1 to 1,000."""
    if type(most) is not int or not 0 < most <= MOST:
        raise InvalidInput(f"sample is {most!r}: it is a whole number from 1 to {MOST}")
    found = await question.newest(most)
    definitions = {number: await runs.store.definition(number) for number in {run.definition for run in found}}
    return await asyncio.to_thread(_fold, found, definitions)  # the loop has runs to move


def _fold(found: list[SampledRun], definitions: dict[int, JourneyDefinition]) -> Sample:
    followed = [one for run in found if (one := _followed(run, definitions[run.definition])) is not None]
    return Sample(len(followed), len(found) - len(followed), tally(followed))


def _followed(run: SampledRun, definition: JourneyDefinition) -> Followed | None:
    try:
        return follow(definition, run.saga_id, ((row.at, row.events) for row in run.rows))
    except Exception:  # noqa: BLE001 - whatever the fold stumbles over, the others can still be counted
        return None
