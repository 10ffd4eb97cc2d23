"""The gate on claims: with a million runs waiting, a claim costs less than twice what it costs with a thousand.

Two databases of one server have so many due runs in their queues (`waiting`). A worker claims 64 of them at a time, now
from the one, now from the other, so that what is slow or fast about the machine meanwhile is the same for both. Every
claim is a whole `Store.claim`, commit and journals included, and finds fresh runs. The figure is the median of those
with a million over the median of those with a thousand.

It is measured twice: over connections that remember the plans of their statements, and as behind a transaction pooler
(`?pooler=transaction`), where each statement is planned anew, for the very values that it is asked with. The server may
choose another plan then, and a worker's first claims are always of that kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.foreign import cpu_now, foreign_share, is_quiet
from bench.fresh import answer_of
from bench.gate import Gate, at_most
from bench.grounds import database_of
from bench.rounds import TRIES, undisturbed
from tests.servers.postgres import PostgresServer, running_postgres

FEW, MANY = 1_000, 1_000_000
BOUND = 2.0
CONNECTIONS = {"plans remembered": "", "planned each time": "?pooler=transaction"}


@dataclass(frozen=True)
class Costs:
    """A claim with few and with many runs waiting, in milliseconds; and how busy others were meanwhile."""

    few_ms: float
    many_ms: float
    foreign: float | None

    @property
    def times(self) -> float:
        return self.many_ms / self.few_ms


def gates(_disk: Path) -> list[Gate]:
    """Both gates, on a PostgreSQL that is started for them."""
    with running_postgres() as server:
        measured = measure(server, FEW, MANY)
    for how, costs in measured.items():
        print(f"a claim, {how}: {costs.few_ms:.2f} ms with {FEW:,} runs waiting, {costs.many_ms:.2f} ms with {MANY:,}")
    return [gate_of(how, costs) for how, costs in measured.items()]


def gate_of(how: str, costs: Costs) -> Gate:
    """What it says of the promise; nothing when others disturbed it."""
    times = costs.times if is_quiet(costs.foreign) else None
    return at_most(f"claims, {how}: times the cost, with {MANY:,} waiting", times, BOUND)


def measure(server: PostgresServer, few: int, many: int, tries: int = TRIES) -> dict[str, Costs]:
    """Fills two databases, and has claims made of both in turn; again when others disturbed it, so often at most."""
    with database_of(server) as short, database_of(server) as long:
        answer_of("bench.waiting", "fill", short.url, few)
        answer_of("bench.waiting", "fill", long.url, many)
        return {
            how: _undisturbed(server, short.url + query, long.url + query, tries) for how, query in CONNECTIONS.items()
        }


def _undisturbed(server: PostgresServer, short: str, long: str, tries: int) -> Costs:
    return undisturbed(lambda: _claimed(server, short, long), lambda costs: costs.foreign, tries)


def _claimed(server: PostgresServer, short: str, long: str) -> Costs:
    before = cpu_now([server.pid])
    took = answer_of("bench.waiting", "claim", short, long)
    return Costs(took["short_ms"], took["long_ms"], foreign_share(before, cpu_now([server.pid])))
