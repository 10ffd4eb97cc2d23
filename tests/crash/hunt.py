"""Does the checker find what is wrong, and only that? `python -m tests.crash.hunt`, from the root of the repository.

Every known bug is planted, one at a time, and random trials run until the checker names an invariant that this bug
breaks; the same trials without a bug must give no violation at all.

    --store NAME     sqlite, or postgres (sqlite)
    --bug NAME       only this bug (may be given more than once), and no trials without one
    --clean          only the trials without a bug
    --seeds N        how many seeds a bug gets at most, and how many trials run without one (400 and 60)
    --first SEED     the first of them (0)
    --seed N         one trial without a bug; its files are kept, and named
    --lanes N        how many at a time (as many as there are processors)
    --json FILE      the figures
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests import pool
from tests.crash.bugs import BUGS
from tests.crash.lanes import Piece, in_lanes
from tests.crash.life import Planted
from tests.crash.place import STORES, Grounds, Place
from tests.crash.trials import run_trial, trial_of
from tests.servers.postgres import discard_the_server

AT_MOST = 400
"""So many seeds a bug gets: one that takes two processes and a frozen moment shows in one of fifty trials."""
SEEDS = 60
"""So many trials run without a bug."""

Places = Callable[[str], Place]
"""A fresh place of that name."""


def hunt(name: str, seeds: range, places: Places) -> dict[str, Any]:
    """Trials with this bug, until the checker names an invariant that it breaks."""
    planted, breaks = BUGS[name]
    began = time.perf_counter()
    for count, seed in enumerate(seeds, 1):
        found = _violations(seed, planted, places(f"{name.replace(' ', '-')}-{seed}"))
        if named := [sentence for sentence in found if _invariant(sentence) in breaks]:
            seconds = round(time.perf_counter() - began, 1)
            return {"bug": name, "found": True, "seeds": count, "seconds": seconds, "sentence": named[0]}
    return {"bug": name, "found": False, "seeds": len(seeds), "seconds": 0.0, "sentence": "NOT FOUND"}


def clean(seed: int, places: Places) -> dict[str, Any]:
    """A trial with nothing planted."""
    return {"seed": seed, "violations": _violations(seed, None, places(f"clean-{seed}"))}


def _violations(seed: int, planted: Planted | None, place: Place) -> list[str]:
    found = [str(violation) for violation in run_trial(place, trial_of(seed), planted)]
    place.discard()
    return found


def _invariant(sentence: str) -> str:
    return sentence.split()[0]


def run(
    store: str, bugs: Sequence[str], tries: Sequence[int], seeds: range, lanes: int, folder: Path
) -> dict[str, Any]:
    """`tries` are the seeds that run without a bug, `seeds` those that each bug gets."""
    began = time.perf_counter()
    places = partial(Grounds(folder).place, store)
    if store == "postgres":
        pool.ready()

    def hunting(name: str) -> Piece:
        return lambda: [hunt(name, seeds, places)]

    def trying(seed: int) -> Piece:
        return lambda: [clean(seed, places)]

    hunted = in_lanes(lanes, folder / "hunts", [hunting(name) for name in bugs], pool.drop_all)
    tried = in_lanes(lanes, folder / "trials", [trying(seed) for seed in tries], pool.drop_all)
    return {
        "bugs": sorted(hunted, key=lambda found: bugs.index(found["bug"])),
        "clean_seeds": len(tried),
        "false_alarms": [trial for trial in tried if trial["violations"]],
        "seconds": round(time.perf_counter() - began, 1),
    }


def show(told: dict[str, Any]) -> None:
    for found in told["bugs"]:
        print(f"{found['bug']:<42}{found['seeds']:>4} seeds {found['seconds']:>6.1f} s  {found['sentence']}")
    alarms = told["false_alarms"]
    print(f"\n{told['clean_seeds']} seeds without a bug: {len(alarms)} false alarms, {told['seconds']} s in all")
    for trial in alarms[:10]:
        print(f"  seed {trial['seed']}:", *trial["violations"][:4], sep="\n    ")


def one_trial(store: str, seed: int) -> int:
    """Runs one trial without a bug, and keeps its files."""
    place = Grounds(Path(tempfile.mkdtemp(prefix="saga-trial-"))).place(store, "trial")
    trial = trial_of(seed)
    found = run_trial(place, trial)
    place.keep()
    print(trial, f"files: {place.folder}", *found, sep="\n  ")
    return 1 if found else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.hunt")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--bug", action="append", choices=list(BUGS), dest="bugs")
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    try:
        return one_trial(given.store, given.seed) if given.seed is not None else _hunt_all(given)
    finally:
        discard_the_server()


def _hunt_all(given: argparse.Namespace) -> int:
    tries = range(given.first, given.first + (given.seeds or SEEDS))
    seeds = range(given.first, given.first + (given.seeds or AT_MOST))
    bugs = given.bugs or ([] if given.clean else list(BUGS))
    with tempfile.TemporaryDirectory(prefix="saga-hunt-") as folder:
        told = run(given.store, bugs, () if given.bugs else tries, seeds, given.lanes, Path(folder))
    show(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1), "utf-8")
    return 0 if all(found["found"] for found in told["bugs"]) and not told["false_alarms"] else 1


if __name__ == "__main__":
    sys.exit(main())
