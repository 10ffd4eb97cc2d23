"""Does the checker find what is wrong, and only that? `python -m tests.crash.hunt`, from the root of the repository.

Every known bug is planted, one at a time, and random trials run until the checker finds it; the same trials without a
bug must give no violation at all.

    --bug NAME       only this bug (may be given more than once)
    --seeds N        how many seeds a bug gets, and how many trials run without one
    --seed N         one trial without a bug; its files are kept, and named
    --json FILE      the figures
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.crash.bugs import BUGS
from tests.crash.lanes import in_lanes
from tests.crash.life import Planted
from tests.crash.place import Place, make_template
from tests.crash.trials import run_trial, trial_of

SEEDS = 200


def hunt(name: str, seeds: int, folder: Path, template: Path) -> dict[str, Any]:
    """Trials with this bug, until one shows it."""
    began = time.perf_counter()
    for seed in range(seeds):
        found = _violations(seed, BUGS[name], folder / f"{name.replace(' ', '-')}-{seed}", template)
        if found:
            return {"bug": name, "seeds": seed + 1, "found": found, "seconds": time.perf_counter() - began}
    return {"bug": name, "seeds": seeds, "found": [], "seconds": time.perf_counter() - began}


def clean(seed: int, folder: Path, template: Path) -> dict[str, Any]:
    """A trial with nothing planted."""
    return {"seed": seed, "found": _violations(seed, None, folder / f"clean-{seed}", template)}


def _violations(seed: int, planted: Planted | None, folder: Path, template: Path) -> list[str]:
    place = Place.of(template, folder)
    found = [str(violation) for violation in run_trial(place, trial_of(seed), planted)]
    place.discard()
    return found


def run(bugs: Sequence[str], seeds: int, lanes: int, folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    template = make_template(folder)

    def hunting(name: str) -> Callable[[], Iterable[dict[str, Any]]]:
        return lambda: [hunt(name, seeds, folder, template)]

    def trying(seed: int) -> Callable[[], Iterable[dict[str, Any]]]:
        return lambda: [clean(seed, folder, template)]

    hunted = in_lanes(lanes, folder / "hunts", [hunting(name) for name in bugs])
    tried = in_lanes(lanes, folder / "trials", [trying(seed) for seed in range(seeds)])
    return {
        "bugs": sorted(hunted, key=lambda found: bugs.index(found["bug"])),
        "clean_seeds": seeds,
        "false_alarms": [trial for trial in tried if trial["found"]],
        "seconds": round(time.perf_counter() - began, 1),
    }


def show(told: dict[str, Any]) -> None:
    for found in told["bugs"]:
        broken = sorted({sentence.split()[0].strip(":") for sentence in found["found"]})
        what = " ".join(broken) or "NOT FOUND"
        print(f"{found['bug']:<42}{found['seeds']:>4} seeds {found['seconds']:>6.1f} s  {what}")
        print(*found["found"][:1], sep="\n")
    alarms = told["false_alarms"]
    print(f"\n{told['clean_seeds']} seeds without a bug: {len(alarms)} false alarms, {told['seconds']} s in all")
    for trial in alarms[:10]:
        print(f"  seed {trial['seed']}:", *trial["found"][:4], sep="\n    ")


def one_trial(seed: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="saga-trial-"))
    place = Place.of(make_template(folder), folder / "trial")
    trial = trial_of(seed)
    print(trial)
    found = run_trial(place, trial)
    print(f"files: {place.folder}", *found, sep="\n  ")
    return 1 if found else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.hunt")
    parser.add_argument("--bug", action="append", choices=list(BUGS), dest="bugs")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return one_trial(given.seed)
    folder = Path(tempfile.mkdtemp(prefix="saga-hunt-"))
    try:
        told = run(given.bugs or list(BUGS), given.seeds, given.lanes, folder)
    finally:
        shutil.rmtree(folder)
    show(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1), "utf-8")
    return 0 if all(found["found"] for found in told["bugs"]) and not told["false_alarms"] else 1


if __name__ == "__main__":
    sys.exit(main())
