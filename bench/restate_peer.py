"""The peer that is a server: Restate with its defaults, one node, and a process of one's own that serves the handlers.

Its log is durable before it goes on (RocksDB, fsync on). A caller asks the server, which asks the handlers; the saga's
order is the idempotency key. It takes part where all of it is installed: `restate-server` on the PATH (npm has it as
@restatedev/restate-server), and by pip restate-sdk, hypercorn and aiohttp.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.fresh import ROOT
from bench.places import Place
from bench.workload import Mode, order
from tests.servers.postgres import free_port

PATIENCE = 30.0


class Restate:
    """Sends a saga to the server and waits for its result."""

    commits = round_trips = None

    def __init__(self, http: aiohttp.ClientSession, ingress: str) -> None:
        self._http, self._url = http, f"{ingress}/W/run"

    async def run_saga(self, number: int, mode: Mode) -> str:
        body = order(number, mode)
        async with self._http.post(self._url, json=body, headers={"idempotency-key": body["id"]}) as answer:
            said = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"restate answered {answer.status}: {said}")
            return str(said)


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Restate]:
    """A fresh server that knows the saga, and the process with its handlers."""
    ingress, admin, node, handlers = (f"127.0.0.1:{free_port()}" for _ in range(4))
    served = [sys.executable, "-m", "hypercorn", "--bind", handlers, "bench.restate_handlers:app"]
    async with (
        _running(_server(place.path), place.path, _settings(ingress, admin, node)) as server,
        _running(served, place.path, {}) as handling,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        place.servers += [server, handling]
        await _accepted(http, f"http://{admin}/deployments", {"uri": f"http://{handlers}"})
        yield Restate(http, f"http://{ingress}")


def _settings(ingress: str, admin: str, node: str) -> dict[str, str]:
    """Its ports, and that it says little and tells nobody; everything else is its default."""
    return {
        "RESTATE_INGRESS__BIND_ADDRESS": ingress,
        "RESTATE_ADMIN__BIND_ADDRESS": admin,
        "RESTATE_BIND_ADDRESS": node,
        "RESTATE_ADVERTISED_ADDRESS": f"http://{node}",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_LOG_FILTER": "warn",
        "RESTATE_DISABLE_TELEMETRY": "true",
    }


def _server(folder: Path) -> list[str]:
    program = shutil.which("restate-server")
    assert program is not None, "it was looked for before"
    return [_native(Path(program)), "--base-dir", str(folder / "data"), "--no-logo"]


def _native(program: Path) -> str:
    """npm puts a script of Node on the PATH, which starts the program and would hide its CPU."""
    beside = program.resolve().parents[2].glob("restate-server-*/bin/restate-server") if program.is_symlink() else ()
    return str(next(iter(beside), program))


@asynccontextmanager
async def _running(command: list[str], folder: Path, settings: dict[str, str]) -> AsyncIterator[int]:
    """A process for as long as the block lasts: its number."""
    environment = {**os.environ, **settings}
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def _accepted(http: aiohttp.ClientSession, url: str, body: dict[str, str]) -> None:
    """Returns when the server has taken it; it may not be up yet, nor may the handlers."""
    why = "it does not answer"
    end = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < end:
        try:
            async with http.post(url, json=body) as answer:
                if answer.status < 300:
                    return
                why = await answer.text()
        except aiohttp.ClientConnectionError as error:
            why = str(error)
        await asyncio.sleep(0.1)
    raise RuntimeError(f"restate-server did not take the handlers in {PATIENCE:.0f} s: {why}")
