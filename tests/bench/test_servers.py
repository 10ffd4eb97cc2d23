"""What is read off a running server, and the gates that need one: small, and judged by nobody."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import claims, scaling
from bench.contestants import absent
from bench.foreign import CpuReading, foreign_share
from bench.grounds import database_of, ground, memory_under
from bench.servers import cpu_seconds
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.programs import NoServer
from tests.thorough import thorough

BURN = """
import time
while time.process_time() < 0.3:
    pass
print("burnt", flush=True)
input()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if "ours" in absent("postgres"):
        raise NoServer
    with running_postgres() as own:
        yield own


def test_the_cpu_of_a_server_is_that_of_its_children_too_while_they_live_and_when_they_have_ended() -> None:
    before = served()
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"burnt\n"
        assert served() - before >= 0.25
        child.communicate(b"\n")
    assert served() - before >= 0.25


def served() -> float:
    seconds = cpu_seconds([os.getpid()])
    assert seconds is not None
    return seconds


def test_the_cpu_of_a_process_that_is_gone_is_not_known() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    assert cpu_seconds([gone.pid]) is None


def test_what_our_own_server_uses_is_not_foreign() -> None:
    cores = os.cpu_count() or 1
    before, after = CpuReading(0.0, 0.0, 0.0, 10.0), CpuReading(1.0, 1.0 * cores, 0.25 * cores, 10.0 + 0.5 * cores)
    assert foreign_share(before, after) == pytest.approx(0.25)
    assert foreign_share(before, CpuReading(1.0, 1.0, 0.0, None)) is None


async def test_a_contestant_gets_an_empty_database_with_its_server(server: PostgresServer) -> None:
    with database_of(server) as one, database_of(server) as other:
        assert one.url != other.url
        assert one.servers == [server.pid]
        assert await one.size() == await other.size() > 0


def test_a_server_of_its_own_gets_a_folder(tmp_path: Path) -> None:
    if "ours" in absent("postgres"):
        raise NoServer
    with ground("postgres", tmp_path) as lend, lend("restate") as place:
        assert place.path.is_dir()
        assert place.path.is_relative_to(tmp_path)
        assert place.servers == []


@pytest.mark.skipif(not Path("/dev/shm").is_mount(), reason="no file system in memory that is known")
def test_files_in_memory_are_noticed() -> None:
    assert memory_under(Path("/dev/shm/somewhere")) == "tmpfs"
    assert memory_under(Path("/proc/self")) is None


@thorough
def test_two_workers_move_what_a_third_process_has_queued(server: PostgresServer) -> None:
    taken = scaling.measure(server, seconds=0.5)
    assert taken.one.sagas_per_s > 0
    assert taken.two.sagas_per_s > 0


@thorough
def test_claims_are_timed_in_both_ways(server: PostgresServer) -> None:
    measured = claims.measure(server, few=100, many=1000, tries=1)
    assert set(measured) == set(claims.CONNECTIONS)
    assert all(costs.few_ms > 0 and costs.many_ms > 0 for costs in measured.values())
