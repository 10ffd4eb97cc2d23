"""Measures in a fresh process, on a fresh folder of the disk that is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DISK = ROOT / ".bench"  # beside the code: a system's /tmp is often memory, where a flush costs nothing
PATIENCE = 300.0


class MeasureFailed(Exception):
    """A measuring process ended badly; the message holds the last lines it wrote."""


@contextmanager
def folder(disk: Path) -> Iterator[Path]:
    """A new folder under `disk`, removed at the end."""
    disk.mkdir(parents=True, exist_ok=True)
    if disk == DISK:
        (disk / ".gitignore").write_text("*\n")
    with TemporaryDirectory(dir=disk, prefix="run-") as new:
        yield Path(new)


def answer_of(module: str, *arguments: str | float | Path) -> dict[str, Any]:
    """Runs `python -m module arguments` to its end and reads the last line it prints, which is JSON."""
    line = command(module, *arguments)
    try:
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired as late:
        raise MeasureFailed(f"{' '.join(line)} had not ended after {PATIENCE:.0f} s") from late
    except subprocess.CalledProcessError as failed:
        tail = "\n".join((failed.stdout + failed.stderr).splitlines()[-15:])
        raise MeasureFailed(f"{' '.join(line)} ended with {failed.returncode}:\n{tail}") from failed
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def command(module: str, *arguments: str | float | Path) -> list[str]:
    """The command line of one of our modules in this Python."""
    return [sys.executable, "-m", module, *map(str, arguments)]
