"""A disk without room, or that cannot be written: nothing accepted is lost, reading goes on, and so do the sagas later.

The system lets a process write no further (RLIMIT_FSIZE), or the database lies on a disk of 400 KB that is full; to
mount that takes root.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from saga_journey import Completed, SagaStatus, Search, open_journeys
from saga_journey.errors import StoreReadOnly
from saga_journey.stores.sqlite.migrate import migrate_file
from saga_journey.testing.clock import START
from tests.acceptance.cluster import Cluster, cluster_at
from tests.acceptance.participant import done, hold
from tests.acceptance.processes import Program, spawned
from tests.acceptance.programs import tight
from tests.acceptance.story import journal

APP = tight.tight.__name__
ONE_PAGE = 4096
FEW = 10
"""Log lines for each minute without room (a figure of the test plan)."""
NO_ROOM = "there is no room on the disk"
STRAIGHT = ["saga_started", "milestone_completed charge", "milestone_completed ship", "saga_completed"]


class Limit:
    """The worker is not allowed to write any further. Others are."""

    async def fill(self, worker: Program) -> None:
        worker.say("fill")
        await worker.line("filled")

    def free(self, worker: Program) -> None:
        worker.say("free")


class SmallDisk:
    """Somebody else has filled the disk, to the last byte."""

    def __init__(self, mounted: Path) -> None:
        self._ballast = mounted / "ballast"

    async def fill(self, worker: Program) -> None:
        with self._ballast.open("wb", buffering=0) as ballast:
            for size in (4096, 1):
                try:
                    while ballast.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def free(self, worker: Program) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """The database of this test lies on it; its ledger and its logs do not."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(mounted)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("to mount a disk of 400 KB needs root; `a limit` is the same test for everybody")
    link = tmp_path / "journeys.db"
    link.symlink_to(mounted / "journeys.db")
    yield SmallDisk(mounted)
    link.unlink()
    for file in mounted.glob("journeys.db*"):  # for the checker, which looks when the disk is gone
        shutil.copy(file, tmp_path)
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


@pytest.fixture(params=["a limit", "a small disk"])
def disk(request: pytest.FixtureRequest) -> Limit | SmallDisk:
    return Limit() if request.param == "a limit" else request.getfixturevalue("small_disk")


@pytest.fixture
async def cluster(disk: Limit | SmallDisk, tmp_path: Path) -> AsyncIterator[Cluster]:
    """The database is made when the disk is there."""
    file = tmp_path / "journeys.db"
    async with cluster_at(f"sqlite:///{file}", tmp_path) as cluster:
        yield cluster
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]


@asynccontextmanager
async def working(cluster: Cluster, *, at: float = START) -> AsyncIterator[Program]:
    async with cluster.worker(APP, name=APP, at=at, grace=0) as worker:
        yield worker


async def with_results_that_find_no_room(cluster: Cluster, disk: Limit | SmallDisk, worker: Program) -> None:
    """Three sagas are in mid-call when the disk fills up; then all three get their answer."""
    cluster.participant.will("charge", *[hold()] * 3)
    worker.say("start 3")
    calls = [await cluster.participant.called("charge") for _ in range(3)]
    await disk.fill(worker)
    for call in calls:
        call.answer(done())
    await worker.line(NO_ROOM)


@pytest.mark.anyio
async def test_a_full_disk(cluster: Cluster, disk: Limit | SmallDisk) -> None:
    """No start is taken and nothing is called; all can be read; then what is known is written, and it goes on alone."""
    async with working(cluster) as worker:
        await with_results_that_find_no_room(cluster, disk, worker)
        worker.say("start 1")
        assert NO_ROOM in await worker.line("refused StoreFull: ")
        worker.say("minute")
        assert await worker.line("a minute later") == "a minute later there is no room"
        worker.say("status")
        assert await worker.line("in_progress") == "3 in_progress"
        async with cluster.outside() as others:
            (one, *_) = found = await others.search(Search(status=SagaStatus.IN_PROGRESS))
            assert len(found) == 3
            assert await journal(others.run(one.saga_id)) == ["saga_started"]
        assert cluster.participant.ledger() == ["do charge #1: applied"] * 3
        disk.free(worker)
        assert [told for _, told in await cluster.stories()] == [STRAIGHT] * 3
        worker.say("start 1")
        await worker.line("started")
        stories = await cluster.stories()
        await worker.left()
    assert [(type(outcome), told) for outcome, told in stories] == [(Completed, STRAIGHT)] * 4
    assert sorted(cluster.participant.ledger()) == ["do charge #1: applied"] * 4 + ["do ship #1: applied"] * 4
    assert len(worker.logged) <= FEW
    assert worker.errors == ""


