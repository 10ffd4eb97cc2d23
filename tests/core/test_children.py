"""Children: a milestone that is a journey of its own, and what parent and child say to one another (rule 38)."""

from __future__ import annotations

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.children import child_id
from saga_journey.core.commands import (
    Advance,
    Cancel,
    Command,
    Compensate,
    Pause,
    Recall,
    Resolve,
    Resume,
    RetryMilestone,
    Rollback,
    Skip,
    StateFact,
    TakeOver,
    TimePassed,
)
from saga_journey.core.definition import ChildJourney, JourneyDefinition, Milestone
from saga_journey.core.events import Parent
from saga_journey.core.progress import preview, view
from saga_journey.errors import DefinitionError
from saga_journey.testing.scenario import Scenario, child_ended, given, ok, refused
from tests.core.journeys import ORDER, PAID, block, nested, saga, step, structured

TRIP = saga(step("plan"), nested("travel"), step("pay"))
"""A journey in the middle of another one."""

DONE, UNDONE, CLOSED = (
    child_ended("travel", "completed"),
    child_ended("travel", "compensated"),
    child_ended("travel", "resolved"),
)


def travelling() -> Scenario:
    return given(TRIP).when(ok("plan"))


def paying() -> Scenario:
    return travelling().when(DONE)


# --- there ------------------------------------------------------------------------------------------------------------


def test_a_parent_waits_for_its_child_and_calls_nobody() -> None:
    scenario = travelling().then("milestone_completed plan", waits="travel", status="in_progress")
    child = child_id("saga_1", "travel", 1)
    assert view(scenario.state).waiting_for == f"the child {child} of travel"


def test_the_id_of_a_child_comes_from_its_parent() -> None:
    assert child_id("saga_1", "travel", 1) == child_id("saga_1", "travel", 1)
    ids = {child_id(parent, name, n) for parent in ("saga_1", "saga_2") for name in ("a", "b") for n in (1, 2)}
    assert len(ids) == 8
    assert child_id("saga_0123456789abcdef", "a", 1).startswith("saga_0123456789ab")


def test_a_completed_child_is_a_completed_milestone_with_its_results() -> None:
    scenario = travelling().when(child_ended("travel", results={"flight": "LH1"}))
    scenario.then("milestone_completed travel", calls="do pay 1")
    assert scenario.state.milestones[1].result == '{"saga_id":"the child of travel","results":{"flight":"LH1"}}'


def test_a_child_that_undid_itself_is_a_clean_no() -> None:
    scenario = travelling().when(UNDONE).then("milestone_refused travel", "compensation_decided", calls="undo plan 1")
    assert not scenario.state.milestones[1].doubt


def test_an_optional_child_that_undid_itself_stops_nothing() -> None:
    optional = saga(step("plan"), nested("travel", optional=True), step("pay"))
    scenario = given(optional).when(ok("plan")).when(UNDONE).then("milestone_refused travel", calls="do pay 1")
    scenario.when(refused("pay")).then("milestone_refused pay", "compensation_decided", calls="undo plan 1")


def test_a_child_that_waits_for_a_person_keeps_its_parent_waiting() -> None:
    """A failed child says nothing, and time alone moves no parent."""
    travelling().when(TimePassed(), at=1e9).then(waits="travel", status="in_progress")


def test_nobody_but_the_child_answers_for_it() -> None:
    travelling().when(Advance("travel")).then(answers="not_waiting", waits="travel")
    travelling().when(Advance()).then(answers="not_waiting", waits="travel")
    travelling().when(Skip("travel", Json("1"))).then(answers="not_skippable", waits="travel")
    travelling().when(RetryMilestone("travel")).then(answers="not_in_attention", waits="travel")
    travelling().when(Resolve("enough")).then(answers="not_in_attention", waits="travel")


def test_what_a_child_says_twice_or_too_late_changes_nothing() -> None:
    paying().when(DONE).then(calls="do pay 1")
    paying().when(UNDONE).then(calls="do pay 1")
    given(TRIP).when(DONE).then(calls="do plan 1")


def test_a_dead_worker_of_the_parent_loses_nothing_of_its_child() -> None:
    travelling().when(TakeOver()).then(waits="travel")


def test_a_paused_parent_hears_of_its_child_and_goes_on_later() -> None:
    scenario = travelling().when(Pause()).when(DONE).then("milestone_completed travel", status="paused")
    scenario.when(Resume()).then("resumed", calls="do pay 1")


