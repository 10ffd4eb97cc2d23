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
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from saga_journey.cli import run

SAGA = [sys.executable, "-m", "saga_journey"]
AT_TERMINAL = [
    sys.executable,
    "-c",
    "import fcntl, sys, termios; from saga_journey.cli import run; fcntl.ioctl(0, termios.TIOCSCTTY, 0); run()",
]
"""The same, whose terminal makes a signal of Ctrl-C."""
NOT_OURS = ("CI", "NO_COLOR", "COLUMNS", "SAGA_DB", "TERM", "PYTHONUNBUFFERED")
WORKER = Path(__file__).with_name("worker.py")


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

    def __call__(self, *words: str, stdin: str | None = None, **extra: str) -> Done:
        """Runs it to its end, nobody at a terminal."""
        done = subprocess.run(
            [*SAGA, *words],
            input=stdin or "",
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=environment(**{**self.fixed, **extra}),
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

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
            env=environment(**self.fixed),
        )

    def at_terminal(self, *words: str, answer: str = "", wait_for: str = "", width: int = 80, **extra: str) -> Done:
        """Runs it at a terminal of that width, where somebody answers, at once or when something is shown.

        `out` is all that was shown, escapes included.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        process = subprocess.Popen(
            [*AT_TERMINAL, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.folder,
            env=environment(**{**self.fixed, **extra}),
            start_new_session=True,
        )
        os.close(theirs)
        shown = _read(ours, wait_for) if wait_for else ""
        os.write(ours, answer.encode())
        shown += _read(ours)
        os.close(ours)
        return Done(process.wait(60), shown.replace("\r\n", "\n"), "")


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
        self._errors = (cli.folder / "worker.log").open("a+")
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), cli.url, which],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(),
        )
        self.until("ready")

    def until(self, beginning: str) -> str:
        """Waits for the line that begins so, and gives the rest of it."""
        for line in _stream(self.process.stdout):
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()
        self._errors.seek(0)
        raise AssertionError(f"the worker ended before it said {beginning!r}: {self._errors.read()[-2000:]}")

    def say(self, line: str) -> None:
        stream = _stream(self.process.stdin)
        stream.write(f"{line}\n")
        stream.flush()

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
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            with suppress(BrokenPipeError):
                _stream(stream).close()


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
