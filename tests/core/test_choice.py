"""Choices: where a journey goes on, what that leaves out, and what happens when nobody knows (rule 37)."""

from __future__ import annotations

import pytest

from saga_journey.authoring import Saga, milestone, to
from saga_journey.core.canonical import Json
from saga_journey.core.commands import (
    Advance,
    Cancel,
    Choose,
    Command,
    Compensate,
    HandlersBack,
    Pause,
    Resolve,
    Resume,
    RetryMilestone,
    Rollback,
    Skip,
    TimePassed,
)
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.progress import percent
from saga_journey.core.shape import To
from saga_journey.errors import DefinitionError
from saga_journey.handlers.context import Context
from saga_journey.testing.scenario import Scenario, given, ok, refused, uncallable, unknown
from tests.core.journeys import block, nested, saga, step, structured, timer, wait

BIG, SMALL = {"total": 500}, {"total": 5}

PARCEL = saga(
    step("pack", next_steps=(To("express", "input.total > 100"), To("standard"))),
    step("express", next_steps=(To("thank"),)),
    step("standard"),
    step("thank"),
)
"""One of two ways, and the same end."""


def statuses(scenario: Scenario) -> dict[str, str]:
    named = zip(scenario.state.definition.milestones, scenario.state.milestones, strict=True)
    return {spec.id: str(m.status) for spec, m in named}


# --- the arm is taken ------------------------------------------------------------------------------------------------


def test_the_arm_is_chosen_in_the_commit_that_finishes_the_milestone() -> None:
    given(PARCEL, input=BIG).when(ok("pack")).then(
        "milestone_completed pack", 'arm_chosen pack arm="express"', calls="do express 1"
    )


def test_the_first_condition_that_holds_is_taken() -> None:
    given(PARCEL, input=SMALL).when(ok("pack")).then(
        "milestone_completed pack", 'arm_chosen pack arm="standard"', calls="do standard 1"
    )
    both = saga(step("a", next_steps=(To("b", "true"), To("c", "true"))), step("b"), step("c"))
    given(both).when(ok("a")).then("milestone_completed a", 'arm_chosen a arm="b"', calls="do b 1")


def test_a_condition_reads_the_result_of_the_milestone_that_has_just_ended() -> None:
    by_result = saga(
        step("weigh", next_steps=(To("truck", "results.weigh.kg > 30"), To("bike"))),
        step("truck", next_steps=(To("end"),)),
        step("bike"),
    )
    given(by_result).when(ok("weigh", {"kg": 80})).then(
        "milestone_completed weigh", "arm_chosen weigh", calls="do truck"
    )
    given(by_result).when(ok("weigh", {"kg": 8})).then("milestone_completed weigh", "arm_chosen weigh", calls="do bike")


def test_what_is_not_taken_is_skipped_and_what_comes_together_again_is_not() -> None:
    scenario = given(PARCEL, input=BIG).when(ok("pack"))
    assert statuses(scenario) == {
        "pack": "completed",
        "express": "running",
        "standard": "skipped",
        "thank": "pending",
    }
    scenario.when(ok("express")).then("milestone_completed express", calls="do thank 1")
    scenario.when(ok("thank")).then("milestone_completed thank", "saga_completed", status="completed")
    assert percent(scenario.state) == 100


def test_without_next_steps_an_arm_goes_on_with_what_stands_behind_it() -> None:
    scenario = given(PARCEL, input=SMALL).when(ok("pack")).when(ok("standard"))
    scenario.then("milestone_completed standard", calls="do thank 1")


def test_what_was_not_taken_is_never_undone() -> None:
    scenario = given(PARCEL, input=BIG).when(ok("pack")).when(ok("express")).when(refused("thank"))
    scenario.then("milestone_refused thank", "compensation_decided", calls="undo express 1")
    scenario.when(ok("express")).then("milestone_compensated express", calls="undo pack 1")
    scenario.when(ok("pack")).then("milestone_compensated pack", "saga_compensated", status="compensated")


def test_a_journey_may_be_over_at_once() -> None:
    short = saga(step("ask", next_steps=(To("end", "!input.wanted"), To("do_it"))), step("do_it"), step("more"))
    given(short, input={"wanted": False}).when(ok("ask")).then(
        "milestone_completed ask", 'arm_chosen ask arm="end"', "saga_completed", status="completed"
    )
    given(short, input={"wanted": True}).when(ok("ask")).then(
        "milestone_completed ask", 'arm_chosen ask arm="do_it"', calls="do do_it 1"
    )


