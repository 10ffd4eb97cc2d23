"""The gate on memory: what one more open run costs while it waits for an answer from outside.

    python -m bench.memory DATABASE

Resident memory of a fresh process (RSS, not tracemalloc: what the system gives is what counts, SQLite's share and
fragmentation included), before and after 10,000 more runs wait, divided by 10,000. 1,000 runs wait already before the
first reading, so that caches and pools have their size.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
from pathlib import Path

from bench.fresh import answer_of, folder
from bench.gate import Gate, at_most

RUNS = 10_000
BEFORE = 1_000
BOUND = 4096


def gates(disk: Path) -> list[Gate]:
    """The gate; memory does not depend on what others do, so it is always judged."""
    with folder(disk) as fresh:
        weighed = answer_of("bench.memory", fresh / "waiting.sqlite")
    return [at_most(f"memory: bytes (RSS) for each of {RUNS:,} waiting runs", weighed["bytes_per_run"], BOUND)]


async def weigh(database: Path) -> float:
    """Bytes for each waiting run."""
    from bench.parked import WAITING, open_runs
    from saga_journey import open_journeys

    async with open_journeys(f"sqlite:///{database}", sagas=[WAITING]) as journeys:
        await open_runs(journeys, WAITING, 0, BEFORE)
        before = resident_bytes()
        await open_runs(journeys, WAITING, BEFORE, RUNS)
        return (resident_bytes() - before) / RUNS


def resident_bytes() -> int:
    """What this process holds now; where the system does not tell, the most it ever held."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    print(json.dumps({"bytes_per_run": asyncio.run(weigh(Path(sys.argv[1])))}))
