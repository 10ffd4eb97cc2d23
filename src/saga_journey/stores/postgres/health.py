"""How a server and its database are, in figures: whoever asks judges them. Needs no more rights than to connect."""

from __future__ import annotations

import time
from dataclasses import dataclass

import asyncpg

from saga_journey.stores.postgres.connection import Address, one_transaction, with_explanations
from saga_journey.stores.postgres.rights import SCHEMA

NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")

_SERVER = """
select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
       current_user as role, current_database() as database, pg_encoding_to_char(d.encoding) as encoding,
       pg_database_size(d.oid) as bytes, pg_is_in_recovery() as standby,
       current_setting('transaction_read_only') = 'on' as read_only,
       current_setting('synchronous_commit') as synchronous_commit, current_setting('fsync') as fsync,
       current_setting('synchronous_standby_names') <> '' as synchronous_standbys,
       (select count(*) from pg_stat_activity where backend_type is null or backend_type = 'client backend') as used,
       current_setting('max_connections')::int as connections,
       extract(epoch from clock_timestamp())::double precision as at
from pg_database d where d.datname = current_database()
"""
_TABLES = f"""
select c.relname as name, pg_total_relation_size(c.oid) as bytes, coalesce(s.n_live_tup, 0) as live,
       coalesce(s.n_dead_tup, 0) as dead,
       array(select needed from unnest($1::text[]) needed where not has_table_privilege(c.oid, needed)) as lacking
from pg_class c left join pg_stat_all_tables s on s.relid = c.oid
where c.relnamespace = (select oid from pg_namespace where nspname = '{SCHEMA}')
and c.relkind = 'r' and c.relname <> 'migration'
order by c.relname
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Sizes in bytes. `used` of `connections` are taken, all databases together."""

    version: str
    major: int
    role: str
    database: str
    encoding: str
    bytes: int
    standby: bool
    read_only: bool
    synchronous_commit: str
    synchronous_standbys: bool
    fsync: str
    used: int
    connections: int
    ahead: float
    """By so many seconds its clock is ahead of the one of this host, give or take half of a round trip."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as the statistics of the server have them. `lacking`: what this role may not do there."""

    name: str
    bytes: int
    live: int
    dead: int
    lacking: tuple[str, ...]


async def server(db: asyncpg.Connection, at: Address) -> Server:
    """How the server is. Raises StoreError."""
    async with with_explanations(at), one_transaction(db):
        asked = time.time()
        row = dict((await db.fetchrow(_SERVER)) or {})
        here = (asked + time.time()) / 2
    return Server(ahead=row.pop("at") - here, **row)


async def tables(db: asyncpg.Connection, at: Address) -> list[Table]:
    """Our tables. Raises StoreError."""
    async with with_explanations(at), one_transaction(db):
        rows = await db.fetch(_TABLES, list(NEEDED))
    return [Table(**{**row, "lacking": tuple(row["lacking"])}) for row in rows]
