"""What people write after an option, as values: JSON in the word itself, in a file, or on stdin."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic_core import from_json

from saga_journey.cli.problems import USAGE, VALIDATION, Problem
from saga_journey.core.canonical import Json, encode


def json_of(text: str | None, option: str) -> Json | None:
    """The JSON of `--input` or `--result`: the word itself, `@file.json`, or `@-` for stdin. None when not said."""
    if text is None:
        return None
    source = _read(text[1:], option) if text.startswith("@") else text
    try:
        value = from_json(source, allow_inf_nan=False)
    except ValueError as error:
        hint = f"text needs quotes inside the quotes: {option} '\"text\"'; a file: {option} @file.json"
        raise Problem(VALIDATION, "not_json", f"{option} is not JSON: {error}", hint) from None
    return encode(value, option)


def _read(name: str, option: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except OSError as error:
        raise Problem(USAGE, "no_such_file", f"{option} @{name}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Problem(VALIDATION, "not_json", f"{option} @{name}: the file is not UTF-8 text") from None
