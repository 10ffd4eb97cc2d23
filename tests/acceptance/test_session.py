"""Session journeys: areas in any order, what was done there kept, and every operation as its description says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from saga_journey import Journeys, Saga, Search, blocking, milestone, open_journeys
from saga_journey.errors import (
    DefinitionError,
    InvalidInput,
    KeyConflict,
    NotJson,
    Rejected,
    UnknownArea,
    UnknownJourney,
    UnknownSaga,
    UnknownSession,
)
from saga_journey.orchestrators.session import SessionJourneyOrchestrator

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
BEN: Any = {"tenant_id": "acme", "user_id": "ben"}
EVE: Any = {"tenant_id": "globex", "user_id": "eve"}

RESEARCH: dict[str, Any] = {
    "name": "research",
    "areas": [
        {
            "id": "reading",
            "title": "Reading",
            "actions": ["add_paper", "take_notes"],
            "completion": ["papers_read", "notes_taken"],
        },
        {"id": "writing", "title": "Writing", "actions": ["draft"], "completion": ["drafted"]},
        {"id": "lounge"},
    ],
}


@pytest.fixture
async def journeys(store_url: str) -> AsyncIterator[Journeys]:
    async with open_journeys(store_url) as opened:
        yield opened


@pytest.fixture
def sessions(journeys: Journeys) -> SessionJourneyOrchestrator:
    return journeys.session


async def begun(sessions: SessionJourneyOrchestrator, **more: Any) -> str:
    return (await sessions.start_session("ann", {**RESEARCH, **more}, ANN))["session_id"]


# --- the operations --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_session_from_its_start_to_its_end(sessions: SessionJourneyOrchestrator) -> None:
    """Enter, work, leave, come back: what was done is there; nothing is complete before it is."""
    session_id = await begun(sessions, initial_area="reading")
    await sessions.update_area_state(session_id, "reading", {"papers_read": True, "papers": ["a", "b"]}, ANN)
    await sessions.navigate_to_area(session_id, "writing", ANN)
    await sessions.update_area_state(session_id, "writing", {"drafted": True}, ANN)
    back = await sessions.navigate_to_area(session_id, "reading", ANN)
    assert back["state"] == {"papers_read": True, "papers": ["a", "b"]}
    assert (back["completed"], back["missing"]) == (False, ["notes_taken"])
    await sessions.navigate_to_area(session_id, "lounge", ANN)
    await sessions.update_area_state(session_id, "reading", {"notes_taken": True}, ANN)  # from wherever one is
    progress = await sessions.get_session_progress(session_id, ANN)
    assert (progress["percent"], progress["completed"], progress["status"]) == (100, True, "in_progress")
    ended = await sessions.end_session(session_id, ANN, reason="published")
    assert (ended["status"], ended["ended_because"], ended["percent"]) == ("ended", "published", 100)


@pytest.mark.anyio
async def test_start_session_and_get_session_state(sessions: SessionJourneyOrchestrator) -> None:
    started = await sessions.start_session("ann", RESEARCH, ANN)
    session_id = started["session_id"]
    assert session_id.startswith("session_")
    assert started == await sessions.get_session_state(session_id, ANN)
    assert started == {
        "session_id": session_id,
        "journey": "research",
        "version": 1,
        "user_id": "ann",
        "status": "in_progress",
        "current_area": None,
        "visited_areas": [],
        "completed_areas": [],
        "percent": 0,
        "areas": [summary("reading", "Reading"), summary("writing", "Writing"), summary("lounge", "lounge")],
        "started_at": started["started_at"],
        "updated_at": started["started_at"],
        "ended_at": None,
        "ended_because": None,
        "seq": 1,
    }
    await sessions.navigate_to_area(session_id, "lounge", ANN)
    await sessions.navigate_to_area(session_id, "writing", ANN)
    state = await sessions.get_session_state(session_id, ANN)
    assert (state["current_area"], state["visited_areas"]) == ("writing", ["lounge", "writing"])
    assert (state["completed_areas"], state["percent"], state["seq"]) == (["lounge"], 33, 3)
    assert state["updated_at"] >= state["started_at"]


def summary(area: str, title: str, **more: Any) -> dict[str, Any]:
    fresh = {"area": area, "title": title, "visited": False, "current": False, "completed": False, "percent": 0}
    return {**fresh, **more}


@pytest.mark.anyio
async def test_navigate_to_area_and_get_area_state(sessions: SessionJourneyOrchestrator) -> None:
    session_id = await begun(sessions)
    entered = await sessions.navigate_to_area(session_id, "reading", ANN)
    assert entered == await sessions.get_area_state(session_id, "reading", ANN)
    assert entered == {
        "session_id": session_id,
        "area": "reading",
        "title": "Reading",
        "visited": True,
        "current": True,
        "completed": False,
        "percent": 0,
        "met": [],
        "missing": ["papers_read", "notes_taken"],
        "state": {},
        "actions": ["add_paper", "take_notes"],
        "journeys": [],
    }
    elsewhere = await sessions.get_area_state(session_id, "writing", ANN)
    assert (elsewhere["visited"], elsewhere["current"]) == (False, False)


@pytest.mark.anyio
async def test_update_area_state(sessions: SessionJourneyOrchestrator) -> None:
    """Key by key; None takes a key away; nobody has to be in the area; the answer is the area as it is now."""
    session_id = await begun(sessions)
    await sessions.update_area_state(session_id, "reading", {"papers_read": True, "papers": ["a"], "page": 3}, ANN)
    updated = await sessions.update_area_state(session_id, "reading", {"papers": ["b"], "page": None}, BEN)
    assert updated["state"] == {"papers_read": True, "papers": ["b"]}
    assert (updated["met"], updated["percent"], updated["visited"]) == (["papers_read"], 50, False)
    before = await sessions.get_session_state(session_id, ANN)
    await sessions.update_area_state(session_id, "reading", {"papers": ["b"]}, ANN)  # nothing new: nothing written
    assert await sessions.get_session_state(session_id, ANN) == before


@pytest.mark.anyio
async def test_what_is_available(sessions: SessionJourneyOrchestrator) -> None:
    session_id = await begun(sessions)
    with pytest.raises(InvalidInput, match="is in no area yet"):
        await sessions.get_available_actions(session_id, user_context=ANN)
    await sessions.navigate_to_area(session_id, "lounge", ANN)
    areas = await sessions.get_available_areas(session_id, ANN)
    assert (areas["session_id"], areas["current_area"]) == (session_id, "lounge")
    lounge = summary("lounge", "lounge", visited=True, current=True, completed=True, percent=100)
    assert areas["areas"] == [summary("reading", "Reading"), summary("writing", "Writing"), lounge]
    here = await sessions.get_available_actions(session_id, user_context=ANN)
    assert here == {"session_id": session_id, "area": "lounge", "actions": []}
    there = await sessions.get_available_actions(session_id, "writing", ANN)
    assert there == {"session_id": session_id, "area": "writing", "actions": ["draft"]}


@pytest.mark.anyio
async def test_what_is_complete(sessions: SessionJourneyOrchestrator) -> None:
    session_id = await begun(sessions)
    await sessions.update_area_state(session_id, "reading", {"papers_read": True, "notes_taken": False}, ANN)
    reading = {"area": "reading", "title": "Reading", "completed": False, "percent": 50}
    reading |= {"met": ["papers_read"], "missing": ["notes_taken"]}
    assert await sessions.check_area_completion(session_id, "reading", ANN) == reading
    await sessions.update_area_state(session_id, "writing", {"drafted": True}, ANN)
    progress = await sessions.get_session_progress(session_id, ANN)
    assert progress["areas"][0] == reading
    assert (progress["percent"], progress["completed"], progress["visited_areas"]) == (33, False, [])
    assert (progress["completed_areas"], progress["remaining_areas"]) == (["writing"], ["reading", "lounge"])
    await sessions.update_area_state(session_id, "writing", {"drafted": False}, ANN)  # torn up
    assert (await sessions.get_session_progress(session_id, ANN))["completed_areas"] == []


@pytest.mark.anyio
async def test_an_ended_session_is_read_and_not_changed(sessions: SessionJourneyOrchestrator) -> None:
    session_id = await begun(sessions, initial_area="reading")
    await sessions.update_area_state(session_id, "reading", {"page": 3}, ANN)
    ended = await sessions.end_session(session_id, BEN)
    for change in (
        sessions.navigate_to_area(session_id, "writing", ANN),
        sessions.update_area_state(session_id, "reading", {"page": 4}, ANN),
        sessions.start_journey_in_area(session_id, "reading", "jrn_1_a", {}, ANN),
        sessions.end_session(session_id, ANN),
    ):
        with pytest.raises(Rejected, match=f"{session_id} was ended by ben") as no:
            await change
        assert no.value.code == "ended"
    assert await sessions.get_session_state(session_id, ANN) == ended
    assert (await sessions.get_area_state(session_id, "reading", ANN))["state"] == {"page": 3}
    assert (await sessions.get_available_areas(session_id, ANN))["areas"] == []
    assert (await sessions.get_available_actions(session_id, "reading", ANN))["actions"] == []


@pytest.mark.anyio
async def test_an_idempotency_key_starts_one_session(journeys: Journeys, sessions: SessionJourneyOrchestrator) -> None:
    session_id = await begun(sessions, idempotency_key="k")
    await sessions.navigate_to_area(session_id, "lounge", ANN)
    again = await sessions.start_session("ann", {**RESEARCH, "idempotency_key": "k"}, ANN)
    assert (again["session_id"], again["current_area"]) == (session_id, "lounge")
    for user, config in (("ben", RESEARCH), ("ann", {**RESEARCH, "initial_area": "lounge"})):
        with pytest.raises(KeyConflict, match=session_id):
            await sessions.start_session(user, {**config, "idempotency_key": "k"}, ANN)
    other_tenant = await sessions.start_session("ann", {**RESEARCH, "idempotency_key": "k"}, EVE)
    assert other_tenant["session_id"] != session_id
    assert await begun(sessions) != await begun(sessions)  # without a key, each is another one


@pytest.mark.anyio
async def test_a_saga_may_have_the_name_and_the_keys_of_a_session(shared_url: str) -> None:
    async def draft(ctx: Any) -> None:
        """Done."""

    saga: Saga[None] = Saga("research", version=1, milestones=[milestone(draft, undo=None)])
    async with open_journeys(shared_url) as journeys:
        session_id = await begun(journeys.session, idempotency_key="k")
    async with open_journeys(shared_url, sagas=[saga]) as journeys:
        run = await journeys.start(saga, None, key="k", user_context=ANN)
        assert run.saga_id != session_id


# --- what cannot be --------------------------------------------------------------------------------------------------

Operation = Callable[[SessionJourneyOrchestrator, Any, Any, Any], Awaitable[Any]]
ON_A_SESSION: dict[str, Operation] = {
    "get_session_state": lambda s, session, area, who: s.get_session_state(session, who),
    "end_session": lambda s, session, area, who: s.end_session(session, who),
    "get_session_progress": lambda s, session, area, who: s.get_session_progress(session, who),
    "get_available_areas": lambda s, session, area, who: s.get_available_areas(session, who),
}
ON_AN_AREA: dict[str, Operation] = {
    "navigate_to_area": lambda s, session, area, who: s.navigate_to_area(session, area, who),
    "get_area_state": lambda s, session, area, who: s.get_area_state(session, area, who),
    "update_area_state": lambda s, session, area, who: s.update_area_state(session, area, {"x": 1}, who),
    "get_available_actions": lambda s, session, area, who: s.get_available_actions(session, area, who),
    "check_area_completion": lambda s, session, area, who: s.check_area_completion(session, area, who),
    "start_journey_in_area": lambda s, session, area, who: s.start_journey_in_area(session, area, "jrn_1_a", {}, who),
}
EVERY = {**ON_A_SESSION, **ON_AN_AREA}


@pytest.mark.anyio
@pytest.mark.parametrize("operation", EVERY.values(), ids=EVERY)
async def test_another_tenants_session_does_not_exist(
    sessions: SessionJourneyOrchestrator, operation: Operation
) -> None:
    session_id = await begun(sessions)
    before = await sessions.get_session_state(session_id, ANN)
    for stranger in (EVE, None):
        with pytest.raises(UnknownSession, match=session_id):
            await operation(sessions, session_id, "reading", stranger)
    assert await sessions.get_session_state(session_id, ANN) == before


@pytest.mark.anyio
@pytest.mark.parametrize("operation", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("session_id", ["session_019f", "saga_019f", "", None, 7, "session_\ud800", ["session_1"]])
async def test_a_session_that_does_not_exist(
    sessions: SessionJourneyOrchestrator, operation: Operation, session_id: Any
) -> None:
    with pytest.raises(UnknownSession):
        await operation(sessions, session_id, "reading", ANN)


@pytest.mark.anyio
@pytest.mark.parametrize("operation", ON_AN_AREA.values(), ids=ON_AN_AREA)
async def test_an_area_that_does_not_exist(sessions: SessionJourneyOrchestrator, operation: Operation) -> None:
    session_id = await begun(sessions)
    with pytest.raises(UnknownArea, match=r"'readin' here \(did you mean 'reading'\?\): there is reading, writing"):
        await operation(sessions, session_id, "readin", ANN)


@pytest.mark.anyio
async def test_what_was_done_must_be_json(sessions: SessionJourneyOrchestrator) -> None:
    session_id = await begun(sessions)
    bad: Any
    for bad in ({"x": {1}}, {"x": float("inf")}, {1: 2}, {"x": object()}, {"x": b"raw"}):
        with pytest.raises(NotJson):
            await sessions.update_area_state(session_id, "reading", bad, ANN)
    for bad in ([], "papers_read", None, {"papers_read": "yes"}):
        with pytest.raises(InvalidInput):
            await sessions.update_area_state(session_id, "reading", bad, ANN)
    with pytest.raises(NotJson):
        await sessions.end_session(session_id, ANN, reason="\ud800")
    assert (await sessions.get_session_state(session_id, ANN))["seq"] == 1


@pytest.mark.anyio
async def test_a_bad_config_is_told_with_all_its_problems(sessions: SessionJourneyOrchestrator) -> None:
    config = {"areas": [{"id": "a b"}, {"title": "?"}], "initial_area": "c", "colour": "red"}
    with pytest.raises(DefinitionError) as wrong:
        await sessions.start_session("ann", config, ANN)
    assert len(wrong.value.problems) == 4


@pytest.mark.anyio
async def test_who_it_is_must_be_a_text(sessions: SessionJourneyOrchestrator) -> None:
    strange: Any
    for strange in (7, "", "x" * 201, ["ann"]):
        with pytest.raises(InvalidInput, match="user_id"):
            await sessions.start_session(strange, RESEARCH, ANN)
        with pytest.raises(InvalidInput, match="user_id"):
            await sessions.start_session(None, RESEARCH, {"user_id": strange})
        with pytest.raises(InvalidInput, match="tenant_id"):
            await sessions.start_session("ann", RESEARCH, {"tenant_id": strange})
    nobody = await sessions.start_session(None, RESEARCH)
    assert nobody["user_id"] is None
    assert (await sessions.start_session(None, RESEARCH, ANN))["user_id"] == "ann"


# --- beside sagas ----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_session_is_no_saga(journeys: Journeys, sessions: SessionJourneyOrchestrator) -> None:
    """Nobody claims it, lists it among the sagas, executes its definition, or sends it a saga's commands."""
    session_id = await begun(sessions, initial_area="reading")
    for verb in (journeys.run(session_id, ANN).status(), journeys.run(session_id, ANN).cancel()):
        with pytest.raises(UnknownSaga):
            await verb
    with pytest.raises(UnknownSaga):
        await journeys.saga.get_saga_status(session_id, ANN)
    assert await journeys.search(user_context=ANN) == []
    (record,) = await journeys.search(Search(sessions=True), ANN)
    assert (record.saga_id, record.journey, record.status) == (session_id, "research", "in_progress")
    assert (record.owner, record.epoch, record.due_at, record.is_session) == (None, 0, None, True)
    number = await journeys.store.tenant("acme")
    assert await journeys.store.definition_for(number, record.definition) is None
    assert await journeys.store.definitions() == {}
    digest = (await journeys.store.session_definition(record.definition)).hash[:12]
    with pytest.raises(UnknownJourney):
        await journeys.structured.execute_journey(f"jrn_{record.definition}_{digest}", "ann", {}, ANN)
    await sessions.end_session(session_id, ANN)
    (record,) = await journeys.search(Search(sessions=True), ANN)
    assert (record.status, record.due_at) == ("completed", None)


# --- from a synchronous program --------------------------------------------------------------------------------------


def test_the_same_without_await(shared_url: str) -> None:
    with blocking.open_journeys(shared_url) as journeys:
        session_id = journeys.session.start_session("ann", RESEARCH, ANN)["session_id"]
        journeys.session.navigate_to_area(session_id, "writing", ANN)
        updated = journeys.session.update_area_state(session_id, "writing", {"drafted": True}, ANN)
        assert updated["completed"]
        assert journeys.session.get_session_progress(session_id, ANN)["percent"] == 33
        assert journeys.session.end_session(session_id, ANN)["status"] == "ended"


def test_nothing_is_missing_there() -> None:
    asynchronous = {name for name in vars(SessionJourneyOrchestrator) if not name.startswith("_")}
    assert asynchronous == {name for name in vars(blocking.SessionJourneyOrchestrator) if not name.startswith("_")}
