"""What clients were told: an acknowledged start is one saga for ever, and nobody hears of another tenant's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from saga_journey.core import events as ev
from saga_journey.testing.acknowledged import Acknowledged
from saga_journey.testing.evidence import Evidence


def problems_of_clients(everything: Evidence) -> Iterator[tuple[str, str, str]]:
    """(invariant, saga id, sentence) for every acknowledgement that is not true."""
    starts: dict[tuple[str, str, str], list[Acknowledged]] = defaultdict(list)
    for said in everything.said:
        saga = everything.sagas.get(said.saga_id)
        if said.call == "seen" and saga is not None and saga.tenant != said.tenant:
            yield "I20", said.saga_id, f"{said.tenant!r} was answered about a saga of {saga.tenant!r}"
        elif saga is None or saga.tenant != said.tenant:
            yield "I1", said.saga_id, f"{said.tenant!r} was told of it ({said.call}), and it does not exist"
        if said.call in ("started", "conflict") and said.key is not None:
            starts[said.tenant, said.journey, said.key].append(said)
        elif said.call == "answered":
            yield from _answered(everything, said)
    for (_, _, key), answers in starts.items():
        yield from _same_key(key, answers)


def _same_key(key: str, answers: list[Acknowledged]) -> Iterator[tuple[str, str, str]]:
    """I1: same key and body, same saga; same key and another body, a conflict."""
    begun = [a for a in answers if a.call == "started"]
    if len({a.saga_id for a in begun}) > 1:
        yield "I1", begun[0].saga_id, f"key {key!r} was given to more than one saga"
    if len({a.detail for a in begun}) > 1:
        yield "I1", begun[0].saga_id, f"key {key!r} was accepted with two different inputs"
    for answer in answers:
        if answer.call == "conflict" and any(a.detail == answer.detail for a in begun):
            yield "I1", answer.saga_id, f"key {key!r} was refused with the input that it was started with"


def _answered(everything: Evidence, said: Acknowledged) -> Iterator[tuple[str, str, str]]:
    """I1: an answered command is stored with its answer, and what it says was applied is in the journal."""
    saga = everything.sagas.get(said.saga_id)
    if saga is None:
        return
    if not any(c.command == said.command_id and c.answered for c in saga.commands):
        yield "I1", said.saga_id, f"{said.detail} was answered ({said.command_id}), and no answer is stored"
    if said.detail in ("cancel: applied", "compensate: applied") and saga.turns:
        turned = any(True for _ in saga.facts_of(ev.CompensationDecided, ev.StopRequested))
        if not turned:
            yield "I1", said.saga_id, f"{said.detail} was acknowledged, and the saga never turned back"
