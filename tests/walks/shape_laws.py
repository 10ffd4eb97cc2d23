"""What must hold after every turn of a journey of any shape: the laws of section B, stated without the machine."""

from __future__ import annotations

from collections.abc import Sequence

from saga_journey.core.machine import Turn
from saga_journey.core.state import RunState
from saga_journey.core.timers import next_due
from saga_journey.core.walk import intents, owes_undo
from tests.walks.laws import assert_at_most_one_decision, assert_final_absorbs, assert_intents_allowed

OVER = ("completed", "skipped")
FINISHED = ("done", "manual", "skipped")


class Order:
    """In which order the milestones of a run were started, as somebody notes it who only sees what is open."""

    def __init__(self) -> None:
        self.started: dict[int, int] = {}
        self.fences: dict[tuple[int, str, int], int] = {}
        self._count = 0

    def note(self, before: RunState, after: RunState) -> None:
        for index, m in enumerate(after.milestones):
            if m.order == 0:
                self.started.pop(index, None)
            elif index not in self.started or before.milestones[index].order != m.order:  # also withdrawn and back
                self._count += 1
                self.started[index] = self._count


def assert_shape_laws(
    before: RunState, turn: Turn, calling: Sequence[int], still_calling: Sequence[int], order: Order
) -> None:
    """`calling` is what the machine was told, `still_calling` what really is being called after this turn."""
    after, events = turn.state, turn.events
    assert after.seq == before.seq + len(events), "seq grows by the number of events"
    order.note(before, after)
    assert_final_absorbs(before, events)
    assert_at_most_one_decision(before, after, events)
    assert_intents_allowed(before, after, (*calling, *before.open))
    _started_in_their_turn(before, after)
    _fences_grow(before, after, order)
    _nothing_is_taken_back_under_a_call(after, still_calling)
    assert len(after.open) < 2 or all(after.op_of(i) == "do" for i in after.open), (
        "an undo is alone, whatever it undoes"
    )
    if after.direction == "undo":
        _drained_before_the_first_undo(after)
        _undone_in_reverse(after, order)
    _wakes_up(after, still_calling)


def _started_in_their_turn(before: RunState, after: RunState) -> None:
    """An action starts when every step before its own is through, and its branch up to it."""
    for index in after.open:
        if after.milestones[index].order <= before.seq and before.milestones[index].order:
            continue  # it was open before
        if after.op_of(index) == "undo":
            continue
        assert after.direction == "do", "no action is started after the decision"
        assert after.paused_at is None, "no action is started in a pause"
        assert not after.blocked(index), "what waits for a person is not started"
        for other in _ahead_of(after, index):
            assert _is_through(after, other), f"{index} was started before {other} was through"
        for other in _choices_before(after, index):
            assert after.milestones[other].arm is not None, "nothing starts behind a choice that nobody made"
            assert index in _reached(after, other), f"{index} was started, and the choice after {other} left it out"


def _ahead_of(state: RunState, index: int) -> list[int]:
    """The milestones of all steps before, and of its own branch up to it."""
    ahead: list[int] = []
    for stage in state.definition.stages:
        mine = [branch for branch in stage if index in branch]
        if mine:
            return ahead + list(mine[0][: mine[0].index(index)])
        ahead += [place for branch in stage for place in branch]
    raise AssertionError("a milestone belongs to a step")


def _is_through(state: RunState, index: int) -> bool:
    m, spec = state.milestones[index], state.definition.milestones[index]
    return m.status in OVER or (spec.optional and m.status in ("refused", "unknown"))


def _choices_before(state: RunState, index: int) -> list[int]:
    specs = enumerate(state.definition.milestones)
    choices = [i for i, spec in specs if len(spec.next_steps) > 1 or any(s.when for s in spec.next_steps)]
    return [i for i in choices if i in _ahead_of(state, index) and state.milestones[i].order > 0]


def _reached(state: RunState, choice: int) -> frozenset[int]:
    arm = state.milestones[choice].arm
    assert arm is not None
    return state.definition.ways.reached_from(arm)


def _fences_grow(before: RunState, after: RunState, order: Order) -> None:
    """Each attempt has a fence above all earlier ones, and no two share one (SEMANTICS 35)."""
    for index in after.open:
        op, calls = after.current(index)
        known = order.fences.get((index, op, calls.number))
        if known == calls.fence:
            continue
        assert calls.fence > before.seq, "a new attempt has a new fence"
        assert calls.fence not in order.fences.values(), f"two attempts share the fence {calls.fence}"
        order.fences[index, op, calls.number] = calls.fence


def _nothing_is_taken_back_under_a_call(after: RunState, still_calling: Sequence[int]) -> None:
    """What is being called stays open until it has ended, so that its result is heard; an answer from outside, or the
    end of the whole run, may come before."""
    if after.final is None:
        for index in still_calling:
            assert index in after.open or after.milestones[index].status in (*OVER, "refused", "unknown")


def _drained_before_the_first_undo(after: RunState) -> None:
    if any(m.undo_status != "none" for m in after.milestones):
        for m in after.milestones:
            assert m.status not in ("running", "waiting"), "each milestone has an outcome before the first undo"


def _undone_in_reverse(after: RunState, order: Order) -> None:
    running = [i for i, m in enumerate(after.milestones) if m.undo_status == "running"]
    assert len(running) <= 1, "one undo at a time"
    lenient = ("failed",) if after.definition.on_stuck_undo == "continue" else ()
    for index in running:
        for other, started in order.started.items():
            if started > order.started[index] and owes_undo(after, other):
                assert after.milestones[other].undo_status in (*FINISHED, *lenient), "undone in reverse order"


def _wakes_up(after: RunState, still_calling: Sequence[int]) -> None:
    """I15: a run that can move has a time at which it does, or waits for its child."""
    if after.status not in ("in_progress", "compensating") or still_calling:
        return
    due = next_due(after)
    waits = any(after.waits_outside(i) and after.definition.milestones[i].kind == "child" for i in after.open)
    assert due is not None or waits, "nobody would ever move this run again"
    assert all(due is not None and due <= intent.not_before for intent in intents(after)), "a call is not woken up for"
