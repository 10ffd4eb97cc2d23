"""Conditions of a choice, in CEL (the Common Expression Language): compiled and checked when a journey is designed.

A condition is a bounded expression over `input` and `results` (by milestone), never code. The extra `cel` brings the
library that reads it; this is the one place that imports it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

from saga_journey.core.canonical import decode, printable
from saga_journey.core.machine import NoArm
from saga_journey.core.shape import To, is_choice
from saga_journey.core.state import RunState

KNOWN = ("input", "results")
LONGEST = 2000


class Condition(Protocol):
    """A compiled condition."""

    def variables(self) -> list[str]: ...

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
    if strange := sorted(set(condition.variables()) - set(KNOWN)):
        raise Unreadable(f"it reads {', '.join(strange)}: there is `input`, and `results` by milestone")
    if not condition.variables() and type(condition.execute({})) is not bool:
        raise Unreadable("it does not end in true or false")
    return condition


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
