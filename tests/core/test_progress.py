"""What readers see: the view, the history, the verbs of a person, the plan of a compensation."""

from typing import get_args

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.codec import encode_turn
from saga_journey.core.commands import Cancel, Pause, Resolve
from saga_journey.core.definition import JourneyDefinition, Retry
from saga_journey.core.events import (
    AttemptWorking,
    AttentionKind,
    AttentionRaised,
    Because,
    CompensationDecided,
    MilestoneCompleted,
    MilestoneGaveUp,
    MilestoneRefused,
    MilestoneSkipped,
    SagaCompleted,
    SagaStarted,
)
from saga_journey.core.progress import VERBS, doubtful, history, kept, percent, preview, verbs, view
from saga_journey.testing.scenario import Scenario, given, ok, refused, turn, turned_away, unknown, working
from tests.core.journeys import ORDER, PAID, saga, step, structured, wait

RESERVED, CHARGED = MilestoneCompleted("reserve", Json('"h1"')), MilestoneCompleted("charge", Json('"c1"'))


def test_a_run_as_a_reader_sees_it() -> None:
    seen = view(given(ORDER, RESERVED, input={"cents": 5}).state)
    assert (seen.saga_id, seen.journey, seen.version, seen.status) == ("saga_1", "order", 1, "in_progress")
    assert (seen.seq, seen.percent, seen.input, seen.because) == (2, 33, {"cents": 5}, None)
    assert (seen.waiting_for, seen.attention, seen.verbs) == (None, (), ())
    reserve, charge, ship = seen.milestones
    assert (reserve.id, reserve.status, reserve.result, reserve.attempts) == ("reserve", "completed", "h1", 1)
    assert (charge.status, charge.attempts, charge.next_attempt_at) == ("running", 1, 0.0)
    assert (ship.status, ship.attempts, ship.next_attempt_at, ship.result) == ("pending", 0, None, None)
    assert all(m.has_undo and not m.pivot and not m.optional and m.undo == "none" for m in seen.milestones)


def test_a_milestone_in_backoff() -> None:
    slow = saga(step("charge", retry=Retry(attempts=3, first=30.0)))
    (charge,) = view(given(slow).when(unknown("charge", "503")).state).milestones
    assert (charge.attempts, charge.error, charge.in_doubt) == (2, "503", True)
    assert charge.next_attempt_at is not None
    assert 0 < charge.next_attempt_at < 30


def test_a_saga_that_compensates() -> None:
    scenario = given(ORDER, RESERVED, CHARGED).when(refused("ship", "no stock"))
    seen = view(scenario.state)
    assert (seen.status, seen.because, seen.percent) == ("compensating", "ship: no stock", 0)
    assert [m.undo for m in seen.milestones] == ["pending", "running", "none"]
    assert [m.undo_attempts for m in seen.milestones] == [0, 1, 0]
    assert seen.milestones[2].error == "no stock"
    assert percent(scenario.when(ok("charge")).state) == 50
    assert percent(scenario.when(ok("reserve")).state) == 100


def test_a_saga_with_nothing_to_undo_is_wholly_undone() -> None:
    assert percent(given(ORDER).when(Cancel()).state) == 100


@pytest.mark.parametrize(
    ("scenario", "waiting_for"),
    [
        (given(saga(wait("approve"))), "an answer to approve"),
        (given(ORDER, AttemptWorking("reserve", "do", 5.0)), "reserve, which is still working"),
        (given(ORDER), None),
        (given(PAID, RESERVED, CHARGED).when(refused("ship")), "cannot_go_on ship"),
        (given(ORDER, AttentionRaised("crash_loop", None, "five died")), "crash_loop"),
        (given(ORDER).when(Pause()), None),
    ],
)
def test_what_a_run_waits_for(scenario: Scenario, waiting_for: str | None) -> None:
    assert view(scenario.state).waiting_for == waiting_for


def test_every_kind_of_attention_has_its_verbs() -> None:
    assert set(VERBS) == set(get_args(AttentionKind))


def test_what_a_person_can_do() -> None:
    past = given(PAID, RESERVED, CHARGED).when(refused("ship")).state
    assert verbs(past) == ("retry", "skip", "it_did_not_happen", "resolve")
    away = given(ORDER, RESERVED)
    for _ in range(3):
        away.when(turned_away("charge"))
    assert "cancel" in verbs(away.state)
    stuck = given(ORDER, RESERVED).when(refused("charge")).when(refused("reserve")).state
    assert verbs(stuck) == ("retry", "skip", "mark_undone", "resolve")
    parked = given(PAID, RESERVED, CHARGED, AttentionRaised("crash_loop", None, "five died")).state
    assert verbs(parked) == ("retry", "resolve")  # there is no way back past the pivot
    assert verbs(given(ORDER).state) == ()