def test_an_arm_may_end_the_journey_before_the_other_one_begins() -> None:
    short = saga(
        step("a", next_steps=(To("b", "input.total > 100"), To("c"))),
        step("b", next_steps=(To("end"),)),
        step("c"),
    )
    scenario = given(short, input=BIG).when(ok("a")).when(ok("b"))
    scenario.then("milestone_completed b", "saga_completed", status="completed")


NESTED = saga(
    step("a", next_steps=(To("b", "input.total > 100"), To("e"))),
    step("b", next_steps=(To("c", "input.total > 1000"), To("d"))),
    step("c", next_steps=(To("f"),)),
    step("d", next_steps=(To("f"),)),
    step("e"),
    step("f"),
)


@pytest.mark.parametrize(
    ("total", "way"), [(5000, ["a", "b", "c", "f"]), (500, ["a", "b", "d", "f"]), (5, ["a", "e", "f"])]
)
def test_a_choice_within_a_choice(total: int, way: list[str]) -> None:
    scenario = given(NESTED, input={"total": total})
    for name in way:
        assert [name] == [s for s, status in statuses(scenario).items() if status == "running"]
        scenario.when(ok(name))
    assert scenario.state.final == "completed"
    skipped = {name for name, status in statuses(scenario).items() if status == "skipped"}
    assert skipped == set("abcdef") - set(way)


def test_a_choice_leads_into_a_block() -> None:
    forked = saga(step("a", next_steps=(To("b", "input.total > 100"), To("d"))), block(step("b"), step("c")), step("d"))
    given(forked, input=BIG).when(ok("a")).then(
        "milestone_completed a",
        "arm_chosen a",
        "attempt_started b",
        "attempt_started c",
        calls=["do b 1", "do c 1"],
    )
    scenario = given(forked, input=SMALL).when(ok("a")).then("milestone_completed a", "arm_chosen a", calls="do d 1")
    assert statuses(scenario)["c"] == "skipped"


def test_a_choice_after_an_optional_milestone_that_failed() -> None:
    """Its result is not there; a condition that asks for it first still finds its way."""
    forked = saga(
        step("ask", optional=True, next_steps=(To("vip", "has(results.ask) && results.ask.vip"), To("plain"))),
        step("vip", next_steps=(To("end"),)),
        step("plain"),
    )
    given(forked).when(refused("ask")).then("milestone_refused ask", 'arm_chosen ask arm="plain"', calls="do plain 1")


def test_a_choice_after_a_timer_and_after_a_child() -> None:
    forked = saga(timer("nap", 10, next_steps=(To("b", "true"), To("c"))), step("b"), step("c"))
    given(forked).when(TimePassed(), at=10).then("milestone_completed nap", 'arm_chosen nap arm="b"', calls="do b 1")


def test_a_retry_does_not_choose_before_it_has_ended_well() -> None:
    scenario = given(PARCEL, input=BIG).when(unknown("pack")).then("attempt_ended pack", calls="do pack 2")
    assert statuses(scenario)["standard"] == "pending"


def test_a_choice_during_a_pause_is_recorded_and_started_after_it() -> None:
    scenario = given(PARCEL, input=BIG).when(Pause(), calling="pack").when(ok("pack"))
    scenario.then("milestone_completed pack", "arm_chosen pack", status="paused")
    scenario.when(Resume()).then("resumed", calls="do express 1")


def test_a_cancel_beside_the_result_that_leads_to_a_choice() -> None:
    given(PARCEL, input=BIG).when(ok("pack"), Cancel()).then(
        "milestone_completed pack", "compensation_decided", calls="undo pack 1", answers="applied"
    )


def test_a_chosen_arm_is_not_asked_for_again() -> None:
    """Whatever the conditions would say later: the journal has the answer."""
    scenario = given(PARCEL, input=BIG).when(ok("pack")).when(uncallable("express"))
    scenario.then("attempt_withdrawn express", "attention_raised express", status="failed")
    scenario.when(HandlersBack()).then("attention_cleared", calls="do express 1")


# --- a person, or a partner, says where ------------------------------------------------------------------------------


