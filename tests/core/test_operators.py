"""What people may say to a saga that goes forward, and to one that waits for them (rules 9, 15, 16, 17)."""

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.commands import (
    Cancel,
    Command,
    Compensate,
    Pause,
    Resolve,
    RetryMilestone,
    Skip,
    StateFact,
)
from saga_journey.core.definition import Retry
from saga_journey.core.events import AttentionRaised, MilestoneCompleted, SagaCompensated, SagaCompleted, SagaResolved
from saga_journey.testing.scenario import Scenario, given, ok, refused, turn, turned_away, uncallable, unknown
from tests.core.journeys import ORDER, PAID, saga, step, wait

RESERVED = MilestoneCompleted("reserve")
SLOW = saga(step("reserve"), step("charge", retry=Retry(attempts=3, first=30.0)), step("ship"))


def backing_off() -> Scenario:
    return given(SLOW, RESERVED).when(unknown("charge"))


def misconfigured() -> Scenario:
    """The charge was turned away until its attempts were spent: clean, and somebody has to look."""
    return given(ORDER, RESERVED).when(turned_away("charge")).when(turned_away("charge")).when(turned_away("charge"))


def stuck_past_the_pivot() -> Scenario:
    return given(PAID, RESERVED, MilestoneCompleted("charge")).when(refused("ship", "no carrier"))


# --- retry -----------------------------------------------------------------------------------------------------------


def test_a_backoff_can_be_cut_short() -> None:
    for command in (RetryMilestone("charge", who="ann"), RetryMilestone(who="ann")):
        scenario = backing_off().when(command, at=0.5)
        scenario.then('attempt_hastened charge op="do" who="ann"', calls="do charge 2", answers="applied")
        assert scenario.state.calls(1).not_before == 0.5
        assert scenario.state.calls(1).answered == 1  # it counts as the next attempt


def test_what_is_called_or_due_is_not_retried() -> None:
    given(ORDER, RESERVED).when(RetryMilestone("charge")).then(calls="do charge 1", answers="not_in_attention")
    scenario = backing_off().when(RetryMilestone("ship"))
    assert [a.code for a in scenario.answers if a] == ["not_in_attention"]


def test_a_retry_gives_a_fresh_budget() -> None:
    scenario = misconfigured()
    scenario.then("attempt_ended charge", 'attention_raised charge kind="participant_misconfigured"', status="failed")
    scenario.when(RetryMilestone(who="ann", reason="key renewed"), at=60)
    scenario.then('milestone_retried charge op="do" who="ann"', calls="do charge 4", answers="applied")
    for attempt in (5, 6):
        scenario.when(unknown("charge")).then("attempt_ended charge", calls=f"do charge {attempt}")
    scenario.when(unknown("charge")).then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")


def test_only_what_waits_for_a_person_is_reopened() -> None:
    misconfigured().when(RetryMilestone("reserve")).then(answers="not_in_attention", status="failed")


def test_a_closed_saga_is_not_retried() -> None:
    for end in (SagaCompensated(), SagaResolved("x"), SagaCompleted()):
        scenario = given(ORDER, end)
        scenario.when(RetryMilestone("charge")).then(answers="final", status=str(scenario.state.status))


# --- edited input ----------------------------------------------------------------------------------------------------


def test_an_edit_opens_a_revision_for_this_milestone_and_those_to_come() -> None:
    # Rule 9: an undo sees the input that its action saw.
    scenario = given(PAID, RESERVED, MilestoneCompleted("charge"), input={"to": "work"}).when(refused("ship"))
    scenario.when(RetryMilestone("ship", Json('{"to":"home"}'), "ann", "moved"))
    scenario.then(
        'input_revised ship input={"to": "home"} revision=2 who="ann" reason="moved"',
        "milestone_retried ship",
        calls="do ship 2",
        answers="applied",
    )
    assert [scenario.state.input_of(i) for i in range(3)] == ['{"to":"work"}', '{"to":"work"}', '{"to":"home"}']


def test_milestones_that_start_later_see_the_edit() -> None:
    later = saga(step("a"), step("b"), step("c"))
    away = given(later, MilestoneCompleted("a"))
    for _ in range(3):
        away.when(turned_away("b"))
    scenario = away.when(RetryMilestone("b", Json('{"n":2}'))).when(ok("b"))
    scenario.then("milestone_completed b", calls="do c 1")
    assert [m.revision for m in scenario.state.milestones] == [1, 2, 2]


def test_what_is_in_doubt_cannot_be_edited() -> None:
    stuck = given(PAID, RESERVED, MilestoneCompleted("charge")).when(unknown("ship", exhausted=True))
    stuck.when(RetryMilestone("ship", Json("{}"))).then(answers="in_doubt", status="failed")


def test_an_input_is_edited_only_where_a_person_is_waited_for() -> None:
    scenario = backing_off().when(RetryMilestone("charge", Json("{}")))
    assert [a.code for a in scenario.answers if a] == ["not_in_attention"]


