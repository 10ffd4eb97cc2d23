"""The gates of W on SQLite: how near to the floor, how far from the peer, how few commits and bytes.

What is timed is judged from the rounds that others did not disturb, when these are the majority. Commits and bytes are
counted, not timed, so every round tells them. About one commit a second belongs to no saga (a lease that is renewed, a
look for runs of dead workers): the bounds on commits leave 1 % to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.gate import Gate, at_least, at_most
from bench.rounds import Bout, ratio
from bench.workload import MODES, Mode

# at 1, 16 and 128 at once
TIMES_FLOOR: dict[Mode, dict[int, float]] = {
    "happy": {1: 0.7, 16: 0.5, 128: 0.4},
    "compensate": {1: 0.7, 16: 0.45, 128: 0.4},
}
TIMES_DBOS: dict[int, float] = {1: 4, 16: 30, 128: 100}
COMMITS: dict[Mode, dict[int, float]] = {
    "happy": {1: 6, 16: 0.45, 128: 0.08},
    "compensate": {1: 10, 16: 0.8, 128: 0.12},
}
HOUSEKEEPING = 1.01
BYTES: dict[Mode, float] = {"happy": 1800, "compensate": 2600}


def gates(bouts: Sequence[Bout], dbos: bool) -> Iterator[Gate]:
    """Every gate of W on SQLite, with what `ours` reached."""
    for bout in bouts:
        at = f"{bout.mode}, {bout.at_once} at once"
        yield at_least(f"{at}: times the floor's sagas/s", timed(bout, "floor"), TIMES_FLOOR[bout.mode][bout.at_once])
        if dbos:
            yield at_least(f"{at}: times the sagas/s of DBOS", timed(bout, "dbos"), TIMES_DBOS[bout.at_once])
        commits = bout.figure("ours", "commits_per_saga")
        yield at_most(f"{at}: commits per saga", commits, HOUSEKEEPING * COMMITS[bout.mode][bout.at_once])
    for mode in MODES:
        grown = [bout.figure("ours", "database_bytes_per_saga") for bout in bouts if bout.mode == mode]
        worst = max((size for size in grown if size is not None), default=None)
        yield at_most(f"{mode}: database bytes per saga, the worst of all points", worst, BYTES[mode])


def timed(bout: Bout, other: str) -> float | None:
    """Our sagas/s to those of another; None when the undisturbed rounds are not the majority."""
    judged = bout.quiet
    return ratio(judged, "ours", other) if 2 * len(judged) > len(bout.rounds) else None
