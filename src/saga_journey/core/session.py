"""Free navigation: a session has areas, and a person may enter any of them at any time.

The journal of a session is the only truth about it. Where the person is, what is complete and how many percent that
makes are questions to the folded state. There is nothing to call and nothing to undo, so a turn needs no worker:
whoever has a command decides it, commits it under the next seq, and decides again when somebody else was faster.

    begin  the first turn          decide  a command -> a turn          evolve  a turn -> the state after it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, assert_never

from saga_journey.core.canonical import Json, decode, encode
from saga_journey.core.fact import fact
from saga_journey.core.session_definition import SessionDefinition
from saga_journey.errors import InvalidInput, Rejected

SESSION_PREFIX = "session_"
"""How the id of a session begins; no saga's does."""

# --- what happened ---------------------------------------------------------------------------------------------------


@fact
class SessionStarted:
    user: str | None = None


@fact
class AreaEntered:
    """From here on the person is there."""

    area: str
    who: str | None = None


@fact
class AreaUpdated:
    """`changes` is a JSON object: its keys replace those of the area's state, a null takes a key away."""

    area: str
    changes: Json
    who: str | None = None


@fact
class JourneyLinked:
    """A structured or saga journey was started in an area. `number` counts the starts of that journey there."""

    area: str
    journey_id: str
    number: int
    saga_id: str
    who: str | None = None


@fact
class SessionEnded:
    """Nothing can be changed any more. Journeys that its areas started go on."""

    who: str | None = None
    reason: str | None = None


SessionEvent = SessionStarted | AreaEntered | AreaUpdated | JourneyLinked | SessionEnded

WIRE_NAMES: dict[type, str] = {
    SessionStarted: "session_started",
    AreaEntered: "area_entered",
    AreaUpdated: "area_updated",
    JourneyLinked: "journey_linked",
    SessionEnded: "session_ended",
}
"""The names in the journal, for ever."""

# --- what is asked for -----------------------------------------------------------------------------------------------


@fact
class Enter:
    area: str
    who: str | None = None


@fact
class Update:
    """`changes` must be a JSON object."""

    area: str
    changes: Mapping[str, Any]
    who: str | None = None


@fact
class LinkJourney:
    area: str
    journey_id: str
    number: int
    saga_id: str
    who: str | None = None


@fact
class End:
    who: str | None = None
    reason: str | None = None


SessionCommand = Enter | Update | LinkJourney | End

# --- where it stands -------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """A journey that was started in an area."""

    journey_id: str
    number: int
    saga_id: str


@dataclass(frozen=True, slots=True)
class AreaState:
    """What was said of one area so far."""

    values: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    def next_number(self, journey_id: str, after: int = 0) -> int:
        """The smallest number above `after` that no start of that journey has here."""
        taken = {link.number for link in self.links if link.journey_id == journey_id}
        return next(number for number in range(after + 1, after + len(taken) + 2) if number not in taken)


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session, folded from its journal. Read it; only `evolve` makes new ones."""

    definition: SessionDefinition
    session_id: str
    seq: int = 0
    at: float = 0.0
    started_at: float = 0.0
    user: str | None = None
    current: str | None = None
    visited: tuple[str, ...] = ()
    """In the order of the first visits."""
    areas: Mapping[str, AreaState] = field(default_factory=dict)
    ended_at: float | None = None
    ended: SessionEnded | None = None

    def area(self, area: str) -> AreaState:
        """Raises UnknownArea."""
        return self.areas.get(self.definition.area(area).id, _UNTOUCHED)

    def met(self, area: str) -> tuple[str, ...]:
        """The facts of the area's completion that are true, in the order of the definition."""
        values = self.area(area).values
        return tuple(name for name in self.definition.area(area).completion if values.get(name) is True)

    def missing(self, area: str) -> tuple[str, ...]:
        """The other ones."""
        met = self.met(area)
        return tuple(name for name in self.definition.area(area).completion if name not in met)

    def is_complete(self, area: str) -> bool:
        return not self.missing(area) if self.definition.area(area).completion else area in self.visited

    def percent_of(self, area: str) -> int:
        """How many of the area's facts are true, of 100; rounded down, so that 100 means complete."""
        facts = self.definition.area(area).completion
        return 100 * len(self.met(area)) // len(facts) if facts else 100 * self.is_complete(area)

    @property
    def completed(self) -> tuple[str, ...]:
        """The areas that are complete now, in the order of the definition."""
        return tuple(area for area in self.definition.index if self.is_complete(area))

    @property
    def percent(self) -> int:
        """How many of its areas are complete, of 100; rounded down."""
        return 100 * len(self.completed) // len(self.definition.areas)


