"""Workers that die, freeze and come back: `python -m tests.chaos.workers`, from the root of the repository.

Worker processes with a short lease move sagas that a client starts. Every 0.2 to 1 s one of them is killed (60 %), and
a new one takes its place; or it is stopped for 1.5 to 3 leases and goes on (40 %). Afterwards every promise is checked.

    --seconds S      how long the faults last (60)
    --sagas N        how many sagas are started meanwhile (500)
    --workers N      how many at a time (4)
    --lease S        of each of them (2)
    --seed N         of the faults and of what the client does; not of what the machine does
    --json FILE      the figures, and all that is known of every saga that broke a promise
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.client import Orders, order
from tests.chaos.crew import Crew
from tests.chaos.offspring import Offspring
from tests.chaos.outages import postgres_to_throw_away
from tests.chaos.outsiders import answer
from tests.chaos.place import Place
from tests.chaos.reckoning import reckon, rest
from tests.chaos.telling import Told, clean, live_through, problems, show_verdict
from tests.chaos.worker import Job, work

BETWEEN_FAULTS = (0.2, 1.0)
"""Seconds."""
REST_WITHIN = 30.0
"""So soon after the last fault everything has to be final (seconds)."""
ENOUGH_FENCED = 20
"""With fewer fenced writes the test proves nothing."""
PATIENCE = 40.0
"""So long it is waited for what does not come to rest, to see whether it is late or lost (seconds)."""
GOODBYE = 10.0
"""So long the client may take to end when all is final (seconds)."""


def run(place: Place, given: argparse.Namespace) -> Told:
    """A bad day, and what it came to."""
    orders = Orders(given.sagas, 0.8 * given.seconds / given.sagas, given.seed)
    with Offspring(given.seconds + 3 * PATIENCE) as offspring:
        crew = workers_of(place, offspring, given.workers, Job(given.lease))
        outsiders, client = offspring.begin(lambda: answer(place)), offspring.begin(lambda: order(place, orders))
        began = time.monotonic()
        disturb(crew, random.Random(given.seed), began + given.seconds)
        faults = time.monotonic() - began
        rested = rest(place, crew.tend, PATIENCE)
        moved = time.monotonic() - began
        ends = {"client": offspring.end_within(client, GOODBYE)}
        crew.end()
        ends["outsiders"] = offspring.tell(outsiders)
    told = reckon(place)
    return {
        "kills": crew.kills,
        "stops": crew.stops,
        "faults_s": round(faults, 1),
        "rest_s": rested,
        "sagas_per_s": round(told["sagas"] / moved, 1),
        **told,
        "problems": problems(crew.problems, ends),
    }


def workers_of(place: Place, offspring: Offspring, size: int, job: Job) -> Crew:
    return Crew(offspring, size, lambda name: work(place, name, job), lease=job.lease, ledger=place.ledger)


def disturb(crew: Crew, rng: random.Random, until: float) -> None:
    while time.monotonic() < until:
        crew.tend(time.monotonic() + rng.uniform(*BETWEEN_FAULTS))
        crew.befall(rng)
    crew.all_go_on()


def flawless(told: Told) -> bool:
    rested = told["rest_s"] is not None and told["rest_s"] <= REST_WITHIN
    return clean(told) and rested and told["fenced"] >= ENOUGH_FENCED


def show(told: Told) -> None:
    print(
        f"{told['kills']} kills and {told['stops']} stops in {told['faults_s']} s: {told['fenced']} fenced writes, "
        f"{told['lapsed']} leases that had run out, "
        f"{told['claims']} claims, {told['lost_attempts']} lost attempts"
    )
    print(
        f"{told['sagas']} sagas with {told['children']} children, {told['calls']} calls, {told['turns']} turns, "
        f"{told['sagas_per_s']} sagas/s; at rest {told['rest_s']} s after the last fault"
    )
    show_verdict(told)


def day(given: argparse.Namespace) -> Told:
    with postgres_to_throw_away() as server, tempfile.TemporaryDirectory(prefix="saga-chaos-") as folder:
        return run(Place.made(Path(folder), server.databases.fresh()), given)


def main(arguments: Sequence[str] | None = None) -> int:
    options = {"seconds": 60.0, "sagas": 500, "workers": 4, "lease": 2.0, "seed": 0}
    return live_through(arguments, "workers", options, day, show=show, flawless=flawless)


if __name__ == "__main__":
    sys.exit(main())
