"""Events for the outside, written in the commit that makes them true. Only while a publisher is configured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saga_journey.core.canonical import encode
from saga_journey.core.codec import event_fields, event_name
from saga_journey.core.events import Event, MilestoneCompensated, MilestoneCompleted
from saga_journey.core.state import RunState
from saga_journey.engines.embedded.owned import Arrival
from saga_journey.ports import OutboxRow


def outbox_rows(before: RunState, events: Sequence[Event], arrivals: Sequence[Arrival]) -> list[OutboxRow]:
    """A row for each event of a turn, and for each `ctx.emit` of an attempt that this turn records as ok."""
    rows = [_fact(before, before.seq + place, event) for place, event in enumerate(events, 1)]
    if any(isinstance(e, MilestoneCompleted | MilestoneCompensated) for e in events):
        for arrival in arrivals:
            rows += [
                OutboxRow(arrival.fence, index, kind, data)
                for index, (kind, data) in enumerate(arrival.emitted or (), 1)
            ]
    return rows


def _fact(before: RunState, seq: int, event: Event) -> OutboxRow:
    body: dict[str, Any] = {
        "saga_id": before.saga_id,
        "correlation_id": before.saga_id,
        "journey": before.definition.name,
        "version": before.definition.version,
        **event_fields(event),
    }
    return OutboxRow(seq, 0, event_name(event), encode(body))