_UNTOUCHED = AreaState()


def evolve(state: SessionState, turn: Sequence[SessionEvent], at: float) -> SessionState:
    """The state after one turn. `at` is the time of the turn; the given state stays as it is."""
    for event in turn:
        state = _fold(replace(state, seq=state.seq + 1, at=at), event)
    return state


def _fold(state: SessionState, event: SessionEvent) -> SessionState:
    match event:
        case SessionStarted():
            return replace(state, started_at=state.at, user=event.user)
        case AreaEntered():
            seen = state.visited if event.area in state.visited else (*state.visited, event.area)
            return replace(state, current=event.area, visited=seen)
        case AreaUpdated():
            old = state.area(event.area)
            return _with_area(state, event.area, replace(old, values=merged(old.values, decode(event.changes))))
        case JourneyLinked():
            old, link = state.area(event.area), Link(event.journey_id, event.number, event.saga_id)
            return _with_area(state, event.area, replace(old, links=(*old.links, link)))
        case SessionEnded():
            return replace(state, ended_at=state.at, ended=event)
    assert_never(event)


def _with_area(state: SessionState, area: str, new: AreaState) -> SessionState:
    return replace(state, areas={**state.areas, area: new})


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Key by key; a None takes its key away."""
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


# --- decisions -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class SessionTurn:
    """What one turn decided: its events (none: nothing changes), and the state they lead to."""

    events: list[SessionEvent]
    state: SessionState


def begin(
    definition: SessionDefinition, session_id: str, user: str | None, initial_area: str | None, now: float
) -> SessionTurn:
    """The first turn of a session. Raises UnknownArea."""
    events: list[SessionEvent] = [SessionStarted(user)]
    if initial_area is not None:
        events.append(AreaEntered(definition.area(initial_area).id, user))
    return SessionTurn(events, evolve(SessionState(definition, session_id), events, now))


def decide(state: SessionState, command: SessionCommand, now: float) -> SessionTurn:
    """One turn. `now` is store time in seconds; a clock behind the journal counts as the time of its last event.

    Raises Rejected `ended` for every command to an ended session, UnknownArea, InvalidInput for changes that are no
    object or a completion fact that is not true or false, NotJson for values that cannot be recorded.
    """
    refuse_ended(state)
    events = list(_decided(state, command))
    return SessionTurn(events, evolve(state, events, max(now, state.at)))


def refuse_ended(state: SessionState) -> None:
    """Raises Rejected when nothing can be changed any more."""
    if (ended := state.ended) is not None:
        by = (f" by {ended.who}" if ended.who else "") + (f" ({ended.reason})" if ended.reason else "")
        raise Rejected("ended", f"{state.session_id} was ended{by}: it can be read, but not changed; start another one")


def _decided(state: SessionState, command: SessionCommand) -> Iterator[SessionEvent]:
    match command:
        case Enter():
            if state.definition.area(command.area).id != state.current:
                yield AreaEntered(command.area, command.who)
        case Update():
            if changes := _news(state, command.area, command.changes):
                yield AreaUpdated(command.area, changes, command.who)
        case LinkJourney():
            link = Link(command.journey_id, command.number, command.saga_id)
            if link not in state.area(command.area).links:
                yield JourneyLinked(command.area, *link, command.who)
        case End():
            encode(command.reason, "reason")
            yield SessionEnded(command.who, command.reason)


def _news(state: SessionState, area: str, changes: object) -> Json | None:
    """The changes as they are recorded; None when they change nothing. The whole state must stay recordable, too."""
    values, facts = state.area(area).values, state.definition.area(area).completion
    if not isinstance(changes, Mapping):
        raise InvalidInput(f"the changes of {area!r} are a {type(changes).__name__}: they are an object, key by key")
    text = encode(dict(changes), f"{area}")
    for name in facts:
        if not isinstance(changes.get(name), bool | None):
            said = f"{changes[name]!r:.50}"
            raise InvalidInput(f"{name} is {said}: it decides whether {area!r} is complete, so it is true or false")
    after = encode(merged(values, decode(text)), f"the whole state of {area!r}")
    return text if after != encode(values) else None
