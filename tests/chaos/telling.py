"""What the programs of the bad days have in common: figures on the screen and in a file, and whether all is well."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Told = dict[str, Any]


def live_through(
    arguments: Sequence[str] | None,
    name: str,
    options: Mapping[str, float],
    day: Callable[[argparse.Namespace], Told],
    *,
    show: Callable[[Told], None],
    flawless: Callable[[Told], bool],
) -> int:
    """The status of the program `tests.chaos.NAME`. `options`: those beside --json, with what they are by default."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.chaos.{name}")
    for option, default in options.items():
        parser.add_argument(f"--{option}", type=type(default), default=default)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    told = {**vars(given), "json": None, **day(given)}
    told["took_s"] = round(time.monotonic() - began, 1)
    show(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1, default=str), "utf-8")
    return 0 if flawless(told) else 1


def clean(told: Told) -> bool:
    """No promise was broken, and nothing happened that nobody had thought of."""
    return not (told["violations"] or told["problems"] or told["refused_starts"] or told["unforeseen"])


def problems(crew: Sequence[str], ends: Mapping[str, int]) -> list[str]:
    """Of the workers, and of those that ended with another status than 0."""
    return [*crew, *(f"{who} ended with status {end}" for who, end in ends.items() if end != 0)]


def show_verdict(told: Told) -> None:
    """How everything ended, and the first of whatever is wrong."""
    refused = len(told["refused_starts"])
    print(f"ends: {told['ends']}; starts in ms: {told['start_ms']}; refused: {refused}; helped: {told['helped']}")
    print(
        f"{len(told['violations'])} violations, {len(told['unforeseen'])} unforeseen errors, {told['took_s']} s in all"
    )
    for line in (*told["violations"][:20], *told["unforeseen"][:3], *told["problems"], *told["refused_starts"][:5]):
        print(f"  {line}")
