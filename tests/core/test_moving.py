"""A run is moved to a definition that differs in policies only: it stands where it stood, and new policies decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.codec import encode_definition
from saga_journey.core.commands import Advance, Cancel, Move, TimePassed
from saga_journey.core.definition import JourneyDefinition, Milestone, OnStuckUndo, Retry
from saga_journey.core.difference import difference
from saga_journey.core.events import AttemptEnded, Event, MilestoneCompleted, SagaCompleted
from saga_journey.core.evolve import evolve
from saga_journey.core.machine import Turn
from saga_journey.core.state import RunState
from saga_journey.core.timers import next_due
from saga_journey.testing.scenario import given, ok, turn, unknown
from tests.core.journeys import ORDER, saga, step, wait
from tests.walks.laws import assert_same_state
from tests.walks.linear import Walk


def to(definition: JourneyDefinition, **options: Any) -> Move:
    return Move(encode_definition(definition), **options)


def revised(definition: JourneyDefinition, version: int = 2, deadline: float | None = None, **policies: Any) -> Any:
    """The same journey with these policies on each milestone."""
    milestones = tuple(replace(m, **policies) for m in definition.milestones)
    return JourneyDefinition(definition.name, version, milestones, definition.kind, deadline)


APPROVAL = saga(step("reserve"), wait("approve"), step("charge"))
RESERVED = MilestoneCompleted("reserve")


def test_it_stands_where_it_stood() -> None:
    (
        given(ORDER, RESERVED)
        .when(to(revised(ORDER, timeout=5.0), who="ann", reason="slow bank"), calling="charge")
        .then("definition_moved", calls="do charge 1", answers="applied", status="in_progress")
        .when(ok("charge"))
        .then("milestone_completed charge", calls="do ship 1")
        .when(Cancel("ann"))
        .then("attempt_withdrawn ship", "compensation_decided", calls="undo charge 1", answers="applied")
    )


def test_who_why_and_from_where_is_recorded() -> None:
    new = revised(ORDER, timeout=5.0)
    scenario = given(ORDER).when(to(new, who="ann", reason="slow bank"))
    (event,) = scenario.events
    said = (getattr(event, name) for name in ("before", "definition", "who", "reason"))
    assert tuple(said) == (ORDER.hash, encode_definition(new), "ann", "slow bank")
    assert scenario.state.definition == new


def test_a_longer_wait() -> None:
    waiting = given(APPROVAL, RESERVED)
    assert next_due(waiting.state) == 100.0
    waiting.when(to(revised(APPROVAL, timeout=500.0)), at=90)
    waiting.then("definition_moved", answers="applied")
    assert next_due(waiting.state) == 500.0
    waiting.when(TimePassed(), at=101).then()
    waiting.when(Advance("approve"), at=400).then("milestone_completed approve", calls="do charge 1", answers="applied")


def test_a_move_comes_before_a_clock_that_strikes_in_the_same_turn() -> None:
    later = to(revised(APPROVAL, timeout=500.0))
    given(APPROVAL, RESERVED).when(TimePassed(), later, at=101).then("definition_moved", answers="applied")


def test_a_clock_that_has_struck_under_the_new_policies_strikes_at_once() -> None:
    (
        given(APPROVAL, RESERVED)
        .when(to(revised(APPROVAL, deadline=10.0, timeout=100.0)), TimePassed(), at=20)
        .then("definition_moved", "milestone_gave_up approve", "compensation_decided", calls="undo approve 1")
    )


def test_attempts_that_were_made_count() -> None:
    backing_off = given(ORDER, AttemptEnded("reserve", "do", "503", 1.0), AttemptEnded("reserve", "do", "503", 2.0))
    once = to(revised(ORDER, retry=Retry(attempts=1)))
    backing_off.when(once, at=1).then("definition_moved", calls="do reserve 3", answers="applied")
    backing_off.when(unknown("reserve"), at=2).then("milestone_gave_up reserve", "compensation_decided", calls="undo")


def test_while_it_is_undone_too() -> None:
    undoing = given(ORDER, RESERVED).when(Cancel())
    patient = to(revised(ORDER, undo_retry=Retry(attempts=9, first=0.0, most=0.0)))
    undoing.when(patient).then("definition_moved", calls="undo reserve 1", answers="applied")
    for attempt in range(2, 5):
        undoing.when(unknown("reserve")).then("attempt_ended reserve", calls=f"undo reserve {attempt}")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (saga(step("reserve"), step("charge")), "ship is removed, undone by undo_ship"),
        (saga(step("reserve"), step("charge"), step("ship", undo="recall")), "undone by recall, was undo_ship"),
        (saga(step("reserve"), step("charge", pivot=True), step("ship", undo=None)), "charge: pivot"),
        (saga(step("charge"), step("reserve"), step("ship")), "is moved"),
        (JourneyDefinition("travel", 2, ORDER.milestones), "it is another journey: travel, was order"),
    ],
)
def test_nothing_but_policies(other: JourneyDefinition, said: str) -> None:
    scenario = given(ORDER, RESERVED).when(to(other)).then(calls="do charge 1", answers="not_only_policies")
    (answer,) = scenario.answers
    assert said in (answer.detail if answer else "")


def test_what_is_no_definition() -> None:
    for text in ("{}", "[]", '{"name":"order","milestones":[]}', '{"name":"order","milestones":7}', "null"):
        given(ORDER).when(Move(Json(text))).then(calls="do reserve 1", answers="invalid_definition")


def test_the_one_that_it_has() -> None:
    given(ORDER).when(to(ORDER)).then(calls="do reserve 1", answers="no_change")


def test_what_has_ended() -> None:
    done = given(saga(step("reserve")), turn(RESERVED, SagaCompleted()))
    done.when(to(revised(saga(step("reserve")), timeout=5.0))).then(answers="final", status="completed")


# --- why it is sound: nothing that is folded depends on policies ------------------------------------------------------


class Recorded(Walk):
    """A random walk that keeps its journal."""

    def __init__(self, seed: int) -> None:
        self.journal: list[tuple[list[Event], float]] = []
        super().__init__(seed)

    def _commit(self, turn: Turn, at: float) -> None:
        if turn.events:
            self.journal.append((turn.events, at))
        super()._commit(turn, at)


def other_policies(m: Milestone) -> Milestone:
    """As different as they can be."""
    strict = Retry(attempts=1, first=7.0, factor=3.0, most=8.0, lost=1)
    return replace(
        m,
        timeout=m.timeout + 17.0,
        undo_timeout=3.0,
        within=None if m.within else 1.0,
        retry=m.retry if m.at_most_once else strict,
        undo_retry=strict,
        effects="compensable",
    )


@pytest.mark.parametrize("block", range(8))
def test_every_journal_means_the_same_under_other_policies(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        walk = Recorded(seed)
        walk.run()
        d = walk.definition
        stuck: OnStuckUndo = "stop" if d.on_stuck_undo == "continue" else "continue"
        milestones = tuple(map(other_policies, d.milestones))
        other = JourneyDefinition(d.name, 9, milestones, d.kind, None if d.deadline else 3.0, stuck)
        assert difference(d, other).only_policies
        state = RunState(other, walk.state.saga_id)
        for events, at in walk.journal:
            state = evolve(state, events, at)
        state.definition = d
        assert_same_state(state, walk.state)
