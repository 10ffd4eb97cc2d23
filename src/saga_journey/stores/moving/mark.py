"""What is left in a database that was moved: where everything is now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple


class Mark(NamedTuple):
    """That a database was moved: where to (without a password), when by the clock there, and a hash of what it held."""

    target: str
    at: float
    fingerprint: str


def moment(at: float) -> str:
    """`2026-11-27 18:04:05 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def sentence(name: str, mark: Mark) -> str:
    """What whoever opens it, or writes it, is told."""
    return (
        f"{name} was moved to {mark.target} on {moment(mark.at)}: open that one instead; "
        "this one stays as it was then, and cannot be written"
    )
