"""The processes of the demonstration: four participants, and an orchestrator that may be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PARTICIPANTS = ("orders", "payments", "inventory", "shipping")


class DidNotStart(Exception):
    """A process ended before it was ready; the message is what it said about it."""


def books_of(directory: Path, name: str) -> Path:
    """Where a participant keeps its books."""
    return directory / f"{name}.db"


@contextmanager
def all_participants(directory: Path) -> Iterator[dict[str, str]]:
    """The four participants, running; gives the URL of each by its name, and ends them all afterwards."""
    with ExitStack() as running:
        yield {name: running.enter_context(participant(name, directory)) for name in PARTICIPANTS}


@contextmanager
def participant(name: str, directory: Path) -> Iterator[str]:
    """One participant, running; gives its URL, and ends it afterwards with its books folded into one file."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--books", str(books_of(directory, name))]
    with (
        _log(directory, name).open("ab") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield _ready(process, directory, name)
        finally:
            process.terminate()
            process.wait()


def _ready(process: subprocess.Popen[str], directory: Path, name: str) -> str:
    line = process.stdout.readline() if process.stdout else ""
    match line.split():
        case ["ready", _, url]:
            return url
    raise DidNotStart(f"{name} did not start:\n{tail(directory, name)}")


def orchestrator(directory: Path, urls: dict[str, str]) -> subprocess.Popen[bytes]:
    """An orchestrator over these participants. Whoever starts it ends it, one way or the other."""
    command = [sys.executable, str(HERE / "orchestrator.py"), "--dir", str(directory)]
    where = {f"{name.upper()}_URL": url for name, url in urls.items()}
    with _log(directory, "orchestrator").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | where)


def _log(directory: Path, name: str) -> Path:
    return directory / f"{name}.log"


def tail(directory: Path, name: str, lines: int = 15) -> str:
    """The last things that a process said."""
    log = _log(directory, name).read_text(encoding="utf-8", errors="replace")
    return "\n".join(log.splitlines()[-lines:])
