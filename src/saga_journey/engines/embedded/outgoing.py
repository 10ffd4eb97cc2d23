"""Events for the outside, written in the commit that makes them true. Only while a publisher is configured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saga_journey.core.canonical import encode
from saga_journey.core.codec import event_fields, event_name
from saga_journey.core.commands import Ok, Report
from saga_journey.core.events import Event, MilestoneCompensated, MilestoneCompleted, MilestoneWaiting
from saga_journey.core.state import RunState
from saga_journey.ports import OutboxRow


def outbox_rows(before: RunState, events: Sequence[Event], arrived: Sequence[object]) -> list[OutboxRow]:
    """A row for each event of a turn, and for each `ctx.emit` of an attempt that this turn records as ok."""
    rows = [_fact(before, before.seq + place, event) for place, event in enumerate(events, 1)]
    if any(isinstance(e, MilestoneCompleted | MilestoneCompensated | MilestoneWaiting) for e in events):
        for report in arrived:
            if isinstance(report, Report) and isinstance(report.outcome, Ok):
                rows += _emitted(before, report, report.outcome)
    return rows


def _emitted(before: RunState, report: Report, ok: Ok) -> list[OutboxRow]:
    """Their ids come from the intent of the attempt, so a repeat of the commit carries the same ones."""
    if not before.expects(report.milestone, report.op, report.attempt):
        return []
    fence = before.calls(report.milestone).fence
    return [OutboxRow(fence, item, kind, data) for item, (kind, data) in enumerate(ok.emitted, 1)]


def _fact(before: RunState, seq: int, event: Event) -> OutboxRow:
    body: dict[str, Any] = {
        "saga_id": before.saga_id,
        "correlation_id": before.saga_id,
        "journey": before.definition.name,
        "version": before.definition.version,
        **event_fields(event),
    }
    return OutboxRow(seq, 0, event_name(event), encode(body))
