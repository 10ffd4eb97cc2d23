"""A SQLite database that is moved to a server: everything goes along or nothing, and what was in flight goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from saga_journey import Search, open_journeys
from saga_journey.errors import StoreError, StoreFull, StoreReadOnly, StoreUnreachable
from saga_journey.ports import RunKey
from saga_journey.stores.migrations import known_migrations
from saga_journey.stores.moving.move import move, plan
from saga_journey.stores.moving.ports import Rows, Table
from saga_journey.stores.postgres.migrate import migrate_database
from saga_journey.stores.postgres.rights import grants_to_work, quoted
from saga_journey.stores.postgres.taking_in import PostgresTarget
from saga_journey.stores.sqlite import SqliteStore
from saga_journey.stores.sqlite.migrate import MIGRATIONS, script
from saga_journey.stores.sqlite.moved import mark_of
from saga_journey.stores.sqlite.reading_out import SqliteSource
from saga_journey.testing.checker import check
from saga_journey.testing.crash import Boundaries, Boundary
from saga_journey.testing.databases import look_into, open_store
from tests.acceptance.participant import Participant
from tests.moving import in_flight
from tests.moving.faults import moved
from tests.moving.in_flight import ACME, HERE, WITH_KEY, InFlight, ended, opened
from tests.servers.postgres import Server
from tests.thorough import thorough

pytestmark = thorough

ROOT = Path(__file__).parents[2]
TABLES = {
    "tenant": "select name from tenant",
    "definition": "select t.name, d.hash, d.name, d.version, d.body, d.saved_at "
    "from definition d join tenant t on t.tenant = d.tenant",
    "run": "select t.name, r.saga, d.hash, r.status, r.epoch, r.due_at, r.owner is not null, r.empty_claims, r.lost, "
    "r.needs, r.started_at, r.updated_at, r.took, r.stopped_milestone, f.saga from run r "
    "join tenant t on t.tenant = r.tenant join definition d on d.definition = r.definition and d.tenant = r.tenant "
    "left join run f on f.tenant = r.tenant and f.run = r.family",
    "journal": "select t.name, r.saga, j.seq, j.epoch, j.at, j.events from journal j "
    "join tenant t on t.tenant = j.tenant join run r on r.tenant = j.tenant and r.run = j.run",
    "start_key": "select t.name, r.saga, k.journey, k.key, k.fingerprint from start_key k "
    "join tenant t on t.tenant = k.tenant join run r on r.tenant = k.tenant and r.run = k.run",
    "command": "select t.name, r.saga, c.command, c.name, c.body, c.sent_at, c.answer, c.answered_at from command c "
    "join tenant t on t.tenant = c.tenant join run r on r.tenant = c.tenant and r.run = c.run",
    "outbox": "select t.name, r.saga, o.seq, o.item, o.kind, o.body, o.at, o.published_at from outbox o "
    "join tenant t on t.tenant = o.tenant join run r on r.tenant = o.tenant and r.run = o.run",
    "archive": "select t.name, a.saga, d.hash, a.status, a.started_at, a.ended_at, a.body from archive a "
    "join tenant t on t.tenant = a.tenant join definition d on d.definition = a.definition",
}
"""What a table says, without the numbers that are other ones afterwards."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> InFlight:
    return asyncio.run(in_flight.made(tmp_path_factory.mktemp("move") / "base"))


@pytest.fixture
def source(base: InFlight, tmp_path: Path) -> InFlight:
    return base.copied(tmp_path / "source")


@pytest.fixture
def target(postgres_server: Server) -> Iterator[str]:
    url = postgres_server.databases.fresh()
    yield url
    postgres_server.databases.drop(url)


def path_of(source: InFlight) -> Path:
    return source.folder / "journeys.db"


def tables(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with closing(look_into(url)) as db:
        found = {table: [tuple(map(_plain, row)) for row in db.rows(sql)] for table, sql in TABLES.items()}
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def is_empty(url: str) -> bool:
    with closing(look_into(url)) as db:
        return not any(db.has_table(table) and db.rows(f"select 1 from {table} limit 1") for table in TABLES)


def is_marked(source: InFlight) -> bool:
    with closing(sqlite3.connect(path_of(source))) as db:
        return mark_of(db) is not None


def change(source: InFlight, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path_of(source))) as db, db:
        db.execute(statement, values)