APPROVED = saga(
    wait("boss", next_steps=(To("by_air", "results.boss.quick"), To("by_road"))),
    step("by_air", next_steps=(To("end"),)),
    step("by_road"),
)


def test_an_answer_says_where_the_journey_goes_on() -> None:
    scenario = given(APPROVED).when(Advance("boss", result=Json('{"quick":false}'), next_step="by_air", who="ann"))
    scenario.then("milestone_completed boss", 'arm_chosen boss arm="by_air" who="ann"', calls="do by_air 1")


def test_an_answer_that_says_nothing_leaves_it_to_the_conditions() -> None:
    scenario = given(APPROVED).when(Advance("boss", result=Json('{"quick":false}')))
    scenario.then("milestone_completed boss", 'arm_chosen boss arm="by_road"', calls="do by_road 1")


@pytest.mark.parametrize("elsewhere", ["boss", "end", "nowhere"])
def test_an_answer_names_one_of_the_steps_that_there_are(elsewhere: str) -> None:
    given(APPROVED).when(Advance("boss", next_step=elsewhere)).then(answers="no_such_step", waits="boss")


def test_without_a_choice_an_answer_cannot_make_one() -> None:
    for one_way in (saga(wait("boss"), step("b")), saga(wait("boss", next_steps=(To("b"),)), step("b"))):
        given(one_way).when(Advance("boss", next_step="b")).then(answers="no_such_step", waits="boss")


def test_a_no_says_nothing_about_the_way_on() -> None:
    given(APPROVED).when(Advance("boss", "refused", next_step="by_air")).then(
        "milestone_refused boss", "compensation_decided", "saga_compensated", answers="applied"
    )


# --- nobody knows where ----------------------------------------------------------------------------------------------


UNSURE = saga(
    step("a", next_steps=(To("b", "input.total > 100"), To("c", "input.total < 10"))),
    step("b", next_steps=(To("d"),)),
    step("c"),
    step("d"),
)


def lost(**options: object) -> Scenario:
    return given(UNSURE, input={"total": 50}, **options).when(ok("a"))  # type: ignore[arg-type]


def test_no_condition_holds() -> None:
    lost().then("milestone_completed a", 'attention_raised a kind="no_arm"', status="failed")


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("input.total > 100", "reads total, which is not there"),
        ("results.a.kg > 1", "reads a, which is not there"),
        ("input.text + 1 > 2", "cannot be read"),
        ("input.text", "is 'abc', not true or false"),
        ("input.list[7] > 1", "cannot be read"),
    ],
)
def test_a_condition_that_fails_is_told_and_waits_for_a_person(condition: str, told: str) -> None:
    unsafe = saga(step("a", next_steps=(To("b", condition), To("c"))), step("b"), step("c"))
    scenario = given(unsafe, input={"text": "abc", "list": []}).when(ok("a"))
    scenario.then("milestone_completed a", "attention_raised a", status="failed")
    assert told in scenario.state.attention[0].detail


def test_a_person_chooses() -> None:
    scenario = lost().when(Choose("c", who="ann"))
    scenario.then('arm_chosen a arm="c" who="ann"', calls="do c 1", status="in_progress", answers="applied")
    assert statuses(scenario)["b"] == "skipped"
    scenario.when(ok("c")).then("milestone_completed c", calls="do d 1")


@pytest.mark.parametrize("elsewhere", ["d", "end", "a", "nowhere"])
def test_a_person_chooses_one_of_the_steps_that_there_are(elsewhere: str) -> None:
    lost().when(Choose(elsewhere)).then(answers="no_such_step", status="failed")


def test_a_choice_is_made_where_one_is_open() -> None:
    given(UNSURE).when(Choose("c")).then(calls="do a 1", answers="no_choice")
    lost().when(Choose("c", "b")).then(answers="no_choice", status="failed")
    lost().when(Choose("c", "a")).then("arm_chosen a", calls="do c 1")


def test_what_waits_for_a_choice_is_neither_tried_again_nor_skipped() -> None:
    lost().when(RetryMilestone()).then(answers="not_retried", status="failed")
    lost().when(Skip()).then(answers="no_arm", status="failed")
    lost().when(HandlersBack()).then(status="failed")
    lost().when(Pause()).then(answers="in_attention", status="failed")


