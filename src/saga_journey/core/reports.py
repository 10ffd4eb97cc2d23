"""What the end of an attempt means: ok, no, still working, unknown, turned away, could not be called, lost."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.definition import Milestone, Retry
from saga_journey.core.events import DO, UNDO, Event, Op
from saga_journey.core.evolve import fold
from saga_journey.core.rollback import undone
from saga_journey.core.state import RunState
from saga_journey.core.stopping import after_failure, draining, interrupted
from saga_journey.core.timers import WORKING_AT_MOST, bound_of

LONGEST_ASK = 3600.0
"""A participant that is still working is asked again after an hour at the latest (seconds)."""


def on_report(state: RunState, report: cmd.Report, now: float, calling: Collection[int]) -> list[Event]:
    """Only the current attempt of an open milestone may report; what comes later changes nothing (SEMANTICS 11)."""
    index = report.milestone
    if not state.expects(index, report.op, report.attempt):
        return []
    if calling:
        calling = [i for i in calling if i != index]
    spec = state.definition.milestones[index]
    if report.op == DO:
        if type(report.outcome) is cmd.Ok and spec.kind == "action":
            return completed(state, index, report.outcome.result)
        return _action_ended(state, index, spec, report.outcome, now, calling)
    return _undo_ended(state, index, spec, report.outcome, now)


def _action_ended(
    state: RunState, index: int, spec: Milestone, outcome: cmd.Answered, now: float, calling: Collection[int]
) -> list[Event]:
    match outcome:
        case cmd.Ok():
            return _requested(state, index, spec, calling)
        case cmd.No(reason):
            return refused(state, index, reason, calling)
        case cmd.StillWorking(retry_in):
            return _still_working(state, index, spec, retry_in, now, calling)
        case cmd.Unknown(error, exhausted):
            return _unknown(state, index, spec, error, now, calling, exhausted=exhausted)
        case cmd.TurnedAway(error):
            return _turned_away(state, index, spec, error, now, calling)
        case cmd.Uncallable(kind, detail):
            if draining(state):
                return interrupted(state, index)  # nobody needs its handler any more
            return _uncallable(spec, DO, kind, detail)


def _requested(state: RunState, index: int, spec: Milestone, calling: Collection[int]) -> list[Event]:
    """The request of an external milestone was answered; what counts is still to come, unless the run has turned."""
    if not draining(state):
        return [ev.MilestoneWaiting(spec.id)]
    return after_failure(state, index, ev.MilestoneGaveUp(spec.id, "stopped before it was answered"), calling)


def completed(state: RunState, index: int, result: Json | None, who: str | None = None) -> list[Event]:
    """The action ended ok; a stop that waited for this pivot comes too late."""
    spec = state.definition.milestones[index]
    events: list[Event] = [ev.MilestoneCompleted(spec.id, result, who)]
    if spec.pivot and state.stop is not None and state.direction == DO and state.definition.kind == "saga":
        events.append(ev.StopTooLate())
    return events


def refused(state: RunState, index: int, reason: str, calling: Collection[int], who: str | None = None) -> list[Event]:
    """A no ends the milestone. It is clean only when no earlier attempt is in doubt (SEMANTICS 1)."""
    name = state.definition.milestones[index].id
    if state.milestones[index].doubt:
        error = f"refused ({reason}) after an attempt whose outcome is unknown"
        return after_failure(state, index, ev.MilestoneGaveUp(name, error), calling)
    return after_failure(state, index, ev.MilestoneRefused(name, reason, who), calling)


def gave_up(state: RunState, index: int, error: str, calling: Collection[int]) -> list[Event]:
    """Nothing more is tried and nobody knows: the outcome is unknown."""
    name = state.definition.milestones[index].id
    return after_failure(state, index, ev.MilestoneGaveUp(name, error), calling)


def _unknown(
    state: RunState, index: int, spec: Milestone, error: str, now: float, calling: Collection[int], *, exhausted: bool
) -> list[Event]:
    if exhausted or not may_retry(state, index, spec, DO, now):
        return gave_up(state, index, error, calling)
    return [ev.AttemptEnded(spec.id, DO, error, now + delay(state, index, DO))]


def _turned_away(
    state: RunState, index: int, spec: Milestone, error: str, now: float, calling: Collection[int]
) -> list[Event]:
    if may_retry(state, index, spec, DO, now):
        return [ev.AttemptEnded(spec.id, DO, error, now + delay(state, index, DO), clean=True)]
    if state.direction == UNDO or spec.optional or state.stop is not None:
        accepted = state.milestones[index].asking  # an earlier call of this attempt was, so it may yet happen
        return (gave_up if accepted else refused)(state, index, error, calling)
    return [
        ev.AttemptEnded(spec.id, DO, error, None, clean=True),
        ev.AttentionRaised("participant_misconfigured", spec.id, error),
    ]


def _still_working(
    state: RunState, index: int, spec: Milestone, retry_in: float, now: float, calling: Collection[int]
) -> list[Event]:
    bound = bound_of(state, index)
    if draining(state) or now >= bound:
        return gave_up(state, index, "still working when its time was up", calling)
    return [ev.AttemptWorking(spec.id, DO, min(now + _asked_in(retry_in), bound))]


def _asked_in(retry_in: float) -> float:
    return min(max(retry_in, 0.0), LONGEST_ASK)


def _uncallable(spec: Milestone, op: Op, kind: ev.AttentionKind, detail: str) -> list[Event]:
    return [ev.AttemptWithdrawn(spec.id, op, detail), ev.AttentionRaised(kind, spec.id, detail)]


def _undo_ended(state: RunState, index: int, spec: Milestone, outcome: cmd.Answered, now: float) -> list[Event]:
    match outcome:
        case cmd.Ok():
            return [undone(state, index)]
        case cmd.No(reason):
            return undo_given_up(state, index, f"refused: {reason}")
        case cmd.StillWorking(retry_in):
            bound = state.calls(index).since + WORKING_AT_MOST
            if now >= bound:
                return undo_given_up(state, index, "still working when its time was up")
            return [ev.AttemptWorking(spec.id, UNDO, min(now + _asked_in(retry_in), bound))]
        case cmd.Unknown(error) | cmd.TurnedAway(error):
            if may_retry(state, index, spec, UNDO, now):
                return [ev.AttemptEnded(spec.id, UNDO, error, now + delay(state, index, UNDO))]
            if isinstance(outcome, cmd.TurnedAway):
                return [ev.UndoGivenUp(spec.id, error), ev.AttentionRaised("participant_misconfigured", spec.id, error)]
            return undo_given_up(state, index, error)
        case cmd.Uncallable(kind, detail):
            return _uncallable(spec, UNDO, kind, detail)


def undo_given_up(state: RunState, index: int, error: str) -> list[Event]:
    """The undo ends here: a person is asked at once, or after the other undos (`on_stuck_undo`).

    A person who goes back by hand is told at once: there are no others.
    """
    name = state.definition.milestones[index].id
    events: list[Event] = [ev.UndoGivenUp(name, error)]
    if state.definition.on_stuck_undo == "stop" or state.direction == DO:
        events.append(ev.AttentionRaised("stuck_undo", name, error))
    return events


def on_take_over(state: RunState, now: float, calling: Collection[int]) -> list[Event]:
    """What the dead owner may have been calling is lost, and counted before anything is called again (SEMANTICS 22)."""
    left = doubtful(state, now)
    busy = {index for index in calling if index not in left}
    if len(left) == 1:
        return _lost(state, left[0], now, busy)
    events: list[Event] = []
    after = state.copy()
    while left:  # each on the state that the one before it left: it may have been the end of the way forward
        new = _lost(after, left.pop(0), now, busy.union(left))
        for event in new:
            fold(after, event, now)
        events += new
    return events


def doubtful(state: RunState, now: float) -> list[int]:
    """What an owner that did not release its claim may have been calling."""
    to_call = [i for i in state.open if not (state.waits_outside(i) or state.blocked(i))]
    return [i for i in to_call if state.calls(i).not_before <= now]


def _lost(state: RunState, index: int, now: float, calling: Collection[int]) -> list[Event]:
    spec, op, calls = state.definition.milestones[index], state.op_of(index), state.calls(index)
    if calls.lost + 1 < retry_of(spec, op).lost and (op == UNDO or _forward_goes_on(state, index, now)):
        return [ev.AttemptLost(spec.id, op, now)]
    lost = ev.AttemptLost(spec.id, op)
    error = f"the worker died while calling it ({calls.lost + 1} times)"
    follow = gave_up(state, index, error, calling) if op == DO else undo_given_up(state, index, error)
    return [lost, *follow]


def _forward_goes_on(state: RunState, index: int, now: float) -> bool:
    can_stop_here = state.definition.kind == "structured" or state.definition.milestones[index].undoable
    stopped = state.stop is not None and can_stop_here
    return state.direction == DO and not stopped and now < bound_of(state, index)


def may_retry(state: RunState, index: int, spec: Milestone, op: Op, now: float) -> bool:
    """Is there budget for another attempt after the one that just ended?"""
    if state.calls(index).answered + 1 >= retry_of(spec, op).attempts:
        return False
    if op == UNDO:
        return True
    return not spec.at_most_once and _forward_goes_on(state, index, now)


def retry_of(spec: Milestone, op: Op) -> Retry:
    return spec.retry if op == DO else spec.undo_retry


def delay(state: RunState, index: int, op: Op) -> float:
    """Seconds until the next attempt: full jitter, drawn from a hash, so that the core needs no randomness."""
    spec, calls = state.definition.milestones[index], state.calls(index)
    seed = f"{state.saga_id}/{spec.id}/{op}/{calls.number}".encode()
    share = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) / 2**64
    return retry_of(spec, op).ceiling(calls.answered + calls.lost + 1) * share
