"""Hot statements go through the index that was made for them, and what a claim costs does not grow with the queue.

The planner has two ways, and each statement is asked in both: it knows the values (the first times that a connection
asks, and always behind a pooler), or it makes one plan for all values.

With 100,000 runs; `make plans` does the same with a million, and shows what it measures.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, NamedTuple

import asyncpg
import pytest

from saga_journey import SagaStatus
from saga_journey.ports import Search
from saga_journey.stores.postgres.search import search_statement
from saga_journey.stores.postgres.store import PostgresStore
from saga_journey.stores.queries import load_queries
from tests.servers.postgres import Server

RUNS = int(os.environ.get("SAGA_PLANS_RUNS", "100000"))
FEW = 1000
TENANTS, JOURNEYS = 50, 5
SERVED = list(range(1, TENANTS * JOURNEYS + 1))
"""Every definition: each tenant has its own."""
NOW = 1e9
ROOM = 64
TIMES = 20
OF_SMALL_TABLES = ("tenant_", "definition_", "owner_")

sql = load_queries("saga_journey.stores.postgres")

PARTIES = f"""
insert into saga_journey.tenant (name) select 'tenant ' || n from generate_series(1, {TENANTS}) n;
insert into saga_journey.definition (tenant, hash, name, version, kind, body, saved_at)
select t, 'hash ' || j, 'journey ' || j, 1, null, repeat('x', 1000), 0
from generate_series(1, {TENANTS}) t, generate_series(1, {JOURNEYS}) j order by t, j;
insert into saga_journey.owner (lease, lease_until, seen_at)
values (10, {NOW} + 10, {NOW}), (10, {NOW} - 90, {NOW} - 100), (10, {NOW} + 10, {NOW});
"""
"""The second owner is dead."""

OF_EVERY_FATE = f"""
insert into saga_journey.run (tenant, run, saga, definition, status, due_at, owner, epoch, lost, needs, started_at,
    updated_at, took, stopped_milestone)
select tenant, n, 'saga_' || lpad(to_hex(n), 32, '0'), (tenant - 1) * {JOURNEYS} + 1 + (n / 7) % {JOURNEYS},
    case when open then coalesce((array['compensating', 'paused', 'failed'])[fate], 'in_progress')
        else coalesce((array['compensated', 'cancelled', 'resolved'])[fate], 'completed') end,
    case when open then case when fate in (2, 3) then 1e18 else {NOW} - n % 1000 end end,
    case when open then case n % 97 when 1 then 1 when 2 then 2 end end,
    1, case when open and n % 101 = 3 then 2 else 0 end, open and fate = 3, {NOW} - ({RUNS} - n), {NOW},
    case when not open then 20000000 + n end, case when fate in (1, 3) then 2 end
from (
    select n, case when n % 2 = 0 then 1 else 2 + (n / 2) % {TENANTS - 1} end as tenant,
        (hashint8(n) & 1023) < 102 as open, 1 + ((hashint8(n) >> 10) & 31) as fate
    from generate_series(1::bigint, {RUNS}) n
) one;
insert into saga_journey.journal (tenant, run, seq, epoch, at, events)
select tenant, run, 1, 1, started_at, '[]' from saga_journey.run;
insert into saga_journey.command (tenant, run, command, name, body, sent_at, answer)
select tenant, run, 'command', 'retry', '{{}}', started_at, case when run % 1000 <> 1 then '{{}}' end
from saga_journey.run where run % 10 = 1;
"""
"""Nine of ten have ended, the others wait or are held. Half of all are of the first tenant."""

WAITING = f"""
insert into saga_journey.run (tenant, run, saga, definition, status, due_at, epoch, started_at, updated_at)
select 1 + n % {TENANTS}, n, 'saga_' || lpad(to_hex(n), 32, '0'),
    n % {TENANTS} * {JOURNEYS} + 1 + n / {TENANTS} % {JOURNEYS},
    case when n / {TENANTS * JOURNEYS} % 4 = 0 then 'compensating' else 'in_progress' end,
    {NOW} - 1000 + n / 1000.0, 0, {NOW}, {NOW}
