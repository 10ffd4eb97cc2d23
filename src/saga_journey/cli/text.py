"""Text that is safe to print and fits: no control characters, no escape sequences, measured in terminal cells."""

from __future__ import annotations

import json
import re
from typing import Any
from unicodedata import category, combining, east_asian_width


def harmless(text: str) -> str:
    r"""The text with everything that could move a cursor or hide itself spelled out: ESC becomes `\x1b`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(c: str) -> str:
    if c.isprintable():
        return c
    return " " if category(c) == "Zs" else c.encode("unicode_escape").decode()


def cells(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, most: int) -> str:
    """At most so many cells of it; `…` says that there was more."""
    if cells(text) <= most:
        return text
    while text and cells(text) > most - 1:
        text = text[:-1]
    return text + "…" if most > 0 else ""


def compact(value: Any) -> str:
    """A value as JSON on one line, safe to print."""
    return _spelled_out(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def pretty(value: Any) -> list[str]:
    """A value as indented JSON, safe to print line by line."""
    return _spelled_out(json.dumps(value, ensure_ascii=False, indent=2)).split("\n")


def machine(value: Any, *, only_ascii: bool) -> str:
    """A value as JSON for programs: one line, and still valid JSON with everything harmful spelled out."""
    return _spelled_out(json.dumps(value, ensure_ascii=only_ascii, separators=(",", ":")))


_NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")


def _spelled_out(text: str) -> str:
    return _NOT_PLAIN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    c = found.group()
    if c.isprintable():
        return c
    units = c.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
