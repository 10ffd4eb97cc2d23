"""The second door: a definition out of a request, or all that is wrong with it in one error."""

from typing import Any

import pytest

from saga_journey.core.codec import encode_definition
from saga_journey.core.definition import ONE_CALL, JourneyDefinition, Milestone, Retry
from saga_journey.core.design import design
from saga_journey.errors import DefinitionError, did_you_mean

UNDOS: dict[str, str | None] = {"reserve": "release", "charge": "refund"}


def rows(*names: str, **options: Any) -> dict[str, Any]:
    return {"milestones": [{"id": name, **options} for name in names]}


def problems(requirements: Any, undos: Any = None, **options: Any) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as refused:
        design("order", requirements, UNDOS if undos is None else undos, **options)
    return refused.value.problems


def test_both_doors_lead_to_the_same_definition() -> None:
    designed = design("order", rows("reserve", "charge"), UNDOS)
    declared = JourneyDefinition(
        "order", 1, (Milestone("reserve", "reserve", "release"), Milestone("charge", "charge", "refund"))
    )
    assert designed == declared
    assert designed.hash == declared.hash
    assert encode_definition(designed) == encode_definition(declared)


def test_everything_can_be_said() -> None:
    definition = design(
        "order",
        {
            "version": 2,
            "kind": "saga",
            "deadline": 60,
            "on_stuck_undo": "continue",
            "milestones": [
                {"action": "reserve", "retry": {"attempts": 2}, "undo_retry": {"most": 9.0}, "params": {"floor": 1}},
                {"milestone_id": "approve", "kind": "external", "undo": None, "timeout": 99},
                {"id": "wire", "action": "do_wire", "undo": "unwire", "at_most_once": True},
            ],
        },
        {"reserve": "release"},
    )
    reserve, approve, wire = definition.milestones
    assert (reserve.id, reserve.undo, reserve.retry) == ("reserve", "release", Retry(attempts=2))
    assert (reserve.undo_retry.most, reserve.undo_retry.attempts, reserve.params) == (9.0, 20, '{"floor":1}')
    assert (approve.id, approve.action, approve.undo) == ("approve", None, None)
    assert (wire.action, wire.undo, wire.retry) == ("do_wire", "unwire", ONE_CALL)
    assert (definition.version, definition.deadline, definition.on_stuck_undo) == (2, 60, "continue")


def test_an_undo_may_be_named_by_the_action_or_said_to_be_nothing() -> None:
    definition = design(
        "order", {"milestones": [{"id": "a", "action": "do_a"}, {"id": "b"}]}, {"do_a": "undo_a", "b": None}
    )
    assert [m.undo for m in definition.milestones] == ["undo_a", None]


def test_an_undo_that_nobody_spoke_of_is_a_problem_before_the_pivot_only() -> None:
    assert problems(rows("reserve", "mail", "charge")) == (
        (
            "milestone 'mail' has no undo: name its handler, in `undo` or in compensation_handlers, "
            "or say null (None) there when there is nothing to undo"
        ),
    )
    past = {"milestones": [{"id": "reserve"}, {"id": "charge", "pivot": True}, {"id": "mail"}]}
    assert design("order", past, {"reserve": "release"}).milestones[2].undo is None


def test_names_that_nothing_has_are_told_with_the_nearest() -> None:
    found = problems(rows("reserve", "charge"), {"reserv": "release", "charge": "refund", "reserve": None})
    assert found == ("compensation_handlers names 'reserv', which is no milestone (did you mean 'reserve'?)",)
    found = problems(rows("reserve", "charge"), known_handlers=["reserve", "charge", "relase", "refund"])
    assert found == ("milestone 'reserve': undo 'release' is not registered (did you mean 'relase'?)",)
    found = problems(rows("charge"), {"charge": None}, known_handlers=[])
    assert found == ("milestone 'charge': action 'charge' is not registered",)
    assert did_you_mean("zzz", {"a"}) == ""


def test_known_handlers_that_are_all_there() -> None:
    assert design("order", rows("charge"), {"charge": "refund"}, known_handlers={"charge", "refund"})
    waiting = {"milestones": [{"id": "approve", "kind": "external", "undo": None}]}
    assert design("order", waiting, {}, known_handlers=[])


