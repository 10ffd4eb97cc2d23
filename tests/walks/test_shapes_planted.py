"""Walks that find nothing prove nothing: each known bug of shapes is planted, and the walks of `families` find it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from saga_journey.core import children, evolve, machine, reports, stopping, walk
from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.definition import Milestone
from saga_journey.core.events import Event
from saga_journey.core.state import MilestoneState, RunState, UndoStatus
from saga_journey.engines.embedded import family
from saga_journey.ports import Message
from tests.walks import families
from tests.walks.families import Walk

SEEDS = 5000
"""At most so many families are tried for a bug."""

Patch = Callable[[pytest.MonkeyPatch], None]


def fold_as(kind: type, fold: Callable[[RunState, Any], None]) -> Patch:
    return lambda patch: patch.setitem(evolve._FOLDS, kind, fold)


def everywhere(name: str, function: Callable[..., Any]) -> Patch:
    """In each module that knows it by that name."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (children, evolve, family, families, machine, reports, stopping, walk):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, function)

    return patch


# --- blocks ----------------------------------------------------------------------------------------------------------


def losses_one_by_one_on_the_old_state(state: RunState, now: float, calling: Collection[int]) -> list[Event]:
    events: list[Event] = []
    for index in reports.doubtful(state, now):
        events += reports._lost(state, index, now, calling)
    return events


def ready_also_when_parked(state: RunState) -> list[int]:
    found: list[int] = []
    for stage in state.definition.stages:
        through = True
        for branch in stage:
            for index in branch:
                status = state.milestones[index].status
                found += [index] if status == "pending" else []
                if status in ("pending", "running", "waiting") or state.blocked(index):
                    through = False
                    break
        if not through:
            return found
    return found


def ready_when_one_branch_is_through(state: RunState) -> list[int]:
    found: list[int] = []
    for stage in state.definition.stages:
        ended = [all(state.milestones[i].status not in ("pending", "running", "waiting") for i in b) for b in stage]
        for branch in stage:
            ahead = [i for i in branch if state.milestones[i].status in ("pending", "running", "waiting")]
            found += [i for i in ahead[:1] if state.milestones[i].status == "pending" and not state.blocked(i)]
        if not any(ended):
            return found
    return found


def undo_by_place(state: RunState) -> int | None:
    places = range(len(state.milestones))
    owed = [i for i in places if walk.owes_undo(state, i) and state.milestones[i].undo_status is UndoStatus.NONE]
    return min(owed, default=None)


def all_undos_at_once(state: RunState) -> None:
    if state.direction == "undo" and state.final is None and state.paused_at is None and not state.attention:
        while (index := walk.next_undo(state)) is not None:
            walk.start_undo(state, index)
    else:
        OPEN_INTENTS(state)


OPEN_INTENTS = walk.open_intents
INTERRUPTED = stopping.interrupted


def interrupted_without_asking(state: RunState, calling: Collection[int], ended: int | None = None) -> list[Event]:
    return [event for index in state.open if index != ended for event in INTERRUPTED(state, index)]


def queued_siblings_are_forgotten(state: RunState, calling: Collection[int], ended: int | None = None) -> list[Event]:
    return []


def starts_in_a_pause(state: RunState) -> bool:
    return state.final is None and state.direction == "do" and state.stop is None and not state.attention


# --- choices and rollbacks -------------------------------------------------------------------------------------------


def arms_leave_nothing_out(state: RunState, e: ev.ArmChosen) -> None:
    state.change(state.definition.index[e.milestone]).arm = e.arm
    state.clear_attention(e.milestone)


def nothing_is_taken_in_again(state: RunState, left_out: set[int]) -> None:
    pass


# --- children --------------------------------------------------------------------------------------------------------


def a_stop_undoes_also_the_completed(
    state: RunState, c: cmd.Recall, now: float, calling: Collection[int]
) -> list[Event]:
    return children.on_recall(state, cmd.Recall(c.why, undo=True), now, calling)


def who_has_ended_says_nothing_more(
    before: RunState, after: RunState, events: Sequence[Event], asked: str | None
) -> list[Message]:
    return MESSAGES(before, after, events, None)


MESSAGES = family.messages


def one_id_for_stop_and_undo(parent: RunState, index: int, why: str, *, undo: bool = False) -> Message:
    message = RECALL(parent, index, why, undo=undo)
    return message._replace(command_id=message.command_id.removesuffix("/undo"))


RECALL = family._recall


def only_a_first_start_is_new(before: MilestoneState, after: MilestoneState) -> bool:
    return before.order == 0


def closed_counts_as_undone(state: RunState, c: cmd.ChildEnded, now: float, calling: Collection[int]) -> list[Event]:
    ended = "compensated" if c.ended == "resolved" else c.ended
    return children.on_child_ended(state, cmd.ChildEnded(c.milestone, ended, c.result, c.reason), now, calling)


def children_are_left_alone(state: RunState, index: int) -> list[Event]:
    spec = state.definition.milestones[index]
    if spec.kind == "child":
        return [ev.MilestoneRefused(spec.id, "not waited for any longer")]
    return INTERRUPTED(state, index)


def decided_by(command: type, decision: Callable[..., list[Event]]) -> Patch:
    return lambda patch: patch.setitem(machine._DECISIONS, command, decision)


def children_need_no_undo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Milestone, "undoable", property(lambda m: m.undo is not None))


PLANTED: dict[str, Patch] = {
    "what has reported is taken back": everywhere("_reported", lambda state, command: machine.NONE),
    "two attempts share a fence": everywhere("_opens_an_attempt", lambda state: False),
    "each loss is decided on the old state": everywhere("on_take_over", losses_one_by_one_on_the_old_state),
    "a parked branch is started again": everywhere("ready", ready_also_when_parked),
    "a block is through with its first branch": everywhere("ready", ready_when_one_branch_is_through),
    "undone by place, not by start": everywhere("next_undo", undo_by_place),
    "all undos at once": everywhere("open_intents", all_undos_at_once),
    "what is being called is taken back": everywhere("interrupted_all", interrupted_without_asking),
    "siblings go on after the decision": everywhere("interrupted_all", queued_siblings_are_forgotten),
    "a block starts in a pause": everywhere("may_start", starts_in_a_pause),
    "what is not taken is done as well": fold_as(ev.ArmChosen, arms_leave_nothing_out),
    "who goes back stays on the old arm": everywhere("_take_in_again", nothing_is_taken_in_again),
    "a stop undoes a completed child": decided_by(cmd.Recall, a_stop_undoes_also_the_completed),
    "an ended child does not answer": everywhere("messages", who_has_ended_says_nothing_more),
    "stop and undo have one id": everywhere("_recall", one_id_for_stop_and_undo),
    "a retry starts no new child": everywhere("_is_new", only_a_first_start_is_new),
    "a closed child counts as undone": decided_by(cmd.ChildEnded, closed_counts_as_undone),
    "children are left alone": everywhere("interrupted", children_are_left_alone),
    "a finished child is not undone": children_need_no_undo,
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[bug](monkeypatch)
    seed, why = first_to_fail()
    print(f"{bug}: found by family {seed}: {why}")


def first_to_fail() -> tuple[int, str]:
    for seed in range(SEEDS):
        try:
            Walk(seed).run(40)
        except AssertionError as broken:
            return seed, str(broken)
    pytest.fail(f"not found by {SEEDS} families")