from generate_series(1::bigint, {{runs}}) n;
"""
"""Every one of them is due, and as many are of each definition."""


class Asked(NamedTuple):
    """A statement, with values for it, and the indexes that it may use; those of small tables are its own affair."""

    statement: str
    values: Sequence[Any]
    indexes: set[str]


SOME = ([1] * 3 + [7], [RUNS // 2, RUNS // 2 + 2, RUNS - 100, 101])
"""Runs, by their tenants and their numbers."""

HOT = {
    "due_groups": Asked("due_groups", (False, NOW, 0, 0, ROOM, SERVED, ROOM, False), {"run_queue"}),
    "due_groups, to be undone": Asked("due_groups", (True, NOW, 9, 41, ROOM, SERVED, ROOM, False), {"run_queue"}),
    "take_due": Asked("take_due", (1, NOW, False, [1, 2], [1, 6], [32, 32]), {"run_queue", "run_pkey"}),
    "take_due, to be undone": Asked("take_due", (1, NOW, True, [1, 2], [1, 6], [32, 32]), {"run_queue", "run_pkey"}),
    "next_due": Asked("next_due", (NOW,), {"run_due"}),
    "fragile_groups": Asked("fragile_groups", (NOW, SERVED), {"run_fragile"}),
    "take_fragile": Asked("take_fragile", (1, NOW, 1, 1), {"run_fragile", "run_pkey"}),
    "take_unserved": Asked(
        "take_unserved", (1, NOW, NOW - 500, [1, 2], ROOM), {"run_queue", "run_fragile", "run_pkey"}
    ),
    "dead_owners": Asked("dead_owners", (1, NOW, 0.0), {"run_held"}),
    "take_orphans": Asked(
        "take_orphans", (1, NOW, [2], SERVED, True, True, False, ROOM), {"run_held", "run_pkey", "journal_pkey"}
    ),
    "held": Asked("held", (1,), {"run_held"}),
    "workers": Asked("workers", (NOW,), {"run_held"}),
    "in_use": Asked("in_use", (), {"run_held"}),
    "wake_needy": Asked("wake_needy", (SERVED, NOW), {"run_needs"}),
    "commands_for_owner": Asked("commands_for_owner", (1,), {"command_open", "run_held", "run_pkey"}),
    "open_commands": Asked("open_commands", SOME, {"command_open"}),
    "answer": Asked("answer", (1, 11, "command"), {"command_pkey"}),
    "record": Asked("record", SOME, {"run_pkey"}),
    "still_ours": Asked("still_ours", SOME, {"run_pkey"}),
    "find": Asked("find", ("tenant 1", f"saga_{RUNS // 2:032x}"), {"run_saga"}),
    "journal": Asked("journal", (1, RUNS // 2), {"journal_pkey"}),
    "journals": Asked("journals", SOME, {"journal_pkey"}),
    "last_seq": Asked("last_seq", (1, RUNS // 2), {"journal_pkey"}),
    "definition_number": Asked("definition_number", (1, "hash 1"), {"definition_tenant_hash_key"}),
    "definition_body": Asked("definition_body", (7,), {"definition_pkey"}),
    "definition_of_tenant": Asked("definition_of_tenant", (7, 2), {"definition_pkey"}),
    "definition_bodies": Asked("definition_bodies", (SERVED[-2],), {"definition_pkey"}),
}

PAGES = [
    (Search(), "run_pkey"),
    (Search(before=f"saga_{RUNS // 2:032x}"), "run_pkey"),
    (Search(status=SagaStatus.FAILED), "run_standing"),
    (Search(status=SagaStatus.PAUSED, before=f"saga_{RUNS // 2:032x}"), "run_standing"),
    (Search(status=SagaStatus.COMPLETED), "run_pkey"),
    (Search(journey="journey 1"), "run_pkey"),
    (Search(since=NOW - 100), "run_pkey"),
    (Search(prefix=f"saga_{RUNS // 2:032x}"[:-1]), "run_saga"),
    (Search(sessions=True), "run_saga"),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def filled(server: Server, *scripts: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with all of these in it, as it will be after its next vacuum."""
    url = server.databases.fresh()
    await (await PostgresStore.open(url)).close()
    db = await asyncpg.connect(url)
    try:
        for script in (PARTIES, *scripts, "vacuum analyze"):
            await db.execute(script)
        yield db
    finally:
        await db.close()
        server.databases.drop(url)


@pytest.fixture(scope="module")
async def db(postgres_server: Server) -> AsyncIterator[asyncpg.Connection]:
    async with filled(postgres_server, OF_EVERY_FATE) as db:
        yield db


