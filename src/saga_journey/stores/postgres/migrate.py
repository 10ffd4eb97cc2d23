"""Bringing a database on a server up to date: what is pending, in one transaction; or a script for an administrator.

Who only works needs no rights to change the schema: looking takes none but to read the table of migrations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import asyncpg

from saga_journey.errors import StoreError, StoreReadOnly
from saga_journey.stores.migrations import Applied, Migration, known_migrations, still_to_come
from saga_journey.stores.postgres.connection import (
    NO_RIGHTS,
    Address,
    code_of,
    connected,
    one_transaction,
    parse_url,
    with_explanations,
)
from saga_journey.stores.postgres.rights import SCHEMA, grants_to_change, grants_to_migrate, grants_to_work, to_paste

MIGRATIONS = "saga_journey.stores.postgres.migrations"
OLDEST = 14

_LOCK = "select pg_advisory_xact_lock(8313450264186612580)"
"""Who migrates holds it until the end of its transaction, which is all that a transaction pooler keeps together."""
_PATIENT = "set local statement_timeout = 0; set local lock_timeout = 0"
_SCHEMA = f"create schema {SCHEMA}"
_TABLE = (
    f"create table if not exists {SCHEMA}.migration "
    "(number integer primary key, name text not null, checksum text not null, "
    "applied_at timestamptz not null default now())"
)
_WHERE = f"""
select current_user as role, current_database() as database, pg_encoding_to_char(d.encoding) as encoding,
       n.oid is not null as has_schema, c.oid is not null as has_table,
       r.rolname as owner, coalesce(r.rolsuper, false) as owned_by_superuser
from pg_database d
left join pg_namespace n on n.nspname = '{SCHEMA}'
left join pg_class c on c.relnamespace = n.oid and c.relname = 'migration'
left join pg_roles r on r.oid = coalesce(c.relowner, n.nspowner)
where d.datname = current_database()
"""
"""From catalogues that everybody may read, also who has no right on the schema."""
_APPLIED = f"""
select number, name, checksum, to_char(applied_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') as at
from {SCHEMA}.migration order by number
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks, where, and what is there."""

    role: str
    database: str
    encoding: str
    has_schema: bool
    has_table: bool
    owner: str | None
    owned_by_superuser: bool
    applied: tuple[Applied, ...] = ()

    def pending(self, package: str = MIGRATIONS) -> list[Migration]:
        """What is still to be applied. Raises SchemaTooNew for a database from the future."""
        return still_to_come(known_migrations(package), self.applied)


async def standing(db: asyncpg.Connection, at: str | Address) -> Standing:
    """Looks, and changes nothing. Raises StoreError when it may not even do that."""
    async with with_explanations(at), one_transaction(db):
        return await _look(db)


async def migrate(db: asyncpg.Connection, at: str | Address, package: str = MIGRATIONS) -> list[Migration]:
    """Brings the database up to date and says what it applied. Two processes may do it at once: one waits.

    Raises SchemaTooNew for a database from the future; StoreReadOnly, with the GRANTs that are missing, for a role
    that may not change it; StoreError for a server that is too old, or a database that cannot hold every text.
    """
    found = await standing(db, at)
    if not found.pending(package):
        return []
    _must_be_fit(db, found)
    try:
        async with with_explanations(at), db.transaction(isolation="read_committed"):
            return await _migrate(db, package)
    except StoreReadOnly as error:
        if code_of(error.__cause__) != NO_RIGHTS:
            raise
        raise _refused(found) from error.__cause__


async def migrate_database(url: str) -> list[Migration]:
    """The same with a connection of its own."""
    address = parse_url(url)
    async with connected(address) as db:
        return await migrate(db, address)


def script(found: Standing, role: str, package: str = MIGRATIONS) -> str:
    """What `migrate` would do, and the GRANTs for the role of an application, for an administrator to run."""
    todo = found.pending(package)
    head = [f"-- saga-journey: what the database {found.database!r} lacks, and the rights of role {role!r} in it."]
    made = [] if found.has_table else [f"{_TABLE};"]
    made = made if found.has_schema else [f"{_SCHEMA};", *made]
    changes = [f"{_LOCK};", *made, *(_with_row(m) for m in todo)] if todo else ["-- No migration is pending."]
    return "\n\n".join([*head, *changes, "\n".join(grants_to_work(role, found.database))]) + "\n"


async def role_exists(db: asyncpg.Connection, role: str) -> bool:
    """On this server."""
    async with one_transaction(db):
        return bool(await db.fetchval("select count(*) from pg_roles where rolname = $1", role))


# --- how --------------------------------------------------------------------------------------------------------------


async def _look(db: asyncpg.Connection) -> Standing:
    found = Standing(**dict((await db.fetchrow(_WHERE)) or {}))
    if not found.has_table:
        return found
    return replace(found, applied=tuple(Applied(*row) for row in await db.fetch(_APPLIED)))


async def _migrate(db: asyncpg.Connection, package: str) -> list[Migration]:
    await db.execute(_PATIENT)
    await db.execute(_LOCK)
    found = await _look(db)  # again: another process may have been quicker
    todo = found.pending(package)
    if not found.has_schema:  # `if not exists` would ask for the right to make one all the same
        await db.execute(_SCHEMA)
    await db.execute(_TABLE)
    for migration in todo:
        await db.execute(_with_row(migration))
    return todo


def _with_row(m: Migration) -> str:
    row = f"({m.number}, '{m.name}', '{m.checksum}')"
    return f"-- {m.title}\n{m.sql.strip()}\ninsert into {SCHEMA}.migration (number, name, checksum) values {row};"


def _must_be_fit(db: asyncpg.Connection, found: Standing) -> None:
    version = db.get_server_version()
    if version.major < OLDEST:
        raise StoreError(f"the server is PostgreSQL {version.major}.{version.minor}: {OLDEST} or newer is needed")
    if found.encoding != "UTF8":
        raise StoreError(
            f"database {found.database!r} has the encoding {found.encoding}, which cannot hold every text: make one "
            "with encoding UTF8"
        )


def _refused(found: Standing) -> StoreReadOnly:
    """Says what an administrator has to run, with the real names."""
    if not found.has_schema:
        what, grants = "may not make a schema", grants_to_migrate(found.role, found.database)
    elif not found.has_table:
        what, grants = f"may not make tables in the schema {SCHEMA}", grants_to_change(found.role)
    elif found.owned_by_superuser:  # nobody should become one for this
        what, grants = f"may not change the tables of {found.owner!r}", []
    else:
        what, grants = f"may not change the tables of {found.owner!r}", grants_to_change(found.role, found.owner)
    other = "an administrator applies what `saga db migrate --print` gives"
    hint = f"an administrator runs, in that database:\n{to_paste(grants)}\nor {other}" if grants else other
    return StoreReadOnly(f"role {found.role!r} {what} in database {found.database!r}; {hint}")