def test_a_journey_may_begin_and_end_with_a_child() -> None:
    given(saga(nested("travel"))).then("saga_started", waits="travel").when(DONE).then(
        "milestone_completed travel", "saga_completed", status="completed"
    )


# --- stopped ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [Cancel("ann"), Compensate(who="ann")])
def test_a_stop_tells_the_running_child_and_waits_for_it(stop: Command) -> None:
    scenario = travelling().when(stop)
    scenario.then("child_recalled travel", "compensation_decided", waits="travel", answers="applied")
    assert scenario.state.status == "compensating"
    scenario.when(stop).then(waits="travel", answers="no_change")
    scenario.when(UNDONE).then("milestone_refused travel", calls="undo plan 1")


def test_a_child_that_was_faster_than_the_stop_is_undone_like_any_other() -> None:
    scenario = travelling().when(Cancel()).when(DONE)
    scenario.then("milestone_completed travel", waits="travel", status="compensating")
    assert scenario.state.milestones[1].undo_status == "running"
    scenario.when(UNDONE).then("milestone_compensated travel", calls="undo plan 1")


@pytest.mark.parametrize("arrived", [(Cancel(), DONE), (DONE, Cancel())])
def test_a_stop_and_the_end_of_the_child_in_one_turn(arrived: tuple[Command, Command]) -> None:
    scenario = travelling().when(*arrived)
    assert scenario.state.milestones[1].undo_status == "running"
    scenario.when(UNDONE).then("milestone_compensated travel", calls="undo plan 1")


def test_a_child_that_was_stopped_and_then_closed_by_a_person_leaves_a_stuck_undo() -> None:
    scenario = travelling().when(Cancel()).when(CLOSED).then("milestone_gave_up travel", waits="travel")
    scenario.when(CLOSED).then("undo_given_up travel", 'attention_raised travel kind="stuck_undo"', status="failed")


def test_the_deadline_of_the_parent_stops_the_child() -> None:
    hurried = JourneyDefinition("order", 1, TRIP.steps, deadline=60)
    scenario = given(hurried).when(ok("plan")).when(TimePassed(), at=60)
    scenario.then("child_recalled travel", "compensation_decided", waits="travel")


WITHIN = saga(step("plan"), nested("travel", within=60.0), step("pay"))


def test_within_bounds_a_child_and_then_stops_it() -> None:
    scenario = given(WITHIN).when(ok("plan"), at=10).when(TimePassed(), at=69).then(waits="travel")
    scenario.when(TimePassed(), at=70).then("child_recalled travel", waits="travel", status="in_progress")
    scenario.when(TimePassed(), at=1e6).then(waits="travel")
    scenario.when(UNDONE).then("milestone_refused travel", "compensation_decided", calls="undo plan 1")


def test_a_child_that_was_faster_than_its_time_limit_is_completed() -> None:
    scenario = given(WITHIN).when(ok("plan"), at=10).when(TimePassed(), at=70).when(DONE)
    scenario.then("milestone_completed travel", calls="do pay 1")
    given(WITHIN).when(ok("plan"), at=10).when(TimePassed(), DONE, at=70).then(
        "milestone_completed travel", calls="do pay 1"
    )


def test_a_pause_stops_the_time_of_a_child() -> None:
    scenario = given(WITHIN).when(ok("plan"), at=10).when(Pause(), at=50).when(Resume(), at=500)
    scenario.when(TimePassed(), at=519).then(waits="travel")
    scenario.when(TimePassed(), at=520).then("child_recalled travel", waits="travel")


def test_a_stop_does_not_tell_a_child_twice() -> None:
    scenario = given(WITHIN).when(ok("plan")).when(TimePassed(), at=60).when(Cancel())
    scenario.then("compensation_decided", waits="travel", answers="applied")


# --- undone -----------------------------------------------------------------------------------------------------------


def test_a_finished_child_is_undone_in_its_turn_and_waited_for() -> None:
    scenario = paying().when(refused("pay"))
    scenario.then("milestone_refused pay", "compensation_decided", waits="travel", status="compensating")
    scenario.when(TakeOver()).then(waits="travel")
    scenario.when(TimePassed(), at=1e9).then(waits="travel")
    scenario.when(UNDONE).then("milestone_compensated travel", calls="undo plan 1")