@pytest.mark.parametrize("stop", [Cancel(), Compensate()])
def test_instead_of_choosing_one_may_go_back(stop: Command) -> None:
    lost().when(stop).then("compensation_decided", calls="undo a 1", status="compensating", answers="applied")


def test_or_close_it() -> None:
    scenario = lost().when(Resolve("enough")).then("saga_resolved", status="resolved")
    assert scenario.state.left == ("a",)


def test_the_deadline_strikes_also_while_nobody_chooses() -> None:
    hurried = JourneyDefinition("order", 1, UNSURE.steps, deadline=60)
    scenario = given(hurried, input={"total": 50}).when(ok("a")).when(TimePassed(), at=60)
    scenario.then("compensation_decided", calls="undo a 1")


def test_a_choice_is_open_during_a_pause_and_made_after_it() -> None:
    scenario = given(UNSURE, input={"total": 50}).when(Pause(), calling="a").when(ok("a"))
    scenario.then("milestone_completed a", "attention_raised a")
    scenario.when(Choose("b")).then(answers="paused")
    scenario.when(Resume()).when(Choose("b")).then("arm_chosen a", calls="do b 1")


def test_past_the_pivot_a_choice_is_only_made_or_closed() -> None:
    paid = saga(
        step("pay", pivot=True, undo=None, next_steps=(To("b", "false"), To("c", "false"))),
        step("b", undo=None),
        step("c", undo=None),
    )
    scenario = given(paid).when(ok("pay")).when(Cancel()).then(answers="past_pivot", status="failed")
    scenario.when(Choose("c")).then("arm_chosen pay", calls="do c 1")


def test_a_choice_at_the_very_end_has_to_be_made_too() -> None:
    for arrived in ((ok("a"),), (ok("a"), TimePassed())):
        last = saga(step("a", next_steps=(To("end", "input.total > 100"),)))
        scenario = given(last, input=SMALL).when(*arrived)
        scenario.then("milestone_completed a", "attention_raised a", status="failed")
        scenario.when(Choose("end")).then("arm_chosen a", "saga_completed", status="completed")


def test_a_cancelled_structured_journey_needs_no_choice() -> None:
    forked = structured(*UNSURE.steps)
    scenario = given(forked, input={"total": 50}).when(Cancel(), calling="a").when(ok("a"))
    scenario.then("milestone_completed a", "saga_cancelled", status="cancelled")


def test_a_pivot_in_one_arm_binds_only_those_who_take_it() -> None:
    forked = saga(
        step("a", next_steps=(To("pay", "input.total > 100"), To("c"))),
        step("pay", pivot=True, undo=None, next_steps=(To("end"),)),
        step("c"),
    )
    scenario = given(forked, input=SMALL).when(ok("a")).when(refused("c"))
    scenario.then("milestone_refused c", "compensation_decided", calls="undo a 1")
    scenario = given(forked, input=BIG).when(ok("a")).when(Cancel(), calling="pay")
    scenario.then("stop_requested", calls="do pay 1", answers="deferred")


def test_a_skipped_milestone_leads_on_as_well() -> None:
    scenario = given(structured(*PARCEL.steps), input=BIG).when(refused("pack")).when(Skip("pack", Json("1")))
    scenario.then("milestone_skipped pack", "arm_chosen pack", calls="do express 1")


# --- going back before a choice --------------------------------------------------------------------------------------


def test_who_goes_back_before_a_choice_may_choose_another_way() -> None:
    scenario = given(structured(*APPROVED.steps)).when(Advance("boss", next_step="by_air")).when(Pause())
    scenario.when(Rollback()).then("rollback_started boss", calls="undo boss 1")
    scenario.when(ok("boss")).then("milestone_rolled_back boss", status="paused")
    assert statuses(scenario) == {"boss": "pending", "by_air": "pending", "by_road": "pending"}
    scenario.when(Resume()).when(Advance("boss", next_step="by_road"))
    scenario.then("milestone_completed boss", "arm_chosen boss", calls="do by_road 1")


def test_what_an_earlier_choice_left_out_stays_out() -> None:
    scenario = given(structured(*NESTED.steps), input={"total": 500}).when(ok("a")).when(ok("b")).when(Pause())
    scenario.when(Rollback()).when(ok("b")).then("milestone_rolled_back b", status="paused")
    assert [name for name, status in statuses(scenario).items() if status == "skipped"] == ["e"]


