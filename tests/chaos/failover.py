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
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.client import Orders, order
from tests.chaos.offspring import Offspring
from tests.chaos.outsiders import answer
from tests.chaos.place import Place
from tests.chaos.reckoning import reckon, rest
from tests.chaos.server import AFTER, ENDLESS, PATIENCE, RESUMED_WITHIN, everybody_is_open, resumed
from tests.chaos.worker import Job
from tests.chaos.workers import workers_of
from tests.servers.pair import Pair, running_pair


def run(pair: Pair, place: Place, given: argparse.Namespace) -> dict[str, Any]:
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
        "problems": [*crew.problems, *(f"{who} ended with status {end}" for who, end in ends.items() if end != 0)],
    }


def flawless(told: dict[str, Any]) -> bool:
    clean = not (told["violations"] or told["problems"] or told["refused_starts"] or told["unforeseen"])
    return clean and told["rest_s"] is not None and not told["silent"] and resumed_in_time(told)


def resumed_in_time(told: dict[str, Any]) -> bool:
    return bool(told["resumed_ms"]["p99"] <= 1000 * RESUMED_WITHIN)


def show(told: dict[str, Any]) -> None:
    print(f"{told['failovers']} failovers; workers write after ms: {told['resumed_ms']}; silent: {told['silent']}")
    print(
        f"{told['sagas']} sagas with {told['children']} children, {told['calls']} calls, {told['turns']} turns, "
        f"{told['claims']} claims, {told['lost_attempts']} lost attempts; at rest {told['rest_s']} s after the load"
    )
    print(f"ends: {told['ends']}; starts in ms: {told['start_ms']}; refused: {len(told['refused_starts'])}")
    print(
        f"{len(told['violations'])} violations, {len(told['unforeseen'])} unforeseen errors, {told['took_s']} s in all"
    )
    for line in (*told["violations"][:20], *told["unforeseen"][:3], *told["problems"], *told["refused_starts"][:5]):
        print(f"  {line}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.failover")
    parser.add_argument("--failovers", type=int, default=4)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=12.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--lease", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with running_pair() as pair, tempfile.TemporaryDirectory(prefix="saga-chaos-") as folder:
        place = Place.made(Path(folder), pair.fresh())
        told = run(pair, place, given)
        told = {**vars(given), "json": None, **told, "took_s": round(time.monotonic() - began, 1)}
    show(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1, default=str), "utf-8")
    return 0 if flawless(told) else 1


if __name__ == "__main__":
    sys.exit(main())