def test_a_completed_parent_takes_its_child_along() -> None:
    scenario = paying().when(ok("pay")).then("milestone_completed pay", "saga_completed")
    plan = preview(scenario.state)
    assert [undo.milestone for undo in plan.undos] == ["pay", "travel", "plan"]
    assert plan.undos[1].handler == f"compensate {child_id('saga_1', 'travel', 1)}"
    scenario.when(Compensate()).then("compensation_decided", calls="undo pay 1", answers="applied")
    scenario.when(ok("pay")).then("milestone_compensated pay", waits="travel")
    scenario.when(UNDONE).then("milestone_compensated travel", calls="undo plan 1")


def test_a_child_that_a_person_closed_cannot_be_undone() -> None:
    scenario = paying().when(refused("pay")).when(CLOSED)
    scenario.then("undo_given_up travel", 'attention_raised travel kind="stuck_undo"', status="failed")
    scenario.when(RetryMilestone("travel")).then('milestone_retried travel op="undo"', waits="travel")
    scenario.when(CLOSED).then("undo_given_up travel", "attention_raised travel", status="failed")
    scenario.when(StateFact("undone", "travel")).then("fact_stated travel", calls="undo plan 1")


def test_the_undo_of_a_child_may_be_skipped_and_is_then_told_as_left() -> None:
    scenario = paying().when(refused("pay")).when(CLOSED).when(Skip("travel")).then("undo_skipped", calls="undo plan")
    scenario.when(ok("plan")).then("milestone_compensated plan", "saga_resolved", status="resolved")
    assert scenario.state.left == ("travel",)


def test_a_pause_of_the_parent_leaves_the_undo_of_its_child_alone() -> None:
    scenario = paying().when(refused("pay")).when(Pause()).when(UNDONE)
    scenario.then("milestone_compensated travel", status="paused")
    scenario.when(Resume()).then("resumed", calls="undo plan 1")


def test_a_stuck_child_may_be_gone_round() -> None:
    lenient = JourneyDefinition("order", 1, TRIP.steps, on_stuck_undo="continue")
    scenario = given(lenient).when(ok("plan")).when(DONE).when(refused("pay")).when(CLOSED)
    scenario.then("undo_given_up travel", calls="undo plan 1")


def test_children_of_a_block_are_undone_in_reverse_one_at_a_time() -> None:
    both = saga(block(nested("a"), nested("b")), step("c"))
    scenario = given(both).when(child_ended("a")).when(child_ended("b")).when(refused("c"))
    scenario.then("milestone_refused c", "compensation_decided", waits="b")
    scenario.when(child_ended("b", "compensated")).then("milestone_compensated b", waits="a")
    scenario.when(child_ended("a", "compensated")).then("milestone_compensated a", "saga_compensated")


# --- closed by a person -----------------------------------------------------------------------------------------------


def closed() -> Scenario:
    return travelling().when(CLOSED)


def test_a_child_that_a_person_closed_leaves_its_parent_to_a_person() -> None:
    closed().then("milestone_gave_up travel", 'attention_raised travel kind="child_resolved"', status="failed")


def test_which_says_what_is_so() -> None:
    closed().when(StateFact("happened", "travel", Json("1"))).then("fact_stated travel", calls="do pay 1")
    closed().when(StateFact("did_not_happen", "travel")).then(
        "fact_stated travel", "compensation_decided", calls="undo plan 1"
    )
    closed().when(Skip("travel", Json("1"))).then("milestone_skipped travel", calls="do pay 1")
    closed().when(Resolve("enough")).then("saga_resolved", status="resolved")
    closed().when(RetryMilestone("travel")).then(answers="not_retried", status="failed")


def test_or_goes_back_and_asks_the_child_first() -> None:
    scenario = closed().when(Cancel()).then("compensation_decided", waits="travel", answers="applied")
    scenario.when(CLOSED).then("undo_given_up travel", "attention_raised travel", status="failed")


def test_a_skipped_child_that_was_closed_stays_in_doubt() -> None:
    scenario = closed().when(Skip("travel", Json("1"))).when(refused("pay"))
    scenario.then("milestone_refused pay", "compensation_decided", waits="travel")


def test_a_closed_child_beside_a_sibling_that_goes_on() -> None:
    both = saga(block(nested("travel"), step("hotel")), step("pay"))
    scenario = given(both).when(CLOSED, calling="hotel")
    scenario.then("milestone_gave_up travel", "attention_raised travel", calls="do hotel 1", status="in_progress")
    scenario.when(StateFact("happened", "travel", Json("1")), calling="hotel")
    scenario.then("fact_stated travel", calls="do hotel 1", answers="applied")


