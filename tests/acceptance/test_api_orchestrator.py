"""The second door: sagas out of plain data, with names instead of functions; it leads to the same house."""

from __future__ import annotations

from typing import Any

import pytest

from saga_journey import Completed, Context, Curator, Refused, Rejected, Retry, Saga, external, milestone
from saga_journey.core import events as ev
from saga_journey.errors import DefinitionError, InvalidInput, KeyConflict, NotJson, UnknownJourney, UnknownSaga
from saga_journey.orchestrators.structured import StepResult
from tests.acceptance.sagas import AT_ONCE
from tests.acceptance.stage import Stage, ended

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
BOB: Any = {"tenant_id": "globex", "user_id": "bob"}


class Insights:
    """A service that is registered as an object: `insights.analyse`, `insights.revert_analysis`."""

    def __init__(self) -> None:
        self.book: list[str] = []

    async def analyse(self, ctx: Context[Any]) -> dict[str, int]:
        self.book.append(f"analyse {ctx.input['file']}")
        return {"rows": 7}

    def revert_analysis(self, ctx: Context[Any], analysis: dict[str, int] | None) -> None:
        self.book.append(f"revert {analysis}")

    async def publish(self, ctx: Context[Any]) -> None:
        raise Refused("not today")

    def _private(self) -> None:
        """Not to be called by name."""


@pytest.fixture
def insights() -> Insights:
    return Insights()


@pytest.fixture
def curator(insights: Insights) -> Curator:
    curator = Curator()
    assert curator.register_object("insights", insights) == [
        "insights.analyse",
        "insights.publish",
        "insights.revert_analysis",
    ]
    return curator


REPORT = {
    "milestones": [
        {"id": "analysis", "action": "insights.analyse", "undo": "insights.revert_analysis"},
        {"id": "approval", "kind": "external", "timeout": 1000, "undo": None},
        {"id": "publication", "action": "insights.publish"},
    ]
}
NO_UNDO = {"publication": None}


@pytest.mark.anyio
async def test_design_execute_advance_ask(stage: Stage, curator: Curator, insights: Insights) -> None:
    """The five operations, from the request to a saga that undid itself."""
    async with stage.moving(curator=curator) as journeys:
        door = journeys.saga
        designed = await door.design_saga_journey("report", REPORT, NO_UNDO, ANN)
        assert (designed["journey_type"], designed["version"]) == ("report", 1)
        saga_id = await door.execute_saga_journey(designed["journey_id"], "ann", {"file": "a.csv"}, ANN)
        await waits_for(stage, saga_id)
        said: StepResult = {
            "milestone_id": "approval",
            "outcome": "ok",
            "result": {"by": "carl"},
            "expected_attempt": 1,
        }
        answer = await door.advance_saga_step(saga_id, designed["journey_id"], "carl", said, ANN)
        assert answer == {"saga_id": saga_id, "accepted": True, "code": "applied", "detail": ""}
        await ended(journeys.run(saga_id, ANN))
        status = await door.get_saga_status(saga_id, ANN)
        history = await door.get_saga_execution_history(saga_id, ANN)
    assert (status["status"], status["journey"], status["because"]) == (
        "compensated",
        "report",
        "publication: not today",
    )
    assert [(entry["seq"], entry["name"]) for entry in history] == [
        (1, "saga_started"),
        (2, "milestone_completed"),
        (3, "milestone_completed"),
        (4, "milestone_refused"),
        (5, "compensation_decided"),
        (6, "milestone_compensated"),
        (7, "saga_compensated"),
    ]
    assert history[0]["fields"] == {"input": {"file": "a.csv"}, "user": "ann"}
    assert history[2]["fields"] == {"milestone": "approval", "result": {"by": "carl"}, "who": "carl"}
    assert insights.book == ["analyse a.csv", "revert {'rows': 7}"]


