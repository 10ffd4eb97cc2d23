"""Requirements against their JSON Schema: every problem, each with its path. The one place that imports jsonschema.

A template may come from anybody, so a schema of it may use the keywords below and no others: nothing that fetches
(`$ref`), recurses, or runs a pattern for an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from saga_journey.core.canonical import encode, printable
from saga_journey.errors import NotJson, SagaJourneyError, did_you_mean

KEYWORDS = frozenset(
    {"type", "title", "description", "default", "examples", "enum"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"}
    | {"items", "minItems", "maxItems", "properties", "required", "additionalProperties"}
)
SHOWN = 60
"""So many characters of a wrong value are repeated."""


def problems_of(value: object, schema: Mapping[str, Any], place: str) -> list[str]:
    """Every reason why a value does not fit, each with its path below `place`; empty when it does."""
    try:
        encode(value, place)
    except NotJson as error:
        return [str(error)]
    found = _validator()(schema).iter_errors(value)
    return sorted(sentence for error in found for sentence in _sentences(error, place))


def with_defaults(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The requirements, and the default of each one that is not said."""
    properties = schema.get("properties", {})
    defaults = {name: said["default"] for name, said in properties.items() if "default" in said}
    return {**defaults, **value}


def problems_of_schema(schema: object, place: str) -> list[str]:
    """Every reason why requirements cannot be checked against it."""
    known = _validator()
    found = known(known.META_SCHEMA).iter_errors(schema)
    problems = sorted(f"{_path(error, place)}: {printable(error.message, 200)}" for error in found)
    if problems or not isinstance(schema, Mapping):
        return problems or [f"{place} is no JSON Schema of an object"]
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        problems.append(f"{place} must say `type: object` and `additionalProperties: false`")
    return problems + list(_strange_keywords(schema, place))


def _strange_keywords(schema: Mapping[str, Any], place: str) -> Iterator[str]:
    for keyword in schema:
        if keyword not in KEYWORDS:
            yield f"{place}.{keyword} is not a keyword that a template may use{did_you_mean(keyword, KEYWORDS)}"
    for name, inner in schema.get("properties", {}).items():
        yield from _strange_keywords(inner, f"{place}.properties.{name}") if isinstance(inner, Mapping) else ()
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), Mapping):
            yield from _strange_keywords(schema[keyword], f"{place}.{keyword}")


@cache
def _validator() -> Any:
    """Draft 2020-12, except that 4.0 is no integer: it would not be one in the journey either. Fetches nothing."""
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.validators import extend
    except ModuleNotFoundError:
        what = 'requirements are checked by the extra "standard": pip install "saga-journey[standard]"'
        raise SagaJourneyError(what) from None
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    extended: Any = extend  # has no types
    return extended(Draft202012Validator, type_checker=types)


def _path(error: Any, place: str) -> str:
    return place + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)


def _sentences(error: Any, place: str) -> Iterator[str]:
    """One error as sentences: where, what is there, and what should be."""
    path, wanted = _path(error, place), error.validator_value
    match error.validator:
        case "required":
            missing = next(name for name in wanted if error.message.startswith(repr(name)))
            yield f"{path}.{missing} is missing: {_meaning(error.schema, missing)}"
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for name in error.instance:
                if name not in known:
                    yield f"{path}.{printable(name, SHOWN)} is not asked for{did_you_mean(name, known)}"
        case "type":
            yield f"{path}: {_shown(error.instance)} is not {_article(wanted)}"
        case "enum":
            yield f"{path}: {_shown(error.instance)} is none of {', '.join(map(_shown, wanted))}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            yield f"{path}: {_shown(error.instance)} is not {_LIMITS[error.validator]} {wanted}"
        case _:
            yield f"{path}: {_shown(error.instance)} does not fit {error.validator} {_shown(wanted)}"


_LIMITS = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}


def _meaning(schema: Mapping[str, Any], name: str) -> str:
    said = schema.get("properties", {}).get(name, {})
    return str(said.get("description") or _article(said.get("type", "a value")))


def _article(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join("null" if n == "null" else f"{'an' if n[0] in 'aio' else 'a'} {n}" for n in names)


def _shown(value: object) -> str:
    return printable(encode(value), SHOWN)