# --- the child's own view ---------------------------------------------------------------------------------------------


def child(definition: JourneyDefinition = ORDER) -> Scenario:
    return given(definition, parent=Parent("saga_0", "travel"))


@pytest.mark.parametrize("stop", [Cancel(), Compensate()])
def test_nobody_but_its_parent_stops_a_child(stop: Command) -> None:
    child().when(stop).then(calls="do reserve 1", answers="owned_by_parent")
    scenario = child().when(ok("reserve")).when(ok("charge")).when(ok("ship"))
    scenario.when(stop).then(answers="owned_by_parent", status="completed")


def test_a_person_may_help_a_child_in_every_other_way() -> None:
    child().when(Pause()).then("paused", answers="applied").when(Resume()).then("resumed", calls="do reserve 1")


def test_a_recall_undoes_what_is_done() -> None:
    scenario = child().when(ok("reserve")).when(Recall("its parent stops"), calling="charge")
    scenario.then("compensation_decided", calls="do charge 1", answers="applied")
    scenario.when(ok("charge")).then("milestone_completed charge", calls="undo charge 1")
    scenario.when(Recall("its parent stops")).then(calls="undo charge 1", answers="no_change")


def test_a_recall_comes_too_late_for_a_completed_child() -> None:
    """Its parent hears of the success first, and then asks for the undo if it needs one."""
    done = child().when(ok("reserve")).when(ok("charge")).when(ok("ship"))
    done.when(Recall("its time was up")).then(answers="no_change", status="completed")
    done.when(Recall("its parent undoes it", undo=True)).then("compensation_decided", calls="undo ship 1")


@pytest.mark.parametrize("undo", [False, True])
def test_a_recall_of_a_child_that_ended_otherwise_changes_nothing(undo: bool) -> None:
    ended = child().when(refused("reserve")).then("milestone_refused", "compensation_decided", "saga_compensated")
    ended.when(Recall("again", undo=undo)).then(answers="no_change", status="compensated")


def test_a_recall_lifts_a_pause_and_clears_attention() -> None:
    scenario = child().when(ok("reserve")).when(Pause()).when(Recall("its parent stops"))
    scenario.then("attempt_withdrawn charge", "compensation_decided", calls="undo reserve 1")


def test_a_recall_waits_for_a_pivot_that_is_being_called() -> None:
    scenario = child(PAID).when(ok("reserve")).when(Recall("its time was up"), calling="charge")
    scenario.then("stop_requested", calls="do charge 1", answers="deferred")
    scenario.when(ok("charge")).then("milestone_completed charge", "stop_too_late", calls="do ship 1")
    scenario.when(Recall("its time was up")).then(calls="do ship 1", answers="past_pivot")


def test_a_recall_is_applied_when_the_pivot_did_not_happen() -> None:
    scenario = child(PAID).when(ok("reserve")).when(Recall("its time was up"), calling="charge")
    scenario.when(refused("charge")).then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")


# --- under a pivot ----------------------------------------------------------------------------------------------------


BUYING = saga(step("plan"), nested("travel", has_pivot=True, pivot=True, within=60.0), step("thank", undo=None))


def test_a_stop_is_deferred_while_a_pivot_runs_as_a_child() -> None:
    scenario = given(BUYING).when(ok("plan")).when(Cancel())
    scenario.then("stop_requested", waits="travel", answers="deferred")
    scenario.when(DONE).then("milestone_completed travel", "stop_too_late", calls="do thank 1")


def test_and_applied_when_the_child_undid_itself() -> None:
    scenario = given(BUYING).when(ok("plan")).when(Cancel()).when(UNDONE)
    scenario.then("milestone_refused travel", "compensation_decided", calls="undo plan 1")
    assert scenario.state.because is not None
    assert scenario.state.because.kind == "cancelled"


def test_a_pivot_child_that_a_person_closed_is_a_question_for_a_person() -> None:
    scenario = given(BUYING).when(ok("plan")).when(CLOSED)
    scenario.then("milestone_gave_up travel", 'attention_raised travel kind="child_resolved"', status="failed")
    scenario.when(StateFact("happened", "travel", Json("1"))).then("fact_stated travel", calls="do thank 1")


def test_the_time_of_a_pivot_child_is_up() -> None:
    scenario = given(BUYING).when(ok("plan")).when(TimePassed(), at=60).then("child_recalled travel", waits="travel")
    scenario.when(DONE).then("milestone_completed travel", calls="do thank 1")


