"""Bad definitions, by both doors: one error that says everything that is wrong and where; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from saga_journey import Compensated, Completed, Context, Curator, Refused, Saga, milestone, to
from saga_journey.authoring.milestones import MilestoneOf
from saga_journey.core.definition import MAX_MILESTONES
from saga_journey.errors import DefinitionError, NotJson
from tests.acceptance.stage import Stage, ended

LAST = f"m{MAX_MILESTONES - 1}"


async def do(ctx: Context[Any]) -> str:
    if ctx.milestone_id == LAST and ctx.input == "back":
        raise Refused("no further")
    return ctx.milestone_id


async def undo(ctx: Context[Any], result: str | None) -> None:
    """Takes back what `do` did."""


def a(id: str, **policy: Any) -> MilestoneOf[Any, Any]:
    return milestone(do, undo=policy.pop("undo", undo), id=id, **policy)


def row(id: str, **policy: Any) -> dict[str, Any]:
    return {"id": id, "action": "do", "undo": "undo", **policy}


def written(*milestones: Any) -> Saga[Any]:
    return Saga("checkout", version=1, milestones=milestones)


@pytest.fixture
def curator() -> Curator:
    curator = Curator()
    curator.register(do)
    curator.register(undo)
    return curator


class Wrong(NamedTuple):
    """The same mistake, as code and as a request, and the sentence that both are told."""

    written: Callable[[], object]
    requested: list[Any]
    problem: str


BACKWARD = "which does not stand after it: a journey only goes forward, and next_steps never run in a circle"
UNUSABLE = "the id is not usable: letters, digits, '_', '.', '-', at most 100, no digit first"
MANY = [f"m{n}" for n in range(MAX_MILESTONES + 1)]

WRONG: dict[str, Wrong] = {
    "no milestones": Wrong(written, [], "it has no milestones"),
    "an id twice": Wrong(
        lambda: written(a("pay"), a("pay")),
        [row("pay"), row("pay")],
        "milestone 'pay' is there twice: give each its own id",
    ),
    "an undo after the pivot": Wrong(
        lambda: written(a("pay", pivot=True), a("ship")),
        [row("pay", pivot=True), row("ship")],
        "milestone 'ship' declares undo 'undo' after the pivot 'pay': there is no way back there",
    ),
    "two pivots": Wrong(
        lambda: written(a("pay", pivot=True), a("ship", undo=None, pivot=True)),
        [row("pay", pivot=True), row("ship", undo=None, pivot=True)],
        "milestones 'pay' and 'ship' are both the pivot: a journey has one point of no return",
    ),
    "a circle": Wrong(
        lambda: written(a("pay"), a("ship", next_steps=[to("pay")])),
        [row("pay", next_steps=["ship"]), row("ship", next_steps=["pay"])],
        f"milestone 'ship' goes on to 'pay', {BACKWARD}",
    ),
    "a step to itself": Wrong(
        lambda: written(a("pay", next_steps=[to("pay")])),
        [row("pay", next_steps=["pay"])],
        f"milestone 'pay' goes on to 'pay', {BACKWARD}",
    ),
    "a step to nowhere": Wrong(
        lambda: written(a("pay", next_steps=[to("shop")])),
        [row("pay", next_steps=["shop"])],
        "milestone 'pay' goes on to 'shop', which does not exist",
    ),
    "a milestone that nothing leads to": Wrong(
        lambda: written(a("pay", next_steps=[to("ship")]), a("wrap"), a("ship")),
        [row("pay", next_steps=["ship"]), row("wrap"), row("ship")],
        "no path of next_steps reaches 'wrap'",
    ),
    "1,001 milestones": Wrong(
        lambda: written(*map(a, MANY)),
        [row(id) for id in MANY],
        "it has 1001 milestones, at most 1000 can be run",
    ),
    "an id with a blank": Wrong(lambda: written(a("pay now")), [row("pay now")], f"milestone 'pay now': {UNUSABLE}"),
    "a timeout of nothing": Wrong(
        lambda: written(a("pay", timeout=0.0)),
        [row("pay", timeout=0.0)],
        "milestone 'pay': timeout is 0.0: it is a number of seconds above 0, and always finite",
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("mistake", WRONG)
async def test_both_doors_refuse_it_in_the_same_words(stage: Stage, curator: Curator, mistake: str) -> None:
    wrong = WRONG[mistake]
    with pytest.raises(DefinitionError) as as_code:
        wrong.written()
    async with stage.moving(curator=curator) as journeys:
        with pytest.raises(DefinitionError) as as_request:
            await journeys.saga.design_saga_journey("checkout", {"milestones": wrong.requested}, {})
        assert await journeys.store.definitions() == {}
    assert as_code.value.problems == as_request.value.problems == (wrong.problem,)
    assert str(as_code.value) == str(as_request.value) == f"journey 'checkout' has 1 problem:\n  - {wrong.problem}"


@pytest.mark.anyio
async def test_names_that_nothing_is_registered_under(stage: Stage, curator: Curator) -> None:
    """Of an action, of an undo, of a milestone that an undo is said for: each with the nearest one that there is."""
    rows = [{"id": "pay", "action": "doo"}, {"id": "ship", "action": "do", "undo": "undoo"}]
    async with stage.moving(curator=curator) as journeys:
        with pytest.raises(DefinitionError) as refused:
            await journeys.saga.design_saga_journey("checkout", {"milestones": rows}, {"pay": "undo", "shop": "undo"})
    assert refused.value.problems == (
        "compensation_handlers names 'shop', which is no milestone (did you mean 'ship'?)",
        "milestone 'pay': action 'doo' is not registered (did you mean 'do'?)",
        "milestone 'ship': undo 'undoo' is not registered (did you mean 'undo'?)",
    )


@pytest.mark.anyio
@pytest.mark.parametrize("strange", [7, "milestones", ["pay"]], ids=repr)
@pytest.mark.parametrize("place", ["requirements", "compensation_handlers"])
async def test_a_request_that_is_no_object(stage: Stage, curator: Curator, place: str, strange: Any) -> None:
    """It came as JSON, from somebody else: it is refused as any other bad definition is."""
    said: dict[str, Any] = {"requirements": {"milestones": [row("pay")]}, "compensation_handlers": {}, place: strange}
    async with stage.moving(curator=curator) as journeys:
        with pytest.raises(DefinitionError, match=place):
            await journeys.saga.design_saga_journey("checkout", **said)


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "a lone surrogate"])
async def test_a_handler_name_that_cannot_be_stored(stage: Stage, curator: Curator, text: str) -> None:
    """It is no name that anything is registered under; the other problems are told beside it."""
    rows = [row("pay", undo=text), row("ship", timeout=0.0)]
    async with stage.moving(curator=curator) as journeys:
        with pytest.raises(DefinitionError) as refused:
            await journeys.saga.design_saga_journey("checkout", {"milestones": rows}, {})
    assert [problem.split(":")[0] for problem in refused.value.problems] == ["milestone 'pay'", "milestone 'ship'"]


def test_functions_that_a_restart_would_not_find_again() -> None:
    """A lambda, a thing that is no function, two functions under one name: all of it in one error."""
    with pytest.raises(DefinitionError) as refused:
        written(
            milestone(lambda ctx: 1, undo=None, id="pay"),
            milestone(7, undo=None, id="wrap"),  # type: ignore[call-overload]
            a("ship"),
            milestone(undo, undo=None, id="tell", name="do"),  # type: ignore[arg-type]
        )
    assert refused.value.problems == (
        "<lambda> has no name that survives a restart (a lambda, a partial): write a def, or give name=…",
        "int has no name that survives a restart (a lambda, a partial): write a def, or give name=…",
        "two functions share the handler name 'do': give one of them name= (or undo_name=)",
    )


def test_a_function_where_a_milestone_is_meant() -> None:
    """The first mistake that anybody makes says how to write it."""
    with pytest.raises(DefinitionError, match=r"do is no milestone: milestone\(do, undo=…\)"):
        written(do)


def test_params_that_are_no_json() -> None:
    with pytest.raises((DefinitionError, NotJson), match=r"milestone 'pay': params\.rate: nan is not JSON"):
        written(a("pay", params={"rate": float("nan")}))


@pytest.mark.anyio
async def test_a_thousand_milestones_can_be_run_and_undone(stage: Stage) -> None:
    """What is allowed works: forward to the end, and back from the last one."""
    saga = written(*map(a, MANY[:MAX_MILESTONES]))
    async with stage.moving(saga) as journeys:
        forward, back = await journeys.start(saga, "forth"), await journeys.start(saga, "back")
        done, undone = await ended(forward), await ended(back)
        names = [entry.name for entry in await back.history()]
    assert isinstance(done, Completed)
    assert len(done.results) == MAX_MILESTONES
    assert isinstance(undone, Compensated)
    assert names.count("milestone_compensated") == MAX_MILESTONES - 1
