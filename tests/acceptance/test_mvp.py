"""The four-pillar journey: content, insights, operations, business outcome, in that order or in any other."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from saga_journey import Journeys, blocking, open_journeys
from saga_journey.errors import InvalidInput, KeyConflict, NotJson, Rejected, UnknownArea, UnknownSession
from saga_journey.orchestrators.mvp import MVP, MVPJourneyOrchestrator

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
EVE: Any = {"tenant_id": "globex", "user_id": "eve"}

RULES = {
    "content": ["files_uploaded", "files_parsed"],
    "insights": ["file_selected", "analysis_complete", "insights_summary_generated"],
    "operations": ["workflow_generated", "sop_generated", "coexistence_blueprint_created"],
    "business_outcome": ["summaries_reviewed", "roadmap_generated", "poc_proposal_generated"],
}


@pytest.fixture
async def journeys(store_url: str) -> AsyncIterator[Journeys]:
    async with open_journeys(store_url) as opened:
        yield opened


@pytest.fixture
def mvp(journeys: Journeys) -> MVPJourneyOrchestrator:
    return journeys.mvp


async def begun(mvp: MVPJourneyOrchestrator) -> str:
    return (await mvp.start_mvp_journey("ann", user_context=ANN))["session_id"]


async def finish(mvp: MVPJourneyOrchestrator, session_id: str, pillar: str) -> None:
    await mvp.update_pillar_progress(session_id, pillar, dict.fromkeys(RULES[pillar], True), ANN)


def test_the_pillars_and_their_rules() -> None:
    assert {area.id: list(area.completion) for area in MVP.areas} == RULES
    assert list(MVP.index) == list(RULES)
    assert all(
        len(area.actions) == len(area.completion) for area in MVP.areas
    )  # each fact has the action that makes it


# --- the operations --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_recommended_way(mvp: MVPJourneyOrchestrator) -> None:
    """Pillar by pillar as recommended, until all is complete and nothing is recommended any more."""
    session_id = await begun(mvp)
    for done, pillar in enumerate(RULES):
        advice = await mvp.get_recommended_next_pillar(session_id, ANN)
        assert (advice["pillar"], advice["missing"]) == (pillar, RULES[pillar])
        entered = await mvp.navigate_to_pillar(session_id, pillar, ANN)
        assert entered["current"]
        for fact in RULES[pillar]:
            assert not (await mvp.get_pillar_state(session_id, pillar, ANN))["completed"]
            await mvp.update_pillar_progress(session_id, pillar, {fact: True}, ANN)
        progress = await mvp.get_mvp_progress(session_id, ANN)
        assert (progress["percent"], progress["completed_pillars"]) == (25 * (done + 1), list(RULES)[: done + 1])
    nothing: Any = {"session_id": session_id, "pillar": None, "title": None, "missing": []}
    assert await mvp.get_recommended_next_pillar(session_id, ANN) == nothing
    complete = {"session_id": session_id, "completed": True, "percent": 100, "missing": {}}
    assert await mvp.check_mvp_completion(session_id, ANN) == complete
    assert (await mvp.end_mvp_journey(session_id, ANN))["status"] == "ended"


@pytest.mark.anyio
@pytest.mark.parametrize("order", list(itertools.permutations(RULES))[1::5], ids=" ".join)
async def test_any_other_way(mvp: MVPJourneyOrchestrator, order: tuple[str, ...]) -> None:
    """Full freedom; what is recommended is always the first of the order that is not complete."""
    session_id = await begun(mvp)
    left = list(RULES)
    for pillar in order:
        assert (await mvp.get_recommended_next_pillar(session_id, ANN))["pillar"] == left[0]
        await mvp.navigate_to_pillar(session_id, pillar, ANN)
        await finish(mvp, session_id, pillar)
        left.remove(pillar)
        assert (await mvp.get_mvp_progress(session_id, ANN))["remaining_pillars"] == left
    assert (await mvp.get_mvp_progress(session_id, ANN))["visited_pillars"] == list(order)


@pytest.mark.anyio
async def test_start_mvp_journey(mvp: MVPJourneyOrchestrator) -> None:
    started = await mvp.start_mvp_journey("ann", "content", ANN)
    assert (started["journey"], started["user_id"], started["percent"]) == ("mvp", "ann", 0)
    assert (started["current_pillar"], started["visited_pillars"]) == ("content", ["content"])
    assert [pillar["pillar"] for pillar in started["pillars"]] == list(RULES)
    assert not [key for key in started if "area" in key]
    free = await mvp.start_mvp_journey("ann", user_context=ANN)
    assert (free["current_pillar"], free["completed_pillars"]) == (None, [])


@pytest.mark.anyio
async def test_get_pillar_state_and_update_pillar_progress(mvp: MVPJourneyOrchestrator) -> None:
    """What was done in a pillar is kept as it was said, under any key."""
    session_id = await begun(mvp)
    said = {"files_uploaded": True, "files": ["a.csv"], "area": "emea"}
    updated = await mvp.update_pillar_progress(session_id, "content", said, ANN)
    assert updated == await mvp.get_pillar_state(session_id, "content", ANN)
    assert updated == {
        "session_id": session_id,
        "pillar": "content",
        "title": "Content",
        "visited": False,
        "current": False,
        "completed": False,
        "percent": 50,
        "met": ["files_uploaded"],
        "missing": ["files_parsed"],
        "state": said,
        "actions": ["upload_files", "parse_files"],
        "journeys": [],
    }


@pytest.mark.anyio
async def test_progress_and_completion(mvp: MVPJourneyOrchestrator) -> None:
    session_id = await begun(mvp)
    await finish(mvp, session_id, "insights")
    await mvp.update_pillar_progress(session_id, "operations", {"sop_generated": True}, ANN)
    progress = await mvp.get_mvp_progress(session_id, ANN)
    assert (progress["percent"], progress["completed_pillars"]) == (25, ["insights"])
    assert [(p["pillar"], p["percent"]) for p in progress["pillars"]] == [
        ("content", 0),
        ("insights", 100),
        ("operations", 33),
        ("business_outcome", 0),
    ]
    assert await mvp.check_mvp_completion(session_id, ANN) == {
        "session_id": session_id,
        "completed": False,
        "percent": 25,
        "missing": {
            "content": RULES["content"],
            "operations": ["workflow_generated", "coexistence_blueprint_created"],
            "business_outcome": RULES["business_outcome"],
        },
    }


@pytest.mark.anyio
async def test_an_ended_journey_is_read_and_not_changed(mvp: MVPJourneyOrchestrator) -> None:
    session_id = await begun(mvp)
    ended = await mvp.end_mvp_journey(session_id, ANN, reason="out of budget")
    assert (ended["status"], ended["ended_because"]) == ("ended", "out of budget")
    for change in (
        mvp.navigate_to_pillar(session_id, "content", ANN),
        mvp.update_pillar_progress(session_id, "content", {"files_uploaded": True}, ANN),
        mvp.end_mvp_journey(session_id, ANN),
    ):
        with pytest.raises(Rejected, match="ended"):
            await change
    assert (await mvp.get_mvp_progress(session_id, ANN))["status"] == "ended"
    assert (await mvp.get_recommended_next_pillar(session_id, ANN))["pillar"] == "content"


@pytest.mark.anyio
async def test_a_key_starts_one_journey(mvp: MVPJourneyOrchestrator) -> None:
    first = await mvp.start_mvp_journey("ann", user_context=ANN, idempotency_key="k")
    assert await mvp.start_mvp_journey("ann", user_context=ANN, idempotency_key="k") == first
    with pytest.raises(KeyConflict):
        await mvp.start_mvp_journey("ben", user_context=ANN, idempotency_key="k")
    strange: Any
    for strange in ("", 7, "x" * 501):
        with pytest.raises(InvalidInput, match="idempotency_key"):
            await mvp.start_mvp_journey("ann", user_context=ANN, idempotency_key=strange)


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_pillar_that_does_not_exist(mvp: MVPJourneyOrchestrator) -> None:
    session_id = await begun(mvp)
    for call in (
        mvp.navigate_to_pillar(session_id, "insight", ANN),
        mvp.get_pillar_state(session_id, "insight", ANN),
        mvp.update_pillar_progress(session_id, "insight", {}, ANN),
        mvp.start_mvp_journey("ann", "insight", ANN),
    ):
        with pytest.raises(
            UnknownArea, match=r"no pillar 'insight' here \(did you mean 'insights'\?\): there is content"
        ):
            await call


@pytest.mark.anyio
async def test_a_journey_that_does_not_exist_here(journeys: Journeys, mvp: MVPJourneyOrchestrator) -> None:
    """Another tenant's, none at all, and a session that is no four-pillar journey."""
    mine = await begun(mvp)
    research = await journeys.session.start_session("ann", {"name": "research", "areas": [{"id": "content"}]}, ANN)
    for session_id, who in ((mine, EVE), ("session_019f", ANN), (research["session_id"], ANN)):
        for call in (
            mvp.navigate_to_pillar(session_id, "content", who),
            mvp.get_pillar_state(session_id, "content", who),
            mvp.update_pillar_progress(session_id, "content", {}, who),
            mvp.get_mvp_progress(session_id, who),
            mvp.get_recommended_next_pillar(session_id, who),
            mvp.check_mvp_completion(session_id, who),
            mvp.end_mvp_journey(session_id, who),
        ):
            with pytest.raises(UnknownSession, match=session_id):
                await call