# --- everything goes along --------------------------------------------------------------------------------------------


async def test_what_was_in_flight_comes_to_the_end_that_it_would_have_come_to(source: InFlight, target: str) -> None:
    twin = source.copied(source.folder.with_name("twin"))
    await moved(source.url, target)
    there = source.moved(target)

    stayed, went = await ended(twin), await ended(there)

    assert went == stayed
    assert {"attempt_lost charge do", "attempt_lost sign undo", "attempt_lost wire do"} <= {
        sentence for one in went.values() for sentence in one.told
    }
    for at in (twin, there):
        found = [str(violation) for violation in check(at.url, at.ledger, publishing=True)]
        assert [one for one in found if source.runs["archived"][1] not in one] == []


async def test_every_row_goes_along(source: InFlight, target: str) -> None:
    here = tables(source.url)
    assert all(here.values()), "there is something of everything"
    await moved(source.url, target)
    assert tables(target) == here


async def test_runs_have_numbers_of_their_own_and_keep_their_order(source: InFlight, target: str) -> None:
    in_order = "select t.name, r.saga, r.run from run r join tenant t on t.tenant = r.tenant order by t.name, r.run"
    by_start = "select saga from run order by started_at"
    change(source, "update run set started_at = started_at + run + (tenant = 2) * 7.5")
    with closing(look_into(source.url)) as db:
        here = db.rows(in_order)
    await moved(source.url, target)
    with closing(look_into(target)) as db:
        there = db.rows(in_order)
        numbers = [number for (number,) in db.rows("select run from run union all select run from archive")]
        assert [saga for (saga,) in db.rows("select saga from run order by run")] == [
            saga for (saga,) in db.rows(by_start)
        ]
    assert [row[:2] for row in there] == [row[:2] for row in here]
    assert len(set(numbers)) == len(numbers) > len({row[2] for row in here})


async def test_within_a_tenant_the_order_stays_also_when_the_clock_was_set_back(source: InFlight, target: str) -> None:
    change(source, "update run set started_at = started_at - 9000 where run % 3 = 0")
    in_order = "select r.saga from run r join tenant t on t.tenant = r.tenant where t.name = 'default' order by r.run"
    await moved(source.url, target)
    with closing(look_into(source.url)) as here, closing(look_into(target)) as there:
        assert there.rows(in_order) == here.rows(in_order)


async def test_numbers_go_on_behind_those_that_came(source: InFlight, target: str) -> None:
    await moved(source.url, target)
    newest = "select max(run), max(definition), max(tenant) from run"
    with closing(look_into(target)) as db:
        before = db.rows(newest)[0]
    participant = Participant(target, source.folder)
    async with opened(target, participant, working=False) as scene:
        run = await scene.start("shop", "new", {"tenant_id": "globex"})
        record = await scene.store.find("globex", run.saga_id)
    participant.book.close()
    assert record is not None
    assert record.key.run > before[0]
    assert record.definition > before[1]
    assert record.key.tenant > before[2]


async def test_the_same_keys_are_the_same_sagas_and_every_id_is_found(source: InFlight, target: str) -> None:
    await moved(source.url, target)
    participant = Participant(target, source.folder)
    async with opened(target, participant, working=False) as scene:
        for name in (*WITH_KEY, "sold"):
            again = await scene.start("shop" if name == "sold" else name, name)
            assert again.saga_id == source.runs[name][1]
        assert (await scene.start("approval", "approval", ACME)).saga_id == source.runs["of_acme"][1]
        for name, (tenant, saga) in source.runs.items():
            assert (await scene.store.find(tenant, saga) is not None) == (name != "archived")
        assert await scene.store.is_archived(*source.runs["archived"])
        listed = await scene.journeys.search(Search(limit=100), HERE)
    participant.book.close()
    with closing(look_into(source.url)) as db:
        newest_first = db.rows("select saga from run where tenant = 1 and saga like 'saga%' order by run desc")
    assert [(record.saga_id,) for record in listed] == newest_first


