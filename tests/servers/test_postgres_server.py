"""The server of the tests is a real one: it survives kill -9, and does not survive the tests."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.servers.folders import sweep
from tests.servers.postgres import (
    GIVEN,
    PATIENCE,
    GivenServer,
    NotOurs,
    PostgresServer,
    Server,
    running_postgres,
    the_server,
)

ROOT = Path(__file__).parents[2]

OWNER = """
from tests.servers.postgres import the_server
server = the_server()
print(server.pid, server.folder, flush=True)
input()
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres({"work_mem": "5MB"}) as server:
        yield server


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def tell(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_was_committed_outlives_kill_9(server: PostgresServer) -> None:
    url = server.databases.fresh()
    await tell(url, "create table kept as select 7 as n")
    before = server.pid

    server.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    server.start()

    assert server.pid != before
    assert await ask(url, "select n from kept") == 7


async def test_what_was_committed_outlives_a_stop(server: PostgresServer) -> None:
    url = server.databases.fresh()
    await tell(url, "create table kept as select 7 as n")

    server.stop()
    with pytest.raises(ConnectionRefusedError):
        await ask(url, "select 1")
    server.start()

    assert await ask(url, "select n from kept") == 7


async def test_a_database_is_a_copy_of_its_template(postgres_server: Server) -> None:
    databases = postgres_server.databases
    template = databases.fresh()
    await tell(template, "create table mould as select 3 as n")
    copy = databases.fresh(template)

    await tell(copy, "update mould set n = 4")

    assert (await ask(template, "select n from mould"), await ask(copy, "select n from mould")) == (3, 4)
    for url in (template, copy):
        databases.drop(url)
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await ask(url, "select 1")


async def test_whoever_is_connected_to_a_dropped_database_is_cut_off(postgres_server: Server) -> None:
    url = postgres_server.databases.fresh()
    client = await asyncpg.connect(url)
    try:
        postgres_server.databases.drop(url)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await client.fetchval("select 1")
    finally:
        client.terminate()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
async def test_it_is_as_durable_as_a_real_one(server: PostgresServer, setting: str) -> None:
    assert await ask(server.url(), f"show {setting}") == "on"


async def test_it_takes_settings(server: PostgresServer) -> None:
    assert await ask(server.url(), "show work_mem") == "5MB"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
@pytest.mark.usefixtures("server")  # where there is none, this is skipped
def test_it_dies_with_the_process_that_started_it() -> None:
    environment = {name: value for name, value in os.environ.items() if name != GIVEN}
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        try:
            assert owner.stdout is not None
            pid, folder = owner.stdout.readline().decode().split()
            server = os.pidfd_open(int(pid))
            assert not ended(server, within=0)
        finally:
            owner.send_signal(signal.SIGKILL)
            owner.wait()
    try:
        assert ended(server, within=PATIENCE)
    finally:
        os.close(server)

    sweep()
    assert not Path(folder).exists()


def ended(pidfd: int, within: float) -> bool:
    """Whether the process of this descriptor ends in so many seconds."""
    return bool(select.select([pidfd], [], [], within)[0])


def test_the_folder_of_a_server_that_runs_is_not_swept(server: PostgresServer) -> None:
    sweep()
    assert (server.folder / "pgdata").exists()


def test_there_is_one_server_for_each_process(postgres_server: Server) -> None:
    assert the_server() is postgres_server


async def test_a_given_server_is_used_and_never_ended(server: PostgresServer) -> None:
    given = GivenServer(server.url())
    url = given.databases.fresh()
    assert await ask(url, "select 1") == 1
    for end in (given.stop, given.kill):
        with pytest.raises(NotOurs, match="SAGA_TEST_POSTGRES"):
            end()

    given.discard()

    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await ask(url, "select 1")
