"""What a handler is given, and what it may give back: `ctx`, inputs, results, verdicts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from saga_journey import Compensated, Completed, Context, Refused, Saga, milestone
from saga_journey.authoring import MilestoneOf
from saga_journey.errors import AmbiguousResult, InvalidInput, NoResult
from tests.acceptance.sagas import AT_ONCE, ONCE
from tests.acceptance.stage import Stage, ended

Any_ = Context[Any]


async def nothing(ctx: Context[Any], result: Any) -> None:
    """An undo that has nothing to do."""


def of(*milestones: MilestoneOf[Any, Any], input: Any = None, name: str = "told") -> Saga[Any]:
    return Saga(name, version=1, milestones=milestones, input=input)


# --- members ------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_a_handler_knows_of_its_call(stage: Stage) -> None:
    """Action, then its undo: keys, attempt, fence, deadline; who started it and for whom."""
    seen: list[dict[str, Any]] = []

    async def book(ctx: Context[Any]) -> str:
        seen.append(members(ctx))
        if ctx.attempt == 1:
            raise ConnectionError("reset by peer")
        return "booked"

    async def unbook(ctx: Context[Any], booked: str | None) -> None:
        seen.append(members(ctx))

    async def pay(ctx: Context[Any]) -> None:
        raise Refused("no money")

    saga = of(
        milestone(book, undo=unbook, params={"seat": 7}, timeout=5, undo_timeout=6, retry=AT_ONCE),
        milestone(pay, undo=None),
    )
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, {"n": 1}, user_context={"tenant_id": "acme", "user_id": "ann"})
        await ended(run)
    now, name = stage.clock.now(), run.saga_id
    book_known = {
        "saga_id": name,
        "milestone_id": "book",
        "action_key": f"{name}/book/do",
        "input": {"n": 1},
        "params": {"seat": 7},
        "user_id": "ann",
        "tenant": "acme",
    }
    do = book_known | {"idempotency_key": f"{name}/book/do", "deadline": now + 5, "action_known": False}
    undo = book_known | {"idempotency_key": f"{name}/book/undo", "deadline": now + 6, "action_known": True}
    assert seen == [
        do | {"attempt": 1, "fence": 1},
        do | {"attempt": 2, "fence": 2},
        undo | {"attempt": 1, "fence": 5},
    ]


def members(ctx: Context[Any]) -> dict[str, Any]:
    names = ("saga_id", "milestone_id", "attempt", "idempotency_key", "action_key", "action_known", "deadline")
    return {name: getattr(ctx, name) for name in (*names, "fence", "input", "params", "user_id", "tenant")}


@pytest.mark.anyio
async def test_the_log_says_whose_it_is(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def book(ctx: Context[Any]) -> None:
        ctx.log.info("seat %d", 7)

    saga = of(milestone(book, undo=None))
    with caplog.at_level(logging.INFO, "saga_journey.handlers"):
        async with stage.moving(saga) as journeys:
            run = await journeys.start(saga, None)
            await ended(run)
    (record,) = caplog.records
    assert record.getMessage() == "seat 7"
    assert {name: record.__dict__[name] for name in ("saga_id", "milestone_id", "attempt")} == {
        "saga_id": run.saga_id,
        "milestone_id": "book",
        "attempt": 1,
    }


# --- milestones made in a loop ------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_milestones_in_a_loop(stage: Stage) -> None:
    """One function, three identities and data of their own; undone in reverse."""
    book: list[str] = []

    async def copy_wave(ctx: Context[Any]) -> int:
        book.append(f"copied {ctx.params['wave']}")
        return int(ctx.params["wave"]) * 100

    async def drop_wave(ctx: Context[Any], copied: int | None) -> None:
        book.append(f"dropped {ctx.params['wave']} ({copied})")

    async def switch(ctx: Context[Any]) -> None:
        book.append(f"sum {sum(ctx.result(wave) for wave in waves)}")
        with pytest.raises(AmbiguousResult, match=r"'copy_wave' is the action of wave-1, wave-2, wave-3"):
            ctx.result(copy_wave)
        raise Refused("not today")

    waves = [milestone(copy_wave, undo=drop_wave, id=f"wave-{n}", params={"wave": n}) for n in (1, 2, 3)]
    saga = of(*waves, milestone(switch, undo=None))
    async with stage.moving(saga) as journeys:
        assert isinstance(await ended(await journeys.start(saga, None)), Compensated)
    assert book == [
        *["copied 1", "copied 2", "copied 3", "sum 600"],
        *["dropped 3 (300)", "dropped 2 (200)", "dropped 1 (100)"],
    ]


# --- results of others --------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_results_by_function_by_milestone_by_id_and_by_default(stage: Stage) -> None:
    """And in whichever way, it is a value of the declared type, a copy of its own each time."""
    asked: dict[str, Any] = {}

    async def reserve(ctx: Context[Any]) -> Hold:
        return Hold(["a", "b"])

    async def gift(ctx: Context[Any]) -> str:
        raise Refused("none left")

    async def nothing_given(ctx: Context[Any]) -> None:
        return None

    async def look(ctx: Context[Any]) -> None:
        asked["fn"], asked["object"], asked["id"] = ctx.result(reserve), ctx.result(held), ctx.result("reserve")
        ctx.result(reserve).pieces.append("c")
        asked["again"] = ctx.result(reserve)
        asked["default"] = ctx.result(gift, default=None)
        asked["none"] = ctx.result(nothing_given)
        for name, of_what in {"refused": gift, "itself": look, "unknown": "nobody", "no action": nothing}.items():
            with pytest.raises(NoResult) as error:
                ctx.result(of_what)  # type: ignore[call-overload]
            asked[name] = str(error.value)

    held = milestone(reserve, undo=None)
    saga = of(
        held, milestone(gift, undo=None, optional=True), milestone(nothing_given, undo=None), milestone(look, undo=None)
    )
    async with stage.moving(saga) as journeys:
        outcome = await ended(await journeys.start(saga, None))
    assert isinstance(outcome, Completed)
    assert asked == {
        **dict.fromkeys(("fn", "object", "id", "again"), Hold(["a", "b"])),
        "default": None,
        "none": None,
        "refused": "milestone 'gift' is refused and has no result: give a default if that is fine",
        "itself": "milestone 'look' is running and has no result: give a default if that is fine",
        "unknown": "'nobody' is no milestone of 'told'",
        "no action": "'nothing' is the action of no milestone of 'told'",
    }
    assert dict(outcome.results) == {"reserve": Hold(["a", "b"])}
    assert outcome.results.of(reserve) == Hold(["a", "b"])
    with pytest.raises(KeyError):
        outcome.results["gift"]


@dataclass
class Hold:
    pieces: list[str]


# --- types of inputs and results ----------------------------------------------------------------------------------


@dataclass
class AsDataclass:
    name: str
    day: date
    tags: list[str] = field(default_factory=list)


class AsModel(BaseModel):
    name: str
    day: date


class AsDict(TypedDict):
    name: str
    kind: Literal["a", "b"]


TYPES: list[tuple[Any, Any, Any]] = [
    (AsDataclass, AsDataclass("x", date(2026, 1, 2), ["t"]), {"name": "x", "day": "2026-01-02", "tags": ["t"]}),
    (AsModel, AsModel(name="x", day=date(2026, 1, 2)), {"name": "x", "day": "2026-01-02"}),
    (AsDict, {"name": "x", "kind": "a"}, {"name": "x", "kind": "a"}),
    (dict[str, int], {"n": 1}, {"n": 1}),
    (list[str], ["a"], ["a"]),
    (str, "text", "text"),
    (int, 7, 7),
    (bool, False, False),
    (Any, {"a": [1, None, "ü"]}, {"a": [1, None, "ü"]}),
]


@pytest.mark.anyio
@pytest.mark.parametrize("plain_def", [False, True], ids=["async def", "def"])
@pytest.mark.parametrize(("declared", "value", "stored"), TYPES, ids=[str(row[0]) for row in TYPES])
async def test_every_type_comes_back_as_it_went_in(
    stage: Stage, plain_def: bool, declared: Any, value: Any, stored: Any
) -> None:
    """As an input, as a result, as what the undo is given; and it is stored as the JSON that one expects."""
    seen: list[Any] = []
    act, take_back = echoing(seen, declared, plain_def=plain_def)

    async def say_no(ctx: Context[Any]) -> None:
        seen.append(ctx.result(act))
        raise Refused("no")

    saga = of(milestone(act, undo=take_back), milestone(say_no, undo=None), input=declared)
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, value)
        await ended(run)
        status = await run.status()
    assert seen == [value] * 3
    assert [type(v) for v in seen] == [type(value)] * 3
    assert (status.input, status.milestones[0].result) == (stored, stored)


def echoing(seen: list[Any], declared: Any, *, plain_def: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """An action that returns its input, and an undo, both declared with that type."""

    async def act(ctx: Context[Any]) -> Any:
        seen.append(ctx.input)
        return ctx.input

    async def take_back(ctx: Context[Any], result: Any) -> None:
        seen.append(result)

    def act_in_a_thread(ctx: Context[Any]) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        seen.append(ctx.input)
        return ctx.input

    def take_back_in_a_thread(ctx: Context[Any], result: Any) -> None:
        assert threading.current_thread() is not threading.main_thread()
        seen.append(result)

    pair = (act_in_a_thread, take_back_in_a_thread) if plain_def else (act, take_back)
    pair[0].__annotations__["return"] = declared
    pair[1].__annotations__["result"] = declared | None if declared is not Any else Any
    return pair


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("declared", "value", "problem"),
    [
        (AsDataclass, {"name": "x"}, "the input of 'told' does not fit AsDataclass: day: "),
        (AsModel, {"name": "x", "day": "soon"}, "the input of 'told' does not fit AsModel: day: "),
        (AsDict, {"name": "x", "kind": "c"}, "the input of 'told' does not fit AsDict: kind: "),
        (int, "seven", "the input of 'told' does not fit int: "),
    ],
)
async def test_an_input_that_does_not_fit_starts_nothing(stage: Stage, declared: Any, value: Any, problem: str) -> None:
    saga = of(milestone(echoing([], Any, plain_def=False)[0], undo=None), input=declared)
    async with stage.moving(saga) as journeys:
        with pytest.raises(InvalidInput, match=problem):
            await journeys.start(saga, value)
        assert await journeys.search() == []


@pytest.mark.anyio
async def test_the_undo_of_a_result_that_was_none(stage: Stage) -> None:
    """`action_known` tells "it returned None" from "nobody knows"."""
    given: list[tuple[str, Any, bool]] = []

    async def act(ctx: Context[Any]) -> None:
        if ctx.params == "lost":
            raise ConnectionError

    async def take_back(ctx: Context[Any], result: None) -> None:
        given.append((ctx.milestone_id, result, ctx.action_known))

    said = milestone(act, undo=take_back, id="said")
    lost = milestone(act, undo=take_back, id="lost", params="lost", retry=ONCE)
    async with stage.moving(saga := of(said, lost)) as journeys:
        await ended(await journeys.start(saga, None))
    assert given == [("lost", None, False), ("said", None, True)]


@pytest.mark.anyio
async def test_what_a_handler_returned_is_its_own(stage: Stage) -> None:
    """A dict that is changed after it was returned, or by a reader, changes nothing in the journal."""
    kept: list[dict[str, Any]] = []

    async def act(ctx: Context[Any]) -> dict[str, Any]:
        kept.append({"pieces": [1]})
        return kept[0]

    async def look(ctx: Context[Any]) -> list[Any]:
        kept[0]["pieces"].append(2)
        ctx.result(act)["pieces"].append(3)
        ctx.input["n"] = 99
        return [ctx.result(act), await asyncio.to_thread(lambda: ctx.result(act))]

    async def look_again(ctx: Context[Any]) -> Any:
        return ctx.input

    saga = of(milestone(act, undo=None), milestone(look, undo=None), milestone(look_again, undo=None))
    given = {"n": 1}
    async with stage.moving(saga) as journeys:
        run = await journeys.start(saga, given)
        given["n"] = 2
        outcome = await ended(run)
    assert isinstance(outcome, Completed)
    assert dict(outcome.results) == {"act": {"pieces": [1]}, "look": [{"pieces": [1]}] * 2, "look_again": {"n": 1}}