def test_the_history_is_every_event_with_its_number_and_time() -> None:
    turns = [
        (1, 0.0, encode_turn([SagaStarted(Json('{"n":1}'))])),
        (2, 5.0, encode_turn([MilestoneRefused("a", "no"), CompensationDecided(Because("failure", "a", "no"))])),
    ]
    told = history(turns)
    assert [(e.seq, e.at, e.name) for e in told] == [
        (1, 0.0, "saga_started"),
        (2, 5.0, "milestone_refused"),
        (3, 5.0, "compensation_decided"),
    ]
    assert told[0].fields == {"input": {"n": 1}}
    assert told[2].fields == {"because": {"kind": "failure", "milestone": "a", "error": "no"}}


# --- preview ---------------------------------------------------------------------------------------------------------


def planned(scenario: Scenario) -> list[tuple[str, str, object, bool]]:
    return [(u.milestone, u.handler, u.result, u.in_doubt) for u in preview(scenario.state).undos]


def test_the_plan_of_a_compensation_is_its_undos_in_their_order() -> None:
    scenario = given(ORDER, RESERVED, CHARGED)
    before = scenario.state.seq
    assert planned(scenario) == [("charge", "undo_charge", "c1", False), ("reserve", "undo_reserve", "h1", False)]
    plan = preview(scenario.state)
    assert (plan.seq, plan.refused, plan.stays) == (before, None, ())
    assert scenario.state.seq == before  # looking changes nothing


def test_what_is_in_doubt_is_undone_without_a_result() -> None:
    doubtful_charge = given(ORDER, RESERVED).when(unknown("charge"))
    assert planned(doubtful_charge)[0] == ("charge", "undo_charge", None, True)
    assert planned(given(ORDER, RESERVED).when(working("charge")))[0] == ("charge", "undo_charge", None, True)


def test_what_stays_is_told() -> None:
    mail = saga(step("reserve"), step("mail", undo=None), step("ship"))
    plan = preview(given(mail, RESERVED, MilestoneCompleted("mail")).state)
    assert plan.stays == ("mail",)
    assert [u.milestone for u in plan.undos] == ["reserve"]


def test_past_the_pivot_the_plan_says_why_not() -> None:
    plan = preview(given(PAID, RESERVED, CHARGED).state)
    assert plan.undos == ()
    assert plan.refused is not None
    assert "can only go forward" in plan.refused
    doubtful_pivot = preview(given(PAID, RESERVED).when(unknown("charge", exhausted=True)).state)
    assert doubtful_pivot.refused is not None
    assert "whether the pivot happened" in doubtful_pivot.refused


def test_a_stop_that_would_wait_plans_as_if_the_pivot_did_not_happen() -> None:
    plan = preview(given(PAID, RESERVED).when(unknown("charge")).state)
    assert plan.refused is None
    assert [u.milestone for u in plan.undos] == ["reserve"]


def test_while_it_compensates_the_plan_is_what_is_left() -> None:
    scenario = given(ORDER, RESERVED, CHARGED).when(Cancel())
    assert [u.milestone for u in preview(scenario.state).undos] == ["charge", "reserve"]
    scenario.when(ok("charge"))
    assert [u.milestone for u in preview(scenario.state).undos] == ["reserve"]


def test_the_plan_for_a_completed_and_for_a_closed_saga() -> None:
    done = given(ORDER, RESERVED, CHARGED, turn(MilestoneCompleted("ship"), SagaCompleted()))
    assert [u.milestone for u in preview(done.state).undos] == ["ship", "charge", "reserve"]
    closed = given(ORDER, RESERVED).when(refused("charge")).when(refused("reserve")).when(Resolve("enough"))
    assert preview(closed.state).refused is not None
    assert preview(given(structured(step("form"))).state).refused is not None


# --- what is left ----------------------------------------------------------------------------------------------------


def test_what_is_kept_and_what_is_doubtful() -> None:
    def journey(undo: str | None) -> JourneyDefinition:
        return saga(step("a", optional=True, undo=undo), step("b", undo=undo), step("c", undo=undo))

    state = given(journey(None), MilestoneGaveUp("a", "?"), MilestoneCompleted("b"), MilestoneSkipped("c")).state
    assert (kept(state), doubtful(state)) == (("a", "b"), ("a",))
    state = given(journey("undo"), MilestoneGaveUp("a", "?"), MilestoneCompleted("b")).state
    assert (kept(state), doubtful(state)) == ((), ("a",))
    waited = given(saga(wait("w", undo=None), step("b")), MilestoneSkipped("w")).state
    assert (kept(waited), doubtful(waited)) == (("w",), ("w",))
