"""Forward: each result is recorded with the intent of what follows, and nothing is called that was not recorded."""

from saga_journey.core.commands import Cancel, TimePassed
from saga_journey.core.events import MilestoneCompleted, SagaCompleted
from saga_journey.testing.scenario import given, ok, refused, turn
from tests.core.journeys import ORDER, saga, step


def test_a_saga_starts_with_the_intent_of_its_first_milestone() -> None:
    given(ORDER, input={"cents": 1999}).then('saga_started input={"cents": 1999}', calls="do reserve 1")


def test_a_saga_goes_through_its_milestones_in_order_and_completes() -> None:
    (
        given(ORDER)
        .when(ok("reserve", {"hold": 7}), at=1)
        .then('milestone_completed reserve result={"hold": 7}', calls="do charge 1", status="in_progress")
        .when(ok("charge"), at=2)
        .then("milestone_completed charge", calls="do ship 1")
        .when(ok("ship"), at=3)
        .then("milestone_completed ship", "saga_completed", status="completed")
    )


def test_a_saga_of_one_milestone() -> None:
    (given(saga(step("only"))).when(ok("only")).then("milestone_completed only", "saga_completed", status="completed"))


def test_only_the_current_attempt_may_report() -> None:
    (
        given(ORDER, MilestoneCompleted("reserve"))
        .when(ok("reserve", attempt=1, op="do"), ok("charge", attempt=2, op="do"), ok("charge", attempt=1, op="undo"))
        .then(calls="do charge 1")
        .when(ok("ship", attempt=1, op="do"))
        .then(calls="do charge 1")
    )


def test_a_late_report_does_not_free_the_attempt_that_is_being_called() -> None:
    # Given charge is being called, when an old report and a cancel arrive together, then charge still has to end.
    (
        given(ORDER, MilestoneCompleted("reserve"))
        .when(ok("charge", attempt=9, op="do"), Cancel(), calling="charge")
        .then("compensation_decided", calls="do charge 1", status="compensating")
    )


def test_time_alone_moves_nothing_that_has_no_clock() -> None:
    given(ORDER).when(TimePassed(), at=10_000).then(calls="do reserve 1")


def test_a_final_state_absorbs_everything() -> None:
    (
        given(saga(step("only")), turn(MilestoneCompleted("only"), SagaCompleted()))
        .when(refused("only", attempt=1, op="do"), TimePassed(), at=50)
        .then(status="completed")
    )


def test_a_clock_that_runs_behind_the_journal_counts_as_the_time_of_its_last_event() -> None:
    scenario = given(ORDER, MilestoneCompleted("reserve"), at=100).when(ok("charge"), at=40)
    assert scenario.state.at == 100
    scenario.then("milestone_completed charge", calls="do ship 1")
    assert scenario.state.calls(2).not_before == 100


def test_the_fence_grows_with_every_call() -> None:
    scenario = given(ORDER)
    fences = [scenario.state.calls(0).fence]
    for name, index in (("reserve", 1), ("charge", 2)):
        fences.append(scenario.when(ok(name)).state.calls(index).fence)
    fences.append(scenario.when(refused("ship")).state.calls(1).fence)
    assert fences == sorted(set(fences))