@pytest.mark.parametrize(
    ("requirements", "told"),
    [
        ({}, "milestones: Field required"),
        ({"milestones": {"id": "a"}}, "milestones: Input should be a valid list"),
        ({"milestones": "reserve"}, "milestones: Input should be a valid list"),
        ({"milestones": ["reserve"]}, "milestones[0]: an object is wanted"),
        ({"milestones": [{}]}, "milestones[0].id: Field required"),
        ({"milestones": [{"id": 7}]}, "milestones[0].id: Input should be a valid string"),
        ({"milestones": [{"id": "a", "timout": 5}]}, "milestones[0].timout is not a field (did you mean 'timeout'?)"),
        ({"milestones": [{"id": "a", "timeout": "5"}]}, "milestones[0].timeout: Input should be a valid number"),
        (
            {"milestones": [{"id": "a", "kind": "signal"}]},
            "milestones[0].kind: Input should be 'action', 'external', 'timer' or 'child'",
        ),
        ({"milestones": [{"id": "a", "retry": {"atempts": 5}}]}, "milestones[0].retry.atempts is not a field"),
        ({"milestones": [], "vesion": 2}, "vesion is not a field (did you mean 'version'?)"),
        ({"milestones": [], "version": "2"}, "version: Input should be a valid integer"),
    ],
)
def test_what_does_not_read_is_told_with_its_place(requirements: dict[str, Any], told: str) -> None:
    assert problems(requirements, {})[0].startswith(told)


def test_what_reads_is_checked_like_any_definition() -> None:
    found = problems({"milestones": []}, {})
    assert found == ("it has no milestones",)
    found = problems(rows("reserve", "reserve"), {"reserve": None})
    assert "milestone 'reserve' is there twice: give each its own id" in found
    found = problems({"milestones": [{"id": "a", "at_most_once": True, "retry": {}}]}, {"a": None})
    assert any("at_most_once and has a retry policy" in problem for problem in found)


def test_all_problems_come_in_one_error() -> None:
    found = problems(
        {
            "deadline": -1.0,
            "milestones": [
                {"id": "1st", "timeout": 0.0},
                {"id": "mail", "params": {"at": float("nan")}},
            ],
        },
        {"chrge": "refund"},
    )
    assert len(found) == 7
    assert any("params.at: nan is not JSON" in problem for problem in found)


def test_params_that_cannot_be_recorded() -> None:
    found = problems({"milestones": [{"id": "a", "params": {"key": b"x"}}]}, {"a": None})
    assert found[0].startswith("milestone 'a': params.key: bytes is not JSON")


# --- next_steps ------------------------------------------------------------------------------------------------------


def line(*steps: tuple[str, list[str]]) -> dict[str, Any]:
    return {"milestones": [{"id": id, "next_steps": following, "undo": None} for id, following in steps]}


def test_next_steps_give_the_order() -> None:
    definition = design("order", line(("ship", []), ("reserve", ["charge"]), ("charge", ["ship"])), {})
    assert [m.id for m in definition.milestones] == ["reserve", "charge", "ship"]
    assert definition == design("order", line(("reserve", []), ("charge", []), ("ship", [])), {})


def test_next_steps_that_run_in_a_circle() -> None:
    back = "which does not stand after it: a journey only goes forward, and next_steps never run in a circle"
    assert problems(line(("a", ["b"]), ("b", ["a"])), {}) == (f"milestone 'b' goes on to 'a', {back}",)
    assert problems(line(("a", ["a"])), {}) == (f"milestone 'a' goes on to 'a', {back}",)


def test_next_steps_that_lead_nowhere_or_to_two_places() -> None:
    found = problems(line(("a", ["x"]), ("b", ["c", "d"]), ("c", []), ("d", [])), {})
    assert found == (
        "milestone 'a' goes on to 'x', which does not exist",
        "milestone 'b' has next steps after one without a condition: they could never be taken",
    )


def test_next_steps_that_leave_one_out() -> None:
    assert problems(line(("a", ["c"]), ("b", []), ("c", [])), {}) == ("no path of next_steps reaches 'b'",)


def test_without_next_steps_it_goes_on_with_the_one_after_it() -> None:
    definition = design("order", line(("a", ["b"]), ("b", []), ("c", [])), {})
    assert [m.id for m in definition.milestones] == ["a", "b", "c"]


def test_next_steps_beside_duplicate_names() -> None:
    found = problems(line(("a", ["b"]), ("b", []), ("b", [])), {})
    assert found == ("milestone 'b' is there twice: give each its own id",)
