"""Structured journeys: ordered and enforced; a person decides what follows a failure, and goes back by hand."""

from __future__ import annotations

from typing import Any

import pytest

from saga_journey import Curator, Journeys, Run
from saga_journey.core import events as ev
from saga_journey.errors import DefinitionError, Rejected, UnknownJourney, UnknownJourneyType
from tests.acceptance.participant import done, hold, refuse
from tests.acceptance.stage import Stage, ended
from tests.acceptance.story import journal

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
FORM: dict[str, Any] = {
    "milestones": [
        {"id": "name", "undo": "undo_name"},
        {"id": "photo", "undo": "undo_photo", "retry": {"attempts": 1}},
        {"id": "approval", "kind": "external", "timeout": 1000.0},
        {"id": "sign", "retry": {"attempts": 1}},
    ]
}


@pytest.fixture
def curator(stage: Stage) -> Curator:
    curator = Curator()
    for name in ("name", "photo", "sign", "approval"):
        for handler, fn in stage.step(name).handlers.items():
            curator.register(fn, handler)
    return curator


async def filled_in(journeys: Journeys, journey_id: str) -> Run:
    return journeys.run(await journeys.structured.execute_journey(journey_id, "ann", {"form": 7}, ANN), ANN)


@pytest.mark.anyio
async def test_designed_executed_advanced_and_asked_for(stage: Stage, curator: Curator) -> None:
    async with stage.moving(curator=curator) as journeys:
        door = journeys.structured
        designed = await door.design_journey("form", FORM, ANN)
        run = await filled_in(journeys, designed["journey_id"])
        await stage.story.happened(ev.MilestoneCompleted, 2)
        status = await door.get_journey_status(run.saga_id, ANN)
        assert status["waiting_for"] == "an answer to approval"
        told = await door.advance_journey_step(run.saga_id, "carl", {"outcome": "ok", "result": "yes"}, ANN)
        assert told == {"saga_id": run.saga_id, "accepted": True, "code": "applied", "detail": ""}
        await ended(run)
        assert (await door.get_journey_status(run.saga_id, ANN))["status"] == "completed"


@pytest.mark.anyio
async def test_skipping_ahead_is_refused_with_what_must_come_first(stage: Stage, curator: Curator) -> None:
    stage.participant.will("name", hold())
    async with stage.moving(curator=curator) as journeys:
        designed = await journeys.structured.design_journey("form", FORM, ANN)
        run = await filled_in(journeys, designed["journey_id"])
        call = await stage.participant.called("name")
        with pytest.raises(Rejected, match=r"not_waiting_yet.*'approval' has not been started.*name comes first"):
            await journeys.structured.advance_journey_step(
                run.saga_id, "carl", {"milestone_id": "approval", "outcome": "ok"}, ANN
            )
        call.answer(done())
        await stage.story.happened(ev.MilestoneCompleted, 2)


@pytest.mark.anyio
async def test_paused_resumed_and_cancelled(stage: Stage, curator: Curator) -> None:
    """A cancelled journey stays as it is: nothing is undone by itself."""
    async with stage.moving(curator=curator) as journeys:
        door = journeys.structured
        run = await filled_in(journeys, (await door.design_journey("form", FORM, ANN))["journey_id"])
        await stage.story.happened(ev.MilestoneCompleted, 2)
        assert (await door.pause_journey(run.saga_id, ANN, reason="lunch"))["code"] == "applied"
        assert (await door.get_journey_status(run.saga_id, ANN))["status"] == "paused"
        assert (await door.resume_journey(run.saga_id, ANN))["code"] == "applied"
        assert (await door.cancel_journey(run.saga_id, ANN, reason="moved away"))["accepted"]
        await ended(run)
        assert (await door.get_journey_status(run.saga_id, ANN))["status"] == "cancelled"
    assert stage.participant.standing() == ["name", "photo"]


