"""Journeys inside journeys: what a parent says to its child, and what follows when a child has ended.

A child is a run of its own. Its parent starts it, and only its parent stops it: the milestone waits until the child has
ended, and its undo is the compensation of the finished child (SEMANTICS 38).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.events import UNDO, Because, Event
from saga_journey.core.reports import completed, refused, undo_given_up
from saga_journey.core.rollback import undone
from saga_journey.core.state import RunState, SagaStatus, UndoStatus
from saga_journey.core.stopping import draining, stop, turn_back

CLOSED = "its child was closed by a person, and what it did may stand"


def child_id(parent: str, milestone: str, revision: int) -> str:
    """The id of the child that a milestone runs: the same whenever it is asked for; it sorts beside its parent's."""
    kind, _, digits = parent.rpartition("_")
    own = hashlib.blake2b(f"{parent}/{milestone}/r{revision}".encode(), digest_size=10).hexdigest()
    return f"{kind}_{digits[:12]}{own}"


def on_recall(state: RunState, c: cmd.Recall, now: float, calling: Collection[int]) -> list[Event]:
    """The parent wants everything undone. Raises Rejected `past_pivot` when there is no way back."""
    because = Because("requested", reason=c.why)
    if state.final is SagaStatus.COMPLETED and c.undo and not state.past_pivot:
        return turn_back(state, because, calling)
    if state.final is not None or state.direction == UNDO:
        return []
    return stop(state, because, calling)


def on_child_ended(state: RunState, c: cmd.ChildEnded, now: float, calling: Collection[int]) -> list[Event]:
    """A child that was heard of already, or that nobody waits for, changes nothing."""
    index = state.definition.index[c.milestone]
    if index not in state.open:
        return []
    if state.milestones[index].undo_status is UndoStatus.RUNNING:
        return _undone(state, index, c)
    if c.ended == "completed":
        return completed(state, index, c.result)
    if c.ended == "compensated":
        return refused(state, index, c.reason or "its child undid itself", calling)
    gave_up = ev.MilestoneGaveUp(c.milestone, CLOSED)
    return [gave_up] if draining(state) else [gave_up, ev.AttentionRaised("child_resolved", c.milestone, CLOSED)]


def _undone(state: RunState, index: int, c: cmd.ChildEnded) -> list[Event]:
    if c.ended == "compensated":
        return [undone(state, index)]
    return undo_given_up(state, index, CLOSED) if c.ended == "resolved" else []
