"""How a run stops going forward: the decision to compensate, and the places where there is no way back."""

from __future__ import annotations

from collections.abc import Collection

from saga_journey.core import events as ev
from saga_journey.core.events import DO, UNDO, Because, Event
from saga_journey.core.state import COMPLETED, REFUSED, UNKNOWN, WAITING, RunState
from saga_journey.errors import Rejected


def turn_back(state: RunState, because: Because, calling: Collection[int]) -> list[Event]:
    """The decision. What is not being called now is closed with it; what is being called ends by itself first."""
    return [*interrupted_all(state, calling), ev.CompensationDecided(because)]


def interrupted_all(state: RunState, calling: Collection[int], ended: int | None = None) -> list[Event]:
    """What becomes of everything open but what is being called, and but the milestone that has just ended."""
    still = [index for index in state.open if index != ended and index not in calling]
    return [event for index in still for event in interrupted(state, index)]


def interrupted(state: RunState, index: int) -> list[Event]:
    """An intent that is queued is clean and is taken back; one that waits or backs off may have had an effect.

    A child is told to undo itself, and is waited for.
    """
    m, spec = state.milestones[index], state.definition.milestones[index]
    if spec.kind == "child":
        return [] if m.recalled else [ev.ChildRecalled(spec.id, "its parent stops")]
    if spec.kind == "timer":
        return [ev.MilestoneRefused(spec.id, "not waited for any longer")]
    if m.doubt or m.status is WAITING:
        return [ev.MilestoneGaveUp(spec.id, "interrupted while it waited")]
    if state.calls(index).number > 1:
        return [ev.MilestoneRefused(spec.id, "not attempted again")]
    return [ev.AttemptWithdrawn(spec.id, DO, "not attempted")]


def stop(state: RunState, because: Because, calling: Collection[int]) -> list[Event]:
    """A request to stop a run that goes forward: cancel, compensate, or its deadline. Raises Rejected `past_pivot`."""
    if state.definition.kind == "structured":
        return _stop_structured(state, because, calling)
    if state.past_pivot:
        raise Rejected("past_pivot", f"the pivot {_pivot_name(state)!r} has happened: this saga can only go forward")
    if pivot_held(state, calling):
        return [] if state.stop else [ev.StopRequested(because)]
    return turn_back(state, because, calling)


def _stop_structured(state: RunState, because: Because, calling: Collection[int]) -> list[Event]:
    if state.stop:
        return []
    if any(state.op_of(index) == UNDO for index in state.open):
        raise Rejected("rolling_back", "a milestone is being rolled back: stop it when its undo has ended")
    return [ev.StopRequested(because), *interrupted_all(state, calling)]


def pivot_held(state: RunState, calling: Collection[int]) -> bool:
    """The pivot may be happening now: it is being called, or it is in doubt and has no undo (SEMANTICS 7)."""
    pivot = state.definition.pivot
    if pivot is None:
        return False
    if pivot in calling and pivot in state.open:
        return True
    may_have_happened = in_doubt(state, pivot) or state.milestones[pivot].status is WAITING
    return may_have_happened and not state.definition.milestones[pivot].undoable


def draining(state: RunState) -> bool:
    """The run has stopped: what is still being called ends, and nothing of it is tried again or waited for."""
    return state.direction == UNDO or (state.stop is not None and state.definition.kind == "structured")


def after_failure(state: RunState, index: int, ended: Event, calling: Collection[int]) -> list[Event]:
    """A milestone ended refused or unknown: go on without it, turn back, or wait for a person (SEMANTICS B1)."""
    spec = state.definition.milestones[index]
    unknown, error = isinstance(ended, ev.MilestoneGaveUp), _error_of(ended)
    if state.direction == UNDO or spec.optional:
        return [ended]
    if state.definition.kind == "structured":
        return [ended] if state.stop else [ended, ev.AttentionRaised("milestone_failed", spec.id, error)]
    if state.past_pivot:
        return [ended, ev.AttentionRaised("cannot_go_on", spec.id, error)]
    if spec.pivot and unknown and not spec.undoable:
        return [ended, ev.AttentionRaised("pivot_in_doubt", spec.id, error)]
    because = state.stop or Because("failure", spec.id, error)
    return [ended, *interrupted_all(state, calling, index), ev.CompensationDecided(because)]


def _error_of(ended: Event) -> str:
    if isinstance(ended, ev.FactStated):
        return "did not happen"
    return ended.error if isinstance(ended, ev.MilestoneGaveUp) else getattr(ended, "reason", "refused")


def in_doubt(state: RunState, index: int) -> bool:
    """Nobody knows whether this milestone's action had an effect."""
    m = state.milestones[index]
    return (m.doubt and m.status not in (COMPLETED, REFUSED)) or m.status is UNKNOWN


def _pivot_name(state: RunState) -> str:
    pivot = state.definition.pivot
    assert pivot is not None
    return state.definition.milestones[pivot].id
