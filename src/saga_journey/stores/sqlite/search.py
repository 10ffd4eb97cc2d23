"""The statement behind `ls`: newest first, one page at a time, always within one tenant."""

from __future__ import annotations

from typing import Any

from saga_journey.core.session import SESSION_PREFIX
from saga_journey.ports import Search
from saga_journey.stores.queries import load_queries

_RECORD = load_queries("saga_journey.stores.sqlite")["record"].split("where")[0]


def search_statement(tenant: str, search: Search) -> tuple[str, tuple[Any, ...]]:
    """SQL and its values; every condition is a fixed text, only values come from outside."""
    conditions = ["t.name = ?"]
    values: list[Any] = [tenant]
    for condition, value in (
        (f"(substr(r.saga, 1, {len(SESSION_PREFIX)}) = '{SESSION_PREFIX}') = ?", search.sessions),
        ("r.status = ?", search.status),
        ("d.name = ?", search.journey),
        ("r.started_at >= ?", search.since),
        ("r.run < (select b.run from run b where b.tenant = r.tenant and b.saga = ?)", search.before),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if search.prefix is not None:
        conditions.append("r.saga >= ? and r.saga < ?")
        values += [search.prefix, search.prefix + "\U0010ffff"]
    where = " and ".join(conditions)
    return f"{_RECORD} where {where} order by r.run desc limit ?", (*values, search.limit)