MODES = pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])


@pytest.mark.anyio
@MODES
@pytest.mark.parametrize("name", HOT)
async def test_a_hot_statement_uses_its_index(db: asyncpg.Connection, name: str, mode: str) -> None:
    asked = HOT[name]
    nodes = list(_nodes((await explained(db, sql[asked.statement], asked.values, mode))["Plan"]))
    found = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert found & asked.indexes
    assert {index for index in found - asked.indexes if not index.startswith(OF_SMALL_TABLES)} == set()
    assert read_whole(nodes) == set()


@pytest.mark.anyio
@MODES
@pytest.mark.parametrize(("search", "index"), PAGES)
async def test_a_page_of_a_listing_comes_out_of_one_index(
    db: asyncpg.Connection, search: Search, index: str, mode: str
) -> None:
    """Of a tenant with half of all runs."""
    nodes = list(_nodes((await explained(db, *search_statement("tenant 1", search), mode))["Plan"]))
    (page,) = [node for node in nodes if node.get("Alias") == "p"]
    assert {node["Index Name"] for node in _nodes(page) if "Index Name" in node} == {index}
    assert read_whole(nodes) == set()


class Cost(NamedTuple):
    """Of a claim: how many pages it touches, and how long it takes."""

    pages: float
    milliseconds: float


@pytest.mark.anyio
async def test_a_claim_costs_as_much_however_many_wait(postgres_server: Server) -> None:
    """Pages are counted, since a time depends on the neighbours."""
    async with (
        filled(postgres_server, WAITING.format(runs=FEW)) as few,
        filled(postgres_server, WAITING.format(runs=RUNS)) as many,
    ):
        for mode in MODES.args[1]:
            costs = [await cost_of_a_claim(db, mode) for db in (few, many)]
            print(f"\n{mode}: with {FEW:,} waiting {costs[0]}, with {RUNS:,} {costs[1]}")
            assert costs[1].pages < 2 * costs[0].pages


async def cost_of_a_claim(db: asyncpg.Connection, mode: str) -> Cost:
    """Looking for groups that wait, in both directions; one run for each of the first; all of it taken back."""
    asks: list[tuple[str, Sequence[Any]]] = []
    for undoing in (True, False):
        wanted = (undoing, NOW, 0, 0, ROOM, SERVED, ROOM, False)
        groups = (await db.fetch(sql["due_groups"], *wanted))[: ROOM // 2]
        assert len(groups) == ROOM // 2
        columns = [[group[0] for group in groups], [group[1] for group in groups], [1] * len(groups)]
        asks += [("due_groups", wanted), ("take_due", (1, NOW, undoing, *columns))]
    costs = []
    for _ in range(TIMES):
        done = [
            await explained(db, sql[name], values, mode, how="analyze, buffers, timing off") for name, values in asks
        ]
        pages = sum(one["Plan"]["Shared Hit Blocks"] + one["Plan"]["Shared Read Blocks"] for one in done)
        costs.append(Cost(pages, sum(one["Execution Time"] for one in done)))
    return Cost(median(cost.pages for cost in costs), round(median(cost.milliseconds for cost in costs), 2))


async def explained(
    db: asyncpg.Connection, statement: str, values: Sequence[Any], mode: str, how: str = "costs"
) -> dict[str, Any]:
    """What the server says about it. Prepared, since only then there are both ways; nothing stays of what it does."""
    given = ", ".join(map(_literal, values))
    await db.execute(f"set plan_cache_mode = {mode}; prepare asked as {statement}")
    transaction = db.transaction()
    await transaction.start()
    try:
        text = await db.fetchval(f"explain ({how}, format json) execute asked{f' ({given})' if given else ''}")
    finally:
        await transaction.rollback()
        await db.execute("deallocate asked")
    found: dict[str, Any] = json.loads(text)[0]
    return found


def _literal(value: Any) -> str:
    """As an untyped text: the statement says what it is."""
    if isinstance(value, list):
        return "'{" + ", ".join(map(str, value)) + "}'"
    return "'" + str(value).replace("'", "''") + "'"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def read_whole(nodes: Sequence[dict[str, Any]]) -> set[str]:
    """The large tables of which every page is read."""
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    return scanned & {"run", "journal", "command"}
