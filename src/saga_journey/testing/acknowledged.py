"""What a client was told, written down before it goes on: what was acknowledged must be true for ever (I1, I20).

One line of JSON for each answer, appended by as many processes as there are clients; a kill loses no line.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Call = Literal["started", "conflict", "answered", "seen"]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One answer. `detail` is the fingerprint of the input, or the verb and the code that it was answered with."""

    call: Call
    tenant: str
    saga_id: str
    journey: str = ""
    key: str | None = None
    detail: str = ""
    command_id: str = ""


class ClientLog:
    """The client's own log, beside neither the journal nor the ledger."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def started(self, tenant: str, journey: str, key: str | None, body: Any, saga_id: str) -> None:
        """`start` returned this saga."""
        self._note(Acknowledged("started", tenant, saga_id, journey, key, fingerprint_of(body)))

    def conflict(self, tenant: str, journey: str, key: str, body: Any, saga_id: str) -> None:
        """`start` was refused: the key belongs to that saga, which was started with another input."""
        self._note(Acknowledged("conflict", tenant, saga_id, journey, key, fingerprint_of(body)))

    def answered(self, tenant: str, saga_id: str, verb: str, code: str, command_id: str) -> None:
        """A command was answered, with yes (applied, deferred, no_change) or with no (the reason's code)."""
        self._note(Acknowledged("answered", tenant, saga_id, detail=f"{verb}: {code}", command_id=command_id))

    def seen(self, tenant: str, saga_id: str) -> None:
        """A question about this saga was answered to this tenant."""
        self._note(Acknowledged("seen", tenant, saga_id))

    def _note(self, what: Acknowledged) -> None:
        line = json.dumps(asdict(what)).encode() + b"\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, line)  # one write: a line of another process never gets in between
        finally:
            os.close(fd)


def read_log(path: str | Path) -> list[Acknowledged]:
    """All answers, oldest first; nothing when no client ever heard anything."""
    if not Path(path).exists():
        return []
    return [Acknowledged(**json.loads(line)) for line in Path(path).read_text("utf-8").splitlines()]


def fingerprint_of(body: Any) -> str:
    """Equal for equal inputs, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
