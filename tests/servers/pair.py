"""Two servers, of which one follows the other: a commit is told to nobody before both have it on their disks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from saga_journey.testing.databases import look_into
from tests.servers.postgres import PostgresServer, ServerFailed

PATIENCE = 60.0
"""Seconds in which a standby has to be in step."""
IN_STEP = "select sync_state from pg_stat_replication where state = 'streaming' and sync_state = 'sync'"


class Standby(PostgresServer):
    """Begins with a copy of that server's files, and follows it until it is promoted."""

    READY = frozenset({"ready", "standby"})

    def __init__(self, of: PostgresServer, port: int | None = None) -> None:
        super().__init__(port=port)
        self._of = of

    def promote(self) -> None:
        """Returns when it takes writes. It waits for no other server."""
        self.databases.execute("select pg_promote()")

    def _made_by(self) -> list[str]:
        where = ["--host=127.0.0.1", f"--port={self._of.port}", "--username=postgres"]
        return ["pg_basebackup", *where, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]


class Pair:
    """Whoever writes is given the URL of both. Started from the main thread, as its servers are."""

    def __init__(self) -> None:
        self.primary = PostgresServer()
        self.standby = Standby(self.primary)

    def start(self) -> None:
        self.primary.start()
        self._follow()

    def fresh(self) -> str:
        """The URL of a new database: whichever of the two takes writes."""
        there = urlsplit(self.primary.databases.fresh())
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return there._replace(netloc=f"postgres@{hosts}", query="target_session_attrs=read-write").geturl()

    def fail_over(self) -> float:
        """The primary is killed and does not come back; the other one is promoted.

        Gives the moment at which that one takes writes, in seconds of `time.monotonic`.
        """
        self.primary.kill()
        self.standby.promote()
        return time.monotonic()

    def replace_the_dead(self) -> None:
        """A new standby, where the dead primary was. Returns when it is in step."""
        dead, self.primary = self.primary, self.standby
        dead.discard()
        self.standby = Standby(self.primary, dead.port)
        self._follow()

    def discard(self) -> None:
        for server in (self.standby, self.primary):
            server.discard()

    def _follow(self) -> None:
        """From now on commits wait for the standby."""
        self.standby.start()
        self.primary.databases.execute("alter system set synchronous_standby_names = '*'")
        self.primary.databases.execute("select pg_reload_conf()")
        until = time.monotonic() + PATIENCE
        with closing(look_into(self.primary.url())) as looking:
            while not looking.rows(IN_STEP):
                if time.monotonic() > until:
                    raise ServerFailed(f"the standby is not in step: {self.standby.log.read_text(errors='replace')}")


@contextmanager
def running_pair() -> Iterator[Pair]:
    pair = Pair()
    try:
        pair.start()
        yield pair
    finally:
        pair.discard()
