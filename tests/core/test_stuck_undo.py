"""A stuck undo is shown, and a person helps it on: retry, skip, by hand, or an end to it (rules 13 to 17, 39)."""

import pytest

from saga_journey.core.canonical import Json
from saga_journey.core.commands import Cancel, HandlersBack, Pause, Resolve, Resume, RetryMilestone, Skip, StateFact
from saga_journey.core.definition import JourneyDefinition, Retry
from saga_journey.core.events import AttentionRaised, Because, CompensationDecided, MilestoneCompleted, MilestoneRefused
from saga_journey.testing.scenario import Scenario, given, ok, refused, turn, turned_away, uncallable, unknown, working
from tests.core.journeys import saga, step

FIVE = [step(name) for name in "abcde"]
STOP = saga(*FIVE, step("f"))
CONTINUE = saga(*FIVE, step("f"), on_stuck_undo="continue")
DONE = tuple(MilestoneCompleted(name) for name in "abcde")
TURNED_BACK = turn(MilestoneRefused("f", "no"), CompensationDecided(Because("failure", "f", "no")))


def stuck_at_c() -> Scenario:
    """Five are done, the sixth refused, the undo of the third cannot."""
    return given(STOP, *DONE, TURNED_BACK).when(ok("e")).when(ok("d")).when(refused("c", "already shipped"))


def test_an_undo_that_is_refused_waits_for_a_person() -> None:
    stuck_at_c().then(
        'undo_given_up c error="refused: already shipped"',
        'attention_raised c kind="stuck_undo" detail="refused: already shipped"',
        status="failed",
    )


def test_an_undo_whose_attempts_are_spent_waits_for_a_person() -> None:
    (
        given(STOP, *DONE, TURNED_BACK)
        .when(unknown("e"))
        .when(unknown("e"))
        .then("attempt_ended e", calls="undo e 3")
        .when(unknown("e", "503"))
        .then('undo_given_up e error="503"', "attention_raised e", status="failed")
    )


def test_stuck_mended_stuck_and_undone_by_hand_in_the_old_order() -> None:
    (
        stuck_at_c()
        .when(RetryMilestone("c", who="ann", reason="carrier was down"))
        .then(
            'milestone_retried c op="undo" who="ann" reason="carrier was down"',
            calls="undo c 2",
            status="compensating",
            answers="applied",
        )
        .when(unknown("c"))
        .then("attempt_ended c", calls="undo c 3")
        .when(unknown("c"))
        .when(unknown("c"))
        .then("undo_given_up c", "attention_raised c", status="failed")  # a fresh budget of three, spent
        .when(StateFact("undone", "c", who="ann", reason="by phone", evidence="mail 77"))
        .then(
            'fact_stated c fact="undone" who="ann" reason="by phone" evidence="mail 77"',
            calls="undo b 1",
            answers="applied",
        )
        .when(ok("b"))
        .then("milestone_compensated b", calls="undo a 1")
        .when(ok("a"))
        .then("milestone_compensated a", "saga_compensated", status="compensated")
    )


def test_a_skipped_undo_is_told_in_the_end() -> None:
    (
        stuck_at_c()
        .when(Skip("c", who="ann", reason="not worth it"))
        .then("undo_skipped c", calls="undo b 1", answers="applied")
        .when(ok("b"))
        .when(ok("a"))
        .then("milestone_compensated a", "saga_resolved", status="resolved")
    )


def test_resolving_lists_what_still_stands() -> None:
    scenario = stuck_at_c().when(Resolve("written off", "ann"))
    scenario.then(
        'saga_resolved reason="written off" left=["a", "b", "c"] who="ann"', status="resolved", answers="applied"
    )
    assert scenario.state.left == ("a", "b", "c")


def test_with_continue_the_others_are_undone_before_a_person_is_asked() -> None:
    (
        given(CONTINUE, *DONE, TURNED_BACK)
        .when(ok("e"))
        .when(refused("d"))
        .then("undo_given_up d", calls="undo c 1", status="compensating")
        .when(ok("c"))
        .when(refused("b", "no"))
        .then("undo_given_up b", calls="undo a 1")
        .when(ok("a"))
        .then(
            "milestone_compensated a",
            'attention_raised b kind="stuck_undo"',
            'attention_raised d kind="stuck_undo"',
            status="failed",
        )
    )


def two_stuck() -> Scenario:
    undone = given(CONTINUE, *DONE, TURNED_BACK).when(ok("e")).when(refused("d")).when(ok("c"))
    return undone.when(refused("b")).when(ok("a"))


def test_two_stuck_undos_are_tried_again_one_after_the_other() -> None:
    (
        two_stuck()
        .when(RetryMilestone())
        .then(answers="ambiguous", status="failed")
        .when(RetryMilestone("b"))
        .then("milestone_retried b", calls="undo b 2", status="compensating", answers="applied")
        .when(RetryMilestone("d"))
        .then(calls="undo b 2", answers="not_in_attention")
        .when(Skip("d"))
        .then(calls="undo b 2", answers="not_in_attention")
        .when(StateFact("undone", "d"))
        .then(calls="undo b 2", answers="not_in_attention")
        .when(Resolve("enough"))
        .then(calls="undo b 2", answers="not_in_attention")
        .when(ok("b"))
        .then("milestone_compensated b", status="failed")
        .when(StateFact("undone"))
        .then("fact_stated d", "saga_compensated", status="compensated", answers="applied")
    )


