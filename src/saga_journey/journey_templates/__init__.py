"""Reusable journeys, by name."""

from __future__ import annotations

from typing import Any


class Template:
    name: str
    title: str
    description: str

    def plain(self) -> dict[str, Any]:
        raise NotImplementedError

    def fill(self, requirements: Any) -> dict[str, Any]:
        raise NotImplementedError


def template_names() -> list[str]:
    return []


def read_template(name: str) -> Template:
    raise NotImplementedError
