"""Clocks: `within` from the first intent, the deadline from the start, both told by the machine itself (rule 23)."""

from saga_journey.core.commands import Cancel, Pause, RetryMilestone, TimePassed
from saga_journey.core.events import AttemptEnded, AttentionRaised, MilestoneCompleted
from saga_journey.core.timers import REQUEST_AT_MOST, call_limit, next_due, overdue
from saga_journey.testing.scenario import given, ok, refused, turn, turned_away, uncallable, unknown, working
from tests.core.journeys import ORDER, PAID, saga, step, structured, wait

RESERVED = MilestoneCompleted("reserve")
TIMED = saga(step("reserve"), step("charge", within=30.0), step("ship"))
HURRIED = saga(step("reserve"), step("charge"), step("ship"), deadline=100.0)


def test_a_milestone_that_was_never_called_in_time_is_clean() -> None:
    (
        given(TIMED, RESERVED, at=10)
        .when(TimePassed(), at=39)
        .then(calls="do charge 1")
        .when(TimePassed(), at=40)
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
    )


def test_one_that_backs_off_is_unknown() -> None:
    (
        given(TIMED, RESERVED, AttemptEnded("charge", "do", "503", retry_at=60.0))
        .when(TimePassed(), at=30)
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )


def test_one_that_is_being_called_ends_by_its_own_limit() -> None:
    scenario = given(TIMED, RESERVED)
    assert call_limit(scenario.state, 1, "do", now=10) == 20  # what is left of `within`
    assert call_limit(scenario.state, 1, "do", now=31) == 0
    (
        scenario.when(TimePassed(), at=30, calling="charge")
        .then(calls="do charge 1")
        .when(unknown("charge", "timed out"))
        .then('milestone_gave_up charge error="timed out"', "compensation_decided", calls="undo charge 1")
    )


def test_a_result_that_comes_in_the_same_turn_counts() -> None:
    given(TIMED, RESERVED).when(TimePassed(), ok("charge"), at=30).then("milestone_completed charge", calls="do ship 1")


def test_a_person_who_retries_gives_it_its_whole_time_again() -> None:
    late = saga(step("pay", pivot=True, undo=None), step("ship", within=30.0, undo=None))
    (
        given(late, MilestoneCompleted("pay"))
        .when(TimePassed(), at=30)
        .then("milestone_refused ship", "attention_raised ship", status="failed")
        .when(RetryMilestone(), at=500)
        .then("milestone_retried ship", calls="do ship 2")
        .when(TimePassed(), at=529)
        .then(calls="do ship 2")
    )


def test_the_clock_of_a_milestone_that_waits_for_code_stands_still() -> None:
    # A bad deploy must not compensate: what waits for its handler is not timed out.
    (
        given(TIMED, RESERVED)
        .when(unknown("charge"))
        .when(uncallable("charge"))
        .when(TimePassed(), at=1000)
        .then(status="failed")
    )


def test_the_deadline_acts_as_a_cancel() -> None:
    scenario = given(HURRIED, RESERVED).when(TimePassed(), at=100)
    scenario.then("attempt_withdrawn charge", "compensation_decided", calls="undo reserve 1")
    assert scenario.state.because is not None
    assert scenario.state.because.kind == "deadline"
    scenario.when(TimePassed(), at=5000).then(calls="undo reserve 1")  # no deadline in direction undo


def test_the_deadline_lets_a_call_end() -> None:
    (
        given(HURRIED, RESERVED)
        .when(TimePassed(), at=100, calling="charge")
        .then("compensation_decided", calls="do charge 1")
        .when(ok("charge"))
        .then("milestone_completed charge", calls="undo charge 1")
    )


def test_past_the_pivot_the_deadline_is_only_told_once() -> None:
    paid = saga(step("charge", pivot=True, undo=None), step("ship", undo=None), deadline=100.0)
    scenario = given(paid, MilestoneCompleted("charge")).when(TimePassed(), at=100)
    scenario.then("deadline_missed", calls="do ship 1", status="in_progress")
    scenario.when(TimePassed(), at=200).then(calls="do ship 1")
    assert next_due(scenario.state) == 0  # the call that waits, and no deadline any more


