"""What is told to the outside: exactly what happened, once each, written with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from saga_journey.core import events as ev
from saga_journey.core.codec import event_fields, event_name
from saga_journey.testing.evidence import SagaEvidence
from saga_journey.testing.laws import Broken


def one_row_for_each_event(s: SagaEvidence) -> Broken:
    """I18: (seq, name) of the rows are those of the journal's events, in their order."""
    told = [(o.seq, o.kind) for o in s.outbox if o.item == 0]
    true = [(f.seq, event_name(f.event)) for f in s.facts]
    for seq, name in true:
        if (seq, name) not in told:
            yield "I18", f"event {seq} ({name}) is not in the outbox"
    for seq, name in told:
        if (seq, name) not in true:
            yield "I18", f"the outbox tells of {name} at {seq}, which did not happen"


def rows_say_what_happened(s: SagaEvidence) -> Broken:
    """I18: the body of a row holds the fields of its event."""
    bodies = {o.seq: json.loads(o.body) for o in s.outbox if o.item == 0}
    for fact in s.facts:
        body = bodies.get(fact.seq)
        if body is None:
            continue
        differ = [k for k, v in event_fields(fact.event).items() if body.get(k) != v]
        if differ or body.get("saga_id") != s.saga_id:
            yield "I18", f"the outbox tells of event {fact.seq} with another {differ or 'saga_id'}"


def emitted_with_the_ok(s: SagaEvidence) -> Broken:
    """I18: what a handler emitted is told if its attempt is recorded as ok, and else never (SEMANTICS 44)."""
    told = Counter(o.seq for o in s.outbox if o.item > 0)
    due = {entry.fence: entry.emits for entry in s.calls if entry.emits and entry.fence in set(_ok_fences(s))}
    for fence, count in due.items():
        if told[fence] != count:
            yield "I18", f"the attempt of event {fence} emitted {count} events, the outbox has {told[fence]}"
    for fence in told.keys() - due.keys():
        yield "I18", f"the outbox has an event emitted by the attempt of event {fence}, which did not end ok"


def _ok_fences(s: SagaEvidence) -> Iterator[int]:
    """The fences of attempts whose ok is in the journal."""
    for fact in s.facts:
        event = fact.event
        if not isinstance(event, ev.MilestoneCompleted | ev.MilestoneCompensated | ev.MilestoneWaiting):
            continue
        index = s.definition.index[event.milestone]
        m = fact.before.milestones[index]
        said = isinstance(event, ev.MilestoneCompleted) and (event.who is not None or fact.before.waits_outside(index))
        calls = m.undo if isinstance(event, ev.MilestoneCompensated) else m.do
        if calls is not None and not said:  # somebody said so: no attempt ended with it
            yield calls.fence


LAWS = (one_row_for_each_event, rows_say_what_happened, emitted_with_the_ok)
