"""All that is in a database, to be compared with another one: by names, since numbers may be skipped."""

from __future__ import annotations

from typing import Any

import asyncpg

RUN = "from saga_journey.{table} x left join saga_journey.run r on (r.tenant, r.run) = (x.tenant, x.run)"
EACH_OF_A_RUN = {
    "journal": "x.seq, x.epoch, x.at, x.events",
    "start_key": "x.journey, x.key, x.fingerprint",
    "command": "x.command, x.name, x.body, x.sent_at, x.answer, x.answered_at",
    "outbox": "x.seq, x.item, x.kind, x.body, x.at, x.published_at",
}
STATEMENTS = {
    "tenant": "select name from saga_journey.tenant order by 1",
    "definition": "select t.name, d.hash, d.name, d.version, d.kind, d.body, d.saved_at from saga_journey.definition d "
    "join saga_journey.tenant t using (tenant) order by 1, 2",
    "run": "select r.saga, t.name as tenant, d.hash, r.status, r.due_at, r.owner, r.epoch, r.empty_claims, r.lost, "
    "r.needs, r.started_at, r.updated_at, r.took, r.stopped_milestone, f.saga as family "
    "from saga_journey.run r left join saga_journey.tenant t using (tenant) "
    "left join saga_journey.definition d using (definition) "
    "left join saga_journey.run f on (f.tenant, f.run) = (r.tenant, r.family) order by 1",
    "owner": "select owner, lease, lease_until, seen_at, dead_since, lapsed_at, taken from saga_journey.owner "
    "order by 1",
    "archive": "select saga, status, started_at, ended_at, body from saga_journey.archive order by 1",
    **{
        table: f"select r.saga, {columns} {RUN.format(table=table)} order by 1, 2, 3, 4"
        for table, columns in EACH_OF_A_RUN.items()
    },
}
NAMES = {
    "run": "select tenant, run, saga from saga_journey.run",
    "tenant": "select tenant, name from saga_journey.tenant",
    "definition": "select definition, hash from saga_journey.definition",
}
NUMBERS = ("tenant", "definition", "owner")
EMPTY = "; ".join(
    [
        *(f"delete from saga_journey.{table}" for table in STATEMENTS),  # a truncate would make new files
        *(f"select setval(pg_get_serial_sequence('saga_journey.{name}', '{name}'), 1, false)" for name in NUMBERS),
        "select setval('saga_journey.run_number', 1, false)",
    ]
)


class Traces:
    """What is there, and which number means what."""

    def __init__(self, rows: dict[str, list[tuple[Any, ...]]], names: dict[str, dict[tuple[int, ...], str]]) -> None:
        self.rows = rows
        self._names = names

    @classmethod
    async def found(cls, url: str) -> Traces:
        db = await asyncpg.connect(url)
        try:
            rows = {name: [tuple(row) for row in await db.fetch(sql)] for name, sql in STATEMENTS.items()}
            names = {name: {tuple(row[:-1]): row[-1] for row in await db.fetch(sql)} for name, sql in NAMES.items()}
        finally:
            await db.close()
        return cls(rows, names)

    def name(self, kind: str, *number: int) -> str:
        """Of a run by (tenant, run), of a tenant, of a definition: `nobody` when there is none."""
        return self._names[kind].get(number, "nobody")


async def emptied(url: str) -> None:
    """Nothing is there any more, and numbers begin anew."""
    db = await asyncpg.connect(url)
    try:
        await db.execute(EMPTY)
    finally:
        await db.close()
