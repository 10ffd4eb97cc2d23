"""Connecting: what can be wrong with a URL or a server is said in a sentence, which never holds the password."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing

import asyncpg
import pytest

from saga_journey.errors import StoreError, StoreFull, StoreReadOnly, StoreUnreachable
from saga_journey.stores.postgres.connection import connect, explain, lost, parse_url, shown, try_again
from tests.servers.postgres import PostgresServer, Server, running_postgres

PASSWORD = "s3/cr@t"
RULES = [
    "host all app all scram-sha-256",
    "host all banned all reject",
    "host all postgres,idler,crowded all trust",
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    db = await connect(parse_url(url))
    try:
        yield db
    finally:
        db.terminate()


@pytest.fixture(scope="module")
def strict() -> Iterator[PostgresServer]:
    """A server that asks for passwords, with roles that may do little."""
    with running_postgres() as server:
        asyncio.run(guarded(server.url()))
        server.stop()
        yield server.start()


async def guarded(url: str) -> None:
    async with connected(url) as db:
        await db.execute(f"create role app login password '{PASSWORD}'; create role idler")
        await db.execute("create role crowded login connection limit 0")
        await db.execute("create database closed")
        await db.execute("revoke connect on database closed from public")
        await db.execute(f"copy (select unnest(array{RULES})) to '{await db.fetchval('show hba_file')}'")


# --- the URL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown_as", "host", "role", "database"),
    [
        ("postgresql://app:cret@h:6543/shop", "postgresql://app@h:6543/shop", "h:6543", "app", "shop"),
        ("postgres://a%40b:cret@h/sh%2Fop", "postgres://a%40b@h/sh%2Fop", "h:5432", "a@b", "sh/op"),
        ("postgresql://app@one:1,[::2]:2/shop", "postgresql://app@one:1,[::2]:2/shop", "one:1, [::2]:2", "app", "shop"),
        (
            "postgresql:///shop?host=/run/pg&user=app&password=cret",
            "postgresql:///shop?host=/run/pg&user=app",
            "/run/pg (port 5432)",
            "app",
            "shop",
        ),
        ("postgresql://app@h", "postgresql://app@h", "h:5432", "app", "app"),
    ],
)
def test_a_url(url: str, shown_as: str, host: str, role: str, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    read = parse_url(url)
    assert (read.shown, read.host, read.role, read.database) == (shown_as, host, role, database)
    assert (read.pooler, read.timeout) == (False, None)
    assert "cret" not in repr(read)


def test_the_parameters_that_are_ours() -> None:
    read = parse_url("postgresql://app@h/shop?pooler=transaction&connect_timeout=3&application_name=a%20b")
    assert (read.pooler, read.timeout) == (True, 3.0)
    assert read.dsn == "postgresql://app@h/shop?application_name=a%20b"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://app:s3#cret@h/db", "write it as %23"),
        ("postgresql://app:s3@cret@h/db", 'write "@" as %40'),
        ("postgresql://app:s3/cret@h/db", 'write "@" as %40, "/" as %2F'),
        ("postgresql://app:s3?cret@h/db", 'write "@" as %40'),
        ("postgresql://app:cret/db", "the port after its host is not a number"),
        ("postgresql://h:99999/db", "the port after its host is not a number"),
        ("postgresql://app:cret@::1:5432/db", "in brackets: [::1]:5432"),
        ("postgresql://app:cret@,h/db", "the host is missing"),
        ("postgresql://app:cret@h/db/x", "write it as %2F"),
        ("postgresql://app:cret@h/db?pooler=session", "pooler=transaction, or leave it out"),
        ("postgresql://app:cret@h/db?poolr=transaction", "'poolr' (did you mean 'pooler'?)"),
        ("postgresql://app:cret@h/db?channel_binding=require", "nothing is known of the parameter 'channel_binding'"),
        ("postgresql://app:cret@h/db?connect_timeout=soon", "is not a whole number of seconds"),
        ("postgresql://app:cret@h/db?sslmode", "name=value"),
        ("postgresql+asyncpg://app:cret@h/db", "leave the name of the driver out"),
        ("mysql://app:cret@h/db", "it does not begin with postgresql://"),
    ],
)
def test_a_url_that_is_wrong(url: str, said: str) -> None:
    with pytest.raises(StoreError) as refused:
        parse_url(url)
    assert said in str(refused.value)
    assert "cret" not in str(refused.value)
    assert "cret" not in shown(url)


def test_the_url_of_a_file_is_shown_as_it_is() -> None:
    assert shown("sqlite:///a:b@c.db") == "sqlite:///a:b@c.db"
    assert shown("journeys.db") == "journeys.db"


# --- no connection ----------------------------------------------------------------------------------------------------


async def refused(url: str, seconds: float | None = None) -> StoreError:
    with pytest.raises(StoreError) as error:
        await connect(parse_url(url), seconds)
    assert PASSWORD not in str(error.value)
    return error.value


async def test_nobody_listens() -> None:
    with socket.socket() as bound:  # taken, but not listening
        bound.bind(("127.0.0.1", 0))
        error = await refused(f"postgresql://app:s3%2Fcr%40t@127.0.0.1:{bound.getsockname()[1]}/x")
    assert isinstance(error, StoreUnreachable)
    assert "nobody listens on 127.0.0.1:" in str(error)


def test_nobody_listens_on_any_address_of_a_host() -> None:
    calls = [OSError(errno.ECONNREFUSED, f"Connect call failed {at}") for at in (("::1", 1, 0, 0), ("127.0.0.1", 1))]
    for_all = OSError(f"Multiple exceptions: {', '.join(map(str, calls))}")  # as asyncio has it
    assert "nobody listens on localhost:1" in str(explain(for_all, "postgresql://app@localhost:1/x"))


async def test_no_such_host_and_no_such_socket() -> None:
    assert "no such host: nowhere.invalid:5432" in str(await refused("postgresql://app@nowhere.invalid/x"))
    assert "there is no socket of a server in /nowhere" in str(await refused("postgresql:///x?host=/nowhere&user=app"))


async def test_who_does_not_answer() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        error = await refused(f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=60", 0.05)
    assert isinstance(error, StoreUnreachable)
    assert "does not answer in time" in str(error)


@pytest.mark.parametrize(
    ("role", "rest", "said"),
    [
        ("app:wrong", "postgres", "does not accept the password of role 'app'"),
        ("app", "postgres", "does not accept the password of role 'app'"),
        ("idler", "postgres", "has no role 'idler', or it may not log in"),
        ("banned", "postgres", "turns role 'banned' away"),
        ("stranger", "postgres", "check pg_hba.conf"),
        ("crowded", "postgres", "has no connection left"),
        ("app:s3%2Fcr%40t", "nothing", "there is no database 'nothing' at 127.0.0.1:"),
        ("app:s3%2Fcr%40t", "closed", 'grant connect on database "closed" to "app";'),
        ("postgres", "postgres?sslmode=require", "rejected SSL upgrade"),
        ("postgres", "postgres?sslmode=strict", "`sslmode` parameter must be one of"),
        ("postgres", "postgres?sslmode=verify-full&sslrootcert=/nowhere", "a file of its parameters is not there"),
        ("postgres", "postgres?target_session_attrs=standby", "is what target_session_attrs asks for"),
        ("postgres", "postgres?statement_timeout=soon", 'invalid value for parameter "statement_timeout"'),
    ],
)
async def test_who_is_turned_away(strict: PostgresServer, role: str, rest: str, said: str) -> None:
    error = await refused(f"postgresql://{role}@127.0.0.1:{strict.port}/{rest}")
    assert said in str(error)
    assert try_again(error) is isinstance(error, StoreUnreachable)


async def test_the_right_password(strict: PostgresServer) -> None:
    async with connected(f"postgresql://app:s3%2Fcr%40t@127.0.0.1:{strict.port}/postgres?application_name=me") as db:
        assert await db.fetchval("select current_user || current_setting('application_name')") == "appme"


async def test_what_the_path_does_not_say(strict: PostgresServer) -> None:
    for url in (
        f"postgresql://postgres@127.0.0.1:{strict.port}",
        f"postgresql://127.0.0.1:{strict.port}/?user=postgres",
    ):
        async with connected(url) as db:
            assert await db.fetchval("select current_database()") == parse_url(url).database == "postgres"


async def test_a_server_that_shuts_down() -> None:
    with running_postgres() as server:
        async with connected(server.url()):  # it waits for this one to leave
            os.kill(server.pid, signal.SIGTERM)
            while True:
                try:
                    async with connected(server.url()):
                        pass
                except StoreError as error:
                    said = error
                    break
    assert isinstance(said, StoreUnreachable)
    assert "it starts or shuts down" in str(said)


# --- what a statement runs into ---------------------------------------------------------------------------------------


async def failed(db: asyncpg.Connection, statement: str) -> Exception:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as error:
        await db.execute(statement)
    return error.value


async def test_behind_a_pooler_nothing_is_prepared(postgres_server: Server) -> None:
    for pooler, prepared in (("?pooler=transaction", 0), ("", 1)):
        async with connected(postgres_server.url() + pooler) as db:
            await db.fetch("select $1::int", 1)
            assert (
                await db.fetchval("select count(*) from pg_prepared_statements where statement ~ '::int$'") == prepared
            )


async def test_a_connection_that_was_cut(postgres_server: Server) -> None:
    url = postgres_server.url()
    async with connected(url) as db, connected(url) as other:
        waiting = asyncio.create_task(db.execute("select pg_sleep(60)"))
        pid = db.get_server_pid()
        while not await other.fetchval(f"select wait_event = 'PgSleep' from pg_stat_activity where pid = {pid}"):
            pass
        await other.execute(f"select pg_terminate_backend({pid})")
        with pytest.raises(asyncpg.PostgresError) as cut:
            await waiting
        later = await failed(db, "select 1")
    for error in (cut.value, later):
        assert (lost(error), try_again(error)) == (True, False)
        assert isinstance(explain(error, url), StoreUnreachable)


async def test_a_row_that_somebody_else_holds(postgres_server: Server) -> None:
    url = postgres_server.databases.fresh()
    async with connected(url) as db, connected(url) as other:
        await db.execute("create table t as select 1 as n")
        held = db.transaction(isolation="serializable")
        await held.start()
        await other.execute("set default_transaction_isolation = 'repeatable read'; set lock_timeout = '1ms'")
        await db.execute("update t set n = 2")
        locked = await failed(other, "update t set n = 3")
        mine = other.transaction(isolation="repeatable_read")
        await mine.start()
        await other.fetch("select * from t")
        await held.commit()
        overtaken = await failed(other, "update t set n = 3")
        await mine.rollback()
        await other.execute("set statement_timeout = '1ms'")
        slow = await failed(other, "select pg_sleep(60)")
    assert [error.sqlstate for error in (locked, overtaken, slow)] == ["55P03", "40001", "57014"]  # type: ignore[attr-defined]
    assert all(try_again(error) and not lost(error) for error in (locked, overtaken, slow))
    assert "statement_timeout" in str(explain(slow, url))
    assert "stays locked" in str(explain(locked, url))


async def test_a_server_that_takes_no_writes(postgres_server: Server) -> None:
    url = postgres_server.url() + "?options=-c%20default_transaction_read_only%3Don"
    async with connected(url) as db:
        error = explain(await failed(db, "create table t (n int)"), url)
    assert isinstance(error, StoreReadOnly)
    assert "give the URL of the primary" in str(error)


async def test_a_database_that_is_not_ours(postgres_server: Server) -> None:
    url = postgres_server.databases.fresh()
    async with connected(url) as db:
        assert "is not yet a database of saga-journey" in str(explain(await failed(db, "table saga_journey.run"), url))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("53100", StoreFull),
        ("57P03", StoreUnreachable),
        ("08006", StoreUnreachable),
        ("57P02", StoreUnreachable),
        ("42501", StoreReadOnly),
        ("XX000", StoreError),
    ],
)
def test_what_the_server_says_is_kept(code: str, kind: type[StoreError]) -> None:
    said = asyncpg.PostgresError.new({"C": code, "M": "der Server sagt"})
    error = explain(said, "postgresql://app:s3cret@h/db")
    assert type(error) is kind
    assert "der Server sagt" in str(error)
    assert "s3cret" not in str(error)
    assert explain(error, "postgresql://h/db") is error


def test_mistakes_of_ours_are_not_a_lost_connection() -> None:
    for error in (ValueError("x"), KeyError("x"), asyncpg.InterfaceError("another operation is in progress")):
        assert not lost(error)
        assert not try_again(error)