async def waits_for(stage: Stage, saga_id: str) -> None:
    """The analysis is recorded: an external milestone that asks nobody waits from then on."""
    await stage.story.happened(ev.MilestoneCompleted, saga=saga_id)


# --- the two doors lead to the same house -------------------------------------------------------------------------


def full_of_policies() -> Saga[Any]:
    """Every policy at least once away from its default."""

    async def book(ctx: Context[Any]) -> str:
        return "booked"

    async def unbook(ctx: Context[Any], booked: str | None) -> None:
        return None

    async def ask(ctx: Context[Any]) -> None:
        return None

    async def pay(ctx: Context[Any]) -> None:
        return None

    return Saga(
        "trip",
        version=3,
        deadline=86_400.0,
        on_stuck_undo="continue",
        milestones=[
            milestone(book, undo=unbook, id="seat-1", params={"seat": 1}, retry=AT_ONCE, timeout=5, within=50),
            milestone(book, undo=unbook, id="seat-2", optional=True, undo_retry=Retry(attempts=3), undo_timeout=7),
            external("approval", request=ask, undo=None, timeout=600),
            milestone(ask, undo=None, id="once", at_most_once=True),
            milestone(pay, undo=None, pivot=True),
        ],
    )


REQUEST: dict[str, Any] = {
    "version": 3,
    "deadline": 86_400.0,
    "on_stuck_undo": "continue",
    "milestones": [
        {
            "id": "seat-1",
            "action": "book",
            "params": {"seat": 1},
            "retry": {"attempts": 4, "first": 0.0, "most": 0.0},
            "timeout": 5.0,
            "within": 50.0,
        },
        {
            "id": "seat-2",
            "action": "book",
            "optional": True,
            "undo_retry": {"attempts": 3, "most": 30.0},
            "undo_timeout": 7.0,
        },
        {"id": "approval", "kind": "external", "action": "ask", "timeout": 600.0},
        {"id": "once", "action": "ask", "at_most_once": True},
        {"id": "pay", "pivot": True},
    ],
}
UNDOS = {"seat-1": "unbook", "seat-2": "unbook", "approval": None, "once": None}


@pytest.mark.anyio
async def test_a_designed_saga_is_the_written_one(stage: Stage) -> None:
    """Equal definitions, equal hashes; and one journey, whichever door it came through."""
    saga = full_of_policies()
    async with stage.moving(saga) as journeys:
        designed = await journeys.saga.design_saga_journey("trip", REQUEST, UNDOS)
        again = await journeys.saga.design_saga_journey("trip", REQUEST, UNDOS)
        run = await journeys.start(saga, {}, key="a")
        same = await journeys.saga.execute_saga_journey(designed["journey_id"], None, {}, idempotency_key="a")
        await run.cancel()
        await ended(run)
    assert designed["definition"] == saga.definition
    assert designed["hash"] == saga.definition.hash == designed["definition"].hash
    assert again == designed
    assert same == run.saga_id


@pytest.mark.anyio
async def test_milestones_by_their_seed_names_and_next_steps(stage: Stage, curator: Curator) -> None:
    """`milestone_id`, an order that `next_steps` give, undos that are named by the action."""
    requirements = {
        "milestones": [
            {"milestone_id": "b", "action": "insights.publish", "next_steps": []},
            {"milestone_id": "a", "action": "insights.analyse", "next_steps": ["b"]},
        ]
    }
    undos = {"insights.analyse": "insights.revert_analysis", "b": None}
    async with stage.moving(curator=curator) as journeys:
        designed = await journeys.saga.design_saga_journey("report", requirements, undos)
    assert [(m.id, m.action, m.undo) for m in designed["definition"].milestones] == [
        ("a", "insights.analyse", "insights.revert_analysis"),
        ("b", "insights.publish", None),
    ]


