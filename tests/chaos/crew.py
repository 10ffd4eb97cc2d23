"""Worker processes whom the worst befalls: they are killed, and replaced at once; or stopped for a while, and go on."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.offspring import Offspring

SHARE_OF_KILLS = 0.6
"""The share of kills; the others are stopped."""
STOPPED_FOR = (1.5, 3.0)
"""Leases."""
SPARED_FOR = 0.5
"""So long whoever goes on is spared, to try to write what it knows (seconds)."""
DEAD = -signal.SIGKILL


@dataclass
class Member:
    """One process. `goes_on_at`: it is stopped until then. `spared_until`: nothing befalls it before."""

    name: str
    pid: int
    goes_on_at: float | None = None
    spared_until: float = 0.0


class Crew:
    """As many workers as there were at first, whatever happens."""

    def __init__(
        self, offspring: Offspring, size: int, work: Callable[[str], None], *, lease: float, ledger: Path
    ) -> None:
        """`work` is the whole life of the worker with that name."""
        self._offspring = offspring
        self._work = work
        self._lease = lease
        self._ledger = ledger
        self._born = 0
        self.kills = self.stops = 0
        self.problems: list[str] = []
        self.members = [self._new() for _ in range(size)]

    def _new(self) -> Member:
        self._born += 1
        name = f"worker-{self._born}"
        return Member(name, self._offspring.begin(lambda: self._work(name)))

    # --- what befalls them ---

    def befall(self, rng: random.Random) -> None:
        """One of those that are running is killed, or stopped; when none is, one that is stopped is killed."""
        now = time.monotonic()
        running = [member for member in self.members if member.goes_on_at is None and member.spared_until < now]
        if running and rng.random() >= SHARE_OF_KILLS:
            self._stop(rng.choice(running), rng.uniform(*STOPPED_FOR) * self._lease)
        else:
            stopped = [member for member in self.members if member.goes_on_at is not None]
            self._kill(rng.choice(running or stopped or self.members))

    def _kill(self, member: Member) -> None:
        if (end := self._offspring.kill(member.pid)) != DEAD:
            self.problems.append(f"{member.name} ended with status {end} by itself")
        self.members[self.members.index(member)] = self._new()
        self.kills += 1

    def _stop(self, member: Member, seconds: float) -> None:
        """Not while it writes into the ledger: its participants would be stopped in all processes."""
        with closing(sqlite3.connect(self._ledger, isolation_level=None, timeout=30)) as books:
            books.execute("begin immediate")
            os.kill(member.pid, signal.SIGSTOP)
            self._offspring.has_stopped(member.pid)
            books.execute("rollback")
        member.goes_on_at = time.monotonic() + seconds
        self.stops += 1

    # --- meanwhile ---

    def tend(self, until: float) -> None:
        """Lets those go on whose time is over, and replaces those that ended by themselves, which none should."""
        while True:
            self._go_on(time.monotonic())
            self._bury()
            next_one = min([until, *(m.goes_on_at for m in self.members if m.goes_on_at is not None)])
            now = time.monotonic()
            if now >= until:
                return
            time.sleep(max(0.0, min(next_one - now, 0.1)))

    def _go_on(self, now: float) -> None:
        for member in self.members:
            if member.goes_on_at is not None and member.goes_on_at <= now:
                os.kill(member.pid, signal.SIGCONT)
                member.goes_on_at, member.spared_until = None, now + SPARED_FOR

    def _bury(self) -> None:
        for place, member in enumerate(self.members):
            if (end := self._offspring.end_if_any(member.pid)) is not None:
                self.problems.append(f"{member.name} ended by itself, with status {end}")
                self.members[place] = self._new()

    def all_go_on(self) -> None:
        self._go_on(float("inf"))

    def end(self) -> None:
        """Tells all of them to end, and waits for it."""
        self.all_go_on()
        for member in self.members:
            if (end := self._offspring.tell(member.pid)) != 0:
                self.problems.append(f"{member.name} was told to end, and ended with status {end}")
        self.members = []
