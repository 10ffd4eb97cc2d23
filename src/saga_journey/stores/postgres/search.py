"""The statement behind `ls`: newest first, one page at a time, always within one tenant.

The page is found first, out of one index and without the names of anything; only its runs are looked up whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saga_journey.core.session import SESSION_PREFIX
from saga_journey.ports import Search
from saga_journey.stores.queries import load_queries

_RECORD = load_queries("saga_journey.stores.postgres")["find"].split("where")[0]
_TENANT = "(select tenant from saga_journey.tenant where name = $1)"
_DEFINITIONS = f"array(select definition from saga_journey.definition where tenant = {_TENANT} and name = {{}})"
_BEFORE = f"(select run from saga_journey.run where tenant = {_TENANT} and saga = {{}})"
_AFTER_SESSIONS = SESSION_PREFIX[:-1] + chr(ord(SESSION_PREFIX[-1]) + 1)
"""The first text, in the order of code points, that is after everything with that prefix."""


def search_statement(tenant: str, search: Search) -> tuple[str, tuple[Any, ...]]:
    """SQL and its values; every condition is a fixed text, only values come from outside."""
    conditions = [f"p.tenant = {_TENANT}", *_fixed(search)]
    values: list[Any] = [tenant]
    for condition, value in _asked(search):
        values.append(value)
        conditions.append(condition.format(f"${len(values)}"))
    values.append(search.limit)
    page = f"select p.run from saga_journey.run p where {' and '.join(conditions)} order by p.run desc"
    wanted = f"t.name = $1 and r.run = any(array({page} limit ${len(values)}))"
    return f"{_RECORD} where {wanted} order by r.run desc", tuple(values)


def _fixed(search: Search) -> Iterator[str]:
    """What the planner must see in full: an index of some runs only is used when it is plain that they are those."""
    if search.sessions:
        yield f"p.saga >= '{SESSION_PREFIX}' and p.saga < '{_AFTER_SESSIONS}'"
    else:
        yield f"(p.saga < '{SESSION_PREFIX}' or p.saga >= '{_AFTER_SESSIONS}')"
    if search.status is not None:
        yield f"p.status = '{search.status.value}'"


def _asked(search: Search) -> Iterator[tuple[str, Any]]:
    """Conditions, each with its value.

    What `since` is, the planner must not see: it would read the whole tenant for a few young runs, instead of beginning
    with the newest ones.
    """
    if search.journey is not None:
        yield f"p.definition = any({_DEFINITIONS})", search.journey
    if search.since is not None:
        yield "p.started_at >= (select {}::double precision)", search.since
    if search.before is not None:
        yield f"p.run < {_BEFORE}", search.before
    if search.prefix is not None:
        yield "p.saga >= {}", search.prefix
        yield "p.saga < {}", search.prefix + "\U0010ffff"
