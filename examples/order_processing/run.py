"""One order by the template, through the same four participants: `python run.py --fail-at book_shipment` undoes it."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from tempfile import mkdtemp

from audit import DONE, read_book
from journey import order_processing, participants
from processes import PARTICIPANTS, all_participants
from saga_journey import Curator, open_journeys
from saga_journey.journey_templates import read_journey, read_template
from saga_journey.testing.faults import refusing


def curator() -> Curator:
    """The handlers of `journey.py`, by the names that the template calls."""
    found = Curator()
    order_processing.register_in(found)
    return found


def standing(place: Path) -> list[str]:
    """What the participants' books say."""
    every = [(name, entry) for name in PARTICIPANTS for entry in read_book(place, name).standing()]
    return [f"{entry.order_id} is {DONE[name]}: {entry.amount}" for name, entry in every]


async def run(place: Path, journey: Path | None, fail_at: str | None) -> None:
    template = read_template("order_processing")
    name, requirements = read_journey(journey) if journey else (template.name, template.example["requirements"])
    handlers = refusing(curator(), fail_at) if fail_at else curator()
    async with participants, open_journeys(f"sqlite:///{place / 'journeys.db'}", curator=handlers) as journeys:
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
    place = given.dir or Path(mkdtemp(prefix="order-processing-"))
    place.mkdir(parents=True, exist_ok=True)
    with all_participants(place) as urls:
        os.environ |= {f"{name.upper()}_URL": url for name, url in urls.items()}
        asyncio.run(run(place, given.journey, given.fail_at))
    print(f"saga get @last --db sqlite:///{place / 'journeys.db'}")
