"""One point: one contestant, one mode, so many sagas at once, in this process on a fresh place.

    python -m bench.measure STORE CONTESTANT MODE AT_ONCE --seconds S --at URL [--server PID]

Prints one line of JSON (`Point`). The load is closed: each of `at_once` callers starts its next saga when its last one
has ended. A warm-up that is not timed comes first. What is counted:

- `sagas_per_s`, `p50_ms`, `p99_ms`: on the clock, seen by the caller, during the timed part;
- `commits_per_saga`, `round_trips_per_saga`: transactions committed during the timed part, and questions to the server,
  as the contestant counts them;
- `cpu_ms_per_saga`: CPU of this process, all threads, user and system, during the timed part;
- `server_cpu_ms_per_saga`: CPU of the server's processes meanwhile, of Restate also of the one with the handlers; none
  without a server;
- `database_bytes_per_saga`: growth of the database, indexes included, from the empty schema to the end, over all sagas,
  warm-up included; of SQLite: of the main file, after a checkpoint;
- `peak_rss_mb`: the largest resident set of this process in its life;
- `foreign_share`: share of all cores that other processes used during the timed part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from bench.contestants import CONTESTANTS, NAMES, Runner, Store, opened
from bench.foreign import cpu_now, foreign_share, served_seconds
from bench.places import Place
from bench.workload import ENDS, MILESTONES, MODES, Mode


@dataclass(frozen=True)
class Point:
    """The figures of one point; the module says what each one is."""

    contestant: str
    mode: Mode
    at_once: int
    sagas: int
    seconds: float
    sagas_per_s: float
    p50_ms: float
    p99_ms: float
    commits_per_saga: float | None
    round_trips_per_saga: float | None
    cpu_ms_per_saga: float
    server_cpu_ms_per_saga: float | None
    database_bytes_per_saga: float
    peak_rss_mb: float
    foreign_share: float | None

    @property
    def round_trips_per_milestone(self) -> float | None:
        """Undoing is not counted as further milestones: what it asks is on top."""
        return None if self.round_trips_per_saga is None else self.round_trips_per_saga / len(MILESTONES)


class Load:
    """Calls one runner from `at_once` callers; numbers go on from one `drive` to the next."""

    def __init__(self, runner: Runner, mode: Mode, at_once: int) -> None:
        self._runner, self._mode, self._at_once = runner, mode, at_once
        self._numbers = count()
        self.ended = 0

    async def drive(self, seconds: float) -> list[float]:
        """At least one saga for each caller and at least so long; answers how long each saga took, in seconds."""
        took: list[float] = []
        until = time.perf_counter() + seconds
        await asyncio.gather(*(self._call(until, took) for _ in range(self._at_once)))
        self.ended += len(took)
        return took

    async def _call(self, until: float, took: list[float]) -> None:
        run_saga, mode, numbers, clock = self._runner.run_saga, self._mode, self._numbers, time.perf_counter
        wanted = ENDS[mode]
        end = 0.0
        while end < until:
            number, start = next(numbers), clock()
            ended = await run_saga(number, mode)
            end = clock()
            took.append(end - start)
            if ended != wanted:
                raise RuntimeError(f"saga {number} ended {ended!r}, wanted {wanted!r}")


async def measure(store: Store, contestant: str, mode: Mode, at_once: int, seconds: float, place: Place) -> Point:
    """Takes one point."""
    async with opened(store, contestant, place) as runner:
        empty, load = await place.size(), Load(runner, mode, at_once)
        await load.drive(seconds / 10)
        commits, trips = runner.commits, runner.round_trips
        cpu, before = time.process_time(), cpu_now(place.servers)
        took = await load.drive(seconds)
        after, cpu = cpu_now(place.servers), time.process_time() - cpu
        commits, trips = _more(commits, runner.commits), _more(trips, runner.round_trips)
    grown = await place.size() - empty
    wall, sagas = after.clock - before.clock, len(took)
    served = served_seconds(before, after) if place.servers else None
    took.sort()
    return Point(
        contestant, mode, at_once, sagas, wall,
        sagas_per_s=sagas / wall,
        p50_ms=took[sagas // 2] * 1e3,
        p99_ms=took[sagas * 99 // 100] * 1e3,
        commits_per_saga=None if commits is None else commits / sagas,
        round_trips_per_saga=None if trips is None else trips / sagas,
        cpu_ms_per_saga=cpu / sagas * 1e3,
        server_cpu_ms_per_saga=None if served is None else served / sagas * 1e3,
        database_bytes_per_saga=grown / load.ended,
        peak_rss_mb=peak_rss_bytes() / 2**20,
        foreign_share=foreign_share(before, after),
    )  # fmt: skip


def _more(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def peak_rss_bytes() -> int:
    """VmHWM where there is one: ru_maxrss also counts the parent that this process was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Takes the point that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.measure")
    parser.add_argument("store", choices=CONTESTANTS)
    parser.add_argument("contestant", choices=NAMES)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("at_once", type=int)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--at", required=True)
    parser.add_argument("--server", type=int, action="append", default=[])
    asked = parser.parse_args()
    place = Place(asked.at, asked.server)
    point = asyncio.run(measure(asked.store, asked.contestant, asked.mode, asked.at_once, asked.seconds, place))
    print(json.dumps(asdict(point)))


if __name__ == "__main__":
    main()
