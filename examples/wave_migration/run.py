"""Moves a table in waves, or moves them back: `python run.py --fail-at compare_counts` shows the way back."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from tempfile import mkdtemp

from handlers import curator, standing
from saga_journey import open_journeys
from saga_journey.journey_templates import read_journey, read_template
from saga_journey.testing.faults import refusing


async def run(place: Path, journey: Path | None, fail_at: str | None) -> None:
    template = read_template("wave_migration")
    name, requirements = read_journey(journey) if journey else (template.name, template.example["requirements"])
    services = curator(place)
    handlers = refusing(services, fail_at) if fail_at else services
    async with open_journeys(f"sqlite:///{place / 'journeys.db'}", curator=handlers) as journeys:
        designed = await journeys.saga.design_saga_journey(name, requirements, {})
        if fail_at and fail_at not in designed["definition"].index:
            raise SystemExit(f"--fail-at: there is {', '.join(designed['definition'].index)}")
        saga_id = await journeys.saga.execute_saga_journey(designed["journey_id"], "me", template.example["input"])
        saga = journeys.run(saga_id)
        print(await saga.outcome())
        for milestone in (await saga.status()).milestones:
            print(f"{milestone.id}: {milestone.status}, undo: {milestone.undo}")
    print(*(standing(place) or ["nothing stands"]), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fail-at", metavar="MILESTONE", help="which one refuses, the first time it is asked")
    parser.add_argument("--dir", type=Path, help="where journeys.db and the books are kept [a new directory]")
    parser.add_argument("--journey", type=Path, help="what `saga template use` wrote [the template's own example]")
    given = parser.parse_args()
    place = given.dir or Path(mkdtemp(prefix="wave-migration-"))
    place.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(place, given.journey, given.fail_at))
    print(f"saga get @last --db sqlite:///{place / 'journeys.db'}")
