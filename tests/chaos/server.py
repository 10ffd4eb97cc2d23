"""The server dies under load, again and again: `python -m tests.chaos.server`, from the root of the repository.

Worker processes move sagas that a client starts; they live on, whatever becomes of the server. It is killed with
SIGKILL every few seconds; then the connections of writers are ended in a loop, one of its backends is killed, it is
shut down at once, and restarted while all is quiet. Afterwards every promise is checked.

    --kills N        how often it is killed (10)
    --every S        from one kill to the next (5)
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.chaos.client import Orders, order
from tests.chaos.notes import read_notes
from tests.chaos.offspring import Offspring
from tests.chaos.outages import Outages, postgres_to_throw_away
from tests.chaos.outsiders import answer
from tests.chaos.place import Place
from tests.chaos.reckoning import reckon, rest, spread
from tests.chaos.telling import Told, clean, live_through, problems, show_verdict
from tests.chaos.worker import Job
from tests.chaos.workers import workers_of
from tests.servers.postgres import PostgresServer

PATIENCE = 60.0
"""So long it is waited for what does not come to rest (seconds)."""
RESUMED_WITHIN = 5.0
"""So soon after the server accepts again, all workers write (seconds)."""
SLOW = 1.0
"""Who takes longer than that is named (seconds)."""
ENDING_FOR, ENDING_EVERY = 2.0, 0.1
"""How long, and how often, connections of writers are ended (seconds)."""
AFTER = 2.0
"""Seconds under load after each of the single outages."""
ENDLESS = 100_000
"""More sagas than anybody starts before the last outage is over."""
QUIET = 12
"""Sagas that are started after the restart in quiet: each kind once."""


def run(server: PostgresServer, place: Place, given: argparse.Namespace) -> Told:
    """A bad day of the server, and what it came to."""
    orders = Orders(ENDLESS, 1 / given.rate, given.seed)
    later = Orders(QUIET, 0.0, given.seed, first=ENDLESS)
    outages = Outages(server, place.url)
    with Offspring(4 * given.kills * given.every + 3 * PATIENCE) as offspring:
        crew = workers_of(place, offspring, given.workers, Job(given.lease, tells_commits=True))
        names = [member.name for member in crew.members]
        outsiders, client = offspring.begin(lambda: answer(place)), offspring.begin(lambda: order(place, orders))
        everybody_is_open(place, crew.tend, len(names) + 2)
        accepted = list(under_load(outages, crew.tend, given.kills, given.every))
        ends = {"client": offspring.tell(client)}
        rested = rest(place, crew.tend, PATIENCE)
        outages.restart()
        ends["second client"] = offspring.end_of(offspring.begin(lambda: order(place, later)))
        rested_again = rest(place, crew.tend, PATIENCE)
        crew.end()
        ends["outsiders"] = offspring.tell(outsiders)
    return {
        "ended_connections": outages.ended_connections,
        "rest_s": rested,
        "rest_after_restart_s": rested_again,
        **resumed(place, accepted, names),
        **reckon(place),
        "problems": problems(crew.problems, ends),
    }


def everybody_is_open(place: Place, tend: Callable[[float], None], processes: int) -> None:
    """Who opens while the server is away is told so, and may try again: that is not what is tested here."""
    while len(read_notes(place.notes, "open")) < processes:
        tend(time.monotonic() + 0.1)


def under_load(
    outages: Outages, tend: Callable[[float], None], kills: int, every: float
) -> Iterator[tuple[str, float]]:
    """Each outage, and when it was over."""
    for number in range(kills):
        began = time.monotonic()
        tend(began + every / 2)
        yield f"kill {number + 1}", outages.kill()
        tend(began + every)
    until = time.monotonic() + ENDING_FOR
    while time.monotonic() < until:
        tend(time.monotonic() + ENDING_EVERY)
        outages.end_a_writer()
    for name, outage in (("backend killed", outages.kill_a_writer), ("shut down", outages.shut_down_at_once)):
        tend(time.monotonic() + AFTER)
        yield name, outage()
    tend(time.monotonic() + AFTER)


def resumed(place: Place, accepted: Sequence[tuple[str, float]], workers: Sequence[str]) -> Told:
    """How long after the server accepted again each worker wrote something; `silent` are those that wrote nothing."""
    commits: dict[str, list[float]] = {name: [] for name in workers}
    for note in read_notes(place.notes, "commit"):
        commits[note["who"]].append(note["at"])
    took, silent = {}, []
    for outage, at in accepted:
        for name in workers:
            after = [commit - at for commit in commits[name] if commit > at]
            if after:
                took[f"{name} after {outage}"] = min(after)
            else:
                silent.append(f"{name} after {outage}")
    slow = {which: round(1000 * seconds) for which, seconds in took.items() if seconds > SLOW}
    return {"resumed_ms": spread([*took.values()]), "slow_ms": slow, "silent": silent}


def flawless(told: Told) -> bool:
    rested = told["rest_s"] is not None and told["rest_after_restart_s"] is not None
    return clean(told) and rested and all_resumed(told)


def all_resumed(told: Told) -> bool:
    """Every worker wrote again after each outage, nearly always soon enough."""
    return not told["silent"] and bool(told["resumed_ms"]["p99"] <= 1000 * RESUMED_WITHIN)


def show(told: Told) -> None:
    print(
        f"{told['kills']} kills of the server, {told['ended_connections']} connections of writers ended; "
        f"workers write again after ms: {told['resumed_ms']}; slow: {told['slow_ms']}, silent: {told['silent']}"
    )
    print(
        f"{told['sagas']} sagas with {told['children']} children, {told['calls']} calls, {told['turns']} turns, "
        f"{told['claims']} claims, {told['fenced']} fenced writes, {told['lost_attempts']} lost attempts"
    )
    print(f"at rest {told['rest_s']} s after the load, {told['rest_after_restart_s']} s after the restart in quiet")
    show_verdict(told)


def day(given: argparse.Namespace) -> Told:
    with postgres_to_throw_away() as server, tempfile.TemporaryDirectory(prefix="saga-chaos-") as folder:
        return run(server, Place.made(Path(folder), server.databases.fresh()), given)


def main(arguments: Sequence[str] | None = None) -> int:
    options = {"kills": 10, "every": 5.0, "rate": 12.0, "workers": 4, "lease": 5.0, "seed": 0}
    return live_through(arguments, "server", options, day, show=show, flawless=flawless)


if __name__ == "__main__":
    sys.exit(main())
