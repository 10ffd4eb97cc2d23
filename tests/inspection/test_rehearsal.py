"""What would be undone, for each way in which each milestone can go wrong; nothing is called."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from saga_journey.core.definition import ChildJourney, JourneyDefinition, Milestone
from saga_journey.core.shape import Parallel, To
from saga_journey.inspection.rehearsal import Story, rehearse
from tests.core.journeys import ORDER, PAID, REFUNDABLE, saga, step, structured, wait
from tests.walks.random_shapes import Shapes


def told(definition: JourneyDefinition, *milestones: str) -> list[str]:
    return [line(story) for story in rehearse(definition, milestones or None)]


def line(s: Story) -> str:
    """`charge refused: reserve, compensated`: what is undone (`?` told nothing, `!` refused), what stays, the end."""
    undone = [u.milestone + "?" * u.blind + "!" * (not u.done) for u in s.undone]
    stays = [f"stays {' '.join(s.stays)}"] if s.stays else []
    return f"{s.milestone} {s.fate}: {', '.join([*undone, *stays, s.attention or s.status])}"


def test_a_line() -> None:
    assert told(ORDER) == [
        "reserve refused: compensated",
        "reserve unknown: reserve?, compensated",
        "reserve undo_refused: reserve!, stays reserve, stuck_undo",
        "charge refused: reserve, compensated",
        "charge unknown: charge?, reserve, compensated",
        "charge undo_refused: charge!, stays reserve charge, stuck_undo",
        "ship refused: charge, reserve, compensated",
        "ship unknown: ship?, charge, reserve, compensated",
        "ship undo_refused: ship!, stays reserve charge ship, stuck_undo",
    ]


def test_the_handlers_are_named() -> None:
    (story,) = [s for s in rehearse(ORDER) if (s.milestone, s.fate) == ("charge", "unknown")]
    assert [(u.milestone, u.handler) for u in story.undone] == [("charge", "undo_charge"), ("reserve", "undo_reserve")]


def test_a_stuck_undo_that_lets_the_others_go_on() -> None:
    order = saga(step("reserve"), step("charge"), on_stuck_undo="continue")
    assert told(order, "charge")[-1] == "charge undo_refused: charge!, reserve, stays charge, stuck_undo"


def test_a_pivot() -> None:
    assert told(PAID) == [
        "reserve refused: compensated",
        "reserve unknown: reserve?, compensated",
        "reserve undo_refused: reserve!, stays reserve, stuck_undo",
        "charge refused: reserve, compensated",
        "charge unknown: pivot_in_doubt",
        "ship refused: cannot_go_on",
        "ship unknown: cannot_go_on",
    ]
    assert told(REFUNDABLE, "charge") == [
        "charge refused: reserve, compensated",
        "charge unknown: charge?, reserve, compensated",
        "charge undo_refused: charge?!, stays reserve charge, stuck_undo",
    ]


def test_what_nothing_undoes_stays() -> None:
    order = saga(step("mail", undo=None), step("look", undo=None, effects="read_only"), step("charge"))
    assert told(order, "charge")[0] == "charge refused: stays mail, compensated"
    assert told(order, "mail") == ["mail refused: compensated", "mail unknown: stays mail, compensated"]


def test_an_optional_one_is_passed_over() -> None:
    order = saga(step("a"), step("tour", optional=True), step("b"))
    assert told(order, "tour")[:2] == ["tour refused: completed", "tour unknown: completed"]
    assert told(order, "a")[-1] == "a undo_refused: a!, stays a, stuck_undo"


def test_side_by_side_what_runs_beside_is_done_first() -> None:
    block = Parallel(((step("a"), step("b")), (step("c"),)))
    order = JourneyDefinition("order", 1, (step("first"), block, step("last")))
    assert told(order, "c")[0] == "c refused: b, a, first, compensated"
    assert told(order, "a")[0] == "a refused: c, first, compensated"
    assert told(order, "b")[1] == "b unknown: b?, c, a, first, compensated"


def test_waits_timers_and_children_end_by_themselves() -> None:
    trip = Milestone("trip", None, kind="child", child=ChildJourney("travel", 1, "0" * 32), within=1.0)
    rest = Milestone("rest", None, kind="timer", timeout=9e6)
    order = saga(wait("ask", timeout=1.0), rest, trip, step("charge", within=1.0), deadline=2.0)
    assert told(order, "charge")[0] == "charge refused: trip, ask, compensated"
    assert told(order, "trip") == [
        "trip refused: ask, compensated",
        "trip unknown: child_resolved",
        "trip undo_refused: trip!, stays ask trip, stuck_undo",
    ]
    assert told(order, "ask")[:2] == ["ask refused: compensated", "ask unknown: ask?, compensated"]
    assert told(order, "rest") == []
    (undone,) = [
        u for s in rehearse(order, ["charge"]) for u in s.undone if s.fate == "refused" and u.handler[0] == "c"
    ]
    assert undone.handler == "compensate travel"


def test_of_a_choice_the_way_is_taken_that_leads_there() -> None:
    ways = step("ask", next_steps=(To("express", "input.express"), To("standard")))
    express = step("express", next_steps=(To("done"),))
    order = saga(ways, express, step("standard"), step("done"))
    assert told(order, "express")[0] == "express refused: ask, compensated"
    assert told(order, "standard")[0] == "standard refused: ask, compensated"
    assert told(order, "done")[0] == "done refused: express, ask, compensated"


def test_structured_journeys_wait_for_a_person() -> None:
    assert told(structured(step("form"), step("check"))) == [
        "form refused: milestone_failed",
        "form unknown: milestone_failed",
        "check refused: milestone_failed",
        "check unknown: milestone_failed",
    ]


def test_requests_are_answered() -> None:
    assert told(saga(step("a"), wait("ask", request=True)), "ask")[:2] == [
        "ask refused: a, compensated",
        "ask unknown: ask?, a, compensated",
    ]


def test_a_hundred_milestones_take_a_moment() -> None:
    def milestone(i: int) -> Any:
        return step(f"m{i}")

    long = saga(*map(milestone, range(100)))
    before = time.process_time()
    stories = list(rehearse(long))
    assert (len(stories), len(stories[-2].undone)) == (300, 100)
    assert time.process_time() - before < 3


def test_of_every_shape_the_story_comes_to_an_end() -> None:
    for seed in range(400):
        definition = Shapes(Random(seed)).journey()
        for story in rehearse(definition):
            assert (story.status == "failed") == (story.attention is not None), (seed, story)
            assert story.status in ("compensated", "completed", "failed", "resolved"), (seed, story)
            undone = [undone.milestone for undone in story.undone]
            assert len(set(undone)) == len(undone), (seed, story)
            assert not {u.milestone for u in story.undone if u.done} & set(story.stays), (seed, story)
