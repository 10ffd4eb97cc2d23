"""The kit itself: it tells the whole turn, and when a story is another one it shows both in full."""

import pytest

from saga_journey import Context, Saga, milestone
from saga_journey.core.commands import Cancel, Pause
from saga_journey.core.events import Because, CompensationDecided, MilestoneCompleted, MilestoneRefused
from saga_journey.testing.scenario import event_line, given, ok, refused, turn, unknown
from tests.core.journeys import ORDER, PAID


async def reserve(ctx: Context[object]) -> str:
    raise AssertionError("no handler is called")


async def release(ctx: Context[object], hold: str | None) -> None:
    raise AssertionError("no handler is called")


def test_a_saga_as_users_write_it() -> None:
    stock = Saga("stock", version=1, milestones=[milestone(reserve, undo=release)])
    given(stock).when(ok("reserve")).then("milestone_completed reserve", "saga_completed", status="completed")


def test_a_story_that_is_another_one_is_shown_beside_the_one_that_was_expected() -> None:
    with pytest.raises(AssertionError) as told:
        (
            given(PAID, MilestoneCompleted("reserve"))
            .when(refused("charge", "declined"), at=2)
            .then("milestone_refused charge", "saga_compensated", calls="do ship", status="compensated")
        )
    assert str(told.value) == EXPECTED_AND_CAME


EXPECTED_AND_CAME = """\
the story is another one

given  order version 1
       saga_started input={}
       -> do reserve 1
       milestone_completed reserve
       -> do charge 1
when   at 2: charge gave No(reason='declined')
       milestone_refused charge reason="declined"
       compensation_decided because={"kind": "failure", "milestone": "charge", "error": "declined"}
       -> undo reserve 1
       the saga is compensating

expected
       milestone_refused charge
       saga_compensated
       -> do ship
       the saga is compensated

but it was
       milestone_refused charge reason="declined"
       compensation_decided because={"kind": "failure", "milestone": "charge", "error": "declined"}
       -> undo reserve 1
       the saga is compensating"""


def test_an_answer_belongs_to_the_story() -> None:
    with pytest.raises(AssertionError, match="answered past_pivot: the pivot 'charge' has happened"):
        given(PAID, MilestoneCompleted("reserve"), MilestoneCompleted("charge")).when(Cancel()).then(calls="do ship")
    with pytest.raises(AssertionError, match="answered no_change"):
        given(ORDER).when(Pause()).then("paused", answers="no_change")
    with pytest.raises(AssertionError, match="answered nothing"):
        given(ORDER).when(Pause()).then("paused", answers=[])


def test_nothing_more_and_nothing_less() -> None:
    scenario = given(ORDER).when(ok("reserve"))
    for events, calls in (
        (["milestone_completed reserve"], []),
        ([], ["do charge 1"]),
        (["milestone_completed"], ["do charge 2"]),
        (["milestone_comp"], ["do charge 1"]),
        (["milestone_completed charge"], ["do charge"]),
        (["milestone_completed reserve", "paused"], ["do charge"]),
    ):
        with pytest.raises(AssertionError, match="the story is another one"):
            scenario.then(*events, calls=calls)
    scenario.then("milestone_completed", calls="do charge")


def test_an_event_may_be_expected_whole() -> None:
    scenario = given(ORDER).when(ok("reserve", {"hold": 7}))
    with pytest.raises(AssertionError, match="another one"):
        scenario.then(MilestoneRefused("reserve", "no"), calls="do charge")
    scenario.then('milestone_completed reserve result={"hold": 7}', calls="do charge")


def test_a_report_needs_an_open_attempt_or_the_name_of_one() -> None:
    with pytest.raises(ValueError, match="'ship' has no open attempt"):
        given(ORDER).when(ok("ship"))
    with pytest.raises(ValueError, match="no open attempt"):
        given(ORDER).when(unknown("ship", attempt=1))
    given(ORDER).when(ok("ship", attempt=1, op="do")).then(calls="do reserve")
    given(ORDER).when(ok("reserve", attempt=1)).then("milestone_completed reserve", calls="do charge")


def test_turns_of_the_past() -> None:
    past = turn(MilestoneRefused("charge", "no"), CompensationDecided(Because("failure", "charge", "no")))
    scenario = given(ORDER, MilestoneCompleted("reserve"), past, input=[1], at=9)
    scenario.then(*past, calls="undo reserve 1", status="compensating")
    assert scenario.state.at == 9
    assert scenario.story[1] == "       saga_started input=[1]"


def test_how_an_event_is_written() -> None:
    assert event_line(MilestoneRefused("charge", 'é "quoted"')) == 'milestone_refused charge reason="é \\"quoted\\""'
