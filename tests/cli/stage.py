"""What the tests of the command line play with: the command as a process, at a terminal too, and a worker beside it."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pytest

from saga_journey.cli import run
from tests.cli import worker
from tests.forks import Fork

SAGA = [sys.executable, "-m", "saga_journey"]
NOT_OURS = ("CI", "NO_COLOR", "COLUMNS", "SAGA_DB", "TERM", "PYTHONUNBUFFERED")


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def error(self) -> Any:
        return json.loads(self.err.splitlines()[-1])["error"]


def environment(**extra: str) -> dict[str, str]:
    """Ours, without what would change how the command behaves."""
    ours = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
    return {**ours, "TERM": "xterm", "TZ": "UTC", **extra}


class Cli:
    """The command `saga` on one database, in a directory of its own."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.path = folder / "journeys.db"
        self.use(url or f"sqlite:///{self.path}")

    def use(self, url: str) -> None:
        """From now on another database."""
        self.url = url
        self.fixed = {"SAGA_DB": url, "TMPDIR": str(self.folder)}

    def __call__(self, *words: str, stdin: str = "", **extra: str) -> Done:
        """Runs it to its end, nobody at a terminal."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            streams = given.fileno(), out.fileno(), err.fileno()
            code = Fork(run, ["saga", *words], self.folder, self._environment(extra), streams).wait(60)
            return Done(code, _written(out), _written(err))

    def here(self, *words: str) -> Done:
        """The same inside this process: for what needs no process of its own."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self.fixed.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["saga", *words])
            with pytest.raises(SystemExit) as ended:
                run()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    def outcome(self, saga: str) -> int:
        """Waits until a saga has an outcome, and says it with the code that `watch` ends with."""
        return self.here("watch", saga, "--json").code

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Starts it, to be watched line by line."""
        return subprocess.Popen(
            [*SAGA, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=self._environment({}),
        )

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return environment(**{**self.fixed, **extra})

    def at_terminal(self, *words: str, answer: str = "", wait_for: str = "", width: int = 80, **extra: str) -> Done:
        """Runs it at a terminal of that width, where somebody answers, at once or when something is shown.

        `out` is all that was shown, escapes included.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        process = Fork(
            *(run, ["saga", *words], self.folder, self._environment(extra)), (theirs, theirs, theirs), at_terminal=True
        )
        os.close(theirs)
        shown = _read(ours, wait_for) if wait_for else ""
        os.write(ours, answer.encode())
        shown += _read(ours)
        os.close(ours)
        return Done(process.wait(60), shown.replace("\r\n", "\n"), "")


def _written(file: IO[bytes]) -> str:
    """As a text, with the ends of lines that a program writes."""
    file.seek(0)
    return file.read().decode("utf-8").replace("\r\n", "\n")


def _read(terminal: int, until: str | None = None) -> str:
    """What is shown until that is there, or until the last process has gone."""
    shown = b""
    with suppress(OSError):  # EIO: nobody is left on the other side
        while (until is None or until.encode() not in shown) and (piece := os.read(terminal, 65536)):
            shown += piece
    return shown.decode("utf-8")


class Worker:
    """The worker program, as a process."""

    def __init__(self, cli: Cli, which: str = "all") -> None:
        their_stdin, stdin = os.pipe()
        stdout, their_stdout = os.pipe()
        self._log = cli.folder / "worker.log"
        with self._log.open("ab") as log:
            streams = their_stdin, their_stdout, log.fileno()
            self.process = Fork(worker.work, [worker.__name__, cli.url, which], cli.folder, environment(), streams)
        os.close(their_stdin)
        os.close(their_stdout)
        self._stdin, self._stdout = os.fdopen(stdin, "w", encoding="utf-8"), os.fdopen(stdout, encoding="utf-8")
        self.until("ready")

    def until(self, beginning: str) -> str:
        """Waits for the line that begins so, and gives the rest of it."""
        for line in self._stdout:
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()
        raise AssertionError(f"the worker ended before it said {beginning!r}: {self._log.read_text()[-2000:]}")

    def say(self, line: str) -> None:
        self._stdin.write(f"{line}\n")
        self._stdin.flush()

    def start(self, journey: str, tenant: str = "default", **behaviour: str | Sequence[str]) -> str:
        """Starts a run whose handlers behave so; gives its id."""
        said = json.dumps(behaviour, separators=(",", ":"))
        self.say(f"start {journey} {said} {tenant}")
        return self.until("started ")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.say("bye")
        self._end()

    def _end(self) -> None:
        self.process.wait(30)
        for stream in (self._stdin, self._stdout):
            with suppress(BrokenPipeError):
                stream.close()
