"""A real PostgreSQL for tests and benchmarks, thrown away afterwards.

It can be killed and started again, and it ends with this process even when that is killed. `the_server()` is the one of
this process; `running_postgres()` gives another, to be set or killed.
"""

from __future__ import annotations

import atexit
import functools
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Self

from tests.servers.databases import Databases, with_database
from tests.servers.folders import Folder
from tests.servers.programs import programs_for

PATIENCE = 60.0
"""Seconds after which a server that has not come up, or not gone, has failed."""

GIVEN = "SAGA_TEST_POSTGRES"
"""The variable with the URL of a server that is used instead of one of our own."""

LEASH = Path(__file__).with_name("leash.py")
HELD_BY_ITS_CHILDREN = "pre-existing shared memory block"
PORT_IS_TAKEN = "could not create any TCP/IP sockets"


class ServerFailed(Exception):
    """It did not start, or did not stop. The message ends with the end of its log."""


class NotOurs(Exception):
    """A server that was given by SAGA_TEST_POSTGRES is not ours to stop or to kill."""


class PostgresServer:
    """Started from the main thread only: the kernel ends it with the thread that started it.

    `settings` are those of postgresql.conf; a change holds from the next start.
    """

    READY = frozenset({"ready"})
    """What it says in its own file when it has come up."""

    def __init__(self, settings: Mapping[str, str] | None = None, port: int | None = None) -> None:
        self.settings = dict(settings or {})
        self.port = port or free_port()
        self.databases = Databases(self.url())
        self._folder: Folder | None = None
        self._programs = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Of the postmaster, while it is running."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def folder(self) -> Path:
        """Where its socket, its log and its files are."""
        assert self._folder is not None, "the server was never started"
        return self._folder.path

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def start(self) -> Self:
        """Returns when it answers. After `stop` or `kill`: again, with the same files and on the same port.

        NoServer: there is no PostgreSQL here. ServerFailed: it does not come up.
        """
        if self._process is not None and self._process.poll() is None:
            return self
        assert threading.current_thread() is threading.main_thread(), "start the server from the main thread"
        first = self._folder is None
        if first:
            self._create()
        end = time.monotonic() + PATIENCE
        while not self._comes_up(end):
            if time.monotonic() > end or not self._may_come_up_next_time():
                raise ServerFailed(self._last_words())
            if first and PORT_IS_TAKEN in self.log.read_text(errors="replace"):
                self.port = free_port()
                self.databases = Databases(self.url())
        return self

    def stop(self) -> None:
        """A fast shutdown: clients are cut off. What was committed is there at the next start."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the postmaster. Its children notice, and end by themselves; until then they may still answer."""
        self._end(signal.SIGKILL)

    def discard(self) -> None:
        """Stops it and removes its files. Not in a process that was forked from the one it belongs to."""
        if os.getpid() != self._owner or self._folder is None:
            return
        self.stop()
        self._folder.remove()
        self._folder = None

    def _create(self) -> None:
        folder = Folder()
        try:
            self._programs = programs_for(folder.path)
            program, *options = self._made_by()
            command = _leashed(self._programs / program, f"--pgdata={folder.path / 'pgdata'}", *options)
            done = subprocess.run(
                command, cwd=folder.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode != 0:
                raise ServerFailed(f"{program}: {done.stdout.decode(errors='replace')}")
        except BaseException:
            folder.remove()
            raise
        self._folder = folder

    def _made_by(self) -> list[str]:
        """The program that makes its files, and the options that it gets."""
        return ["initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]

    def _comes_up(self, end: float) -> bool:
        """False: it has ended, or does not answer by then."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = _leashed(self._programs / "postgres", "-D", str(self.folder / "pgdata"), *options)
        with self.log.open("wb") as log:  # Ctrl-C is for the tests, which stop it: hence a session of its own
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while time.monotonic() < end:
            if self._says_that_it_is_ready() and _answers(self.port):
                return True
            if _ended(self._process, seconds=0.02):
                return False
        return False

    def _says_that_it_is_ready(self) -> bool:
        """In its own file: whoever answers on that port may be another server."""
        try:
            lines = (self.folder / "pgdata" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() in self.READY

    def _may_come_up_next_time(self) -> bool:
        """After a kill its children may still hold its memory. PostgreSQL itself tells whether its lock is stale."""
        log = self.log.read_text(errors="replace")
        return HELD_BY_ITS_CHILDREN in log or PORT_IS_TAKEN in log

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        if not _ended(self._process, PATIENCE):
            self._process.kill()
            raise ServerFailed(f"it did not stop in {PATIENCE:.0f} s: {self._last_words()}")
        self._process = None

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class GivenServer:
    """The one at SAGA_TEST_POSTGRES. It is used as our own, and keeps nothing; but it is never stopped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._owner = os.getpid()
        self.databases = Databases(url)

    def url(self, database: str = "postgres") -> str:
        return with_database(self._url, database)

    def start(self) -> Self:
        return self

    @property
    def pid(self) -> int:
        self._is_not_ours()

    def stop(self) -> None:
        self._is_not_ours()

    def kill(self) -> None:
        self._is_not_ours()

    def discard(self) -> None:
        """Drops the databases that were made here."""
        if os.getpid() == self._owner:
            self.databases.drop_all()

    def _is_not_ours(self) -> NoReturn:
        raise NotOurs(f"{GIVEN} is set, and that server is not ours: a test that ends one asks for running_postgres()")


Server = PostgresServer | GivenServer


def the_server() -> Server:
    """The server of this process, started when it is first asked for, and discarded when the process ends.

    NoServer: there is none to be had. It is for `conftest.py` to skip the test then.
    """
    return _the_server().start()


def discard_the_server() -> None:
    """If there is one. The next one who asks gets a new one."""
    if _the_server.cache_info().currsize:
        _the_server().discard()
        _the_server.cache_clear()


@functools.cache
def _the_server() -> Server:
    url = os.environ.get(GIVEN)
    server: Server = GivenServer(url) if url else PostgresServer()
    atexit.register(server.discard)
    return server


@contextmanager
def running_postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server of one's own, with these settings of postgresql.conf; also when SAGA_TEST_POSTGRES gives another."""
    server = PostgresServer(settings)
    try:
        yield server.start()
    finally:
        server.discard()


def free_port() -> int:
    """Below those that the kernel gives to clients: none of them takes it while the server is down."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed("a hundred ports were tried, and all are taken")


def _leashed(program: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(program), *arguments]


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _answers(port: int) -> bool:
    """It lets a client in: that is more than an open port, which it has also while it recovers."""
    packet = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(struct.pack("!i", len(packet) + 4) + packet)
            welcome = client.recv(1) == b"R"
            client.sendall(b"X\0\0\0\4")
            return welcome
    except OSError:
        return False
