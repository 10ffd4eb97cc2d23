"""The same orders from everywhere at once: `python -m tests.chaos.colliding_keys`, from the root of the repository.

Several processes open an empty database at once, and start sagas with the same keys, each in an order of its own, many
at a time. For each key there must be exactly one saga, which all of them are given, and none of them may see an error.

    --processes N    how many (8)
    --keys N         how many keys each of them starts a saga with (1000)
    --at-once N      how many starts each of them has under way (64)
    --json FILE      the figures
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from saga_journey import Context, Saga, milestone, open_journeys
from saga_journey.testing.databases import look_into
from tests.chaos.offspring import Offspring
from tests.chaos.outages import postgres_to_throw_away
from tests.chaos.reckoning import spread

PATIENCE = 120.0
"""Seconds after which a process that hangs is ended."""


async def reserve(ctx: Context[Any]) -> None:
    raise AssertionError("nobody moves these sagas")


ORDER: Saga[Any] = Saga("order", version=1, milestones=[milestone(reserve, undo=None)])


def start_all(url: str, told: Path, seed: int, given: argparse.Namespace) -> None:
    """The whole life of a process. What it was given for each key it writes down in the end."""
    numbers = random.Random(seed).sample(range(given.keys), given.keys)
    told.write_text(json.dumps(asyncio.run(_start_all(url, numbers, given.at_once))), "utf-8")


async def _start_all(url: str, numbers: Sequence[int], at_once: int) -> dict[str, Any]:
    sagas: dict[str, str] = {}
    errors: list[str] = []
    seconds: list[float] = []
    waiting = iter(numbers)

    async with open_journeys(url, sagas=[ORDER], working=False, handle_sigterm=False) as journeys:

        async def start_some() -> None:
            for number in waiting:
                began = time.perf_counter()
                try:
                    run = await journeys.start(ORDER, {"order": number}, key=f"order-{number}")
                except Exception as error:  # noqa: BLE001 - whatever it is, a user would see it
                    errors.append(repr(error))
                else:
                    sagas[f"order-{number}"] = run.saga_id
                seconds.append(time.perf_counter() - began)

        await asyncio.gather(*(start_some() for _ in range(at_once)))
    return {"sagas": sagas, "errors": errors, "seconds": seconds}


def run(url: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    files = [folder / f"told-{number}.json" for number in range(given.processes)]
    began = time.monotonic()
    with Offspring(PATIENCE) as offspring:
        pids = [
            offspring.begin(lambda n=n, file=file: start_all(url, file, n, given))  # type: ignore[misc]
            for n, file in enumerate(files)
        ]
        ends = [offspring.end_of(pid) for pid in pids]
    took = time.monotonic() - began
    told = [json.loads(file.read_text("utf-8")) for file in files if file.exists()]
    with closing(look_into(url)) as looking:
        ((runs, journals, keys),) = looking.rows(
            "select (select count(*) from run), (select count(*) from journal), (select count(*) from start_key)"
        )
        ((deadlocks,),) = looking.rows("select deadlocks from pg_stat_database where datname = current_database()")
    first = told[0]["sagas"] if told else {}
    return {
        "took_s": round(took, 1),
        "starts_per_s": round(given.processes * given.keys / took),
        "ends": ends,
        "runs": runs,
        "journals": journals,
        "keys": keys,
        "different": sum(one["sagas"] != first for one in told),
        "answered": [len(one["sagas"]) for one in told],
        "errors": [error for one in told for error in one["errors"]],
        "deadlocks": deadlocks,
        "start_ms": spread([seconds for one in told for seconds in one["seconds"]]),
    }


def flawless(told: dict[str, Any], given: argparse.Namespace) -> bool:
    once = told["runs"] == told["journals"] == told["keys"] == given.keys
    same = told["answered"] == [given.keys] * given.processes and not told["different"]
    return once and same and not any(told["ends"]) and not told["errors"] and not told["deadlocks"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.colliding_keys")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    with postgres_to_throw_away() as server, tempfile.TemporaryDirectory(prefix="saga-chaos-") as folder:
        url = server.databases.fresh()
        told = run(url, Path(folder), given)
    print(
        f"{given.processes} processes x {given.keys} starts: {told['runs']} sagas for {told['keys']} keys, "
        f"{told['different']} processes were given others, {len(told['errors'])} errors, {told['deadlocks']} deadlocks"
    )
    print(f"{told['took_s']} s, {told['starts_per_s']} starts/s, in ms: {told['start_ms']}")
    print(*told["errors"][:5], sep="\n")
    if given.json:
        given.json.write_text(json.dumps(told, indent=1), "utf-8")
    return 0 if flawless(told, given) else 1


if __name__ == "__main__":
    sys.exit(main())
