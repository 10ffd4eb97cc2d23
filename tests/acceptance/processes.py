"""Programs of a test, as processes: what they say line by line, signals to them, how they end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from runpy import run_module
from typing import Any

from tests.acceptance.participant import PATIENCE
from tests.forks import Fork

ROOT = Path(__file__).parents[2]
PROGRAMS = "tests.acceptance.programs"


class Program:
    """A running program. `said` is what it printed so far, `errors` what it wrote to stderr."""

    def __init__(self, process: Fork, stdin: int, stdout: asyncio.StreamReader, stderr: Path) -> None:
        self._process = process
        self._stdin: int | None = stdin
        self._stdout = stdout
        self._stderr = stderr
        self.said: list[str] = []
        self.on_end: Callable[[], None] | None = None
        """Called once when it has ended, however it did."""

    async def line(self, what: str) -> str:
        """Reads on until it prints a line with this in it; gives that line."""
        async with asyncio.timeout(PATIENCE):
            while line := (await self._stdout.readline()).decode():
                self.said.append(line.rstrip("\n"))
                if what in line:
                    return self.said[-1]
        raise AssertionError(f"it ended before it said {what!r}: {self.said}\n{self.errors}")

    @property
    def logged(self) -> list[str]:
        """What it has logged so far, as far as it was read."""
        return [line for line in self.said if line.startswith("log ")]

    @property
    def errors(self) -> str:
        """All that it wrote to stderr."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def say(self, line: str) -> None:
        """A line on its stdin."""
        assert self._stdin is not None
        os.write(self._stdin, line.encode() + b"\n")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def killed(self) -> None:
        """kill -9, and gone."""
        self.signal(signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL

    async def left(self) -> None:
        """Told to leave, it closes its journeys and ends."""
        self.say("leave")
        assert await self.ended() == 0, self.errors

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself; what it printed last is in `said`."""
        async with asyncio.timeout(PATIENCE):
            rest = await self._stdout.read()
            self.said += rest.decode().splitlines()
            status = await self._process.ended()
        self._has_ended()
        return status

    def _has_ended(self) -> None:
        if self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            on_end()

    async def swept(self) -> None:
        """Whatever a test left running is ended, also what it stopped."""
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None
        await self._stdout.read()
        await self._process.ended()
        self._has_ended()


@asynccontextmanager
async def program(name: str, place: Path, **arguments: Any) -> AsyncIterator[Program]:
    """A program of the folder `programs`, these arguments given as JSON; when this returns, its journeys are open."""
    running = await spawned(name, place, **arguments)
    try:
        await running.line("open")
        yield running
    finally:
        await running.swept()


async def spawned(name: str, place: Path, **arguments: Any) -> Program:
    """The same before it has said anything; whoever starts it ends it."""
    log = place / f"{name}-{len(list(place.glob(f'{name}-*.log')))}.log"
    their_stdin, stdin = os.pipe()
    stdout, their_stdout = os.pipe()
    with log.open("wb") as stderr:
        streams = their_stdin, their_stdout, stderr.fileno()
        words = [name, json.dumps(arguments)]
        process = Fork(partial(run_module, f"{PROGRAMS}.{name}", run_name="__main__"), words, ROOT, os.environ, streams)
    os.close(their_stdin)
    os.close(their_stdout)
    return Program(process, stdin, await _reader(stdout), log)


async def _reader(pipe: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(pipe, "rb"))
    return reader