def test_a_stuck_undo_that_fails_once_more_beside_another_one_is_raised_again() -> None:
    (
        two_stuck()
        .when(RetryMilestone("b"))
        .when(refused("b", "still no"))
        .then("undo_given_up b", "attention_raised b", status="failed")
        .when(Skip("b"))
        .then("undo_skipped b", status="failed", answers="applied")
        .when(Skip("d"))
        .then("undo_skipped d", "saga_resolved", status="resolved", answers="applied")
    )


def test_what_concerns_the_whole_saga_comes_before_the_stuck_undos() -> None:
    (
        two_stuck()
        .when(RetryMilestone("b"))
        .happened([AttentionRaised("crash_loop", None, "five workers died")], at=1)
        .when(RetryMilestone("d"))
        .then(answers="one_at_a_time", status="failed")  # the undo of b has not ended
        .when(RetryMilestone())
        .then('attention_cleared kind="crash_loop"', calls="undo b 2", status="compensating", answers="applied")
    )


@pytest.mark.parametrize("journey", [STOP, CONTINUE])
def test_an_undo_that_is_turned_away_waits_for_a_person_at_once(journey: JourneyDefinition) -> None:
    # Rule 12: an expired key must not give up the undos of a whole fleet one after the other.
    (
        given(journey, *DONE, TURNED_BACK)
        .when(turned_away("e"))
        .when(turned_away("e"))
        .when(turned_away("e", "401"))
        .then('undo_given_up e error="401"', 'attention_raised e kind="participant_misconfigured"', status="failed")
        .when(RetryMilestone())
        .then("milestone_retried e", calls="undo e 4", answers="applied")
    )


def test_an_undo_that_cannot_be_called_waits_for_the_code() -> None:
    (
        given(STOP, *DONE, TURNED_BACK)
        .when(uncallable("e"))
        .then("attempt_withdrawn e", 'attention_raised e kind="handler_missing"', status="failed")
        .when(HandlersBack())
        .then('attention_cleared kind="handler_missing"', calls="undo e 1", status="compensating")
    )


def test_a_later_attempt_of_an_undo_that_cannot_be_called_keeps_its_number() -> None:
    (
        given(STOP, *DONE, TURNED_BACK)
        .when(unknown("e"))
        .when(uncallable("e", "cannot_decode"))
        .then("attempt_withdrawn e", "attention_raised e", status="failed")
        .when(HandlersBack())
        .then("attention_cleared", calls="undo e 2")
    )


def test_an_undo_in_backoff_can_be_marked_undone_and_hastened() -> None:
    slow = saga(step("a", undo_retry=Retry(attempts=5, first=60.0, most=60.0)), step("f"))
    backing_off = given(slow, MilestoneCompleted("a"), TURNED_BACK).when(unknown("a"))
    (
        backing_off.when(RetryMilestone(who="ann"))
        .then('attempt_hastened a op="undo" who="ann"', calls="undo a 2", answers="applied")
        .when(working("a", 30))
        .when(Pause())
        .when(StateFact("undone", "a"), at=200)
        .then("fact_stated a", "saga_compensated", status="compensated", answers="applied")
    )


def test_nothing_of_an_undo_that_is_called_or_due_can_be_taken_away() -> None:
    (
        given(STOP, *DONE, TURNED_BACK)
        .when(StateFact("undone", "e"), calling="e")
        .then(calls="undo e 1", answers="not_in_attention")
        .when(Skip("e"))
        .then(calls="undo e 1", answers="not_in_attention")
        .when(RetryMilestone("e", input=None))
        .then(calls="undo e 1", answers="not_in_attention")
    )


def test_an_undo_stuck_during_a_pause_can_be_skipped_and_goes_on_after_it() -> None:
    (
        given(STOP, *DONE, TURNED_BACK)
        .when(Pause(), calling="e")
        .then("paused", status="paused")
        .when(refused("e"))
        .then("undo_given_up e", "attention_raised e", status="failed")
        .when(RetryMilestone())
        .then(answers="paused", status="failed")
        .when(Skip())
        .then("undo_skipped e", status="paused", answers="applied")
        .when(Resume())
        .then("resumed", calls="undo d 1", answers="applied")
    )


def test_a_cancel_while_it_compensates_changes_nothing_and_says_so() -> None:
    stuck_at_c().when(Cancel()).then(answers="no_change", status="failed")
    given(STOP, *DONE, TURNED_BACK).when(Cancel()).then(calls="undo e 1", answers="no_change")


def test_facts_about_actions_cannot_be_stated_any_more() -> None:
    stuck_at_c().when(StateFact("happened", "c")).then(answers="not_in_attention", status="failed")


def test_the_input_of_an_undo_cannot_be_edited() -> None:
    stuck_at_c().when(RetryMilestone("c", Json("{}"))).then(answers="undo", status="failed")
