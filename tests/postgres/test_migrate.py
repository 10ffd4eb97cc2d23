"""Migrations on a server: once, whoever comes first; and who lacks the rights is told which."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from saga_journey.errors import SchemaTooNew, StoreError, StoreReadOnly
from saga_journey.stores.migrations import Migration, known_migrations
from saga_journey.stores.postgres.connection import connect, parse_url
from saga_journey.stores.postgres.migrate import MIGRATIONS, migrate, migrate_database, script, standing
from saga_journey.stores.postgres.rights import quoted
from tests.servers.postgres import Server

KNOWN = known_migrations(MIGRATIONS)
NAMES = [m.title for m in KNOWN]
HERE = uuid.uuid4().hex[:8]
"""Roles are those of a whole server, which may be given."""
ROLE, OWNER = f'o"brien {HERE}', f"owner_{HERE}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    db = await connect(parse_url(url))
    try:
        yield db
    finally:
        await db.close()


async def run(url: str, statements: str) -> None:
    """As an administrator would, with `psql -1 -f`: one text, one transaction."""
    async with connected(url) as db:
        await db.execute(statements)


@pytest.fixture
def url(postgres_server: Server) -> Iterator[str]:
    url = postgres_server.databases.fresh()
    yield url
    postgres_server.databases.drop(url)


@pytest.fixture
async def app(url: str) -> AsyncIterator[str]:
    """The URL of a role that may do nothing there; `url` is that of an administrator."""
    name = quoted(ROLE)
    await run(url, f"create role {name} login password 'secret'")
    parts = urlsplit(url)
    yield urlunsplit(parts._replace(netloc=f"{quote(ROLE)}:secret@{parts.netloc.rpartition('@')[2]}"))
    await run(url, f"drop owned by {name}; drop role {name}")


@pytest.fixture
async def owner(url: str) -> AsyncIterator[str]:
    """A role that owns the schema, and is no superuser."""
    await run(url, f"create role {OWNER}; grant create on database {name_of(url)} to {OWNER}")
    yield OWNER
    await run(url, f"drop owned by {OWNER}; drop role {OWNER}")


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The package of a later version, which brings one migration more."""
    package = tmp_path / "migrations_of_tomorrow"
    package.mkdir()
    for m in [*KNOWN, Migration(9001, "more", "alter table saga_journey.tenant add column more text;")]:
        (package / f"{m.number:04d}_{m.name}.sql").write_text(m.sql)
    monkeypatch.syspath_prepend(tmp_path)
    return package.name


async def migrate_to(package: str, url: str) -> list[str]:
    async with connected(url) as db:
        return [m.title for m in await migrate(db, url, package)]


async def lacks(url: str) -> list[str]:
    async with connected(url) as db:
        return [m.title for m in (await standing(db, url)).pending()]


async def printed(url: str, role: str) -> str:
    async with connected(url) as db:
        return script(await standing(db, url), role)


def grants(error: StoreError) -> str:
    """The lines of a message that are to be pasted."""
    assert "secret" not in str(error)
    return "\n".join(line for line in str(error).splitlines() if line.startswith("    "))


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooler", ["", "?pooler=transaction"])
async def test_it_is_done_once(url: str, pooler: str) -> None:
    assert await lacks(url + pooler) == NAMES
    assert [m.title for m in await migrate_database(url + pooler)] == NAMES
    assert await migrate_database(url + pooler) == []
    async with connected(url) as db:
        found = await standing(db, url)
    assert [done[:3] for done in found.applied] == [(m.number, m.name, m.checksum) for m in KNOWN]


async def test_looking_makes_nothing(url: str) -> None:
    assert await lacks(url) == NAMES
    async with connected(url) as db:
        assert not await db.fetchval("select count(*) from pg_namespace where nspname = 'saga_journey'")


async def test_many_at_once(url: str) -> None:
    done = await asyncio.gather(*(migrate_database(url) for _ in range(8)))
    assert sorted(len(applied) for applied in done) == [0] * 7 + [len(KNOWN)]


async def test_whoever_comes_second_waits(url: str) -> None:
    async with connected(url) as first, connected(url) as looking:
        transaction = first.transaction()
        await transaction.start()
        await first.execute(await printed(url, "postgres"))
        second = asyncio.create_task(migrate_database(f"{url}?lock_timeout=1"))  # which is for work, not for this
        while not await looking.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
            assert not second.done()
        await transaction.commit()
        assert await second == []


async def test_what_fails_leaves_nothing(url: str) -> None:
    await run(url, "create schema saga_journey; create table saga_journey.journal (n int)")
    with pytest.raises(StoreError, match="already exists"):
        await migrate_database(url)
    async with connected(url) as db:
        tables = await db.fetch("select relname from pg_class where relnamespace = 'saga_journey'::regnamespace")
    assert [row[0] for row in tables] == ["journal"]