async def test_a_session_is_as_it_was(source: InFlight, target: str) -> None:
    async with open_journeys(source.url, working=False) as journeys:
        here = await journeys.session.get_session_state(source.runs["session"][1], HERE)
    await moved(source.url, target)
    async with open_journeys(target, working=False) as journeys:
        assert await journeys.session.get_session_state(source.runs["session"][1], HERE) == here
        after = await journeys.session.navigate_to_area(source.runs["session"][1], "writing", HERE)
    assert after["area"] == "writing"


async def test_who_held_runs_is_there_and_dead(source: InFlight, target: str) -> None:
    await moved(source.url, target)
    store = await open_store(target)
    workers = await store.workers()
    await store.close()
    assert [(worker.alive, worker.runs) for worker in workers] == [(False, 4)]


async def test_a_database_without_anything(tmp_path: Path, target: str) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    await (await SqliteStore.open(url)).close()
    result = await moved(url, target)
    assert sum(result.counts.values()) == 0
    with pytest.raises(StoreError, match="was moved to"):
        await SqliteStore.open(url)


async def test_a_database_that_is_not_up_to_date(source: InFlight, target: str) -> None:
    change(source, "drop table moved")
    change(source, "delete from migration where number = 3")
    await moved(source.url, target)
    assert is_marked(source)