# --- what it says no to -------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_every_problem_of_a_request_at_once(stage: Stage, curator: Curator) -> None:
    """Each a sentence that names the milestone and says what to do."""
    requirements = {
        "milestones": [
            {"id": "a", "action": "insights.analyze", "timeout": 0},
            {"id": "a", "action": "insights.publish", "undo": "insights.revert"},
            {"id": "c d", "action": "insights.publish", "undo": None},
        ]
    }
    async with stage.moving(curator=curator) as journeys:
        with pytest.raises(DefinitionError) as error:
            await journeys.saga.design_saga_journey("report", requirements, {"x": None})
    assert error.value.problems == (
        "compensation_handlers names 'x', which is no milestone",
        (
            "milestone 'a' has no undo: name its handler, in `undo` or in compensation_handlers, "
            "or say null (None) there when there is nothing to undo"
        ),
        "milestone 'a': action 'insights.analyze' is not registered (did you mean 'insights.analyse'?)",
        "milestone 'a': undo 'insights.revert' is not registered (did you mean 'insights.revert_analysis'?)",
        "milestone 'a': timeout is 0.0: it is a number of seconds above 0, and always finite",
        "milestone 'a' is there twice: give each its own id",
        "milestone 'c d': the id is not usable: letters, digits, '_', '.', '-', at most 100, no digit first",
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("requirements", "problem"),
    [
        ({"milestones": []}, "it has no milestones"),
        ({"milestones": "a, b"}, "milestones: Input should be a valid list"),
        ({"milestones": [7]}, "milestones[0]: an object is wanted"),
        (
            {"milestones": [{"action": "insights.publish", "undo": None, "retries": 3}]},
            "milestones[0].retries is not a field (did you mean 'retry'?)",
        ),
        ({"milestones": [{"undo": None}]}, "milestones[0].id: Field required"),
        (
            {"milestones": [{"id": "a", "params": {"x": float("nan")}, "action": "insights.publish", "undo": None}]},
            "milestone 'a': params.x: nan is not JSON",
        ),
        (
            {"milestones": [{"id": "a", "action": "insights.publish", "undo": None, "next_steps": ["b"]}]},
            "milestone 'a' goes on to 'b', which does not exist",
        ),
    ],
)
async def test_a_request_that_is_none(stage: Stage, curator: Curator, requirements: Any, problem: str) -> None:
    async with stage.moving(curator=curator) as journeys:
        with pytest.raises(DefinitionError) as error:
            await journeys.saga.design_saga_journey("report", requirements, {})
    assert problem in error.value.problems
    assert str(error.value).startswith("journey 'report' has 1 problem:\n  - ")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "journey_id",
    [
        "",
        "report",
        "jrn_",
        "jrn_1",
        "jrn_1_",
        "jrn_1_000000000000",
        "jrn_99_abc",
        "jrn_x_abc",
        f"jrn_{10**30}_abc",
        "jrn_-1_a",
        "jrn_٣_a",
        "jrn_1_\ud800",
    ],
    ids=ascii,
)
async def test_a_journey_that_was_never_designed(stage: Stage, curator: Curator, journey_id: Any) -> None:
    async with stage.moving(curator=curator) as journeys:
        await journeys.saga.design_saga_journey("report", REPORT, NO_UNDO, ANN)
        with pytest.raises(UnknownJourney, match="design it first, and keep the journey_id that it gives"):
            await journeys.saga.execute_saga_journey(journey_id, None, {}, ANN)
        assert await journeys.search(None, ANN) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("step_result", "problem"),
    [
        ({"milestone": "approval", "outcome": "ok"}, "step_result has milestone: it has expected_attempt, "),
        ({"outcome": "done"}, "outcome is 'done': it is 'ok', 'refused' or 'unknown'"),
        ({"milestone_id": "approval"}, "step_result has no outcome: it is 'ok', 'refused' or 'unknown'"),
        (["ok"], "step_result is a list: it is an object with "),
        (None, "step_result is a NoneType: it is an object with "),
        ({"outcome": "ok", "result": float("nan")}, "nan is not JSON"),
    ],
)
async def test_a_step_result_that_is_none(stage: Stage, curator: Curator, step_result: Any, problem: str) -> None:
    """Refused with the fields that it has, and the milestone waits on: a typing error is no success."""
    async with stage.moving(curator=curator) as journeys:
        designed = await journeys.saga.design_saga_journey("report", REPORT, NO_UNDO, ANN)
        saga_id = await journeys.saga.execute_saga_journey(designed["journey_id"], "ann", {"file": "a"}, ANN)
        await waits_for(stage, saga_id)
        with pytest.raises((InvalidInput, NotJson), match=problem):
            await journeys.saga.advance_saga_step(saga_id, None, "carl", step_result, ANN)
        assert (await journeys.run(saga_id, ANN).status()).waiting_for == "an answer to approval"


