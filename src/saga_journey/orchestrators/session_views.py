"""What readers see of a session: plain JSON objects, made from its state each time they are asked for.

Percent are whole numbers from 0 to 100, times are seconds since the epoch in store time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from saga_journey.core.session import SessionState

SessionStatus = Literal["in_progress", "ended"]


class AreaSummary(TypedDict):
    """One area of a list. `percent`: how many of its completion facts are true."""

    area: str
    title: str
    visited: bool
    current: bool
    completed: bool
    percent: int


class AreaCompletion(TypedDict):
    """Is an area complete, and what is still `missing`? `met` and `missing` are its completion facts."""

    area: str
    title: str
    completed: bool
    percent: int
    met: list[str]
    missing: list[str]


class SessionView(TypedDict):
    """A session as it stands. `percent`: how many of its areas are complete; `seq` is its newest event."""

    session_id: str
    journey: str
    version: int
    user_id: str | None
    status: SessionStatus
    current_area: str | None
    visited_areas: list[str]
    """In the order of the first visits."""
    completed_areas: list[str]
    """In the order of the definition, as everywhere else."""
    percent: int
    areas: list[AreaSummary]
    started_at: float
    updated_at: float
    ended_at: float | None
    ended_because: str | None
    seq: int


class LinkedJourney(TypedDict):
    """A structured or saga journey that was started in an area. `status` is what its run says now."""

    journey_id: str
    number: int
    saga_id: str
    journey: str | None
    status: str | None


class AreaView(TypedDict):
    """An area: what was said of it (`state`), what can be done there now, and the journeys that it started."""

    session_id: str
    area: str
    title: str
    visited: bool
    current: bool
    completed: bool
    percent: int
    met: list[str]
    missing: list[str]
    state: dict[str, Any]
    actions: list[str]
    journeys: list[LinkedJourney]


class AvailableAreas(TypedDict):
    """The areas that can be entered now: all of them, or none of an ended session."""

    session_id: str
    current_area: str | None
    areas: list[AreaSummary]


class AvailableActions(TypedDict):
    """What can be done in an area now: all of its actions, or nothing in an ended session."""

    session_id: str
    area: str
    actions: list[str]


class SessionProgress(TypedDict):
    """How far a session has come. `completed`: all areas are."""

    session_id: str
    status: SessionStatus
    completed: bool
    percent: int
    visited_areas: list[str]
    completed_areas: list[str]
    remaining_areas: list[str]
    areas: list[AreaCompletion]


def status_of(state: SessionState) -> SessionStatus:
    return "in_progress" if state.ended is None else "ended"


def session_view(state: SessionState) -> SessionView:
    return SessionView(
        session_id=state.session_id,
        journey=state.definition.name,
        version=state.definition.version,
        user_id=state.user,
        status=status_of(state),
        current_area=state.current,
        visited_areas=list(state.visited),
        completed_areas=list(state.completed),
        percent=state.percent,
        areas=area_summaries(state),
        started_at=state.started_at,
        updated_at=state.at,
        ended_at=state.ended_at,
        ended_because=state.ended.reason if state.ended else None,
        seq=state.seq,
    )


def area_summaries(state: SessionState) -> list[AreaSummary]:
    return [
        AreaSummary(
            area=area.id,
            title=area.title or area.id,
            visited=area.id in state.visited,
            current=area.id == state.current,
            completed=state.is_complete(area.id),
            percent=state.percent_of(area.id),
        )
        for area in state.definition.areas
    ]


def area_view(state: SessionState, area: str, journeys: Sequence[LinkedJourney]) -> AreaView:
    """Raises UnknownArea, as the next ones do."""
    spec = state.definition.area(area)
    return AreaView(
        session_id=state.session_id,
        area=spec.id,
        title=spec.title or spec.id,
        visited=area in state.visited,
        current=area == state.current,
        completed=state.is_complete(area),
        percent=state.percent_of(area),
        met=list(state.met(area)),
        missing=list(state.missing(area)),
        state=dict(state.area(area).values),
        actions=actions(state, area),
        journeys=list(journeys),
    )


def actions(state: SessionState, area: str) -> list[str]:
    """What can be done there now."""
    possible = state.definition.area(area).actions
    return list(possible) if state.ended is None else []


def area_completion(state: SessionState, area: str) -> AreaCompletion:
    spec = state.definition.area(area)
    return AreaCompletion(
        area=spec.id,
        title=spec.title or spec.id,
        completed=state.is_complete(area),
        percent=state.percent_of(area),
        met=list(state.met(area)),
        missing=list(state.missing(area)),
    )


def session_progress(state: SessionState) -> SessionProgress:
    completed = state.completed
    remaining = [area for area in state.definition.index if area not in completed]
    return SessionProgress(
        session_id=state.session_id,
        status=status_of(state),
        completed=not remaining,
        percent=state.percent,
        visited_areas=list(state.visited),
        completed_areas=list(completed),
        remaining_areas=remaining,
        areas=[area_completion(state, area) for area in state.definition.index],
    )
