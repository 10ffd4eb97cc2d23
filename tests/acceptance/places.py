"""The stores that a test runs on. A new one is a line here, and every test that asks for a place runs on it, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests import pool

Place = Callable[[Path], str]
"""A fresh store in a folder of its own: its URL."""


def _sqlite_file(folder: Path) -> str:
    return f"sqlite:///{folder / 'journeys.db'}"


def _sqlite_memory(folder: Path) -> str:
    return "sqlite:///:memory:"


def _postgres(folder: Path) -> str:
    return pool.lent()


SHARED: dict[str, Place] = {"sqlite": _sqlite_file, "postgres": _postgres}
"""Those that several processes can open, and that outlive them."""

ALL: dict[str, Place] = {**SHARED, "sqlite-memory": _sqlite_memory}
