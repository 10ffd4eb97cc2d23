"""Free navigation: areas that a person enters in any order, and that keep what was done there.

A session is a row and a journal, like a run, but there is nothing to call: no worker ever claims it, and every process
may write to it. Two that write at the same time get the same seq; one of them is told, looks again and decides again,
so nothing that was said is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saga_journey.core.canonical import encode, fingerprint
from saga_journey.core.session import (
    SESSION_PREFIX,
    End,
    Enter,
    Link,
    LinkJourney,
    SessionCommand,
    SessionState,
    SessionTurn,
    Update,
    begin,
    decide,
    evolve,
    refuse_ended,
)
from saga_journey.core.session_codec import decode_turn, encode_turn
from saga_journey.core.session_definition import SessionRequest, read_request
from saga_journey.core.state import SagaStatus
from saga_journey.errors import InvalidInput, KeyConflict, Rejected, UnknownSession
from saga_journey.orchestrators import session_views as views
from saga_journey.orchestrators.structured import StructuredJourneyOrchestrator
from saga_journey.ports import Conflict, NewRun, RowChange, RunKey, StartKey, TurnWrite
from saga_journey.runs import Runs, UserContext, checked_text, tenant_of

TRIES = 100
"""So many times a change is decided anew. Each time, somebody else's change went through."""

ENDED = RowChange(SagaStatus.COMPLETED, owner=None, due_at=None, lost=0, needs=False)