# --- skip ------------------------------------------------------------------------------------------------------------


def test_a_backoff_can_be_skipped_and_keeps_its_doubt() -> None:
    (
        backing_off()
        .when(Skip("charge", Json('"by hand"'), "ann", "paid in cash"))
        .then(
            'milestone_skipped charge result="by hand" who="ann" reason="paid in cash"',
            calls="do ship 1",
            answers="applied",
        )
        .when(refused("ship"))
        .then("milestone_refused ship", "compensation_decided", calls="undo charge 1")
    )


def test_a_clean_backoff_leaves_nothing_to_undo() -> None:
    (
        given(SLOW, RESERVED)
        .when(turned_away("charge"))
        .when(Skip())
        .then("milestone_skipped charge", calls="do ship 1", answers="applied")
        .when(refused("ship"))
        .then("milestone_refused ship", "compensation_decided", calls="undo reserve 1")
    )


def test_what_waits_for_a_person_can_be_skipped() -> None:
    (
        stuck_past_the_pivot()
        .when(Skip("ship", who="ann"))
        .then("milestone_skipped ship", "saga_completed", status="completed", answers="applied")
    )


def test_nothing_is_skipped_while_it_is_called_nor_ahead() -> None:
    given(ORDER, RESERVED).when(Skip("charge"), calling="charge").then(calls="do charge 1", answers="not_skippable")
    given(ORDER, RESERVED).when(Skip("ship")).then(calls="do charge 1", answers="not_skippable")
    given(ORDER, RESERVED).when(Skip()).then(calls="do charge 1", answers="not_skippable")  # queued: it was not tried


# --- facts -----------------------------------------------------------------------------------------------------------


def test_a_fact_that_is_known_already_is_not_stated() -> None:
    for fact in ("happened", "did_not_happen"):
        stuck_past_the_pivot().when(StateFact(fact, "ship")).then(answers="not_in_doubt", status="failed")


def test_a_doubtful_milestone_before_the_pivot() -> None:
    # It is in doubt from its first attempt, and was turned away ever since.
    doubtful = given(ORDER, RESERVED).when(unknown("charge")).when(turned_away("charge")).when(turned_away("charge"))
    doubtful.then("attempt_ended charge", "attention_raised charge", status="failed")
    (
        doubtful.when(StateFact("happened", result=Json('"c1"'), who="ann"))
        .then("fact_stated charge", calls="do ship 1", answers="applied")
        .when(refused("ship"))
        .then("milestone_refused ship", "compensation_decided", calls="undo charge 1")
    )


def test_undone_means_an_undo() -> None:
    given(ORDER, RESERVED).when(StateFact("undone", "reserve")).then(calls="do charge 1", answers="not_compensating")


# --- resolve ---------------------------------------------------------------------------------------------------------


def test_a_person_may_close_what_waits_for_one() -> None:
    scenario = misconfigured().when(Resolve("written off", "ann"))
    scenario.then('saga_resolved reason="written off" left=["reserve"] who="ann"', status="resolved")


def test_a_wait_that_may_have_had_an_effect_is_told_as_left() -> None:
    parked = given(saga(wait("approve")), AttentionRaised("crash_loop", None, "five workers died"))
    parked.when(Resolve("enough")).then('saga_resolved reason="enough" left=["approve"]', status="resolved")


def test_so_is_a_doubtful_attempt_that_could_not_be_repeated() -> None:
    parked = given(ORDER, RESERVED).when(unknown("charge")).when(uncallable("charge"))
    parked.when(Resolve("enough")).then('saga_resolved reason="enough" left=["reserve", "charge"]', status="resolved")


def test_what_can_move_by_itself_is_not_closed() -> None:
    given(ORDER).when(Resolve("enough")).then(calls="do reserve 1", answers="not_in_attention")


@pytest.mark.parametrize("command", [RetryMilestone(), Skip(), StateFact("happened"), Resolve("x"), Pause()])
def test_a_completed_saga_is_closed_to_all_but_compensation(command: Command) -> None:
    done = given(saga(step("only")), turn(MilestoneCompleted("only"), SagaCompleted()))
    done.when(command).then(answers="final", status="completed")
    done.when(Compensate()).then("compensation_decided", calls="undo only 1", answers="applied")


def test_names_are_checked() -> None:
    for command in (Skip("chrge"), RetryMilestone("chrge"), StateFact("happened", "chrge"), StateFact("undone", "x")):
        scenario = misconfigured().when(command)
        scenario.then(answers="not_compensating" if command == StateFact("undone", "x") else "not_in_attention")


def test_a_cancel_ends_the_waiting() -> None:
    (
        misconfigured()
        .when(Cancel())
        .then("compensation_decided", calls="undo reserve 1", status="compensating", answers="applied")
    )
