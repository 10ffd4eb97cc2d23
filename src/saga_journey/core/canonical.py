"""The one JSON encoder: what it accepts is what every store can keep and every reader can get back, unchanged.

A value is encoded once, where it enters; from then on it travels as text (`Json`), so that nobody can change it
behind the journal's back. Refused, with the path to the place: NaN and infinities, NUL characters and lone
surrogates (PostgreSQL cannot keep them), bytes and other types that JSON does not have, integers beyond 2**53
(JavaScript readers would round them), keys that are not strings, more than 64 levels, more than 1 MiB.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, NewType

from pydantic_core import PydanticSerializationError, from_json, to_json

from saga_journey.errors import NotJson

Json = NewType("Json", str)
"""JSON text that this encoder wrote."""

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_INTEGER = 2**53

NULL = Json("null")


def encode(value: object, what: str = "value") -> Json:
    """The canonical text of `value`; raises `NotJson`, which names the place below `what`."""
    if not _plain(value, 1):
        _refuse(value, what, 1)
    try:
        raw = to_json(value)
    except PydanticSerializationError:  # only a lone surrogate is left to fail here
        raise _bad_text(value, what) or NotJson(what, "cannot be written as JSON") from None
    if len(raw) > MAX_BYTES:
        raise NotJson(
            what, f"{len(raw):,} bytes of JSON, at most {MAX_BYTES:,} can be recorded: keep a reference to it"
        )
    if b"\\" in raw and b"\\u0000" in raw and (problem := _bad_text(value, what)):
        raise problem
    text: Json = raw.decode()  # type: ignore[assignment]  # NewType's own call is not free
    return text


def decode(text: Json) -> Any:
    """A fresh copy of the value each time, so that no caller can change what another one sees."""
    return from_json(text)


def fingerprint(text: Json) -> bytes:
    """Equal for two texts that mean the same JSON value, whatever the order of their keys (BLAKE2b, 16 bytes)."""
    return hashlib.blake2b(to_json(_sorted(from_json(text))), digest_size=16).digest()


def _plain(value: object, depth: int) -> bool:
    """Certainly fine, seen at full speed. False: look closer, and say where."""
    kind = type(value)
    if kind is dict:
        if depth > MAX_DEPTH:
            return False
        for key, member in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                return False
            kind = type(member)
            if kind is str or kind is bool or member is None:
                continue
            if kind is int and -MAX_INTEGER <= member <= MAX_INTEGER:
                continue
            if not _plain(member, depth + 1):
                return False
        return True
    if kind is list:
        return depth <= MAX_DEPTH and all(_plain(member, depth + 1) for member in value)  # type: ignore[attr-defined]
    if kind is int:
        return -MAX_INTEGER <= value <= MAX_INTEGER  # type: ignore[operator]
    return kind is str or kind is bool or value is None


def _refuse(value: object, path: str, depth: int) -> None:
    """Raises NotJson for the first place that cannot be recorded; returns when there is none."""
    if isinstance(value, dict | list | tuple) and depth > MAX_DEPTH:
        raise NotJson(path[:200], f"more than {MAX_DEPTH} levels deep (or a value that contains itself)")
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise NotJson(path, f"key {key!r} is not a string")
            _refuse(member, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            _refuse(member, f"{path}[{index}]", depth + 1)
    else:
        _refuse_scalar(value, path)


def _refuse_scalar(value: object, path: str) -> None:
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotJson(path, "integer beyond 2**53, which not every JSON reader keeps exact: send it as a string")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(path, f"{value} is not JSON")
    elif value is not None and not isinstance(value, str):
        raise NotJson(
            path,
            f"{type(value).__name__} is not JSON: declare a result or input type (dataclass, pydantic model) "
            "that says how it is written, or convert it",
        )


def _bad_text(value: object, path: str) -> NotJson | None:
    """The first text that no store can keep."""
    if isinstance(value, str):
        if "\0" in value:
            return NotJson(path, "contains a NUL character")
        if any("\ud800" <= c <= "\udfff" for c in value):
            return NotJson(path, "contains a lone surrogate, which is not a character")
    elif isinstance(value, dict):
        for key, member in value.items():
            if problem := _bad_text(key, f"{path} (key)") or _bad_text(member, f"{path}.{key}"):
                return problem
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            if problem := _bad_text(member, f"{path}[{index}]"):
                return problem
    return None


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(member) for member in value]
    return value


def printable(text: str, limit: int = 2000) -> str:
    """An error text that every store can keep: NUL and lone surrogates replaced, at most `limit` characters."""
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