async def test_a_database_of_the_first_version(tmp_path: Path, source: InFlight, target: str) -> None:
    """Beside it, somebody else's move is no reason to look into tables that it does not have."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script(known_migrations(MIGRATIONS)[:1]))
        db.execute("insert into tenant (name) values ('globex')")
        db.commit()
    await moved(source.url, target)
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(f"sqlite:///{path}")) as here, pytest.raises(StoreError, match="is not empty"):
            await plan(here, there)
    server = await asyncpg.connect(target)
    await server.execute("drop schema saga_journey cascade")
    await server.close()
    assert (await moved(f"sqlite:///{path}", target)).counts["tenant"] == 1


async def test_it_is_on_the_disk_there_before_it_is_given_up_here(source: InFlight, target: str) -> None:
    options = "?options=-c%20synchronous_commit%3Doff%20-c%20statement_timeout%3D1000"
    async with PostgresTarget.opened(target + options) as there:
        await there.lock("nothing")
        settings = ("synchronous_commit", "statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
        assert [await there._db.fetchval(f"show {name}") for name in settings] == ["on", "0", "0", "30s"]


@pytest.mark.parametrize("pooler", ["", "?pooler=transaction"])
async def test_the_role_of_an_application_may_do_it(
    source: InFlight, target: str, pooler: str, postgres_server: Server
) -> None:
    role = f"app_{uuid.uuid4().hex[:8]}"
    await migrate_database(target)
    parts = urlsplit(target)
    grants = "\n".join(grants_to_work(role, parts.path.lstrip("/")))
    db = await asyncpg.connect(target)
    try:
        await db.execute(f"create role {quoted(role)} login password 'secret'; {grants}")
        app = urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.netloc.rpartition('@')[2]}"))
        await moved(source.url, app + pooler)
        assert tables(target)["run"] != []
        with closing(sqlite3.connect(path_of(source))) as here:
            mark = mark_of(here)
        assert mark is not None
        assert (role in mark.target, "secret" in mark.target) == (True, False)
    finally:
        await db.execute(f"drop owned by {quoted(role)}; drop role {quoted(role)}")
        await db.close()


# --- the source afterwards --------------------------------------------------------------------------------------------


async def test_whoever_opens_it_is_told_where_it_is(source: InFlight, target: str) -> None:
    await moved(source.url, target)
    where = urlsplit(target).path
    for working in (True, False):
        with pytest.raises(StoreError, match=rf"was moved to postgresql://.*{where} on 20\d\d-.* UTC: open that one"):
            async with open_journeys(source.url, working=working):
                pass


async def test_who_had_it_open_can_write_nothing(source: InFlight, target: str) -> None:
    """An application that only starts and asks holds no lock: it is stopped by the database itself."""
    before = tables(source.url)
    participant = Participant(source.url, source.folder)
    async with opened(source.url, participant, working=False) as scene:
        await moved(source.url, target)
        with pytest.raises(StoreError, match="was moved to postgresql://"):
            await scene.start("shop", "too late")
        for write in (scene.store.tenant("globex"), scene.store.send(RunKey(1, 3), "cmd_late", "pause", "{}")):
            with pytest.raises(StoreError, match="was moved to postgresql://"):
                await write
        with pytest.raises(StoreError, match="was moved to"):  # a worker that waited for its turn
            await scene.store.enter(10.0)
        assert await scene.store.find(*source.runs["sold"]) is not None
    participant.book.close()
    assert tables(source.url) == before


async def test_while_it_is_moved_nobody_writes_either(source: InFlight, target: str) -> None:
    tried: list[str] = []

    def others_try() -> None:
        with closing(sqlite3.connect(path_of(source), timeout=0)) as db, pytest.raises(sqlite3.OperationalError):
            db.execute("begin immediate")
        with closing(look_into(target, writing=True)) as db:
            db.execute("set lock_timeout = '10ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                db.execute("insert into tenant (name) values ('x')")
        tried.append("both")

    await moved(source.url, target, Boundaries(Boundary("source.rows.journal", 7), others_try))
    assert tried == ["both"]


# --- all or nothing ---------------------------------------------------------------------------------------------------

KILLED = [
    "after-source.lock",
    "after-target.lock",
    "after-source.number",
    "source.rows.run",
    "source.rows.journal",
    "after-target.note",
    "source.journals",
    "after-source.mark",
    "before-target.commit",
    "after-target.commit",
    "before-source.commit",
    "after-source.commit",
]
COMMITTED = KILLED.index("after-target.commit")


@pytest.mark.parametrize("place", KILLED)
async def test_killed(source: InFlight, target: str, place: str) -> None:
    here = tables(source.url)
    command = [sys.executable, "-m", "tests.moving.faults", source.url, target, place, "1"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    await _let_go(target)

    assert tables(source.url) == here
    assert is_marked(source) == (place == "after-source.commit")
    if KILLED.index(place) < COMMITTED:
        assert is_empty(target)
    else:
        assert tables(target) == here

    if not is_marked(source):
        again = await moved(source.url, target)
        assert again.again == (KILLED.index(place) >= COMMITTED)
    assert is_marked(source)
    assert tables(target) == here


async def _let_go(target: str) -> None:
    """Returns when the server has noticed that its client was killed."""
    others = (
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    db = await asyncpg.connect(target)
    for _ in range(100_000):
        if not await db.fetchval(others):
            break
    await db.close()


async def test_stopped_anywhere(source: InFlight, target: str) -> None:
    """Ctrl-C is a cancellation: before the target commits nothing has happened, afterwards it goes to its end."""
    here = tables(source.url)
    first = Boundaries()
    probe = source.copied(source.folder.with_name("probe"))
    await moved(probe.url, target, first)
    db = await asyncpg.connect(target)
    await db.execute("drop schema saga_journey cascade")
    await db.close()
    kinds = list(dict.fromkeys(boundary.kind for boundary in first.passed()))
    until = kinds.index("before-source.mark")  # from here on nothing waits any more
    assert until > 30

    for kind in kinds[:until]:
        with pytest.raises(asyncio.CancelledError):
            await stopped_at(kind, source, target)
        assert (is_marked(source), is_empty(target)) == (False, True), kind
    await stopped_at(kinds[until], source, target)
    assert is_marked(source)
    assert tables(target) == here


async def stopped_at(kind: str, source: InFlight, target: str) -> None:
    def stop() -> None:
        moving.cancel()

    moving = asyncio.create_task(moved(source.url, target, Boundaries(Boundary(kind, 1), stop)))
    await moving


class Lost:
    """A transaction whose COMMIT gets no answer."""

    def __init__(self, inner: Any, *, applied: bool) -> None:
        self._inner, self._applied = inner, applied

    async def commit(self) -> None:
        if self._applied:
            await self._inner.commit()
        raise ConnectionResetError("connection reset by peer")


@pytest.mark.parametrize("applied", [True, False])
async def test_a_commit_that_gets_no_answer(
    source: InFlight, target: str, applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source.url)) as here:
            lock = there.lock

            async def locked(fingerprint: str) -> float | None:
                before = await lock(fingerprint)
                there._transaction = Lost(there._transaction, applied=applied)
                return before

            monkeypatch.setattr(there, "lock", locked)
            with pytest.raises(StoreUnreachable, match="nobody knows whether it was; the same command again finds out"):
                await move(here, there)
    assert not is_marked(source)
    assert (await moved(source.url, target)).again == applied
    assert is_marked(source)


async def test_the_mark_cannot_be_written(source: InFlight, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source.url)) as here:

            def full() -> None:
                raise StoreFull("there is no room on the disk")

            monkeypatch.setattr(here, "commit", full)
            with pytest.raises(
                StoreError, match=r"has everything, but .* could not be marked as moved \(there is no room"
            ):
                await move(here, there)
    assert not is_marked(source)
    assert (await moved(source.url, target)).again


async def test_what_is_done_is_not_done_again(source: InFlight, target: str) -> None:
    await moved(source.url, target)
    with pytest.raises(StoreError, match="was moved to"):
        await moved(source.url, target)
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source.url)) as here:
            assert (await plan(here, there)).done


async def test_a_source_that_was_written_since_is_not_taken_for_the_same(source: InFlight, target: str) -> None:
    """Both went on after a move that only lacked its mark: which one is right, a person must know."""
    await moved(source.copied(source.folder.with_name("twin")).url, target)
    change(source, "update run set status = 'paused' where run = 5")
    with pytest.raises(StoreError, match="took in a database before, and this is another one, or it was written since"):
        await moved(source.url, target)
    assert not is_marked(source)


async def test_what_has_gone_on_at_the_target_is_still_the_same_move(source: InFlight, target: str) -> None:
    unmarked = source.copied(source.folder.with_name("unmarked"))
    await moved(source.url, target)
    await ended(source.moved(target))
    before = tables(target)
    assert (await moved(unmarked.url, target)).again
    assert is_marked(unmarked)
    assert tables(target) == before


# --- what is not moved ------------------------------------------------------------------------------------------------


async def refused(source: InFlight, target: str, why: str) -> None:
    """By looking and by moving, and nothing has changed."""
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source.url)) as here, pytest.raises(StoreError, match=why):
            await plan(here, there)
    await not_moved(source, target, why)


async def not_moved(source: InFlight, target: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        await moved(source.url, target)
    assert (is_marked(source), is_empty(target)) == (False, True)


async def test_a_worker_lives(source: InFlight, target: str) -> None:
    store = await SqliteStore.open(source.url)
    owner = await store.enter(10.0)
    named = rf"journeys.db is worked on: worker {owner} \(0 sagas, pid {os.getpid()}\); nothing was moved. Stop that"
    await refused(source, target, named)
    change(source, "update owner set lease_until = 0")  # it is frozen, and may come back
    await refused(source, target, named)
    await store.leave(owner)
    await store.close()
    await moved(source.url, target)


async def test_a_worker_of_which_only_the_lease_is_seen(source: InFlight, target: str) -> None:
    """Its lock is elsewhere: the file was reached by another name, or from another host."""
    (owner,) = sqlite3.connect(path_of(source)).execute("select max(owner) from owner").fetchone()
    change(source, "update owner set lease_until = ?", time.time() + 3600)
    await refused(source, target, rf"is worked on: worker {owner} \(4 sagas, its lease runs for 3[56]\d\d s: if it was")
    Path(f"{path_of(source)}-owner-{owner}").touch()  # the lock of one that was killed: nobody holds it
    await moved(source.url, target)


async def test_a_target_that_is_not_empty(source: InFlight, target: str) -> None:
    store = await open_store(target)
    await store.tenant("globex")
    await store.close()
    why = "is not empty: it has rows in tenant; nothing was moved. Give it a database of its own"
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source.url)) as here, pytest.raises(StoreError, match=why):
            await plan(here, there)
    with pytest.raises(StoreError, match=why):
        await moved(source.url, target)
    assert not is_marked(source)


async def test_a_target_that_is_not_empty_is_not_even_brought_up_to_date(source: InFlight, target: str) -> None:
    await migrate_database(target)
    db = await asyncpg.connect(target)
    await db.execute("insert into saga_journey.tenant (name) values ('globex'); drop table saga_journey.moved_from")
    await db.execute("delete from saga_journey.migration where number > 2")
    with pytest.raises(StoreError, match="is not empty"):
        await moved(source.url, target)
    assert await db.fetchval("select max(number) from saga_journey.migration") == 2
    await db.close()


async def test_a_journal_that_cannot_be_read(source: InFlight, target: str) -> None:
    saga = source.runs["patient"][1]
    its_run = "tenant = 1 and run = (select run from run where saga = ?)"
    change(source, f"update journal set events = '[[\"nonsense\",{{}}]]' where seq = 2 and {its_run}", saga)
    await not_moved(
        source, target, rf"the journal of {saga} cannot be read by this version \(KeyError: 'nonsense'\); noth"
    )


async def test_a_key_of_no_run(source: InFlight, target: str) -> None:
    change(source, "insert into start_key values (1, 'shop', 'astray', 999, x'00')")
    keys = len(tables(source.url)["start_key"])
    await not_moved(source, target, rf"has {keys + 1} rows in start_key, and {keys} of them arrived; nothing was moved")


LOSSES: dict[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = {
    "a space": lambda row: (*row[:-1], row[-1] + " "),
    "a microsecond": lambda row: (*row[:4], row[4] + 1e-6, *row[5:]),
    "an epoch": lambda row: (*row[:3], row[3] + 1, *row[4:]),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_journal_that_arrives_otherwise(source: InFlight, target: str, loss: str) -> None:
    """One row of one run differs by the least that it can."""

    class Careless(SqliteSource):
        def rows(self, table: Table, now: float) -> Rows:
            columns, rows = super().rows(table, now)
            return Rows(columns, self._lossy(rows) if table == "journal" else rows)

        def _lossy(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
            for place, row in enumerate(rows):
                yield LOSSES[loss](row) if place == 11 else row

    async with PostgresTarget.opened(target) as there:
        said = r"the journal of saga_\w+ did not arrive as it is; nothing was moved"
        with closing(Careless(source.url)) as here, pytest.raises(StoreError, match=said):
            await move(here, there)
    assert (is_marked(source), is_empty(target)) == (False, True)


async def test_a_source_that_is_not_there(tmp_path: Path, target: str) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        await moved(f"sqlite:///{tmp_path / 'nowhere.db'}", target)
    assert not list(tmp_path.iterdir())


def test_a_source_that_is_closed_lets_go(source: InFlight) -> None:
    """Whatever somebody was still reading from it."""
    with closing(SqliteSource(source.url)) as here:
        here.lock()
        contents = here.contents()
        next(contents), next(contents)
    with closing(sqlite3.connect(path_of(source), timeout=0)) as db:
        db.execute("begin immediate")


async def test_a_target_that_takes_no_writes(source: InFlight, target: str) -> None:
    await migrate_database(target)
    options = "?options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(StoreReadOnly, match="takes no writes"):
        await moved(source.url, target + options)
    assert (is_marked(source), is_empty(target)) == (False, True)


async def test_a_server_that_goes_away_in_the_middle(source: InFlight, target: str) -> None:
    def cut_off() -> None:
        with closing(look_into(target)) as db:
            db.rows(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() "
                "and pid <> pg_backend_pid()"
            )

    with pytest.raises(StoreUnreachable):
        await moved(source.url, target, Boundaries(Boundary("before-target.counts", 1), cut_off))
    assert (is_marked(source), is_empty(target)) == (False, True)
    await moved(source.url, target)


async def test_how_far_the_clocks_are_apart(source: InFlight, target: str) -> None:
    change(source, "update anchor set wall = wall - 7200")
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source.url)) as here:
            assert round((await plan(here, there)).ahead / 60) == 120