@pytest.mark.anyio
async def test_a_failure_waits_for_a_person_who_goes_back_and_on(stage: Stage, curator: Curator) -> None:
    """The undo of the last milestone really runs; what is done again is done under another key."""
    without_approval = {"milestones": [row for row in FORM["milestones"] if row["id"] != "approval"]}
    stage.participant.will("sign", refuse("not you"))
    stage.participant.goes_back = True
    async with stage.moving(curator=curator) as journeys:
        designed = await journeys.structured.design_journey("form", without_approval, ANN)
        run = await filled_in(journeys, designed["journey_id"])
        assert (await ended(run)).attention[0].kind == "milestone_failed"  # type: ignore[union-attr]
        await run.rollback(reason="wrong photo")
        await stage.story.happened(ev.MilestoneRolledBack)
        assert stage.participant.standing() == ["name"]
        await run.resume()
        await ended(run)
        told = await journal(run)
    assert told[3:] == [
        "milestone_refused sign",
        "attention_raised sign milestone_failed",
        "rollback_started photo who=ann",
        "milestone_rolled_back photo",
        "resumed who=ann",
        "milestone_completed photo",
        "milestone_completed sign",
        "saga_completed",
    ]
    assert len({key for key, _ in stage.participant.keys(run.saga_id) if "/photo/do" in key}) == 2


@pytest.mark.anyio
async def test_a_journey_is_customized_into_a_new_version(stage: Stage, curator: Curator) -> None:
    """What runs keeps its own; what is not said stays."""
    async with stage.moving(curator=curator) as journeys:
        door = journeys.structured
        first = await door.design_journey("form", FORM, ANN)
        second = await door.customize_journey(
            first["journey_id"],
            {"deadline": 60.0, "milestones": {"photo": {"timeout": 5.0}}, "without": ["approval"]},
            ANN,
        )
        again = await door.customize_journey(second["journey_id"], {"version": 2}, ANN)
    assert (second["version"], second["definition"].deadline) == (2, 60.0)
    assert [m.id for m in second["definition"].milestones] == ["name", "photo", "sign"]
    assert second["definition"].milestones[1].timeout == 5.0
    assert again["hash"] == second["hash"]


@pytest.mark.anyio
async def test_what_cannot_be_customized_is_told_at_once(stage: Stage, curator: Curator) -> None:
    async with stage.moving(curator=curator) as journeys:
        door = journeys.structured
        first = await door.design_journey("form", FORM, ANN)
        wrong: Any = {
            "milestones": {"foto": {"timeout": 5.0}, "photo": {"timout": 5.0}, "name": {"undo": "undo_nam"}},
            "without": ["aproval"],
            "deadlin": 5,
        }
        with pytest.raises(DefinitionError) as error:
            await door.customize_journey(first["journey_id"], wrong, ANN)
        with pytest.raises(UnknownJourney):
            await door.customize_journey("jrn_1_nothing", {}, ANN)
    assert error.value.problems == (
        "'foto' is no milestone of it (did you mean 'photo'?)",
        "'aproval' is no milestone of it (did you mean 'approval'?)",
        "deadlin cannot be customized (did you mean 'deadline'?)",
        "milestones[1].timout is not a field (did you mean 'timeout'?)",
    )


@pytest.mark.anyio
async def test_types_and_templates(stage: Stage) -> None:
    async with stage.moving() as journeys:
        door = journeys.structured
        types = await door.get_available_journey_types()
        assert "order_processing" in [one["journey_type"] for one in types]
        template = await door.get_journey_template("order_processing")
        assert template["requirements"]["type"] == "object"
        with pytest.raises(
            UnknownJourneyType, match=r"no template is called 'order_procesing' \(did you mean 'order_pro"
        ):
            await door.get_journey_template("order_procesing")
        with pytest.raises(UnknownJourneyType, match="or give the milestones yourself"):
            await door.design_journey("form", {}, ANN)


@pytest.mark.anyio
async def test_a_milestone_may_run_another_designed_journey(stage: Stage, curator: Curator) -> None:
    async with stage.moving(curator=curator) as journeys:
        inner = await journeys.saga.design_saga_journey(
            "inner", {"milestones": [{"id": "photo"}]}, {"photo": None}, ANN
        )
        outer = {"milestones": [{"id": "name"}, {"id": "pictures", "journey_id": inner["journey_id"]}, {"id": "sign"}]}
        designed = await journeys.saga.design_saga_journey("outer", outer, {"name": "undo_name", "sign": None}, ANN)
        saga_id = await journeys.saga.execute_saga_journey(designed["journey_id"], "ann", {}, ANN)
        await ended(journeys.run(saga_id, ANN))
        with pytest.raises(DefinitionError, match="milestone 'x': no journey 'jrn_9_no' here"):
            await journeys.saga.design_saga_journey(
                "bad", {"milestones": [{"id": "x", "journey_id": "jrn_9_no"}]}, {}, ANN
            )
    assert stage.participant.ledger() == ["do name #1: applied", "do photo #1: applied", "do sign #1: applied"]
