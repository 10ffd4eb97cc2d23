"""The gate on `import saga_journey`: how long it takes, and that it brings nothing optional along.

Each of nine fresh interpreters times the import alone, not its own start; the figure is the median. One more before
them is not counted: it may have to write the bytecode files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.foreign import cpu_now, foreign_share, is_quiet
from bench.fresh import ROOT, MeasureFailed
from bench.gate import Gate, at_most
from bench.rounds import undisturbed

INTERPRETERS = 9
BOUND_MS = 150.0
OPTIONAL = ("fastapi", "aiohttp", "typer", "rich", "faststream", "asyncpg")

PROGRAM = f"""
import sys, time
start = time.perf_counter()
import saga_journey
took = time.perf_counter() - start
import json
print(json.dumps([took * 1e3, [name for name in {OPTIONAL!r} if name in sys.modules]]))
"""


@dataclass(frozen=True)
class Import:
    """The median of nine, which optional packages came along, and how busy others were meanwhile."""

    ms: float
    brought: list[str]
    foreign: float | None


def gates(_disk: Path) -> list[Gate]:
    """Both gates; the packages that came along are named in the second. No database is involved."""
    measured = undisturbed(_measure, lambda found: found.foreign)
    took = measured.ms if is_quiet(measured.foreign) else None
    named = f" ({', '.join(measured.brought)})" if measured.brought else ""
    return [
        at_most(f"import saga_journey: ms, median of {INTERPRETERS} fresh interpreters", took, BOUND_MS),
        at_most(f"import saga_journey: optional packages it brings along{named}", len(measured.brought), 0),
    ]


def _measure() -> Import:
    _import_once()
    before = cpu_now()
    times, brought = zip(*(_import_once() for _ in range(INTERPRETERS)), strict=True)
    return Import(median(times), brought[-1], foreign_share(before, cpu_now()))


def _import_once() -> tuple[float, list[str]]:
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    line = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(line, cwd=ROOT, env=usual, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MeasureFailed(f"import saga_journey failed:\n{done.stderr}")
    took, brought = json.loads(done.stdout)
    return took, brought