# --- by design -------------------------------------------------------------------------------------------------------


def forked(*arms: To) -> JourneyDefinition:
    return saga(step("x"), step("a", next_steps=arms), step("b"), step("c"))


@pytest.mark.parametrize(
    ("arms", "problem"),
    [
        ((To("x", "true"), To("b")), "'a' goes on to 'x', which does not stand after it"),
        ((To("a", "true"), To("b")), "'a' goes on to 'a', which does not stand after it"),
        ((To("nowhere", "true"), To("b")), "goes on to 'nowhere', which does not exist"),
        ((To("b", "true"), To("b")), "names one of its next steps twice"),
        ((To("b"), To("c")), "has next steps after one without a condition: they could never be taken"),
        ((To("c"),), "no path of next_steps reaches 'b'"),
        ((To("end"),), "no path of next_steps reaches 'b', 'c'"),
    ],
)
def test_a_way_that_cannot_be_gone_is_refused(arms: tuple[To, ...], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        forked(*arms)


def test_an_undo_on_any_path_behind_the_pivot_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'c' declares undo 'undo_c' after the pivot 'pay'"):
        saga(
            step("a", next_steps=(To("pay", "true"), To("b"))),
            step("pay", pivot=True, next_steps=(To("c"),)),
            step("b"),
            step("c"),
        )


def test_an_undo_on_a_path_beside_the_pivot_is_fine() -> None:
    saga(
        step("a", next_steps=(To("pay", "true"), To("b"))),
        step("pay", pivot=True, next_steps=(To("c"),)),
        step("b"),
        step("c", undo=None),
    )


async def act(ctx: Context[dict[str, int]]) -> None:
    raise AssertionError("no handler is called")


def conditional(when: str) -> Saga[dict[str, int]]:
    return Saga(
        "order",
        version=1,
        milestones=[
            milestone(act, undo=None, id="a", next_steps=[to("b", when=when), to("end")]),
            milestone(act, undo=None, id="b"),
        ],
    )


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("input.total >", "cannot be read: line 1, column 14"),
        ("input.total > 1 &&\n ++", "cannot be read: line 2, column"),
        ("amount > 1", "it reads amount: there is `input`, and `results` by milestone"),
        ("1 + 1", "it does not end in true or false"),
        ("1 / 0 == 1", "cannot be read"),
        ("nothing(input)", "it calls nothing, which is no function here"),
        ("input.text.startswith('a')", "it calls startswith, which is no function here"),
        ("input.a.all(x, input.b.all(y, input.c.all(z, x == y && y == z)))", "it goes through 3 lists"),
        ("", "cannot be read"),
        ("x" * 2001, "it has 2,001 characters"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_with_its_position(when: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        conditional(when)


def test_a_condition_that_can_be_read_is_fine() -> None:
    for when in (
        "input.total > 1",
        "has(results.a) && results.a.ok",
        "true",
        "size(input.items) == 3 && 'x' in input.items",
        "input.items.exists(item, item.heavy)",
        "input.items.all(one, input.others.exists(other, one == other))",
        "type(input.total) == int",
        "timestamp(input.at).getFullYear() >= 2020 && input.name.startsWith('A')",
    ):
        conditional(when)


def test_a_condition_may_go_through_a_list() -> None:
    heavy = saga(
        step("a", next_steps=(To("b", "input.items.exists(item, item.kg > 30)"), To("c"))), step("b"), step("c")
    )
    for kg, arm in ((40, "b"), (4, "c")):
        scenario = given(heavy, input={"items": [{"kg": 1}, {"kg": kg}]}).when(ok("a"))
        scenario.then("milestone_completed a", f'arm_chosen a arm="{arm}"', calls=f"do {arm} 1")


def test_the_unreached_and_the_unreadable_are_told_at_once() -> None:
    with pytest.raises(DefinitionError) as told:
        saga(step("a", next_steps=(To("nowhere"),)), block(step("b"), step("c", pivot=True)), nested("d", given="e"))
    assert len(told.value.problems) == 3


def test_a_milestone_is_not_called_end() -> None:
    with pytest.raises(DefinitionError, match="'end': the id is taken"):
        JourneyDefinition("order", 1, (Milestone("end", "end"),))
