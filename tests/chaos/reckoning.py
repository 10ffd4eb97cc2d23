"""What a bad day came to: every promise checked, and the figures."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from saga_journey.core import events as ev
from saga_journey.testing.checker import violations
from saga_journey.testing.evidence import Evidence, SagaEvidence, gather
from tests.chaos.notes import read_notes
from tests.chaos.place import Place

SHOWN = 20
"""So many broken sagas are written down with all that is known of them."""


def rest(place: Place, tend: Callable[[float], None], within: float) -> float | None:
    """Seconds until every run has ended; None when that takes longer than `within`."""
    began = time.monotonic()
    while time.monotonic() < began + within:
        if place.unfinished() == 0:
            return round(time.monotonic() - began, 1)
        tend(time.monotonic() + 0.2)
    return None


def reckon(place: Place) -> dict[str, Any]:
    """The checker's verdict, how the sagas ended, and what was noted meanwhile."""
    evidence = gather(place.url, place.ledger, place.said)
    found = list(violations(evidence, settled=True, publishing=True))
    parents = [saga for saga in evidence.sagas.values() if saga.last.parent is None]
    starts = [note["seconds"] for note in read_notes(place.notes, "started")]
    return {
        "violations": [str(violation) for violation in found],
        "broken": [_told(evidence, saga_id) for saga_id in list(dict.fromkeys(v.saga_id for v in found))[:SHOWN]],
        "sagas": len(parents),
        "children": len(evidence.sagas) - len(parents),
        "ends": dict(Counter(str(saga.row.status) for saga in parents)),
        "turns": sum(len(saga.turns) for saga in evidence.sagas.values()),
        "calls": sum(len(saga.calls) for saga in evidence.sagas.values()),
        "lost_attempts": sum(len(list(saga.facts_of(ev.AttemptLost))) for saga in evidence.sagas.values()),
        "claims": sum(saga.row.epoch for saga in evidence.sagas.values()),
        "fenced": len(read_notes(place.notes, "fenced")),
        "lapsed": len(read_notes(place.notes, "lapsed")),
        "unforeseen": place.unforeseen(),
        "helped": [[*note["why"], note["code"]] for note in read_notes(place.notes, "helped")],
        "refused_starts": [note["why"] for note in read_notes(place.notes, "refused")],
        "start_ms": spread(starts),
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the longest, in milliseconds."""
    if not seconds:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
    return {name: round(1000 * s, 1) for name, s in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(seconds)))}


def _told(evidence: Evidence, saga_id: str) -> dict[str, Any]:
    """All that is known of a saga, to be read by whoever looks for the reason."""
    saga = evidence.sagas.get(saga_id)
    return {"saga": saga_id} if saga is None else {"saga": saga_id, **_story(saga)}


def _story(saga: SagaEvidence) -> dict[str, Any]:
    return {
        "row": saga.row._asdict(),
        "turns": [
            [turn.seq, turn.epoch, round(turn.at, 3), *(repr(fact.event) for fact in turn.facts)] for turn in saga.turns
        ],
        "calls": [f"{round(e.received, 3)} worker {e.worker} fence {e.fence} {e.key}: {e}" for e in saga.calls],
        "holders": [list(holder) for holder in saga.holders],
        "commands": [list(command) for command in saga.commands],
    }
