"""The gate on recovery: how soon after a kill the next process has its open runs again.

    python -m bench.recovery leave|resume SHAPE DATABASE

One process opens 10,000 runs and is killed with SIGKILL while all are open. The next one is timed from the call of
`open_journeys` until every run is claimed and known again:

- *called* (all were inside an action: there is a place for each): every action has been called again, which the engine
  may do only after it has claimed the run and recorded the lost attempt; no backoff lies between.
- *waiting* (all wait for an answer from outside): `open_journeys` has returned and the last commit that followed it
  is done. No commit for half a second says that it was the last.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.foreign import cpu_now, foreign_share, is_quiet
from bench.fresh import ROOT, MeasureFailed, answer_of, command, folder
from bench.gate import Gate, at_most
from bench.rounds import undisturbed

RUNS = 10_000
BOUND = 1.0


@dataclass(frozen=True)
class Recovery:
    """How long it took, and how busy others were meanwhile."""

    seconds: float
    foreign: float | None


def gates(disk: Path) -> list[Gate]:
    """A gate for each shape of open runs."""
    return [_gate(shape, disk) for shape in ("called", "waiting")]


def _gate(shape: str, disk: Path) -> Gate:
    taken = undisturbed(lambda: _kill_and_resume(shape, disk), lambda recovery: recovery.foreign)
    seconds = taken.seconds if is_quiet(taken.foreign) else None
    return at_most(f"recovery: seconds until {RUNS:,} killed runs ({shape}) are back", seconds, BOUND)


def _kill_and_resume(shape: str, disk: Path) -> Recovery:
    with folder(disk) as fresh:
        database = fresh / "open.sqlite"
        with subprocess.Popen(
            command("bench.recovery", "leave", shape, database), cwd=ROOT, stdout=subprocess.PIPE
        ) as left:
            assert left.stdout is not None
            said = left.stdout.readline()
            left.kill()
        if not said:
            raise MeasureFailed(f"bench.recovery leave {shape} ended before its runs were open")
        return Recovery(**answer_of("bench.recovery", "resume", shape, database))


async def leave(shape: str, database: Path) -> None:
    """Opens the runs, says so, and waits to be killed."""
    from bench.parked import SHAPES, open_runs
    from saga_journey import open_journeys

    url = f"sqlite:///{database}"
    async with open_journeys(url, sagas=[SHAPES[shape]], concurrency=RUNS, undo_share=0) as journeys:
        await open_runs(journeys, SHAPES[shape], 0, RUNS)
        print("open", flush=True)
        await asyncio.Event().wait()


async def resume(shape: str, database: Path) -> None:
    """Opens the same database, waits until every run is back, and says how long that took."""
    from bench.parked import SHAPES, every_action_called, last_commit
    from saga_journey import open_journeys

    before, start = cpu_now(), time.perf_counter()
    url = f"sqlite:///{database}"
    async with open_journeys(url, sagas=[SHAPES[shape]], concurrency=RUNS, undo_share=0) as journeys:
        back = await (every_action_called(RUNS) if shape == "called" else last_commit(journeys))
        print(json.dumps(asdict(Recovery(back - start, foreign_share(before, cpu_now())))), flush=True)
        os._exit(0)  # an orderly end would wait for actions that never end


def main() -> None:
    """One half of a recovery, in this process."""
    half, shape, database = sys.argv[1:]
    asyncio.run({"leave": leave, "resume": resume}[half](shape, Path(database)))


if __name__ == "__main__":
    main()
