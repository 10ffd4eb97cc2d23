"""PostgreSQL databases for tests, with today's schema and a witness: made once, emptied and lent again.

To make one takes a hundred times as long as to empty it. Whoever has changed the schema of one throws it away.
"""

from __future__ import annotations

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from saga_journey.testing.databases import look_into
from saga_journey.testing.witness import install_witness
from tests.servers.postgres import Server, the_server

_free: dict[tuple[int, Server], list[str]] = {}
"""By process: what a parent has made is not its child's. The server is the same for both."""

EMPTY = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid();
do $$
declare
    one record;
begin
    for one in
        select tablename from pg_tables where schemaname = 'saga_journey' and tablename <> 'migration'
        order by tablename like 'witness%'  -- last, for a witness sees the others being emptied
    loop
        execute format('delete from saga_journey.%I', one.tablename);
    end loop;
    perform setval(format('saga_journey.%I', sequencename), 1, false) from pg_sequences
    where schemaname = 'saga_journey';
end $$;
"""
"""Whoever is still there is cut off first, and has ended before anything is deleted."""


def ready() -> None:
    """The server is started, so that whoever is forked from here on finds the same one."""
    _server()


def lent() -> str:
    """The URL of an empty one, nobody else's until it is given back."""
    server = _server()
    free = _free.setdefault((os.getpid(), server), [])
    return free.pop() if free else _made(server)


def given_back(url: str) -> None:
    """Empties it."""
    with closing(look_into(url, writing=True)) as looking:
        looking.execute(EMPTY)
    _free[os.getpid(), _server()].append(url)


def thrown_away(url: str) -> None:
    """Instead of giving it back."""
    _server().databases.drop(url)


def drop_all() -> None:
    """Those that this process has made: of a child that is to end, for nobody else would do it."""
    mine = [made for made in _free if made[0] == os.getpid()]
    for process, server in mine:
        for url in _free.pop((process, server)):
            server.databases.drop(url)


@functools.cache
def _server() -> Server:
    """Started by the parent, before it forks."""
    os.environ.setdefault("PGSSLMODE", "disable")  # a thread may still hold a lock of OpenSSL when its process forks
    return the_server()


def _made(server: Server) -> str:
    # Here, for asyncpg may be absent. The store too: whoever is forked from here has it then.
    import saga_journey.stores.postgres.store  # noqa: F401
    from saga_journey.stores.postgres.migrate import migrate_database

    url = server.databases.fresh()
    with ThreadPoolExecutor(1) as thread:  # there may be a running loop here
        thread.submit(lambda: asyncio.run(migrate_database(url))).result()
    install_witness(url)
    return url
