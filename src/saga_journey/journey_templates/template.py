"""A template: a journey with gaps, the JSON Schema of what fills them, and what its handlers must do.

1. A scalar that is exactly `$name` is replaced by that requirement, with its type. Nothing else is ever substituted:
   no text is put together, nothing is evaluated, and what a requirement contains is not looked into.
2. A row `{repeat: N, milestone: {…}}` stands for N milestones `id_1` … `id_N`, whose params also say `number` and `of`.
3. What comes out is a request as `core.design` reads it, and is checked there like any other.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from saga_journey.core.canonical import MAX_BYTES, encode
from saga_journey.core.definition import MAX_MILESTONES
from saga_journey.core.design import design
from saga_journey.errors import DefinitionError, did_you_mean
from saga_journey.journey_templates.requirements import problems_of, problems_of_schema, with_defaults

GAP = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Template:
    """A reusable journey. `requirements` and `input` are JSON Schemas, `example` has one of each that fits."""

    name: str
    title: str
    description: str
    requirements: dict[str, Any]
    input: dict[str, Any]
    journey: dict[str, Any]
    handlers: dict[str, str]
    """What each handler must do, by its name."""
    example: dict[str, Any]

    def fill(self, requirements: Mapping[str, Any]) -> dict[str, Any]:
        """The journey with these requirements (those of `example` fit), for `design`: a milestone says its own undo.

        Raises DefinitionError with every problem of the requirements, each with its path.
        """
        if not isinstance(requirements, Mapping):
            raise DefinitionError(self.name, [f"requirements: {type(requirements).__name__} is no object"])
        said = with_defaults(requirements, self.requirements)
        if found := problems_of(said, self.requirements, "requirements"):
            raise DefinitionError(self.name, found)
        sizes = {name: len(encode(value)) for name, value in said.items()}
        _must_fit(sum(sizes.get(name, 0) for name, _ in _gaps(self.journey, "")), self.name)
        filled: dict[str, Any] = _filled(self.journey, said)
        return {**filled, "milestones": _written_out(filled.get("milestones"), self.name)}

    def plain(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


def template_of(document: object, name: str) -> Template:
    """A template out of what its file says. Raises DefinitionError with every problem of it."""
    try:
        template = Template(**_Document.model_validate(document).model_dump())
    except ValidationError as error:
        raise DefinitionError(name, [_sentence(dict(e)) for e in error.errors(include_url=False)]) from None
    for look in (_problems_of_schemas, _problems_of_gaps, _problems_of_example):
        if found := look(template):
            raise DefinitionError(name, found)
    return template


class _Example(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True)

    requirements: dict[str, Any]
    input: Any


class _Document(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True)

    name: str
    title: str
    description: str
    requirements: dict[str, Any]
    input: dict[str, Any]
    journey: dict[str, Any]
    handlers: dict[str, str]
    example: _Example


def _sentence(error: dict[str, Any]) -> str:
    place = ".".join(str(p) for p in error["loc"]) or "the document"
    if error["type"] == "extra_forbidden":
        return f"{place} is not a field of a template{did_you_mean(place, _Document.model_fields)}"
    return f"{place}: {error['msg']}"


# --- gaps -------------------------------------------------------------------------------------------------------------


def _gap(value: object) -> str | None:
    """The requirement that belongs there."""
    found = GAP.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def _filled(value: Any, said: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(member, said) for key, member in value.items()}
    if isinstance(value, list):
        return [_filled(member, said) for member in value]
    name = _gap(value)
    return value if name is None else copy.deepcopy(said.get(name))


def _gaps(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every gap, with its place."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from _gaps(member, f"{place}[{key}]" if isinstance(value, list) else f"{place}.{key}")
    if name := _gap(value):
        yield name, place


def _written_out(rows: Any, name: str) -> Any:
    """The rows, with each `repeat` as the milestones that it stands for; what is no list is left to `design`."""
    if not isinstance(rows, list):
        return rows
    repeats = {place: _Repeat(row, name) for place, row in enumerate(rows) if isinstance(row, dict) and "repeat" in row}
    _must_fit(sum(repeat.size for repeat in repeats.values()), name)
    return [m for place, row in enumerate(rows) for m in (repeats[place].milestones() if place in repeats else [row])]


class _Repeat:
    """A row that stands for several milestones. Raises DefinitionError when it cannot."""

    def __init__(self, row: dict[str, Any], name: str) -> None:
        times, pattern = row["repeat"], row.get("milestone")
        if type(times) is not int or not 1 <= times <= MAX_MILESTONES:
            raise DefinitionError(name, [f"repeat is {times!r}: it is a whole number from 1 to {MAX_MILESTONES}"])
        if len(row) > 2 or not isinstance(pattern, dict) or not isinstance(pattern.get("id"), str):
            raise DefinitionError(name, ["a row with `repeat` has a `milestone` with an `id`, and nothing else"])
        if not isinstance(pattern.get("params", {}), dict):
            raise DefinitionError(name, [f"milestone {pattern['id']!r} is repeated: its params are an object"])
        self._times: int = times
        self._pattern: dict[str, Any] = pattern
        self.size = times * len(encode(pattern))

    def milestones(self) -> Iterator[dict[str, Any]]:
        for number in range(1, self._times + 1):
            said = copy.deepcopy(self._pattern)
            name, params = said.pop("id"), said.pop("params", {})
            action = {} if "kind" in said else {"action": name}
            yield {
                "id": f"{name}_{number}",
                **(action | said),
                "params": {**params, "number": number, "of": self._times},
            }


def _must_fit(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise DefinitionError(name, [f"filled, it would have more than {MAX_BYTES:,} bytes: at most so many are kept"])


# --- what is wrong with a template ------------------------------------------------------------------------------------


def _problems_of_schemas(template: Template) -> list[str]:
    return [
        *problems_of_schema(template.requirements, "requirements"),
        *problems_of_schema(template.input, "input"),
    ]


def _problems_of_gaps(template: Template) -> list[str]:
    """A gap that nothing fills, and a requirement that fills none."""
    known = template.requirements.get("properties", {})
    certain = {n for n, said in known.items() if "default" in said} | set(template.requirements.get("required", ()))
    gaps = list(_gaps(template.journey, "journey"))
    found = [f"{place}: ${n} is no requirement{did_you_mean(n, known)}" for n, place in gaps if n not in known]
    found += [f"requirements.properties.{n} is used nowhere" for n in known if n not in {gap for gap, _ in gaps}]
    found += [f"requirements.properties.{n} must be required, or have a default" for n in known if n not in certain]
    return found


def _problems_of_example(template: Template) -> list[str]:
    """The example must fit, the journey must be one, and its handlers must be told."""
    found = problems_of(template.example["input"], template.input, "example.input")
    try:
        filled = template.fill(template.example["requirements"])
        definition = design(template.name, filled, {})
    except DefinitionError as error:
        return [*found, *error.problems]
    called = definition.handlers()
    found += [f"handlers does not say what {n!r} must do" for n in called if n not in template.handlers]
    found += [f"handlers: nothing calls {n!r}{did_you_mean(n, called)}" for n in template.handlers if n not in called]
    return found
