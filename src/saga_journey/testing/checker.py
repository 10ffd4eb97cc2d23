"""The checker: did a database keep every promise? It reads what happened, and asks nobody.

    for violation in check("journeys.db", ledger="ledger.db", acknowledged="client.log"):
        print(violation)        # I7 saga_019a…: it is compensated, and what request 3 did (card) still stands

From the journal J, the participants' ledger L and the clients' log A it checks I1 to I20 for journeys of every shape:
lines, blocks, choices, timers, children with their parents, on SQLite and on PostgreSQL (SEMANTICS 45 says how they
are stated). I18 covers what is written to the outbox; what a broker delivers is not seen here. With `install_witness`
called before the first run, I2, I13 and I19 are checked on what really was written and claimed, in the transaction
itself.

A checker that finds nothing proves nothing: tests/crash/test_planted_bugs.py shows what this one finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from saga_journey.testing.databases import Database
from saga_journey.testing.evidence import Evidence, SagaEvidence, gather
from saga_journey.testing.laws import attempts, direction, effects, families, outbox, shapes, soundness, standing
from saga_journey.testing.laws.clients import problems_of_clients


class Violation(NamedTuple):
    """A promise that was broken, as a sentence."""

    invariant: str
    saga_id: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.saga_id}: {self.sentence}"


def check(
    database: Database,
    ledger: str | Path | None = None,
    acknowledged: str | Path | None = None,
    *,
    settled: bool = True,
    publishing: bool = False,
) -> list[Violation]:
    """Every violation found; an empty list when all promises were kept.

    `settled`: faults and workers have come to an end, so every saga must be final, waiting or in attention.
    `publishing`: a publisher was configured from the start, so the outbox must hold every event.
    """
    return list(violations(gather(database, ledger, acknowledged), settled=settled, publishing=publishing))


def violations(evidence: Evidence, *, settled: bool, publishing: bool) -> Iterator[Violation]:
    """As `check`, on evidence that was gathered already."""
    for invariant, saga_id, sentence in problems_of_clients(evidence):
        yield Violation(invariant, saga_id, sentence)
    for sentence in evidence.homeless:
        yield Violation("I20", "-", sentence)
    for saga in evidence.sagas.values():
        for invariant, sentence in _broken(saga, evidence, settled=settled, publishing=publishing):
            yield Violation(invariant, saga.saga_id, sentence)


def _broken(saga: SagaEvidence, everything: Evidence, *, settled: bool, publishing: bool) -> Iterator[tuple[str, str]]:
    laws = [*soundness.LAWS, *shapes.LAWS, *direction.LAWS, *attempts.LAWS, *standing.LAWS]
    if everything.has_ledger:
        laws += effects.LAWS
    if publishing:
        laws += outbox.LAWS
    for law in laws:
        yield from law(saga)
    for family_law in families.LAWS:
        yield from family_law(saga, everything)
    yield from standing.has_a_way_on(saga, everything)
    if settled:
        yield from standing.came_to_rest(saga)