@pytest.mark.anyio
async def test_progress_must_be_json_and_facts_true_or_false(mvp: MVPJourneyOrchestrator) -> None:
    session_id = await begun(mvp)
    with pytest.raises(NotJson):
        await mvp.update_pillar_progress(session_id, "content", {"files": {"a.csv"}}, ANN)
    with pytest.raises(InvalidInput, match="files_uploaded is 3"):
        await mvp.update_pillar_progress(session_id, "content", {"files_uploaded": 3}, ANN)
    assert (await mvp.get_pillar_state(session_id, "content", ANN))["state"] == {}


# --- where it lives --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_it_is_a_session(journeys: Journeys, mvp: MVPJourneyOrchestrator) -> None:
    """One state, and two ways to look at it."""
    session_id = await begun(mvp)
    await journeys.session.update_area_state(session_id, "content", {"files_uploaded": True}, ANN)
    await mvp.update_pillar_progress(session_id, "content", {"files_parsed": True}, ANN)
    assert (await journeys.session.get_session_state(session_id, ANN))["completed_areas"] == ["content"]
    assert (await mvp.get_mvp_progress(session_id, ANN))["completed_pillars"] == ["content"]


@pytest.mark.anyio
async def test_it_goes_on_after_a_restart(shared_url: str) -> None:
    async with open_journeys(shared_url) as journeys:
        session_id = await begun(journeys.mvp)
        await journeys.mvp.navigate_to_pillar(session_id, "operations", ANN)
        await finish(journeys.mvp, session_id, "content")
    async with open_journeys(shared_url) as journeys:
        assert (await journeys.mvp.get_recommended_next_pillar(session_id, ANN))["pillar"] == "insights"
        assert (await journeys.mvp.get_pillar_state(session_id, "operations", ANN))["current"]


def test_the_same_without_await(shared_url: str) -> None:
    with blocking.open_journeys(shared_url) as journeys:
        session_id = journeys.mvp.start_mvp_journey("ann", user_context=ANN)["session_id"]
        journeys.mvp.update_pillar_progress(session_id, "content", {"files_uploaded": True}, ANN)
        assert journeys.mvp.get_recommended_next_pillar(session_id, ANN)["missing"] == ["files_parsed"]


def test_nothing_is_missing_there() -> None:
    asynchronous = {name for name in vars(MVPJourneyOrchestrator) if not name.startswith("_")}
    assert asynchronous == {name for name in vars(blocking.MVPJourneyOrchestrator) if not name.startswith("_")}
