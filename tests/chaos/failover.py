"""The primary dies under load and does not come back; its standby takes over: `python -m tests.chaos.failover`.

Worker processes move sagas that a client starts, with the URL of both servers. A commit is told to nobody before the
standby has it, so no promise may be broken. From the root of the repository.

    --failovers N    how often the primary dies (4); a new standby takes the place of the dead
    --every S        from the moment when the standby is in step to the next death (5)
    --rate N         sagas that are started in a second (12)
    --workers N      how many there are (4)
    --lease S        of each of them (5)
    --json FILE      the figures, and all that is known of every saga that broke a promise
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.client import Orders, order
from tests.chaos.offspring import Offspring
from tests.chaos.outsiders import answer
from tests.chaos.place import Place
from tests.chaos.reckoning import reckon, rest
from tests.chaos.server import AFTER, ENDLESS, PATIENCE, all_resumed, everybody_is_open, resumed
from tests.chaos.telling import Told, clean, live_through, problems, show_verdict
from tests.chaos.worker import Job
from tests.chaos.workers import workers_of
from tests.servers.pair import Pair, running_pair


def run(pair: Pair, place: Place, given: argparse.Namespace) -> Told:
    """Some failovers, and what they came to."""
    orders = Orders(ENDLESS, 1 / given.rate, given.seed)
    accepted: list[tuple[str, float]] = []
    with Offspring(given.failovers * (given.every + PATIENCE) + 3 * PATIENCE) as offspring:
        crew = workers_of(place, offspring, given.workers, Job(given.lease, tells_commits=True))
        names = [member.name for member in crew.members]
        outsiders, client = offspring.begin(lambda: answer(place)), offspring.begin(lambda: order(place, orders))
        everybody_is_open(place, crew.tend, len(names) + 2)
        for number in range(given.failovers):
            crew.tend(time.monotonic() + given.every)
            accepted.append((f"failover {number + 1}", pair.fail_over()))
            crew.tend(time.monotonic() + AFTER)
            pair.replace_the_dead()
        crew.tend(time.monotonic() + AFTER)
        ends = {"client": offspring.tell(client)}
        rested = rest(place, crew.tend, PATIENCE)
        crew.end()
        ends["outsiders"] = offspring.tell(outsiders)
    return {
        "rest_s": rested,
        **resumed(place, accepted, names),
        **reckon(place),
        "problems": problems(crew.problems, ends),
    }


def flawless(told: Told) -> bool:
    return clean(told) and told["rest_s"] is not None and all_resumed(told)


def show(told: Told) -> None:
    print(f"{told['failovers']} failovers; workers write after ms: {told['resumed_ms']}; silent: {told['silent']}")
    print(
        f"{told['sagas']} sagas with {told['children']} children, {told['calls']} calls, {told['turns']} turns, "
        f"{told['claims']} claims, {told['lost_attempts']} lost attempts; at rest {told['rest_s']} s after the load"
    )
    show_verdict(told)


def day(given: argparse.Namespace) -> Told:
    with running_pair() as pair, tempfile.TemporaryDirectory(prefix="saga-chaos-") as folder:
        return run(pair, Place.made(Path(folder), pair.fresh()), given)


def main(arguments: Sequence[str] | None = None) -> int:
    options = {"failovers": 4, "every": 5.0, "rate": 12.0, "workers": 4, "lease": 5.0, "seed": 0}
    return live_through(arguments, "failover", options, day, show=show, flawless=flawless)


if __name__ == "__main__":
    sys.exit(main())
