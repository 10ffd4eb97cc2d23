"""What `saga doctor` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from saga_journey.cli.problems import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `look` asks for a person's eye, `bad` keeps sagas from moving."""

    check: str
    level: Literal["ok", "look", "bad"]
    text: str
    hint: str | None = None


def of_problem(check: str, problem: Problem) -> Finding:
    """What is wrong in one line; the rest of the message, and what to do, as the hint."""
    text, *rest = problem.message.split("\n")
    hint = "\n".join([*rest, *([problem.hint] if problem.hint else [])])
    return Finding(check, "bad", text, hint or None)


def size(count: float) -> str:
    """So many bytes, as people say it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
