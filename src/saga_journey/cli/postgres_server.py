"""A database on a PostgreSQL server behind `--db`. The database is never made here, only what sagas need in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from saga_journey.cli.database import Schema, finding_about, schema_of
from saga_journey.cli.findings import Finding, size
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, USAGE, Problem, problem_of
from saga_journey.cli.times import span
from saga_journey.errors import StoreError
from saga_journey.stores.migrations import Migration
from saga_journey.stores.postgres import health
from saga_journey.stores.postgres.connection import Address, connected, parse_url
from saga_journey.stores.postgres.health import Server, Table
from saga_journey.stores.postgres.migrate import OLDEST, Standing, migrate_database, role_exists, script, standing
from saga_journey.stores.postgres.rights import grants_to_work, quoted

DRIFT = 60.0
"""Seconds by which the clocks may differ before somebody should look."""
MANY = 0.8
"""This share of the connections is too much."""
GROWING = ("run", "journal")
DEAD, DEAD_SHARE = 10_000, 0.5
"""More dead rows than both, the second times the live ones: nobody cleans up."""


class PostgresServer:
    """`database.Database` on a server."""

    def __init__(self, given: Given) -> None:
        """Raises Problem for a URL that is malformed."""
        self._given = given
        try:
            self._address: Address = parse_url(given.db)
        except StoreError as error:
            raise Problem(USAGE, "not_a_database_url", str(error)) from None

    @property
    def name(self) -> str:
        return self._address.shown

    async def must_open(self) -> None:
        """Whatever is wrong shows when the schema is looked at."""

    async def schema(self) -> Schema:
        return _schema(await self._standing())

    def without_schema(self) -> Problem:
        what = f"{self.name} has no schema saga_journey yet"
        hint = f"another database? --db postgresql://…\nor make it: {self._given.again('db', 'migrate')}"
        return Problem(UNREACHABLE, "no_schema", what, hint)

    async def migrate(self) -> list[Migration]:
        return await migrate_database(self._given.db)

    async def script(self, role: str | None) -> str:
        async with connected(self._address) as db:
            found = await standing(db, self._address)
            if role is not None and not await role_exists(db, role):
                raise Problem(USAGE, "no_role", f"--role: {self._address.host} has no role {role!r}", "create it first")
            return script(found, role or found.role)

    def about_time(self, ahead: float) -> list[Finding]:
        """Said already: store time is the clock of the server."""
        return []

    async def _standing(self) -> Standing:
        async with connected(self._address) as db:
            return await standing(db, self._address)

    # --- what doctor finds ---

    async def findings(self) -> AsyncIterator[Finding]:
        try:
            async with connected(self._address) as db:
                server = await health.server(db, self._address)
                for finding in judged(server):
                    yield finding
                yield finding_about(_schema(await standing(db, self._address)), self, self._given)
                tables = await health.tables(db, self._address)
                yield _rights(server, tables)
                for table in tables:
                    if table.name in GROWING:
                        yield judged_table(table)
        except StoreError as error:
            raise problem_of(error) from error


def _schema(found: Standing) -> Schema:
    return schema_of(list(found.applied), found.pending)


def judged(server: Server) -> list[Finding]:
    """What doctor says of a server and a database, whatever is in it."""
    return [_server(server), _database(server), _commits(server), _clock(server), _clients(server)]


def _server(server: Server) -> Finding:
    if server.major < OLDEST:
        return Finding("server", "bad", f"PostgreSQL {server.version} is too old: {OLDEST} or newer is needed")
    if server.standby or server.read_only:
        why = "it is a standby" if server.standby else "default_transaction_read_only is on"
        hint = "give the URL of the primary, or of both with ?target_session_attrs=read-write"
        return Finding("server", "bad", f"PostgreSQL {server.version} takes no writes: {why}", hint)
    return Finding("server", "ok", f"PostgreSQL {server.version}")


def _database(server: Server) -> Finding:
    text = f"{server.database}, {size(server.bytes)}, as role {server.role}"
    if server.encoding != "UTF8":
        return Finding(
            "database",
            "bad",
            f"{text}: its encoding {server.encoding} cannot hold every text",
            "make one with encoding UTF8",
        )
    return Finding("database", "ok", text)


def _commits(server: Server) -> Finding:
    """Whether what is acknowledged is on the disk."""
    if server.fsync == "off":
        text = "fsync is off: when its host crashes, the whole database may be lost"
        return Finding("commits", "bad", text, "fsync = on in postgresql.conf")
    how = f"synchronous_commit {server.synchronous_commit}"
    hint = f"alter role {quoted(server.role)} set synchronous_commit = on; or where it was set: database, server, URL"
    if server.synchronous_commit == "off":
        text = f"{how}: raised for what sagas acknowledge; a crash of the server may still forget who holds which"
        return Finding("commits", "look", text, hint)
    if server.synchronous_commit == "local" and server.synchronous_standbys:
        text = f"{how}: a failover to a standby forgets what it had not received, and it is done again"
        return Finding("commits", "look", text, hint)
    return Finding("commits", "ok", f"on the disk before they are acknowledged ({how})")


def _clock(server: Server) -> Finding:
    text = f"the clocks of the server and this host differ by {span(abs(server.ahead))}"
    if abs(server.ahead) <= DRIFT:
        return Finding("clock", "ok", text)
    return Finding(
        "clock", "look", text, "harmless: only the server's clock counts for sagas; your logs will not match"
    )


def _clients(server: Server) -> Finding:
    text = f"{server.used} of {server.connections} connections are used"
    if server.used <= MANY * server.connections:
        return Finding("clients", "ok", text)
    hint = "close some, raise max_connections, or put a pooler before it and say ?pooler=transaction"
    return Finding("clients", "look", text, hint)


def _rights(server: Server, tables: list[Table]) -> Finding:
    lacking = [f"{right.lower()} on {table.name}" for table in tables for right in table.lacking]
    if not lacking:
        return Finding("rights", "ok", f"role {server.role} may read and write every table")
    text = (
        f"role {server.role} lacks {', '.join(lacking[:3])}{' …' if len(lacking) > 3 else ''}; an administrator runs:"
    )
    return Finding("rights", "bad", text, "\n".join(grants_to_work(server.role, server.database)))


def judged_table(table: Table) -> Finding:
    text = f"{size(table.bytes)}, {table.live:,} rows, {table.dead:,} dead"
    if table.dead <= DEAD or table.dead <= DEAD_SHARE * table.live:
        return Finding(table.name, "ok", text)
    hint = f"is autovacuum on, and nothing open for hours? by hand: vacuum analyze saga_journey.{table.name}"
    return Finding(table.name, "look", text, hint)