# --- in a structured journey ------------------------------------------------------------------------------------------


STAGES = structured(step("plan"), nested("travel"), step("pay"))


def test_a_structured_journey_whose_child_undid_itself_waits_for_a_person() -> None:
    scenario = given(STAGES).when(ok("plan")).when(UNDONE)
    scenario.then("milestone_refused travel", 'attention_raised travel kind="milestone_failed"', status="failed")


def test_a_retry_runs_a_new_child() -> None:
    scenario = given(STAGES).when(ok("plan")).when(UNDONE).when(RetryMilestone("travel", who="ann"))
    scenario.then("input_revised travel", "milestone_retried travel", waits="travel", status="in_progress")
    state = scenario.state
    old, new = (child_id("saga_1", "travel", n) for n in (1, 2))
    assert new in str(view(state).waiting_for)
    assert old != new
    assert state.inputs[0] == state.inputs[1]
    scenario.when(DONE).then("milestone_completed travel", calls="do pay 1")


def test_a_retry_with_another_input_runs_a_new_child_with_that() -> None:
    scenario = given(STAGES).when(ok("plan")).when(UNDONE).when(RetryMilestone("travel", Json('{"edited":true}')))
    scenario.then("input_revised travel", "milestone_retried travel", waits="travel")
    assert scenario.state.input_of(1) == '{"edited":true}'


def test_a_cancelled_structured_journey_waits_for_its_child() -> None:
    scenario = given(STAGES).when(ok("plan")).when(Cancel())
    scenario.then("stop_requested", "child_recalled travel", waits="travel", answers="applied")
    scenario.when(UNDONE).then("milestone_refused travel", "saga_cancelled", status="cancelled")


def test_going_back_before_a_child_undoes_it() -> None:
    scenario = given(STAGES).when(ok("plan")).when(DONE).when(Pause()).when(Rollback())
    scenario.then("rollback_started travel", waits="travel", answers="applied")
    scenario.when(UNDONE).then("milestone_rolled_back travel", status="paused")
    scenario.when(Resume()).then("resumed", waits="travel")
    assert child_id("saga_1", "travel", 2) in str(view(scenario.state).waiting_for)


# --- by design --------------------------------------------------------------------------------------------------------


def test_a_child_with_a_pivot_runs_only_under_a_pivot() -> None:
    with pytest.raises(DefinitionError, match="runs 'travel_journey', which has a pivot: then it must be the pivot"):
        saga(step("plan"), nested("travel", has_pivot=True))
    saga(step("plan"), nested("travel", has_pivot=True, pivot=True))


def test_a_child_behind_a_pivot_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'travel' runs a child, which may have to be undone, after the pivot"):
        saga(step("pay", pivot=True), nested("travel"))


def test_a_child_has_no_handlers_of_its_own() -> None:
    journey = ChildJourney("other", 1, "0" * 32)
    for wrong in ({"action": "act"}, {"undo": "undo_it"}, {"at_most_once": True}):
        said = {"id": "c", "action": None, "kind": "child", "child": journey, **wrong}
        with pytest.raises(DefinitionError, match="is a child: it has no action, no undo and no at_most_once"):
            saga(Milestone(**said))  # type: ignore[arg-type]


def test_a_child_and_only_a_child_names_a_journey() -> None:
    with pytest.raises(DefinitionError, match="kind 'child' needs a child journey"):
        saga(Milestone("c", None, kind="child"))
    with pytest.raises(DefinitionError, match="kind 'action' cannot have a child journey"):
        saga(Milestone("c", "c", child=ChildJourney("other", 1, "0" * 32)))


@pytest.mark.parametrize("given_by", ["later", "travel", "nobody"])
def test_a_child_is_given_the_result_of_a_milestone_before_it(given_by: str) -> None:
    with pytest.raises(DefinitionError, match="a child is given that of a milestone before it"):
        saga(step("plan"), nested("travel", given=given_by), step("later"))
    saga(step("plan"), nested("travel", given="plan"))


def test_a_child_is_not_given_the_result_of_a_sibling() -> None:
    """Which runs beside it, and has none yet."""
    with pytest.raises(DefinitionError, match="'travel' is given the result of 'a', which runs beside it"):
        saga(block(step("a"), nested("travel", given="a")))
    saga(block(step("x"), (step("a"), nested("travel", given="a"))))
