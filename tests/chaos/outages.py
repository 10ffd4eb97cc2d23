"""What befalls a server: it is killed, one of its backends is, it is shut down, or it ends connections."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from saga_journey.testing.databases import look_into
from tests.servers.postgres import PostgresServer, running_postgres

WRITERS = "datname = current_database() and pid <> pg_backend_pid() and query like '%commit_turns%'"
"""The connections over which workers write turns."""


@contextmanager
def postgres_to_throw_away() -> Iterator[PostgresServer]:
    """A server of one's own. Nobody waits until all that was written to it is safe on its disk."""
    with running_postgres() as server:
        try:
            yield server
        finally:
            end_at_once(server)


def end_at_once(server: PostgresServer) -> None:
    """An immediate shutdown. In contrast to a kill it leaves no piece of shared memory behind."""
    os.kill(server.pid, signal.SIGQUIT)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    server.kill()  # only to know that it is gone


class Outages:
    """Of this server. Each returns when it accepts again: that moment, in seconds of `time.monotonic`."""

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._server = server
        self._url = url
        self.ended_connections = 0

    def kill(self) -> float:
        """kill -9 of the postmaster: nothing is written any more, all clients are cut off."""
        self._server.kill()
        return self._up()

    def shut_down_at_once(self) -> float:
        """As a crash, but it says so."""
        end_at_once(self._server)
        return self._up()

    def restart(self) -> float:
        """As an administrator would."""
        self._server.stop()
        return self._up()

    def kill_a_writer(self) -> float:
        """kill -9 of one backend: the server ends all of them, recovers, and goes on by itself."""
        with closing(look_into(self._url)) as looking:
            here = looking.rows("select pg_backend_pid()")
            while not (writers := looking.rows(f"select pid from pg_stat_activity where {WRITERS}")):
                pass
            os.kill(writers[0][0], signal.SIGKILL)
            while looking.rows("select pg_backend_pid()") == here:  # else it was let in again
                pass
            return time.monotonic()

    def end_a_writer(self) -> None:
        """One connection is ended while a worker writes over it, or about to."""
        with closing(look_into(self._url)) as looking:
            sql = f"select pg_terminate_backend(pid) from pg_stat_activity where {WRITERS} order by random() limit 1"
            self.ended_connections += len(looking.rows(sql))

    def _up(self) -> float:
        self._server.start()
        return time.monotonic()
