"""What readers see of a run: its milestones and lanes, its history, what a person can do, what an undo would do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from saga_journey.core import commands as cmd
from saga_journey.core.canonical import decode
from saga_journey.core.children import child_id
from saga_journey.core.codec import decode_turn, event_fields, event_name
from saga_journey.core.events import DO, UNDO
from saga_journey.core.machine import decide
from saga_journey.core.operators import standing
from saga_journey.core.state import (
    COMPLETED,
    PENDING,
    REFUSED,
    SKIPPED,
    UNKNOWN,
    Attention,
    Calls,
    MilestoneStatus,
    RunState,
    SagaStatus,
    UndoStatus,
)
from saga_journey.core.walk import owes_undo, undo_status


@dataclass(frozen=True, slots=True)
class MilestoneView:
    """One milestone as a reader sees it. `attempts` and `undo_attempts` count the current one; times are store time."""

    id: str
    status: MilestoneStatus
    undo: UndoStatus
    attempts: int
    undo_attempts: int
    has_undo: bool
    pivot: bool
    optional: bool
    in_doubt: bool
    error: str | None
    next_attempt_at: float | None
    result: Any


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as a reader sees it. `verbs` are what a person can do now; `seq` is its newest event."""

    saga_id: str
    journey: str
    version: int
    status: SagaStatus
    waiting_for: str | None
    because: str | None
    attention: tuple[Attention, ...]
    verbs: tuple[str, ...]
    percent: int
    milestones: tuple[MilestoneView, ...]
    started_at: float
    updated_at: float
    seq: int
    input: Any


class HistoryEntry(NamedTuple):
    """One event of a run."""

    seq: int
    at: float
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """One undo that a compensation would call. `result` is None when nobody knows what the action did."""

    milestone: str
    handler: str
    result: Any
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class CompensationPlan:
    """What `compensate` would do now, in this order. Pass `seq` as `expected` to be refused if the run moved since.

    `refused` says why it cannot be done at all; `stays` are completed milestones that have nothing to undo;
    `missing_handlers` are undos that no handler is registered for here: the saga would wait for them.
    """

    seq: int
    refused: str | None
    undos: tuple[PlannedUndo, ...]
    stays: tuple[str, ...]
    missing_handlers: tuple[str, ...] = ()


VERBS: dict[str, tuple[str, ...]] = {
    "stuck_undo": ("retry", "skip", "mark_undone", "resolve"),
    "pivot_in_doubt": ("retry", "it_happened", "it_did_not_happen", "resolve"),
    "cannot_go_on": ("retry", "skip", "it_did_not_happen", "resolve"),
    "milestone_failed": ("retry", "skip", "cancel", "resolve"),
    "participant_misconfigured": ("retry", "skip", "cancel", "resolve"),
    "handler_missing": ("retry", "cancel", "resolve"),
    "cannot_decode": ("retry", "cancel", "resolve"),
    "crash_loop": ("retry", "cancel", "resolve"),
    "no_arm": ("choose", "cancel", "resolve"),
    "child_resolved": ("skip", "it_happened", "it_did_not_happen", "cancel", "resolve"),
}


def view(state: RunState) -> RunView:
    """The run as it stands."""
    return RunView(
        saga_id=state.saga_id,
        journey=state.definition.name,
        version=state.definition.version,
        status=state.status,
        waiting_for=_waiting_for(state),
        because=None if state.because is None else str(state.because),
        attention=state.attention,
        verbs=verbs(state),
        percent=percent(state),
        milestones=tuple(_milestone(state, i) for i in range(len(state.milestones))),
        started_at=state.started_at,
        updated_at=state.at,
        seq=state.seq,
        input=decode(state.inputs[-1]) if state.inputs else None,
    )


def _milestone(state: RunState, index: int) -> MilestoneView:
    m, spec = state.milestones[index], state.definition.milestones[index]
    last = m.undo or m.do
    is_open = index in state.open and not state.waits_outside(index)
    return MilestoneView(
        id=spec.id,
        status=m.status,
        undo=undo_status(state, index),
        attempts=_number(m.do),
        undo_attempts=_number(m.undo),
        has_undo=spec.undoable,
        pivot=spec.pivot,
        optional=spec.optional,
        in_doubt=m.doubt,
        error=last.error if last else None,
        next_attempt_at=state.calls(index).not_before if is_open else None,
        result=None if m.result is None else decode(m.result),
    )


def _number(calls: Calls | None) -> int:
    return calls.number if calls is not None else 0


def _waiting_for(state: RunState) -> str | None:
    if state.attention:
        return "; ".join(f"{a.kind} {a.milestone or ''}".strip() for a in state.attention)
    for index in state.open:
        name, kind = state.definition.milestones[index].id, state.definition.milestones[index].kind
        if kind == "child" and state.waits_outside(index):
            return f"the child {child_id(state.saga_id, name, state.milestones[index].revision)} of {name}"
        if state.waits_outside(index):
            return f"the time of {name}" if kind == "timer" else f"an answer to {name}"
        if state.milestones[index].asking:
            return f"{name}, which is still working"
    return None


