"""The types that users see: wrong usage is rejected before it runs. `make pyright` says the same of pyright."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import UnionType
from typing import get_args

import pytest

import saga_journey
from tests.typing import accepted
from tests.typing.marks import CHECKED, ROOT, Line, misjudged

PUBLIC = [
    "Cancelled",
    "Compensated",
    "Completed",
    "Context",
    "Curator",
    "Failed",
    "Journeys",
    "Limits",
    "Misconfigured",
    "Outcome",
    "Rate",
    "Refused",
    "Rejected",
    "Resolved",
    "Retry",
    "Run",
    "Saga",
    "SagaJourneyError",
    "SagaStatus",
    "Search",
    "Settings",
    "Structured",
    "UserContext",
    "Working",
    "child",
    "external",
    "milestone",
    "open_journeys",
    "parallel",
    "timer",
    "to",
]


def test_mypy_rejects_every_mistake_and_nothing_else(tmp_path: Path) -> None:
    """Both files in one run, as a user's own code would be checked: strictly."""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--output=json", f"--cache-dir={tmp_path}"]
    done = subprocess.run([*mypy, *map(str, CHECKED)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    said = [json.loads(line) for line in done.stdout.splitlines()]
    complaints = {Line.of(c["file"], c["line"]): c["message"] for c in said if c["severity"] == "error"}
    assert misjudged("mypy", complaints) == []


@pytest.mark.anyio
async def test_what_is_accepted_runs() -> None:
    """Right types for wrong behaviour would be no help."""
    assert await accepted.main("sqlite:///:memory:") == [
        "completed ['charge_card', 'list', 'pack_1', 'pack_2', 'reserve_stock']",
        "compensated: charge_card: card declined",
        "completed ['subscribe']",
        "completed []",
        "completed ['count']",
        "[('milestone_failed', 'send_receipt')] waits for one of ('retry', 'skip', 'cancel', 'resolve')",
    ]


def test_what_is_accepted_runs_synchronously() -> None:
    assert accepted.synchronous("sqlite:///:memory:").startswith("completed ['charge_card'")


def test_public_names() -> None:
    """A name more or less is a decision: it is made here too."""
    assert saga_journey.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name: str) -> None:
    public = getattr(saga_journey, name)
    if isinstance(public, UnionType):  # it cannot have a docstring: its members speak for it
        assert {member.__name__ for member in get_args(public)} <= set(PUBLIC)
        return
    assert public.__doc__, f"{name} has no docstring"
    assert not public.__doc__.startswith(f"{name}("), f"{name} has only the docstring that dataclasses make up"