class SessionJourneyOrchestrator:
    """Sessions of the tenant of `user_context`; another tenant's session does not exist for you.

    Every operation on a session raises UnknownSession; those with an area raise UnknownArea; those that change
    something raise Rejected `ended` once the session was ended, and are durable when they return (while the disk is
    full, they wait).
    """

    def __init__(self, runs: Runs, *, only: str | None = None) -> None:
        """`only`: sessions of the definition with that name; others are unknown here."""
        self._runs = runs
        self._structured = StructuredJourneyOrchestrator(runs)
        self._only = only

    # --- the life of a session ---

    async def start_session(
        self, user_id: str | None, session_config: Mapping[str, Any], user_context: UserContext | None = None
    ) -> views.SessionView:
        """Starts a session of the areas in `session_config` (`core.session_definition.read_request` shows its shape).

        The same `idempotency_key` in it, for the same user and the same areas, gives the same session again. Raises
        DefinitionError with every problem at once, KeyConflict for a key that has started something else.
        """
        return await self.start(read_request(session_config), user_id, user_context)

    async def start(
        self, request: SessionRequest, user_id: str | None, user_context: UserContext | None = None
    ) -> views.SessionView:
        """The same for a definition written in Python."""
        definition = request.definition
        user = _by(user_context) if user_id is None else checked_text("user_id", user_id, 200)
        turn = begin(definition, self._runs.new_id("session"), user, request.initial_area, self._runs.now())
        key = _start_key(request, user)
        tenant = await self._runs.store.tenant(tenant_of(user_context))
        number = await self._runs.store.save_definition(tenant, definition)
        started = await self._runs.store.start(_new_run(tenant, number, turn, key))
        if started.existing is None:
            return views.session_view(turn.state)
        if not started.same:
            raise KeyConflict(definition.name, request.idempotency_key or "", started.existing)
        return await self.get_session_state(started.existing, user_context)

    async def get_session_state(self, session_id: str, user_context: UserContext | None = None) -> views.SessionView:
        """The session as it stands, ended or not."""
        return views.session_view(await self._state(session_id, user_context))

    async def end_session(
        self, session_id: str, user_context: UserContext | None = None, *, reason: str | None = None
    ) -> views.SessionView:
        """Nothing can be changed any more; everything can still be read. Journeys that its areas started go on."""
        return views.session_view(await self._change(session_id, End(_by(user_context), reason), user_context))

    async def get_session_progress(
        self, session_id: str, user_context: UserContext | None = None
    ) -> views.SessionProgress:
        """How far it has come, area by area."""
        return views.session_progress(await self._state(session_id, user_context))

    # --- its areas ---

    async def get_available_areas(
        self, session_id: str, user_context: UserContext | None = None
    ) -> views.AvailableAreas:
        """The areas that can be entered now, in the order of the definition."""
        state = await self._state(session_id, user_context)
        areas = views.area_summaries(state) if state.ended is None else []
        return {"session_id": state.session_id, "current_area": state.current, "areas": areas}

    async def navigate_to_area(
        self, session_id: str, area: str, user_context: UserContext | None = None
    ) -> views.AreaView:
        """Enters an area, any one at any time; what was done in the area that is left stays there."""
        state = await self._change(session_id, Enter(area, _by(user_context)), user_context)
        return await self._area_view(state, area, user_context)

    async def get_area_state(
        self, session_id: str, area: str, user_context: UserContext | None = None
    ) -> views.AreaView:
        """What was done in an area, and the journeys that were started there with their present status."""
        return await self._area_view(await self._state(session_id, user_context), area, user_context)

    async def update_area_state(
        self, session_id: str, area: str, changes: Mapping[str, Any], user_context: UserContext | None = None
    ) -> views.AreaView:
        """Keeps what was done in an area: each key of `changes` replaces that key of its state, None takes it away.

        Nobody has to be in the area. Raises InvalidInput for a completion fact that is neither true nor false, NotJson
        for values that cannot be recorded, and when the area's state would become too large (1 MiB as JSON).
        """
        state = await self._change(session_id, Update(area, changes, _by(user_context)), user_context)
        return await self._area_view(state, area, user_context)

    async def get_available_actions(
        self, session_id: str, area: str | None = None, user_context: UserContext | None = None
    ) -> views.AvailableActions:
        """What can be done in an area now; without `area`, where the person is (InvalidInput when that is nowhere)."""
        state = await self._state(session_id, user_context)
        where = state.current if area is None else area
        if where is None:
            raise InvalidInput(f"{session_id} is in no area yet: navigate_to_area first, or say which area you mean")
        return {"session_id": state.session_id, "area": where, "actions": views.actions(state, where)}

    async def check_area_completion(
        self, session_id: str, area: str, user_context: UserContext | None = None
    ) -> views.AreaCompletion:
        """Is the area complete, and which facts are missing? Without completion facts: was it visited?"""
        return views.area_completion(await self._state(session_id, user_context), area)

    # --- journeys in areas ---

    async def start_journey_in_area(
        self, session_id: str, area: str, journey_id: str, context: Any, user_context: UserContext | None = None
    ) -> views.LinkedJourney:
        """Starts a designed structured or saga journey with `context` as its input, and links it to the area.

        Each call starts another run. A call that is repeated because its answer was lost starts it once: until the
        link is recorded, the same journey with the same context is the same run; so are two such calls at the same
        moment. Raises UnknownJourney, InvalidInput, NotJson, Overloaded or StoreFull: then nothing was started.
        """
        state = await self._state(session_id, user_context)
        refuse_ended(state)
        link = await self._start_once(state, area, journey_id, context, user_context)
        try:
            await self._change(session_id, LinkJourney(area, *link, _by(user_context)), user_context)
        except Rejected as no:
            raise Rejected(no.code, f"{no.detail}; {link.saga_id} was started just before, and goes on") from None
        return await self._linked(link, user_context)

    async def _start_once(
        self, state: SessionState, area: str, journey_id: str, context: Any, who: UserContext | None
    ) -> Link:
        """Under the first number whose key is free, or was used for this very start by a call that did not live on."""
        number = state.area(area).next_number(journey_id)
        while True:
            key = f"{state.session_id}/{area}/{journey_id}/{number}"
            try:
                saga_id = await self._structured.execute_journey(
                    journey_id, _by(who) or state.user, context, who, idempotency_key=key
                )
                return Link(journey_id, number, saga_id)
            except KeyConflict:
                number = state.area(area).next_number(journey_id, after=number)

    async def _area_view(self, state: SessionState, area: str, who: UserContext | None) -> views.AreaView:
        links = state.area(area).links
        return views.area_view(state, area, [await self._linked(link, who) for link in links])

    async def _linked(self, link: Link, who: UserContext | None) -> views.LinkedJourney:
        record = await self._runs.store.find(tenant_of(who), link.saga_id)
        return {
            "journey_id": link.journey_id,
            "number": link.number,
            "saga_id": link.saga_id,
            "journey": record.journey if record else None,
            "status": record.status.value if record else None,
        }

    # --- how ---

    async def _change(self, session_id: str, command: SessionCommand, who: UserContext | None) -> SessionState:
        """Decides and commits; decides again when somebody else was faster."""
        for _ in range(TRIES):
            key, state = await self._load(session_id, who)
            turn = decide(state, command, self._runs.now())
            if not turn.events:
                return state
            try:
                await self._runs.store.commit(_write(key, state, turn))
            except Conflict:
                continue
            return turn.state
        raise Rejected("conflict", f"{session_id}: others change it all the time, nothing was changed: try again")

    async def _state(self, session_id: str, who: UserContext | None) -> SessionState:
        return (await self._load(session_id, who))[1]

    async def _load(self, session_id: str, who: UserContext | None) -> tuple[RunKey, SessionState]:
        store = self._runs.store
        record = await store.find(tenant_of(who), session_id) if _is_id(session_id) else None
        if record is None or self._only not in (None, record.journey):
            raise UnknownSession(session_id)
        state = SessionState(await store.session_definition(record.definition), record.saga_id)
        for row in await store.load(record.key):
            state = evolve(state, decode_turn(row.events), row.at)
        return record.key, state


def _by(who: UserContext | None) -> str | None:
    user = (who or {}).get("user_id")
    return None if user is None else checked_text("user_id", user, 200)


def _is_id(session_id: object) -> bool:
    return isinstance(session_id, str) and session_id.startswith(SESSION_PREFIX) and session_id.isascii()


def _new_run(tenant: int, number: int, turn: SessionTurn, key: StartKey | None) -> NewRun:
    """Nobody owns it, and it never falls due. Its start keys are not those of a saga that has the same name."""
    state, keys = turn.state, f"session {turn.state.definition.name}"
    text = encode_turn(turn.events)
    return NewRun(tenant, state.session_id, number, keys, text, state.at, due_at=None, owner=None, start_key=key)


def _start_key(request: SessionRequest, user: str | None) -> StartKey | None:
    if request.idempotency_key is None:
        return None
    same = encode([request.definition.hash, request.initial_area, user], "session_config")
    return StartKey(checked_text("idempotency_key", request.idempotency_key, 500), fingerprint(same))


def _write(key: RunKey, before: SessionState, turn: SessionTurn) -> TurnWrite:
    """Under epoch 0, which no claim ever changes: the seq alone decides who was first."""
    row = None if turn.state.ended is None else ENDED
    return TurnWrite(key, 0, before.seq + 1, turn.state.at, encode_turn(turn.events), row)
