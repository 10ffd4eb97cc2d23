"""Reads named statements out of a .sql file: `-- name: claim`, a sentence of comment, the statement."""

from __future__ import annotations

import re
from importlib import resources

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(package: str, filename: str = "queries.sql") -> dict[str, str]:
    """The statements of a file by name; raises ValueError when a name is there twice."""
    text = resources.files(package).joinpath(filename).read_text("utf-8")
    names = _HEADER.findall(text)
    if len(set(names)) < len(names):
        raise ValueError(f"{package}/{filename} names a statement twice")
    parts = _HEADER.split(text)[1:]
    return {name: _statement(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _statement(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";")
