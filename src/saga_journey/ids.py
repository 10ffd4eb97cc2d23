"""Public ids: what it is, then a UUIDv7. They sort by time, and a double click takes the whole of it."""

from __future__ import annotations

from uuid_utils import uuid7


def new_id(kind: str) -> str:
    """`saga_019ab6…`: unique without asking anyone."""
    return f"{kind}_{uuid7().hex}"
