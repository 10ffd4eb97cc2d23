"""Conditions of a choice, in CEL (the Common Expression Language): compiled and checked when a journey is designed.

A condition is a bounded expression over `input` and `results` (by milestone), never code. The extra `cel` brings the
library that reads it; this is the one place that imports it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Protocol

from saga_journey.core.canonical import decode, printable
from saga_journey.core.machine import NoArm
from saga_journey.core.shape import To, is_choice
from saga_journey.core.state import RunState

KNOWN = ("input", "results")
TYPES = ("int", "uint", "double", "string", "bytes", "bool", "list", "map", "null_type", "type")
OF_VALUES = {"size", "contains", "startsWith", "endsWith", "matches", "type", "dyn"}
CASTS = {"int", "uint", "double", "string", "bytes", "timestamp", "duration"}
OF_DAYS = {"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"}
OF_TIMES = {"getHours", "getMinutes", "getSeconds", "getMilliseconds"}
FUNCTIONS = frozenset(OF_VALUES | CASTS | OF_DAYS | OF_TIMES)
"""What can be called; an operator's name has no letter first."""
LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|filter|map)\s*\(\s*(\w+)\s*,")
"""A macro that goes through a list, and the name that it gives to each element."""
LONGEST = 2000
LOOPS = 2
"""More of them, one within the other, could keep a worker busy for hours."""


class Condition(Protocol):
    """A compiled condition."""

    def variables(self) -> list[str]: ...

    def functions(self) -> list[str]: ...

    def execute(self, context: dict[str, Any], /) -> object: ...


class Unreadable(Exception):
    """The condition cannot be compiled; the message says where and why."""


@lru_cache(maxsize=4096)
def compiled(text: str) -> Condition:
    """Raises Unreadable for a text that is no condition, and when nothing here can read one."""
    try:
        import cel
    except ModuleNotFoundError:
        raise Unreadable('conditions need the extra "cel": pip install "saga-journey[cel]"') from None
    if len(text) > LONGEST:
        raise Unreadable(f"it has {len(text):,} characters, at most {LONGEST:,} can be read")
    try:
        condition: Condition = cel.compile(text)
    except ValueError as error:
        raise Unreadable(_where(str(error))) from None
    _check_names(condition, LOOP.findall(text))
    if not condition.variables():
        _check_constant(condition)
    return condition


def _check_names(condition: Condition, elements: list[str]) -> None:
    if len(elements) > LOOPS:
        raise Unreadable(f"it goes through {len(elements)} lists, at most {LOOPS} can be gone through")
    if strange := sorted({*condition.variables()} - {*KNOWN, *TYPES, *elements}):
        raise Unreadable(f"it reads {', '.join(strange)}: there is `input`, and `results` by milestone")
    called = {name for name in condition.functions() if name[0].isalpha()}
    if unknown := sorted(called - FUNCTIONS):
        raise Unreadable(f"it calls {', '.join(unknown)}, which is no function here")


def _check_constant(condition: Condition) -> None:
    try:
        answer = condition.execute({})
    except Exception as error:  # noqa: BLE001 - whatever the library raises for it, it is no condition
        raise Unreadable(printable(str(error), 300)) from None
    if type(answer) is not bool:
        raise Unreadable("it does not end in true or false")


def _where(error: str) -> str:
    """The first line of what the parser says, from its position on: `<input>:1:14: Syntax error: …`."""
    first = error.split("ERROR: <input>:")[-1].splitlines()[0].split(" expecting ")[0]
    line, _, rest = first.partition(":")
    column, _, why = rest.partition(":")
    return f"line {line}, column {column}:{why}" if line.isdecimal() and column.isdecimal() else first


def problem_with_condition(text: str) -> str | None:
    """Why a text is no condition, with the place; None when it can be read."""
    try:
        compiled(text)
    except Unreadable as error:
        return str(error)
    return None


def choose(state: RunState, index: int) -> str:
    """Where the journey goes on after that milestone (`machine.Choice`). Raises NoArm."""
    spec = state.definition.milestones[index]
    assert is_choice(spec)
    bindings = _bindings(state, index)
    for step in spec.next_steps:
        if step.when is None or _holds(step, bindings):
            return step.milestone
    raise NoArm(f"none of its conditions holds: {', '.join(str(step.when) for step in spec.next_steps)}")


def _bindings(state: RunState, index: int) -> dict[str, Any]:
    named = zip(state.definition.milestones, state.milestones, strict=True)
    results = {spec.id: decode(m.result) for spec, m in named if m.result is not None}
    return {"input": decode(state.input_of(index)), "results": results}


def _holds(step: To, bindings: dict[str, Any]) -> bool:
    assert step.when is not None
    try:
        answer = compiled(step.when).execute(bindings)
    except KeyError as missing:
        raise NoArm(f"{step.when!r} reads {missing.args[0]}, which is not there: ask `has(…)` first") from None
    except Exception as error:
        raise NoArm(f"{step.when!r} cannot be read: {printable(str(error), 300)}") from error
    if type(answer) is not bool:
        raise NoArm(f"{step.when!r} is {printable(repr(answer), 100)}, not true or false")
    return answer