@pytest.mark.anyio
async def test_a_saga_is_advanced_only_as_the_journey_that_it_is(stage: Stage, curator: Curator) -> None:
    """Another journey's id, another tenant, an unknown saga: there is no such saga."""
    async with stage.moving(curator=curator) as journeys:
        door = journeys.saga
        said: StepResult = {"outcome": "refused", "reason": "no"}
        report = await door.design_saga_journey("report", REPORT, NO_UNDO, ANN)
        other = await door.design_saga_journey("other", REPORT, NO_UNDO, ANN)
        saga_id = await door.execute_saga_journey(report["journey_id"], "ann", {"file": "a"}, ANN)
        await waits_for(stage, saga_id)
        with pytest.raises(UnknownSaga):
            await door.advance_saga_step(saga_id, other["journey_id"], "carl", said, ANN)
        with pytest.raises(UnknownJourney):
            await door.advance_saga_step(saga_id, report["journey_id"], "bob", said, BOB)
        with pytest.raises(UnknownSaga):
            await door.advance_saga_step(saga_id, None, "bob", said, BOB)
        with pytest.raises(UnknownSaga):
            await door.get_saga_status(saga_id, BOB)
        with pytest.raises(UnknownSaga):
            await door.get_saga_execution_history(saga_id, BOB)
        with pytest.raises(UnknownSaga):
            await door.compensate_saga(saga_id, BOB)
        with pytest.raises(UnknownJourney):
            await door.execute_saga_journey(report["journey_id"], "bob", {}, BOB)
        assert (await door.advance_saga_step(saga_id, report["journey_id"], "carl", said, ANN))["accepted"]
        await ended(journeys.run(saga_id, ANN))


@pytest.mark.anyio
async def test_compensate_saga(stage: Stage, curator: Curator, insights: Insights) -> None:
    """Of a completed one, on the plan that was looked at."""
    analysis = {"milestones": REPORT["milestones"][:1]}
    async with stage.moving(curator=curator) as journeys:
        door = journeys.saga
        designed = await door.design_saga_journey("report", analysis, {}, ANN)
        saga_id = await door.execute_saga_journey(
            designed["journey_id"], "ann", {"file": "a"}, ANN, idempotency_key="k"
        )
        with pytest.raises(KeyConflict):
            await door.execute_saga_journey(designed["journey_id"], "ann", {"file": "b"}, ANN, idempotency_key="k")
        run = journeys.run(saga_id, ANN)
        assert isinstance(await ended(run), Completed)
        plan = await run.preview()
        with pytest.raises(Rejected, match="conflict"):
            await door.compensate_saga(saga_id, ANN, expected=plan.seq + 1)
        answer = await door.compensate_saga(saga_id, ANN, reason="wrong file", expected=plan.seq)
        assert answer == {"saga_id": saga_id, "accepted": True, "code": "applied", "detail": ""}
        await stage.story.until(lambda: len(insights.book) == 2, "its undo")
    assert insights.book == ["analyse a", "revert {'rows': 7}"]
