"""The demonstration itself, as `make demo` runs it: every order ends and the books balance, whoever is killed."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import audit
import processes
from shop import read_orders

DEMO = Path(processes.__file__).with_name("demo.py")
STOPPED = 128 + signal.SIGTERM


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@asynccontextmanager
async def deaf_participant(called: asyncio.Event) -> AsyncIterator[str]:
    """Takes every call, tells that it did, and never answers."""

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(take, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    listener.close()
    for writer in writers:
        writer.close()


def test_the_books_balance_although_the_orchestrator_is_killed(tmp_path: Path) -> None:
    done = demo("--dir", str(tmp_path / "demo"), "--kills", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "violations: 0" in done.stdout


def test_the_demonstration_begins_with_new_books(tmp_path: Path) -> None:
    (tmp_path / "payments.db").touch()
    done = demo("--dir", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr


@pytest.mark.anyio
async def test_an_orchestrator_that_is_told_to_stop_is_succeeded_by_another(tmp_path: Path) -> None:
    called = asyncio.Event()
    async with deaf_participant(called) as url:
        with processes.orchestrator(tmp_path, dict.fromkeys(processes.PARTICIPANTS, url)) as first:
            await called.wait()
            first.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.wait) == STOPPED
    with processes.all_participants(tmp_path) as urls, processes.orchestrator(tmp_path, urls) as second:
        assert await asyncio.to_thread(second.wait) == 0
    assert audit.violations(audit.read_evidence(tmp_path, read_orders())) == []
