"""What must hold after every turn: machine and model agree, the journal folds back, the laws of the semantics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.machine import Turn
from saga_journey.core.state import Calls, MilestoneState, RunState
from saga_journey.core.timers import next_due
from saga_journey.core.walk import intents, next_call, undo_status
from tests.walks.model import Model, Says

# --- the journal -----------------------------------------------------------------------------------------------------


def assert_same_state(one: RunState, other: RunState) -> None:
    """The fold of the journal is the state that was decided."""
    for name in RunState.__slots__:
        mine, its = getattr(one, name), getattr(other, name)
        if name == "milestones":
            for index, (left, right) in enumerate(zip(mine, its, strict=True)):
                assert left is right or _slots(left) == _slots(right), f"milestone {index} folds differently"
        else:
            assert mine == its, f"{name} folds to {mine!r}, decided was {its!r}"


def _slots(m: MilestoneState) -> list[Any]:
    return [_calls(getattr(m, name)) for name in MilestoneState.__slots__]


def _calls(value: Any) -> Any:
    return [getattr(value, name) for name in Calls.__slots__] if isinstance(value, Calls) else value


# --- the model -------------------------------------------------------------------------------------------------------


def assert_answers(got: Sequence[cmd.Answer | None], said: Sequence[Says | None]) -> None:
    for answer, says in zip(got, said, strict=True):
        if answer is None or says is None:
            assert answer is None, f"answer {answer}, the model says {says}"
            assert says is None, f"answer {answer}, the model says {says}"
        elif says.kind == "rejected":
            assert not answer.accepted, f"accepted with {answer}, the model says {says}"
            assert says.code in (None, answer.code), f"answer {answer}, the model says {says}"
        else:
            assert answer.accepted, f"answer {answer}, the model says {says}"
            assert answer.code == says.kind, f"answer {answer}, the model says {says}"


def assert_agreement(state: RunState, model: Model) -> None:
    """Machine and model see one run; then the model learns when the next attempt falls due."""
    seen = (state.status, state.direction, state.paused_at is not None, state.deadline_missed)
    assert seen == (model.status(), model.direction, model.paused_at is not None, model.missed), "status"
    assert [a[:2] for a in state.attention] == model.attention, "attention"
    assert (state.stop.kind if state.stop else None) == model.stop, "pending stop"
    assert len(state.open) <= 1, "one attempt or wait at a time"
    _agree_on_open(state, model)
    for index, m in enumerate(state.milestones):
        part = model.parts[state.definition.milestones[index].id]
        assert (m.status, m.doubt) == (part.status, part.doubt), f"milestone {index}"
        if state.final is None:
            assert undo_status(state, index) == model.undo_view(part), f"undo of milestone {index}"
    if state.final is not None:
        assert list(state.left) == model.left, "left"
    if state.direction == "undo" or state.final == "cancelled":
        assert state.because is not None, "because"
        assert state.because.kind == model.because, "because"


def _agree_on_open(state: RunState, model: Model) -> None:
    if not state.open:
        assert model.open is None, f"the model expects an open attempt: {model.open}"
        return
    index = state.open[0]
    name, calls = state.definition.milestones[index].id, state.calls(index)
    assert (name, state.op_of(index)) == model.open, "what is open"
    tries = model.tries()
    assert calls.number == tries.number, "attempt number"
    assert (calls.answered, calls.lost) == (tries.answered, tries.lost), "what is spent"
    assert tries.earliest - 1e-6 <= calls.not_before <= tries.latest + 1e-6, "when the next attempt falls due"
    tries.earliest = tries.latest = calls.not_before


# --- the laws --------------------------------------------------------------------------------------------------------


def assert_laws(before: RunState, turn: Turn, calling: Sequence[int], now: float) -> None:
    """The laws at the end of section B of the semantics, and that no run is forgotten or spins."""
    after, events = turn.state, turn.events
    assert after.seq == before.seq + len(events), "seq grows by the number of events"
    assert_final_absorbs(before, events)
    assert_at_most_one_decision(before, after, events)
    assert_intents_allowed(before, after, calling)
    if after.direction == "undo":
        _undone_in_order(after)
    _wakes_up(after, calling, now)


def assert_final_absorbs(before: RunState, events: Sequence[ev.Event]) -> None:
    if before.final is None or not events:
        return
    assert before.final == "completed", "after a final row there is nothing"
    assert type(events[0]) is ev.CompensationDecided, "a completed saga is left by the decision only"
    assert events[0].because.kind == "requested"


def assert_at_most_one_decision(before: RunState, after: RunState, events: Sequence[ev.Event]) -> None:
    decided = [type(e) for e in events].count(ev.CompensationDecided)
    assert decided == (before.direction != after.direction), "the direction changes with the decision"
    assert before.direction == "do" or after.direction == "undo", "and only once"
    assert not (decided and after.past_pivot), "there is no way back past the pivot"


def assert_intents_allowed(before: RunState, after: RunState, calling: Sequence[int]) -> None:
    found = intents(after)
    if after.final is not None or after.paused_at is not None:
        assert not found, "nothing is called now"
    assert next_call(after) == (found[0].milestone if found else None), "one answer to what is called next"
    for intent in found:
        assert after.current(intent.milestone)[0] == intent.op
        assert not after.blocked(intent.milestone), "what waits for a person is not called"
        if intent.op == "do" and after.direction == "undo":
            assert intent.milestone in calling, "no action is started after the decision"
            assert before.expects(intent.milestone, "do", intent.attempt), "nor attempted again"


def _undone_in_order(after: RunState) -> None:
    undone = [m for m in after.milestones if m.undo_status != "none"]
    if undone:
        for m in after.milestones:
            assert m.status not in ("running", "waiting"), "each milestone has an outcome before the first undo"
    running = [m for m in undone if m.undo_status == "running"]
    assert len(running) <= 1, "one undo at a time"
    lenient = after.definition.on_stuck_undo == "continue"
    finished = {"none", "done", "manual", "skipped"} | ({"failed"} if lenient else set())
    for m in running:
        for index, later in enumerate(after.milestones):
            if later.order > m.order:
                assert undo_status(after, index) in finished, "undone in reverse order"


def _wakes_up(after: RunState, calling: Sequence[int], now: float) -> None:
    """I15: a run that can move has a time at which it does; and no clock strikes for nothing."""
    if after.status not in ("in_progress", "compensating") or calling:
        return
    due = next_due(after)
    assert due is not None, "nobody would ever move this run again"
    assert all(due <= intent.not_before for intent in intents(after)), "a call is not woken up for"
