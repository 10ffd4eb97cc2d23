"""What time does to a run: when something is due next, and what happens when it is. A pause stops these clocks."""

from __future__ import annotations

from collections.abc import Collection

from saga_journey.core import events as ev
from saga_journey.core.events import UNDO, Because, Event, Op
from saga_journey.core.state import RunState
from saga_journey.core.stopping import after_failure, stop
from saga_journey.errors import Rejected

WORKING_AT_MOST = 24 * 3600.0
"""How long a participant may answer "still working" when the milestone has no `within` (seconds)."""

FOREVER = float("inf")


def bound_of(state: RunState, index: int) -> float:
    """When the time of an open action is up, in store time: `within`, the wait of an external, or 24 h of "working"."""
    spec, m = state.definition.milestones[index], state.milestones[index]
    calls = state.calls(index)
    if m.recalled:
        return FOREVER
    bounds = [FOREVER]
    if spec.within is not None:
        bounds.append(calls.since + spec.within)
    elif m.asking:
        bounds.append(calls.since + WORKING_AT_MOST)
    if spec.kind in ("external", "timer"):
        bounds.append(calls.since + spec.timeout)
    return min(bounds)


def next_due(state: RunState, calling: Collection[int] = ()) -> float | None:
    """When this run needs a worker next by the clock alone; None when only a person or a message can move it.

    What is being called is bounded by its caller instead.
    """
    if state.final is not None or state.paused_at is not None:
        return None
    times = [t for t in (state.deadline_at,) if t is not None]
    waiting = [index for index in state.open if index not in calling and not state.blocked(index)]
    if calling:  # an undo waits until every call has ended
        waiting = [index for index in waiting if state.op_of(index) != UNDO]
    times += [_due_of(state, index) for index in waiting]
    due = min(times, default=FOREVER)
    return None if due == FOREVER else due


def _due_of(state: RunState, index: int) -> float:
    call_at = FOREVER if state.waits_outside(index) else state.calls(index).not_before
    return call_at if state.op_of(index) == UNDO else min(call_at, bound_of(state, index))


def call_limit(state: RunState, index: int, op: Op, now: float) -> float:
    """How long the attempt that starts now may take, in seconds: its own timeout, and what is left of `within`."""
    spec = state.definition.milestones[index]
    if op == UNDO:
        return spec.undo_timeout
    if not state.definition.has_clocks:
        return spec.timeout
    if spec.kind == "external":
        return min(spec.timeout, REQUEST_AT_MOST, bound_of(state, index) - now)
    return min(spec.timeout, max(bound_of(state, index) - now, 0.0))


REQUEST_AT_MOST = 60.0
"""The call that asks for an external milestone (seconds); its `timeout` bounds the whole wait, not this call."""


def on_time_passed(state: RunState, now: float, calling: Collection[int]) -> list[Event]:
    """Everything that is due, in one go. What is being called is bounded by its caller instead."""
    if state.paused_at is not None or state.final is not None or state.direction == UNDO:
        return []
    for index in _clocked(state, calling):
        if now >= bound_of(state, index):
            return _time_is_up(state, index, calling)
    if (deadline := state.deadline_at) is not None and now >= deadline:
        return _deadline(state, calling)
    return []


def _time_is_up(state: RunState, index: int, calling: Collection[int]) -> list[Event]:
    """A milestone that was never called is clean; anything else is unknown (SEMANTICS 23)."""
    name, m, kind = (
        state.definition.milestones[index].id,
        state.milestones[index],
        state.definition.milestones[index].kind,
    )
    if kind == "timer":
        return [ev.MilestoneCompleted(name)]
    if kind == "child":
        return [ev.ChildRecalled(name, "its time was up")]
    never_called = not state.waits_outside(index) and not m.asking and not m.doubt and state.calls(index).number == 1
    if never_called:
        return after_failure(state, index, ev.MilestoneRefused(name, "not_attempted: its time was up first"), calling)
    return after_failure(state, index, ev.MilestoneGaveUp(name, "its time was up"), calling)


def _deadline(state: RunState, calling: Collection[int]) -> list[Event]:
    if any(a.kind == "pivot_in_doubt" for a in state.attention):
        return [ev.DeadlineMissed()]
    try:
        return stop(state, Because("deadline"), calling)
    except Rejected:
        return [ev.DeadlineMissed()]  # past the pivot: it is only told


def overdue(state: RunState, now: float, calling: Collection[int] = ()) -> bool:
    """Has some clock of this run struck already?"""
    if (deadline := state.deadline_at) is not None and now >= deadline:
        return True
    if state.direction == UNDO:
        return False
    return any(now >= bound_of(state, index) for index in _clocked(state, calling))


def _clocked(state: RunState, calling: Collection[int]) -> list[int]:
    """The open actions whose time may be up; no clock hurries an undo."""
    able = [index for index in state.open if index not in calling and state.op_of(index) != UNDO]
    return [index for index in able if not state.blocked(index)]