def test_while_the_pivot_is_called_the_deadline_waits_for_it() -> None:
    paid = saga(step("charge", pivot=True, undo=None), step("ship", undo=None), deadline=100.0)
    scenario = given(paid).when(TimePassed(), at=100, calling="charge")
    scenario.then("stop_requested", calls="do charge 1")
    assert scenario.state.deadline_at is None
    scenario.when(ok("charge")).then("milestone_completed charge", "stop_too_late", calls="do ship 1")
    assert scenario.state.deadline_missed
    assert given(paid).when(Cancel(), calling="charge").when(ok("charge")).state.deadline_missed is False


def test_the_deadline_of_a_pivot_in_doubt_is_only_told() -> None:
    paid = saga(step("charge", pivot=True, undo=None), deadline=100.0)
    given(paid).when(unknown("charge", exhausted=True)).when(TimePassed(), at=100).then(
        "deadline_missed", status="failed"
    )


def test_the_deadline_reaches_what_waits_for_a_person() -> None:
    misconfigured = AttentionRaised("participant_misconfigured", "charge", "401")
    (
        given(HURRIED, RESERVED, turn(AttemptEnded("charge", "do", "401", None, clean=True), misconfigured))
        .when(TimePassed(), at=100)
        .then("compensation_decided", calls="undo reserve 1", status="compensating")
    )


def test_two_clocks_that_struck_are_one_turn() -> None:
    # The milestone's own time, and then the deadline: no intent of the next milestone is opened in between.
    gift = saga(step("reserve"), step("gift", optional=True, within=30.0), step("ship"), deadline=100.0)
    (
        given(gift, RESERVED)
        .when(TimePassed(), at=100)
        .then("milestone_refused gift", "compensation_decided", calls="undo reserve 1")
    )
    last = saga(step("reserve"), step("gift", optional=True, within=30.0), deadline=100.0)
    given(last, RESERVED).when(TimePassed(), at=100).then("milestone_refused gift", "saga_completed")


def test_a_structured_journey_past_its_deadline_is_cancelled() -> None:
    (
        given(structured(step("form"), deadline=100.0))
        .when(TimePassed(), at=100)
        .then("stop_requested", "attempt_withdrawn form", "saga_cancelled", status="cancelled")
    )


def test_when_a_run_needs_a_worker_next() -> None:
    assert next_due(given(ORDER).state) == 0  # its first call
    assert next_due(given(ORDER, AttemptEnded("reserve", "do", "503", retry_at=7.0)).state) == 7
    assert next_due(given(saga(step("a", within=5.0)), AttemptEnded("a", "do", "503", retry_at=7.0)).state) == 5
    assert next_due(given(saga(wait("a"), deadline=50.0)).state) == 50
    assert next_due(given(saga(wait("a"))).state) == 100
    assert next_due(given(ORDER).when(Pause()).state) is None
    assert next_due(given(ORDER).when(Cancel()).state) is None
    assert next_due(given(PAID, RESERVED, MilestoneCompleted("charge")).when(refused("ship")).state) is None
    assert next_due(given(HURRIED, RESERVED).when(uncallable("charge")).state) == 100


def test_whether_a_clock_has_struck() -> None:
    assert not overdue(given(ORDER).state, 1e9)
    assert overdue(given(TIMED, RESERVED).state, 30)
    assert not overdue(given(TIMED, RESERVED).state, 29)
    assert overdue(given(HURRIED).state, 100)
    assert not overdue(given(HURRIED, RESERVED).when(Cancel()).state, 1000)


def test_how_long_a_call_may_take() -> None:
    own = saga(step("a", timeout=7.0, undo_timeout=9.0))
    assert call_limit(given(own).state, 0, "do", 0) == 7
    assert call_limit(given(own).state, 0, "undo", 0) == 9
    asked = saga(wait("a", request=True, timeout=1000.0), wait("b", request=True, timeout=20.0))
    assert call_limit(given(asked).state, 0, "do", 0) == REQUEST_AT_MOST
    assert call_limit(given(asked).state, 0, "do", 990) == 10
    assert call_limit(given(asked, MilestoneCompleted("a")).state, 1, "do", 5) == 15


def test_a_clean_failure_after_its_time_waits_for_a_person() -> None:
    (
        given(TIMED, RESERVED)
        .when(turned_away("charge"), at=31)
        .then("attempt_ended charge", "attention_raised charge", status="failed")
    )


def test_still_working_after_its_time_is_unknown() -> None:
    (
        given(TIMED, RESERVED)
        .when(working("charge"), at=31)
        .then("milestone_gave_up charge", "compensation_decided", calls="undo charge 1")
    )
