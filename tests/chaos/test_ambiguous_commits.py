"""Whatever becomes of the COMMIT of a write, its caller is told the truth, and nothing is there twice or half.

Every kind of write is cut off three times: when it was committed and its answer is lost; when it was lost itself; and
when it is committed later than it is tried again. Where the COMMIT is sent apart, it gets lost on its way as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from saga_journey.stores.postgres.migrate import migrate_database
from saga_journey.testing.conformance.stage import Stage
from tests.chaos.every_write import KINDS, Kind
from tests.chaos.interference import Interference
from tests.chaos.outages import postgres_to_throw_away
from tests.chaos.proxy import Proxy
from tests.chaos.traces import Traces, emptied
from tests.stages import stage_on

SKIPPED_NUMBERS = frozenset({"enter"})
"""Its first number is nobody's any more: it holds nothing, and is forgotten after some leases."""
TIME_GOES_ON = frozenset({"renew too late"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """On a server of its own: that of the other tests must not wait for a standby."""
    with postgres_to_throw_away() as server:
        url = server.databases.fresh()
        asyncio.run(migrate_database(url))
        yield url


@pytest.fixture(scope="module")
def seen() -> dict[str, Came]:
    """What each kind comes to when nothing disturbs it."""
    return {}


class Came(NamedTuple):
    """What the caller was told, and what is there."""

    told: Any
    rows: dict[str, list[tuple[Any, ...]]]


@asynccontextmanager
async def staged(url: str, by_way_of: str) -> AsyncIterator[Stage]:
    await emptied(url)
    async with stage_on(by_way_of) as stage:
        yield stage


async def undisturbed(url: str, kind: Kind, seen: dict[str, Came]) -> Came:
    """Once for each kind."""
    if kind.name not in seen:
        seen[kind.name] = await _undisturbed(url, kind)
    return seen[kind.name]


async def _undisturbed(url: str, kind: Kind) -> Came:
    async with staged(url, url) as stage:
        answer = await (await kind.prepare(stage))()
        traces = await Traces.found(url)
    return Came(kind.told(answer, traces), traces.rows)


async def cut_off(url: str, kind: Kind, fate: str) -> Came:
    async with Proxy(url) as proxy, staged(url, proxy.url) as stage, Interference(url, proxy) as interference:
        write = await kind.prepare(stage)
        answer = await getattr(interference, fate)(write, kind.table)
        traces = await Traces.found(url)
    return Came(kind.told(answer, traces), traces.rows)


FATES = ("applied", "lost", "late")
SEND_A_COMMIT = frozenset({"claim from the queue", "claim from the dead", "prune"})
"""The others are one statement, which commits itself."""
CELLS = [(kind, fate) for kind in KINDS for fate in FATES]
CELLS += [(kind, "swallowed") for kind in KINDS if kind.name in SEND_A_COMMIT]


@pytest.mark.parametrize(("kind", "fate"), CELLS, ids=str)
async def test_nobody_sees_that_it_was_cut_off(url: str, kind: Kind, fate: str, seen: dict[str, Came]) -> None:
    wanted, came = await undisturbed(url, kind, seen), await cut_off(url, kind, fate)
    if kind.name in SKIPPED_NUMBERS:
        assert len(came.rows["owner"]) - len(wanted.rows["owner"]) == (fate != "lost")
        assert came.told == came.rows["owner"][-1][0]
    else:
        assert came.told == wanted.told
    other_owners = kind.name in SKIPPED_NUMBERS | TIME_GOES_ON
    for table, rows in wanted.rows.items():
        assert came.rows[table] == rows or (other_owners and table == "owner"), f"{table} is not as it would be"