def verbs(state: RunState) -> tuple[str, ...]:
    """What a person can do with a run that waits for one."""
    found: dict[str, None] = {}
    for attention in state.attention:
        for verb in VERBS[attention.kind]:
            if _is_taken(state, verb):
                found[verb] = None
    return tuple(found)


def _is_taken(state: RunState, verb: str) -> bool:
    if verb == "resolve":
        return state.status is SagaStatus.FAILED  # not while a sibling still moves
    return verb != "cancel" or (state.direction == DO and not state.past_pivot)


def percent(state: RunState) -> int:
    """How much of the journey is done: forward, or of the undo once it has turned back."""
    if state.direction == UNDO:
        owed = [i for i in range(len(state.milestones)) if owes_undo(state, i)]
        done = sum(state.milestones[i].undo_status not in (UndoStatus.NONE, UndoStatus.RUNNING) for i in owed)
        return 100 * done // len(owed) if owed else 100
    ended = sum(m.status not in (PENDING, MilestoneStatus.RUNNING, MilestoneStatus.WAITING) for m in state.milestones)
    return 100 * ended // len(state.milestones)


def stopped_milestone(state: RunState) -> int | None:
    """The place of the milestone at which a run stopped going forward; None while it goes on, and when it came through.

    It failed there or the run turned back there, whoever wanted that; or it waits there for a person. The number of
    milestones when it had come through, and was undone afterwards.
    """
    if state.direction == UNDO:
        named = None if state.because is None else state.because.milestone
    elif state.status in _STOPPED:
        named = next((a.milestone for a in state.attention if a.milestone is not None), None)
    else:
        return None
    return _first_ahead(state) if named is None else state.definition.index[named]


_STOPPED = frozenset({SagaStatus.FAILED, SagaStatus.CANCELLED, SagaStatus.RESOLVED})


def _first_ahead(state: RunState) -> int:
    """The first milestone after which the journey did not go on."""
    places = range(len(state.milestones))
    return next((index for index in places if not _is_through(state, index)), len(places))


def _is_through(state: RunState, index: int) -> bool:
    status = state.milestones[index].status
    if status in (COMPLETED, SKIPPED):
        return True
    return state.definition.milestones[index].optional and status in (UNKNOWN, REFUSED)


def must_come_first(state: RunState, index: int) -> list[str]:
    """The milestones that lead to this one and that the journey is not through: it is not started before they end."""
    definition = state.definition
    beside = {
        place
        for stage in definition.stages
        if any(index in branch for branch in stage)
        for branch in stage
        if index not in branch
        for place in branch
    }
    return [
        spec.id
        for place, spec in enumerate(definition.milestones[:index])
        if place not in beside and not _is_through(state, place) and index in definition.ways.reached_from(spec.id)
    ]


def history(rows: Iterable[tuple[int, float, str]]) -> list[HistoryEntry]:
    """All events of a run, from its journal rows (seq of the first event, time, events as stored)."""
    found = []
    for first, at, text in rows:
        for place, event in enumerate(decode_turn(text)):
            found.append(HistoryEntry(first + place, at, event_name(event), event_fields(event)))
    return found


def preview(state: RunState) -> CompensationPlan:
    """What a compensation would do if it were decided now. Changes nothing."""
    turn = decide(state, [cmd.Compensate()], state.at)
    answer = turn.answers[0]
    assert answer is not None
    after = turn.state if answer.accepted and answer.code != "deferred" else state
    order = sorted(_left_to_undo(after), key=lambda i: -after.milestones[i].order)
    refused = None if answer.accepted else answer.detail
    undos = () if refused else tuple(_planned(after, i) for i in order)
    return CompensationPlan(state.seq, refused, undos, kept(after))


def _left_to_undo(state: RunState) -> list[int]:
    names = set(standing(state))
    return [i for i, spec in enumerate(state.definition.milestones) if spec.id in names]


def _planned(state: RunState, index: int) -> PlannedUndo:
    m, spec = state.milestones[index], state.definition.milestones[index]
    result = None if m.result is None else decode(m.result)
    handler = spec.undo or f"compensate {child_id(state.saga_id, spec.id, m.revision)}"
    return PlannedUndo(spec.id, handler, result, in_doubt=m.doubt or m.status is UNKNOWN)


def kept(state: RunState) -> tuple[str, ...]:
    """Milestones that took place and have nothing to undo: their effects stay."""
    return tuple(
        spec.id
        for spec, m in zip(state.definition.milestones, state.milestones, strict=True)
        if not spec.undoable
        and spec.kind != "timer"
        and (m.status in (COMPLETED, UNKNOWN) or (m.status is SKIPPED and m.doubt))
    )


def doubtful(state: RunState) -> tuple[str, ...]:
    """Milestones of a completed run of which nobody knows whether they had an effect."""
    found = [i for i, m in enumerate(state.milestones) if m.status is UNKNOWN or (m.status is SKIPPED and m.doubt)]
    return tuple([state.definition.milestones[i].id for i in found])
