"""The codec: every event, command, answer and definition reads back as it was; names in the journal are for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import pytest

from saga_journey.core import codec, evolve, machine
from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.codec import (
    decode_answer,
    decode_command,
    decode_turn,
    encode_answer,
    encode_command,
    encode_turn,
    event_fields,
    event_name,
)
from saga_journey.core.commands import COMMAND_NAMES, Answer
from saga_journey.core.events import WIRE_NAMES
from saga_journey.errors import NotJson

AWKWARD = 'quote " backslash \\ newline \n tab \t é \u2028 \U0001f600 </script>'
VALUES: dict[str, Any] = {
    "input": Json('{"a":[1,2.5,null,"\\n"]}'),
    "definition": Json('{"name":"order"}'),
    "result": Json('{"deep":{"er":"x"}}'),
    "because": ev.Because("cancelled", who="ann", reason=AWKWARD),
    "parent": ev.Parent("saga_1", AWKWARD),
    "left": ("a", "b"),
    "op": "undo",
    "kind": "stuck_undo",
    "fact": "undone",
    "outcome": "refused",
    "revision": 2,
    "retry_at": 12.5,
    "ask_at": 0.1 + 0.2,
    "clean": True,
    "expected": 7,
    "expected_attempt": 3,
}


def full(kind: type) -> Any:
    """One with every field set to something awkward."""
    return kind(**{f.name: VALUES.get(f.name, AWKWARD) for f in fields(kind)})


def least(kind: type) -> Any:
    """One with its defaults."""
    needed = [f for f in fields(kind) if f.default is f.default_factory]
    return kind(**{f.name: VALUES.get(f.name, "x") for f in needed})


@pytest.mark.parametrize("kind", WIRE_NAMES)
@pytest.mark.parametrize("made", [full, least])
def test_every_event_reads_back(kind: type, made: Callable[[type], Any]) -> None:
    event = made(kind)
    assert decode_turn(encode_turn([event])) == [event]
    assert event_name(event) == WIRE_NAMES[kind]
    assert set(event_fields(event)) <= {f.name for f in fields(kind)}


def test_a_turn_keeps_its_order() -> None:
    turn = [full(kind) for kind in WIRE_NAMES]
    assert decode_turn(encode_turn(turn)) == turn
    assert decode_turn(encode_turn([])) == []


@pytest.mark.parametrize("kind", COMMAND_NAMES)
@pytest.mark.parametrize("made", [full, least])
def test_every_command_of_people_reads_back(kind: type, made: Callable[[type], Any]) -> None:
    command = made(kind)
    name, body = encode_command(command)
    assert name == COMMAND_NAMES[kind]
    assert decode_command(name, body) == command


@pytest.mark.parametrize("text", ["NUL \0", "half a pair \ud800"])
def test_what_people_write_must_be_text_that_every_store_can_keep(text: str) -> None:
    with pytest.raises(NotJson, match="cancel: reason: contains"):
        encode_command(cmd.Cancel("ann", text))
    with pytest.raises(NotJson, match="advance: milestone: contains"):
        encode_command(cmd.Advance(text, result=Json('"x"')))


def test_answers_read_back() -> None:
    for answer in (Answer(True, "applied"), Answer(False, "past_pivot", AWKWARD)):
        assert decode_answer(encode_answer(answer)) == answer


def test_the_shape_of_a_row_is_for_ever() -> None:
    # Journals outlive releases. When this fails, old rows would no longer read: write an upcaster, do not edit it.
    turn: Sequence[ev.Event] = [
        ev.MilestoneRefused("charge", 'card "declined"'),
        ev.CompensationDecided(ev.Because("failure", "charge", "declined")),
        ev.MilestoneCompleted("reserve", Json('{"hold":7}')),
        ev.AttemptEnded("ship", "do", "503", 12.5),
        ev.SagaCompleted(),
    ]
    row = (
        '[["milestone_refused",{"milestone":"charge","reason":"card \\"declined\\""}],'
        '["compensation_decided",{"because":{"kind":"failure","milestone":"charge","error":"declined"}}],'
        '["milestone_completed",{"milestone":"reserve","result":{"hold":7}}],'
        '["attempt_ended",{"milestone":"ship","op":"do","error":"503","retry_at":12.5}],'
        '["saga_completed",{}]]'
    )
    assert encode_turn(turn) == row
    assert decode_turn(row) == turn


def test_the_names_in_the_journal() -> None:
    assert list(WIRE_NAMES.values()) == NAMES
    assert set(COMMAND_NAMES.values()) == {
        "advance",
        "choose",
        "rollback",
        "recall",
        "child_ended",
        "cancel",
        "compensate",
        "pause",
        "resume",
        "retry",
        "skip",
        "state_fact",
        "move",
        "resolve",
    }


NAMES = [
    "saga_started",
    "attempt_started",
    "arm_chosen",
    "child_recalled",
    "milestone_completed",
    "milestone_waiting",
    "milestone_refused",
    "milestone_gave_up",
    "milestone_skipped",
    "attempt_ended",
    "attempt_lost",
    "attempt_working",
    "attempt_withdrawn",
    "attempt_hastened",
    "milestone_retried",
    "input_revised",
    "fact_stated",
    "compensation_decided",
    "milestone_compensated",
    "rollback_started",
    "milestone_rolled_back",
    "undo_given_up",
    "undo_skipped",
    "stop_requested",
    "stop_too_late",
    "deadline_missed",
    "paused",
    "resumed",
    "definition_moved",
    "attention_raised",
    "attention_cleared",
    "saga_completed",
    "saga_compensated",
    "saga_resolved",
    "saga_cancelled",
]


def test_a_result_of_null_is_not_a_missing_result() -> None:
    turn = [ev.MilestoneCompleted("a", Json("null")), ev.MilestoneCompleted("a", None)]
    assert decode_turn(encode_turn(turn)) == turn


def test_an_old_shape_is_read_by_its_upcaster(monkeypatch: pytest.MonkeyPatch) -> None:
    def milestone_done(said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "milestone_completed", {"milestone": said["step"]}

    monkeypatch.setitem(codec.UPCASTERS, "milestone_done", milestone_done)
    assert decode_turn('[["milestone_done",{"step":"charge"}]]') == [ev.MilestoneCompleted("charge")]


def test_a_name_from_the_future_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        decode_turn('[["milestone_teleported",{}]]')


def test_every_event_folds_and_every_command_is_decided() -> None:
    assert set(evolve._FOLDS) == set(WIRE_NAMES)
    assert set(machine._DECISIONS) == {*COMMAND_NAMES, cmd.Report, cmd.TakeOver, cmd.TimePassed, cmd.HandlersBack}
