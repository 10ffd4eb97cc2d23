"""One cell: a saga, a place where its process dies, its recovery, and what the checker says to all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from saga_journey.core import events as ev
from saga_journey.testing.checker import violations
from saga_journey.testing.crash import Boundary
from saga_journey.testing.evidence import Evidence, gather
from saga_journey.testing.journal import held
from tests.crash.life import Life, Pipes, work
from tests.crash.partner import partner_of
from tests.crash.place import Place
from tests.crash.plans import Plan
from tests.crash.processes import HUNG, KILLED, ended, fork

TRIES = 3
"""How often a boundary is aimed at whose number depends on time (a renewal of the lease, a claim)."""


@dataclass(frozen=True)
class Verdict:
    """What became of one cell. `killed`: how many of its kills were reached.

    `repeated`: how often the one request that was made most often was made once more. Of a block several calls may be
    under way when their process dies, and each of them may have to be made once more: but no more than these.
    """

    store: str
    shape: str
    kills: tuple[Boundary, ...]
    killed: int
    violations: tuple[str, ...]
    repeated: int
    recovery: float | None
    status: str
    crossed: tuple[Boundary, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        return ":".join([self.store, self.shape, *map(str, self.kills)])

    @property
    def was_run(self) -> bool:
        return self.killed == len(self.kills)

    @property
    def by_chance(self) -> bool:
        """It was to be killed where only some runs come by: that is a matter of time.

        At a second or later claim, for a worker looks around again and again; at a write that was cancelled, for it may
        be under way when the worker closes, or not.
        """
        again = any(kill.kind.endswith("-claim") and kill.number > 1 for kill in self.kills)
        return again or any(kill.kind.startswith("cancelled-") for kill in self.kills)


def run_cell(place: Place, store: str, plan: Plan, kills: Sequence[Boundary]) -> Verdict:
    """Dies at each of these boundaries, one life after the other; the last life recovers and ends."""
    lives = [Life(f"life-{n}", at) for n, at in enumerate([*kills, None], 1)]
    problems: list[str] = []
    killed = 0
    with partner_of(place, plan) as partner:
        pipes = Pipes(partner=partner)
        for life in lives:
            end = ended(fork(lambda: work(place, plan, life, pipes)))  # noqa: B023 - forked before the next turn
            place.bury()
            killed += end == KILLED
            if end not in (0, KILLED):
                problems.append(_abnormal(life, end))
            if end != KILLED:
                break
    return judge(place, store, plan, kills, killed, problems, life.name)


def _abnormal(life: Life, end: int) -> str:
    return f"I15 -: {life.name} hung" if end == HUNG else f"I15 -: {life.name} ended with status {end}"


def judge(
    place: Place, store: str, plan: Plan, kills: Sequence[Boundary], killed: int, problems: Sequence[str], last: str
) -> Verdict:
    evidence = gather(place.database, place.ledger, place.log)
    told = place.left(last) or {}
    found = [*problems, *map(str, violations(evidence, settled=True, publishing=True))]
    statuses = [saga.row.status for saga in evidence.sagas.values() if saga.last.parent is None]
    again = repeated(evidence)
    if again.total() > (under_way := calls_under_way(evidence)):
        found.append(f"- -: {again.total()} requests were repeated, and {under_way} calls were under way at the kills")
    if not kills and plan.ends is not None and statuses != [plan.ends]:
        found.append(f"- -: undisturbed it ends as {statuses}, not as {plan.ends}")
    return Verdict(
        store=store,
        shape=plan.name,
        kills=tuple(kills),
        killed=killed,
        violations=tuple(found),
        repeated=max(again.values(), default=0),
        recovery=told.get("progress"),
        status=", ".join(statuses),
        crossed=tuple(Boundary(kind, number) for kind, number in told.get("crossed", ())),
    )


def repeated(evidence: Evidence) -> Counter[tuple[str, str, str]]:
    """How often each request came once more without an answer that asked for it: what the crashes cost participants."""
    again: Counter[tuple[str, str, str]] = Counter()
    for saga in evidence.sagas.values():
        received = Counter((entry.milestone, entry.op) for entry in saga.calls)
        wanted = Counter(
            (fact.event.milestone, fact.event.op)
            for fact in saga.facts
            if isinstance(fact.event, ev.AttemptWorking)
            or (isinstance(fact.event, ev.AttemptEnded) and fact.event.retry_at is not None)
        )
        for call, count in received.items():
            again[saga.saga_id, *call] += max(0, count - 1 - wanted[call])
    return again


def calls_under_way(evidence: Evidence) -> int:
    """How many calls the journals say may have been under way when a claim was taken from the dead."""
    return sum(
        len(held(before.after))
        for saga in evidence.sagas.values()
        for before, after in pairwise(saga.turns)
        if before.epoch < after.epoch
    )
