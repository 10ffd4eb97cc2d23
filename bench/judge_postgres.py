"""The gates of W on PostgreSQL: how far from the peers, how near to the floor, how few questions to the server.

What is timed is judged as on SQLite. Round trips are counted, so every round tells them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bench.gate import Gate, at_least, at_most
from bench.judge import timed
from bench.rounds import Bout

# at 1, 16 and 128 at once
TIMES_DBOS: dict[int, float] = {1: 3, 16: 25, 128: 60}
# where many sagas share a transaction
CROWDED = 128
TIMES_FLOOR = 0.35  # 0.6 is what is wanted
TIMES_RESTATE = 10.0
ROUND_TRIPS_PER_MILESTONE = 1.5


def gates(bouts: Sequence[Bout], peers: Collection[str]) -> Iterator[Gate]:
    """Every gate of W on PostgreSQL, with what `ours` reached beside the peers that took part."""
    for bout in bouts:
        at = f"PostgreSQL, {bout.mode}, {bout.at_once} at once"
        if "dbos" in peers:
            yield at_least(f"{at}: times the sagas/s of DBOS", timed(bout, "dbos"), TIMES_DBOS[bout.at_once])
        if bout.at_once == CROWDED:
            yield from _crowded(bout, at, peers)


def _crowded(bout: Bout, at: str, peers: Collection[str]) -> Iterator[Gate]:
    yield at_least(f"{at}: times the floor's sagas/s", timed(bout, "floor"), TIMES_FLOOR)
    if "restate" in peers:
        yield at_least(f"{at}: times the sagas/s of Restate", timed(bout, "restate"), TIMES_RESTATE)
    trips = bout.figure("ours", "round_trips_per_milestone")
    yield at_most(f"{at}: round trips for each milestone", trips, ROUND_TRIPS_PER_MILESTONE)
