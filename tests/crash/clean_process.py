"""Only a process without threads may fork. pytest's is none (xdist, coverage), so the crash tests run in their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def told_by(module: str, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs `python -m module` from the root of the repository, warnings as errors, and returns the figures it wrote."""
    figures = folder / "figures.json"
    command = [sys.executable, "-W", "error", "-m", module, *arguments, "--json", str(figures)]
    ours = {**os.environ, **(environment or {})}
    quick = {name: value for name, value in ours.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, cwd=ROOT, env=quick, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert figures.exists(), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(figures.read_text("utf-8"))
    return told
