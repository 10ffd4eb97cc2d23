"""What the orchestrator claims: one line for each order whose outcome it was told, in one append-only file.

A restarted orchestrator is told every outcome again and writes it again, so the file also shows
whether two lives of it were told the same.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Claims:
    """The file, open for appending. Each line is one write, so that a kill cannot leave half a line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def add(self, order_id: str, ending: str) -> None:
        """State how the saga of this order ended."""
        os.write(self._file, (json.dumps({"order": order_id, "ending": ending}) + "\n").encode())


def read_claims(path: Path) -> dict[str, list[str]]:
    """For each order the different endings that were claimed, the first one first."""
    claims: dict[str, list[str]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            claim = json.loads(line)
            endings = claims.setdefault(claim["order"], [])
            if claim["ending"] not in endings:
                endings.append(claim["ending"])
    return claims
