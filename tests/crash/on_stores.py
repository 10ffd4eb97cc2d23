"""Tests that run on every store: on PostgreSQL one of them each time, the others with `make thorough`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.crash.place import STORES
from tests.servers.postgres import GIVEN
from tests.thorough import thorough


def on_stores(names: Iterable[str], *, quick: str) -> list[object]:
    """Parameters (name, store); `quick` is the one that runs on PostgreSQL each time."""
    names = list(names)
    return [
        pytest.param(name, store, marks=[thorough] if store == "postgres" and name != quick else [])
        for store in STORES
        for name in names
    ]


def server_for(store: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """What tells a program of these tests to use the server that is there."""
    return {GIVEN: request.getfixturevalue("postgres_server").url()} if store == "postgres" else {}
