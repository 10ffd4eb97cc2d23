"""The gate on scaling: a second worker process moves nearly twice as many sagas when handlers wait for others.

Each of the five actions sleeps 20 ms, as if it waited for a service; nothing else is done in it. A worker moves at most
16 sagas at once (none of these places is kept for undoing), so it is bound by them and not by the processor. One
process starts the sagas and moves none of them (`working=False`); there are more than all workers can move until the
end. When every worker has moved some, all of them count the sagas that end in the same few seconds.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.foreign import cpu_now, foreign_share, is_quiet
from bench.fresh import ROOT, MeasureFailed, answer_of, command
from bench.gate import Gate, at_least
from bench.grounds import database_of
from bench.rounds import undisturbed
from bench.workload import MILESTONES
from tests.servers.postgres import PostgresServer, running_postgres

SLEEP = 0.02
PLACES = 16
SECONDS = 5.0
WARM_UP = 10.0
BOUND = 1.8


@dataclass(frozen=True)
class Pace:
    """Sagas in a second of all workers together, and how busy others were meanwhile."""

    sagas_per_s: float
    foreign: float | None


@dataclass(frozen=True)
class Scaling:
    """One worker, then two of them on a fresh database."""

    one: Pace
    two: Pace

    @property
    def times(self) -> float:
        return self.two.sagas_per_s / self.one.sagas_per_s

    @property
    def foreign(self) -> float | None:
        """The worse of both; None when one does not know."""
        if self.one.foreign is None or self.two.foreign is None:
            return None
        return max(self.one.foreign, self.two.foreign)


def gates(_disk: Path) -> list[Gate]:
    """The gate, on a PostgreSQL that is started for it."""
    with running_postgres() as server:
        taken = undisturbed(lambda: measure(server, SECONDS), lambda scaling: scaling.foreign)
    print(
        f"one worker: {taken.one.sagas_per_s:,.0f} sagas/s, two: {taken.two.sagas_per_s:,.0f}, {taken.times:.2f} times"
    )
    return [gate_of(taken)]


def gate_of(taken: Scaling) -> Gate:
    """What it says of the promise; nothing when others disturbed it."""
    times = taken.times if is_quiet(taken.foreign) else None
    return at_least(f"scaling: times the sagas/s of one worker, handlers sleep {SLEEP * 1e3:.0f} ms", times, BOUND)


def measure(server: PostgresServer, seconds: float) -> Scaling:
    """Both, one after the other."""
    return Scaling(_pace(server, 1, seconds), _pace(server, 2, seconds))


def _pace(server: PostgresServer, workers: int, seconds: float) -> Pace:
    sagas = _enough(workers, seconds)
    with database_of(server) as place, ExitStack() as running:
        answer_of("bench.sleepers", "queue", place.url, sagas)
        working = [running.enter_context(_worker(place.url, seconds)) for _ in range(workers)]
        for worker in working:
            _heard(worker)
        ours = [server.pid, *(worker.pid for worker in working)]
        before = cpu_now(ours)
        for worker in working:
            _say_go(worker)
        counted = [_heard(worker) for worker in working]
        after = cpu_now(ours)
    if sum(count["ended"] for count in counted) > sagas - workers * PLACES:
        raise MeasureFailed(f"{sagas} sagas were too few: in the end {workers} workers had nothing left to do")
    return Pace(sum(count["sagas_per_s"] for count in counted), foreign_share(before, after))


def _enough(workers: int, seconds: float) -> int:
    """What they could move if all but sleeping took no time, also while one of them waits until the other is warm."""
    return round(workers * PLACES / (len(MILESTONES) * SLEEP) * (seconds + WARM_UP))


@contextmanager
def _worker(url: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    line = command("bench.sleepers", "work", url, seconds)
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _heard(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    said = worker.stdout.readline()
    if not said:
        raise MeasureFailed("bench.sleepers work ended before it had measured")
    answer: dict[str, Any] = json.loads(said)
    return answer


def _say_go(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()
