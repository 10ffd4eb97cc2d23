"""An optional milestone never stops the saga; what it left in doubt is told, and undone with the rest (rule 19)."""

from saga_journey.core.commands import Cancel, Compensate, HandlersBack, StateFact, TimePassed
from saga_journey.core.events import MilestoneCompleted, MilestoneGaveUp, SagaCompleted
from saga_journey.core.progress import doubtful
from saga_journey.testing.scenario import Scenario, given, ok, refused, turn, turned_away, uncallable, unknown
from tests.core.journeys import saga, step

GIFT = saga(step("reserve"), step("gift", optional=True, within=50.0), step("ship"))
RESERVED = MilestoneCompleted("reserve")


def test_a_no_does_not_stop_the_saga() -> None:
    given(GIFT, RESERVED).when(refused("gift")).then("milestone_refused gift", calls="do ship 1")


def test_nor_does_an_unknown_outcome_and_it_is_not_undone_going_forward() -> None:
    scenario = given(GIFT, RESERVED).when(unknown("gift", exhausted=True))
    scenario.then("milestone_gave_up gift", calls="do ship 1", status="in_progress")
    scenario.when(ok("ship")).then("milestone_completed ship", "saga_completed", status="completed")
    assert doubtful(scenario.state) == ("gift",)


def test_nor_does_a_wrong_key() -> None:
    (
        given(GIFT, RESERVED)
        .when(turned_away("gift"))
        .when(turned_away("gift"))
        .when(turned_away("gift"))
        .then("milestone_refused gift", calls="do ship 1")
    )


def test_nor_does_its_time() -> None:
    (
        given(GIFT, RESERVED)
        .when(TimePassed(), at=50)
        .then("milestone_refused gift", calls="do ship 1")  # it was never called
    )


def test_an_optional_last_milestone_that_fails_completes_the_saga() -> None:
    last = saga(step("reserve"), step("gift", optional=True))
    given(last, RESERVED).when(refused("gift")).then("milestone_refused gift", "saga_completed", status="completed")


def doubtful_gift() -> Scenario:
    return given(GIFT, RESERVED, MilestoneGaveUp("gift", "timed out"))


def test_its_doubt_is_undone_by_a_cancel_that_comes_later() -> None:
    (
        doubtful_gift()
        .when(Cancel())
        .then("attempt_withdrawn ship", "compensation_decided", calls="undo gift 1")
        .when(ok("gift"))
        .then("milestone_compensated gift", calls="undo reserve 1")
    )


def test_and_the_day_after() -> None:
    (
        given(GIFT, RESERVED, MilestoneGaveUp("gift", "timed out"), turn(MilestoneCompleted("ship"), SagaCompleted()))
        .when(Compensate())
        .then("compensation_decided", calls="undo ship 1")
        .when(ok("ship"))
        .then("milestone_compensated ship", calls="undo gift 1")
    )


def test_a_refused_one_is_not_undone() -> None:
    (
        given(GIFT, RESERVED)
        .when(refused("gift"))
        .when(refused("ship"))
        .then("milestone_refused ship", "compensation_decided", calls="undo reserve 1")
    )


def test_an_optional_one_waits_for_its_code_like_any_other() -> None:
    (
        given(GIFT, RESERVED)
        .when(uncallable("gift"))
        .then("attempt_withdrawn gift", "attention_raised gift", status="failed")
        .when(HandlersBack())
        .then("attention_cleared", calls="do gift 1")
    )


def test_a_person_who_says_that_it_did_not_happen_does_not_stop_the_saga_either() -> None:
    (
        given(GIFT, RESERVED)
        .when(unknown("gift"))
        .when(uncallable("gift"))
        .then("attempt_withdrawn gift", "attention_raised gift", status="failed")
        .when(StateFact("did_not_happen", "gift"))
        .then("fact_stated gift", calls="do ship 1", status="in_progress", answers="applied")
    )