@pytest.mark.anyio
@pytest.mark.parametrize("disk", ["a limit"], indirect=True)
async def test_a_full_disk_while_there_is_nothing_to_do(cluster: Cluster, disk: Limit) -> None:
    """It says so, once, and once more when there is room; and does not take a refused start for a saga."""
    async with working(cluster) as worker:
        worker.say("start 1")
        await worker.line("started")
        await cluster.stories()
        await disk.fill(worker)
        worker.say("start 3")
        for _ in range(3):
            assert NO_ROOM in await worker.line("refused StoreFull: ")
        worker.say("minute")
        assert await worker.line("a minute later") == "a minute later there is no room"
        assert len(worker.logged) <= FEW
        disk.free(worker)
        await worker.line("there is room again")
        worker.say("start 1")
        await worker.line("started")
        stories = await cluster.stories()
        await worker.left()
    assert [told for _, told in stories] == [STRAIGHT] * 2
    assert worker.errors == ""


@pytest.mark.anyio
@pytest.mark.parametrize("disk", ["a limit"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_end_of_a_process_whose_disk_is_full(cluster: Cluster, disk: Limit, how: signal.Signals) -> None:
    """What it could not write is asked for again, under the same key, once there is room."""
    async with working(cluster) as worker:
        await with_results_that_find_no_room(cluster, disk, worker)
        worker.signal(how)
        assert await worker.ended() == -how
    assert worker.errors == ""
    assert len(worker.logged) <= FEW
    async with working(cluster, at=START + 60) as successor:
        stories = await cluster.stories()
        await successor.left()
    again = [STRAIGHT[0], "attempt_lost charge do", *STRAIGHT[1:]]
    assert [(type(outcome), told) for outcome, told in stories] == [(Completed, again)] * 3
    first, second = ["do charge #1: applied"] * 3, ["do charge #2: replayed"] * 3
    assert sorted(cluster.participant.ledger()) == [*first, *second, *["do ship #1: applied"] * 3]


@pytest.mark.anyio
@pytest.mark.parametrize("moves", [True, False], ids=["a worker", "a reader"])
async def test_opening_on_a_full_disk(tmp_path: Path, moves: bool) -> None:
    """It says that there is no room, and where; not that the database is broken. Later it opens."""
    file = tmp_path / "journeys.db"
    migrate_file(f"sqlite:///{file}")
    refused = await spawned(APP, tmp_path, url=f"sqlite:///{file}", limit=ONE_PAGE, working=moves)
    try:
        assert await refused.ended() == 1
    finally:
        await refused.swept()
    assert refused.errors == ""
    assert [line.split(" (")[0] for line in refused.said] == [f"refused StoreFull: {file}: {NO_ROOM}"]
    async with open_journeys(f"sqlite:///{file}") as journeys:
        assert await journeys.search() == []


# --- what cannot be written at all --------------------------------------------------------------------------------


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder that an ordinary user can reach but not write."""
    folder = Path(tempfile.mkdtemp(prefix="saga-read-only-"))
    migrate_file(f"sqlite:///{folder / 'journeys.db'}")
    (folder / "journeys.db").chmod(0o444)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.anyio
@pytest.mark.parametrize("file", ["journeys.db", "new.db"], ids=["a file", "a directory"])
async def test_what_cannot_be_written(nobodys: Path, tmp_path: Path, file: str) -> None:
    """It says what to look at, and leaves everything as it was."""
    before = sorted(path.name for path in nobodys.iterdir())
    refused = await spawned(APP, tmp_path, url=f"sqlite:///{nobodys / file}", nobody=True)
    try:
        assert await refused.ended() == 1
    finally:
        await refused.swept()
    assert refused.errors == ""
    (said,) = refused.said
    assert said.startswith(f"refused StoreReadOnly: {nobodys / file} cannot be ")
    assert "check the rights of the file and" in said
    assert sorted(path.name for path in nobodys.iterdir()) == before


@pytest.mark.anyio
async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "journeys.db"
    with pytest.raises(StoreReadOnly, match=f"{file} cannot be opened: its directory does not exist"):
        async with open_journeys(f"sqlite:///{file}"):
            raise AssertionError("it opened")
    assert not file.parent.exists()
