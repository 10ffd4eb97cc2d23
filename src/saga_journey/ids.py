"""Public ids: what it is, then a UUIDv7 in 26 characters. They sort by time, and a double click takes the whole of it."""

from __future__ import annotations

import base64

from uuid_utils import uuid7


def new_id(kind: str) -> str:
    """`saga_06fn2…`: unique without asking anyone."""
    text = base64.b32hexencode(uuid7().bytes).decode().rstrip("=").lower()
    return f"{kind}_{text}"
