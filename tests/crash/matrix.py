"""The crash matrix: `python -m tests.crash.matrix`, from the root of the repository.

Kills a worker with SIGKILL at every boundary of each shape, lets the next one go on, and checks every promise.

    --store NAME            sqlite, postgres, or all of them (which is what happens when nothing is said)
    --shape NAME            only this shape (may be given more than once)
    --cell SHAPE:KIND:K     one cell, e.g. happy:after-commit:2; its files are kept, and named
    --double                kill again in recovery, at every boundary, for two shapes (minutes)
    --lanes N               how many cells at a time (as many as there are processors)
    --json FILE             the figures, and every cell that broke something

The processes are forked from one that has imported everything, so a cell costs some tens of milliseconds, and recovery
times are without the start of Python itself. On PostgreSQL they are also without the rest of the dead worker's lease,
which is taken away at once: how long that lasts is a setting.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from saga_journey.testing.crash import Boundary
from tests import pool
from tests.crash.cell import TRIES, Verdict, run_cell
from tests.crash.lanes import in_lanes
from tests.crash.place import STORES, Grounds, Place
from tests.crash.shapes import SHAPES
from tests.servers.postgres import discard_the_server

NOW_AND_THEN = ("-renew", "-wake_needy")
DOUBLE = ("last-refuses", "doubt-then-refused")


class Cell(NamedTuple):
    """A shape on a store, and where its workers are killed, one after the other."""

    store: str
    shape: str
    kills: tuple[Boundary, ...] = ()


def place_of(cell: Cell, grounds: Grounds, number: int = 0) -> Place:
    return grounds.place(cell.store, "-".join([cell.store, cell.shape, *map(str, cell.kills), str(number)]))


def cells_of(cell: Cell, grounds: Grounds) -> list[Cell]:
    """Every boundary that this run crosses after its kills. Undisturbed, it must be flawless."""
    verdict = attempt(cell, grounds)
    if verdict.violations:
        raise SystemExit("\n".join([f"{verdict.name} is broken before anything is killed:", *verdict.violations]))
    return [cell._replace(kills=(*cell.kills, boundary)) for boundary in aimed_at(verdict)]


def aimed_at(verdict: Verdict) -> list[Boundary]:
    """The boundaries to kill at. What is done again and again is a matter of time: the first time stands for all."""
    return [b for b in verdict.crossed if b.number == 1 or not b.kind.endswith(NOW_AND_THEN)]


def attempt(cell: Cell, grounds: Grounds) -> Verdict:
    """Runs one cell; again when the run was over before its number came up."""
    for number in range(TRIES):
        place = place_of(cell, grounds, number)
        verdict = run_cell(place, cell.store, SHAPES[cell.shape], cell.kills)
        if not verdict.violations:
            place.discard()
        if verdict.was_run or verdict.violations:
            return verdict
    return verdict


def _verdict(said: dict[str, Any]) -> Verdict:
    for name in ("kills", "crossed"):
        said[name] = tuple(Boundary(*pair) for pair in said[name])
    return Verdict(**{**said, "violations": tuple(said["violations"])})


def run(stores: Sequence[str], shapes: Sequence[str], *, lanes: int, double: bool, folder: Path) -> dict[str, Any]:
    """All cells of these shapes on these stores, and the figures."""
    began = time.perf_counter()
    grounds = Grounds(folder)
    possible = [cell for store in stores for shape in shapes for cell in cells_of(Cell(store, shape), grounds)]
    if double:  # for each first kill every boundary of the recovery from it
        first = run_all(possible, lanes, grounds)
        possible = [Cell(v.store, v.shape, (*v.kills, boundary)) for v in first for boundary in aimed_at(v)]
    return figures(run_all(possible, lanes, grounds), time.perf_counter() - began)


def run_all(cells: Sequence[Cell], lanes: int, grounds: Grounds) -> list[Verdict]:
    def piece(cell: Cell) -> Callable[[], Iterable[dict[str, Any]]]:
        return lambda: [asdict(attempt(cell, grounds))]

    return [_verdict(said) for said in in_lanes(lanes, grounds.folder, [piece(cell) for cell in cells], pool.drop_all)]


def figures(all_verdicts: Sequence[Verdict], seconds: float) -> dict[str, Any]:
    verdicts = [v for v in all_verdicts if v.was_run or not v.by_chance]
    recoveries = [v.recovery for v in verdicts if v.recovery is not None]
    shapes = list(dict.fromkeys((v.store, v.shape) for v in verdicts))
    return {
        "cells_possible": len(verdicts),
        "cells_run": sum(v.was_run for v in verdicts),
        "violations": sum(len(v.violations) for v in verdicts),
        "repeated_at_most": max((v.repeated for v in verdicts), default=0),
        "repeated": sum(v.repeated for v in verdicts),
        "recovery_p50_ms": _percentile(recoveries, 50),
        "recovery_p99_ms": _percentile(recoveries, 99),
        "seconds": round(seconds, 1),
        "shapes": [_of_shape(*name, [v for v in verdicts if (v.store, v.shape) == name]) for name in shapes],
        "missed": [v.name for v in verdicts if not v.was_run],
        "not_there": [v.name for v in all_verdicts if v not in verdicts],
        "broken": [{"cell": v.name, "violations": v.violations} for v in verdicts if v.violations],
    }


def _of_shape(store: str, shape: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    recoveries = [v.recovery for v in verdicts if v.recovery is not None]
    return {
        "store": store,
        "shape": shape,
        "cells": len(verdicts),
        "run": sum(v.was_run for v in verdicts),
        "violations": sum(len(v.violations) for v in verdicts),
        "repeated_at_most": max(v.repeated for v in verdicts),
        "recovery_p99_ms": _percentile(recoveries, 99),
        "ends": ", ".join(sorted({v.status for v in verdicts})),
    }


def _percentile(seconds: Sequence[float], percent: int) -> float:
    if len(seconds) < 2:
        return round(1000 * max(seconds, default=0.0), 1)
    return round(1000 * statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1], 1)


def show(told: dict[str, Any]) -> None:
    print(f"{'store':<10}{'shape':<22}{'cells':>7}{'run':>6}{'broken':>8}{'repeated':>10}{'p99 ms':>9}  ends as")
    for row in told["shapes"]:
        columns = f"{row['cells']:>7}{row['run']:>6}{row['violations']:>8}{row['repeated_at_most']:>10}"
        print(f"{row['store']:<10}{row['shape']:<22}{columns}{row['recovery_p99_ms']:>9}  {row['ends']}")
    print(
        f"\n{told['cells_run']} of {told['cells_possible']} cells run, {told['violations']} violations, "
        f"at most {told['repeated_at_most']} repeated requests for a crash and a call under way, "
        f"recovery p50 {told['recovery_p50_ms']} ms, p99 {told['recovery_p99_ms']} ms, {told['seconds']} s"
    )
    for cell in told["broken"][:20]:
        print(f"\n{cell['cell']}")
        for violation in cell["violations"][:5]:
            print(f"  {violation}")
    if told["missed"]:
        print("\nnot reached:", ", ".join(told["missed"][:20]))


def one_cell(store: str, name: str) -> int:
    """Runs one cell and keeps its files."""
    shape, *rest = name.split(":")
    kills = tuple(Boundary(kind, int(number)) for kind, number in zip(rest[::2], rest[1::2], strict=True))
    grounds = Grounds(Path(tempfile.mkdtemp(prefix="saga-cell-")))
    place = place_of(Cell(store, shape, kills), grounds)
    verdict = run_cell(place, store, SHAPES[shape], kills)
    place.keep()
    print(f"{verdict.name}: {'run' if verdict.was_run else 'not reached'}, ends as {verdict.status}")
    print(f"files: {place.folder}")
    for violation in verdict.violations:
        print(f"  {violation}")
    return 1 if verdict.violations else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix")
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--shape", action="append", choices=list(SHAPES), dest="shapes")
    parser.add_argument("--cell", metavar="SHAPE:KIND:K")
    parser.add_argument("--double", action="store_true", help=f"kill again in recovery ({', '.join(DOUBLE)})")
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    stores = STORES if given.store == "all" else (given.store,)
    try:
        return max(one_cell(store, given.cell) for store in stores) if given.cell else _all_cells(stores, given)
    finally:
        discard_the_server()


def _all_cells(stores: Sequence[str], given: argparse.Namespace) -> int:
    shapes = given.shapes or (DOUBLE if given.double else tuple(SHAPES))
    with tempfile.TemporaryDirectory(prefix="saga-matrix-") as folder:
        told = run(stores, shapes, lanes=given.lanes, double=given.double, folder=Path(folder))
    show(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1), "utf-8")
    flawless = told["cells_run"] == told["cells_possible"] and not told["violations"]
    return 0 if flawless and told["repeated_at_most"] <= 1 + given.double else 1


if __name__ == "__main__":
    sys.exit(main())
