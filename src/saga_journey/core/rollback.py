"""Going back in a structured journey, one milestone at a time and by hand: what was completed last is undone.

A saga has no such thing: it is undone as a whole.
"""

from __future__ import annotations

from collections.abc import Collection

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.events import DO, UNDO, Event
from saga_journey.core.state import COMPLETED, RunState
from saga_journey.core.stopping import in_doubt
from saga_journey.errors import Rejected


def on_rollback(state: RunState, c: cmd.Rollback, now: float, calling: Collection[int]) -> list[Event]:
    """Raises Rejected when there is nothing to go back before, or something else has to come first."""
    _must_be_able(state, calling)
    index = _completed_last(state)
    spec = state.definition.milestones[index]
    if c.milestone not in (None, spec.id):
        raise Rejected("not_last", f"{spec.id!r} was completed last: it is rolled back before {c.milestone!r} can be")
    started = ev.RollbackStarted(spec.id, c.who, c.reason)
    return [started] if spec.undoable else [started, ev.MilestoneRolledBack(spec.id)]


def undone(state: RunState, index: int) -> Event:
    """What a finished undo means: one more step back, or the end of a rollback."""
    name = state.definition.milestones[index].id
    return ev.MilestoneCompensated(name) if state.direction == UNDO else ev.MilestoneRolledBack(name)


def _must_be_able(state: RunState, calling: Collection[int]) -> None:
    if state.definition.kind != "structured":
        raise Rejected("not_structured", "a saga is not rolled back step by step: `compensate` undoes all of it")
    if state.final is not None:
        raise Rejected("final", f"the journey is {state.final}")
    if state.past_pivot:
        raise Rejected("past_pivot", "the pivot has happened: there is no way back")
    if calling or any(state.op_of(i) == UNDO for i in state.open):
        raise Rejected("under_way", "something is being called: pause the journey, and go back when that has ended")
    for index, m in enumerate(state.milestones):
        name = state.definition.milestones[index].id
        if in_doubt(state, index):
            raise Rejected("in_doubt", f"{name!r} may have had an effect: state first whether it happened")
        if index in state.open and (state.waits_outside(index) or m.asking or state.calls(index).number > 1):
            raise Rejected("under_way", f"{name!r} was asked for already: answer, skip or retry it first")


def _completed_last(state: RunState) -> int:
    done = [index for index, m in enumerate(state.milestones) if m.status is COMPLETED]
    if not done or state.direction != DO:
        raise Rejected("nothing_done", "no milestone is completed: there is nothing to go back before")
    return max(done, key=lambda index: state.milestones[index].order)
