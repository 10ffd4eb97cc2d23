"""Work split over forked processes, each of which forks its own children; what they find comes back as JSON lines."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.crash.processes import ended, fork

Piece = Callable[[], Iterable[dict[str, Any]]]


def in_lanes(
    lanes: int, folder: Path, work: Sequence[Piece], at_end: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Does every piece of work once, and returns all that they found. Each lane does `at_end` at its end."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"lane-{lane}.jsonl" for lane in range(lanes)]
    pids = [_in_lane(file, work[lane::lanes], at_end) for lane, file in enumerate(files)]
    if broken := [end for pid in pids if (end := ended(pid)) != 0]:
        raise SystemExit(f"a lane ended with status {broken}")
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def _in_lane(file: Path, work: Sequence[Piece], at_end: Callable[[], None]) -> int:
    def lane() -> None:
        signal.alarm(0)  # a lane takes as long as its work does; its children have alarms of their own
        with file.open("w", encoding="utf-8") as out:
            for piece in work:
                out.writelines(json.dumps(found) + "\n" for found in piece())
        at_end()

    return fork(lane)
