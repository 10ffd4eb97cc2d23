"""What processes tell as they go, in one file: a line of JSON for each thing, so that a kill loses none."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class Notes:
    """One writer of them, `who`. Each note says when it was made, in seconds of the clock that all processes share."""

    def __init__(self, path: Path, who: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._who = who

    def note(self, what: str, **more: Any) -> None:
        line = json.dumps({"what": what, "who": self._who, "at": time.monotonic(), **more}) + "\n"
        os.write(self._file, line.encode())  # one write: a line of another process never gets in between


def read_notes(path: Path, what: str) -> list[dict[str, Any]]:
    """All notes of that kind, oldest first."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [note for line in lines if (note := json.loads(line))["what"] == what]