# --- other versions ---------------------------------------------------------------------------------------------------


async def test_a_newer_schema(url: str) -> None:
    await migrate_database(url)
    await run(url, "insert into saga_journey.migration (number, name, checksum) values (9999, 'future', 'x')")
    with pytest.raises(SchemaTooNew, match=r"has migration 9999 \(future\).*upgrade saga-journey"):
        await migrate_database(url)


async def test_an_older_schema(url: str, grown: str) -> None:
    await migrate_database(url)
    async with connected(url) as db:
        assert [m.title for m in (await standing(db, url)).pending(grown)] == ["9001 more"]
    assert await migrate_to(grown, url) == ["9001 more"]
    with pytest.raises(SchemaTooNew):
        await migrate_database(url)


async def test_another_content(url: str) -> None:
    await migrate_database(url)
    await run(url, "update saga_journey.migration set checksum = 'other' where number = 1")
    with pytest.raises(StoreError, match=r"0001 \(initial\) was applied with another content"):
        await migrate_database(url)


async def test_a_database_that_cannot_hold_every_text(postgres_server: Server) -> None:
    await run(postgres_server.url(), f"create database latin_{HERE} encoding 'LATIN1' locale 'C' template template0")
    try:
        with pytest.raises(StoreError, match="has the encoding LATIN1"):
            await migrate_database(postgres_server.url(f"latin_{HERE}"))
    finally:
        await run(postgres_server.url(), f"drop database latin_{HERE}")


# --- rights -----------------------------------------------------------------------------------------------------------


async def test_what_is_missing_can_be_pasted(url: str, app: str) -> None:
    with pytest.raises(StoreReadOnly, match="may not make a schema") as refused:
        await migrate_database(app)
    assert grants(refused.value) == f'    grant create on database "{name_of(url)}" to {quoted(ROLE)};'
    await run(url, grants(refused.value))
    assert [m.title for m in await migrate_database(app)] == NAMES


async def test_a_schema_that_somebody_else_has_made(url: str, app: str) -> None:
    await run(url, "create schema saga_journey")
    with pytest.raises(StoreReadOnly, match="may not make tables in the schema") as refused:
        await migrate_database(app)
    await run(url, grants(refused.value))
    assert [m.title for m in await migrate_database(app)] == NAMES


async def test_tables_of_a_superuser(url: str, app: str, grown: str) -> None:
    await run(url, await printed(app, ROLE))
    with pytest.raises(StoreReadOnly, match="may not change the tables of 'postgres'") as refused:
        await migrate_to(grown, app)
    assert grants(refused.value) == ""  # it would make a superuser of that role
    assert "saga db migrate --print" in str(refused.value)


async def test_tables_of_another_role(url: str, app: str, grown: str, owner: str) -> None:
    await run(url, f"set role {owner}; {await printed(url, ROLE)}")
    with pytest.raises(StoreReadOnly, match=f"may not change the tables of '{owner}'") as refused:
        await migrate_to(grown, app)
    await run(url, grants(refused.value))
    assert await migrate_to(grown, app) == ["9001 more"]


async def test_who_may_not_even_look(url: str, app: str) -> None:
    await migrate_database(url)
    with pytest.raises(StoreReadOnly, match="permission denied for schema") as refused:
        await migrate_database(app)
    await run(url, grants(refused.value))
    assert await migrate_database(app) == []


async def test_to_read_the_migrations_is_enough(url: str, app: str) -> None:
    await migrate_database(url)
    await run(url, f"grant usage on schema saga_journey to {quoted(ROLE)}")
    await run(url, f"grant select on saga_journey.migration to {quoted(ROLE)}")
    assert await migrate_database(app) == []


# --- the script -------------------------------------------------------------------------------------------------------


async def test_the_script_is_all_it_takes(url: str, app: str) -> None:
    await run(url, await printed(app, ROLE))
    assert await migrate_database(app) == []
    async with connected(app) as db:
        await db.execute("insert into saga_journey.tenant (name) values ('acme')")
        await db.execute("insert into saga_journey.tenant (name) select nextval('saga_journey.run_number')::text")
        assert await db.fetchval("select saga_journey.clock() > 0")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute("create table saga_journey.more (n int)")
    await run(url, "create table saga_journey.later (n int)")
    async with connected(app) as db:  # what a later migration makes is included
        await db.execute("insert into saga_journey.later values (1)")


async def test_the_script_twice_changes_nothing(url: str, app: str) -> None:
    first = await printed(app, ROLE)
    await run(url, first)
    with pytest.raises(asyncpg.PostgresError):
        await run(url, first)
    again = await printed(app, ROLE)
    assert "-- No migration is pending." in again
    await run(url, again)
    assert await lacks(app) == []


def name_of(url: str) -> str:
    return parse_url(url).database
