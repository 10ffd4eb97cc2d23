"""Blocks, choices and timers: what starts when, which arm was taken, and that no two calls look alike.

Written a second time, without `walk`: a milestone is through when it is completed, skipped, or optional and failed.
"""

from __future__ import annotations

from collections.abc import Iterator

from saga_journey.core import events as ev
from saga_journey.core.events import DO
from saga_journey.core.state import COMPLETED, REFUSED, SKIPPED, UNKNOWN, RunState
from saga_journey.testing.evidence import SagaEvidence
from saga_journey.testing.journal import JournalTurn
from saga_journey.testing.laws import Broken


def starts_in_their_turn(s: SagaEvidence) -> Broken:
    """I2: an action starts when all before it are through, its arm was taken, and nothing holds it."""
    before: RunState | None = None
    for turn in s.turns:
        for index in _newly_open(before, turn):
            for problem in _problems_with_start(turn.after, index):
                yield "I2", f"{s.definition.milestones[index].id} was started after event {turn.seq}: {problem}"
        before = turn.after


def _newly_open(before: RunState | None, turn: JournalTurn) -> Iterator[int]:
    """Actions that this turn has opened and left open."""
    for index in turn.after.open:
        if turn.after.op_of(index) == DO:
            order = turn.after.milestones[index].order
            if before is None or before.milestones[index].order != order:
                yield index


def _problems_with_start(state: RunState, index: int) -> Iterator[str]:
    specs = state.definition.milestones
    if state.direction != DO:
        yield "the saga had turned back"
    if state.paused_at is not None:
        yield "the saga is paused"
    if state.blocked(index):
        yield "it waits for a person"
    ahead = ahead_of(state, index)
    for other in ahead:
        if not is_through(state, other):
            yield f"{specs[other].id} before it is {state.milestones[other].status}"
    for other in ahead:
        m = state.milestones[other]
        if has_choice(state, other) and m.order > 0:
            if m.arm is None:
                yield f"nobody has chosen where to go on after {specs[other].id}"
            elif index not in state.definition.ways.reached_from(m.arm):
                yield f"after {specs[other].id} the arm {m.arm} was taken, which does not lead there"


def ahead_of(state: RunState, index: int) -> list[int]:
    """The milestones of all steps before its own, and of its own branch up to it."""
    ahead: list[int] = []
    for stage in state.definition.stages:
        for branch in stage:
            if index in branch:
                return ahead + [place for place in branch if place < index]
        ahead += [place for branch in stage for place in branch]
    return ahead


def is_through(state: RunState, index: int) -> bool:
    status = state.milestones[index].status
    failed_but_optional = state.definition.milestones[index].optional and status in (REFUSED, UNKNOWN)
    return status in (COMPLETED, SKIPPED) or failed_but_optional


def has_choice(state: RunState, index: int) -> bool:
    steps = state.definition.milestones[index].next_steps
    return len(steps) > 1 or any(step.when is not None for step in steps)


def every_call_has_its_own_fence(s: SagaEvidence) -> Broken:
    """I13: a fence names one attempt, also where several are made at once."""
    seen: dict[int, str] = {}
    for intent in s.intents:
        what = f"{intent.op} {intent.milestone} {intent.attempt}"
        if seen.setdefault(intent.fence, what) != what:
            yield "I13", f"{what} and {seen[intent.fence]} share the fence {intent.fence}"


def not_taken_is_not_touched(s: SagaEvidence) -> Broken:
    """I6: what no arm led to is skipped: nobody does it, nobody undoes it."""
    if not s.readable:
        return
    for index, m in enumerate(s.state.milestones):
        if m.status is not SKIPPED or m.order > 0:
            continue
        spec = s.definition.milestones[index]
        by_hand = any(f.event.milestone == spec.id for f in s.facts if isinstance(f.event, ev.MilestoneSkipped))
        arms = [one.arm for one in s.state.milestones[:index] if one.arm is not None]
        if not by_hand and not any(index not in s.definition.ways.reached_from(arm) for arm in arms):
            yield "I6", f"{spec.id} is skipped, and no choice has left it out"


LAWS = (starts_in_their_turn, every_call_has_its_own_fence, not_taken_is_not_touched)
