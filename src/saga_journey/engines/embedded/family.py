"""What a run tells its children and its parent, written in the commit that makes it true.

A parent's intent carries the start of the child; a child's end carries the command for its parent; a parent that stops,
or undoes a finished child, sends the command to do so. Commands between runs are stored like those of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from saga_journey.core import events as ev
from saga_journey.core.canonical import Json, encode
from saga_journey.core.children import child_id
from saga_journey.core.codec import encode_command, encode_turn
from saga_journey.core.commands import ChildEnded, Recall
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import Event, Parent
from saga_journey.core.machine import begin
from saga_journey.core.state import FINAL, MilestoneState, RunState, SagaStatus, UndoStatus
from saga_journey.engines.embedded.outgoing import outbox_rows
from saga_journey.ports import Message, NewRun, Store

TOO_LARGE = 500_000
"""Results of a child that have more characters than this are left out of what its parent is told."""


class Known(NamedTuple):
    """A stored definition: its number, and what it says."""

    number: int
    definition: JourneyDefinition


class Family:
    """Starts and messages that a turn brings along; knows the definitions of children by their hash."""

    def __init__(self, store: Store, *, publishing: bool) -> None:
        self._store = store
        self._publishing = publishing
        self._known: dict[tuple[int, str], Known] = {}

    async def meet(self, tenant: int, definition: JourneyDefinition) -> None:
        """Looks up the children of a definition, once: a turn must not wait for them."""
        if definition.is_line:
            return
        for child in (m.child for m in definition.milestones if m.child is not None):
            if (tenant, child.hash) not in self._known:
                number = await self._store.definition_number(tenant, child.hash)
                self._known[tenant, child.hash] = Known(number, await self._store.definition(number))
            await self.meet(tenant, self._known[tenant, child.hash].definition)

    def born(self, tenant: int, before: RunState, after: RunState) -> list[NewRun]:
        """The children whose milestones this turn has started."""
        return [
            self._child(tenant, after, index)
            for index in after.open
            if after.definition.milestones[index].child is not None
            and after.milestones[index].undo is None
            and _is_new(before.milestones[index], after.milestones[index])
        ]

    def _child(self, tenant: int, parent: RunState, index: int) -> NewRun:
        spec, m = parent.definition.milestones[index], parent.milestones[index]
        assert spec.child is not None
        known = self._known[tenant, spec.child.hash]
        saga_id = child_id(parent.saga_id, spec.id, m.revision)
        mine = Parent(parent.saga_id, spec.id)
        turn = begin(known.definition, saga_id, _input(parent, index), parent.user, parent.at, mine)
        nothing = RunState(known.definition, saga_id)
        return NewRun(
            tenant=tenant,
            saga_id=saga_id,
            definition=known.number,
            journey=known.definition.name,
            turn=encode_turn(turn.events),
            at=parent.at,
            due_at=parent.at,
            owner=None,
            outbox=outbox_rows(nothing, turn.events, ()) if self._publishing else (),
            children=self.born(tenant, nothing, turn.state),
        )


def _is_new(before: MilestoneState, after: MilestoneState) -> bool:
    """The milestone was started, or started again for a new child, whose id comes from the revision."""
    return before.order == 0 or before.revision != after.revision


def _input(parent: RunState, index: int) -> Json:
    given = parent.definition.milestones[index].given
    if given is None:
        return parent.input_of(index)
    return parent.milestones[parent.definition.index[given]].result or Json("null")


def messages(before: RunState, after: RunState, events: Sequence[Event], asked: str | None) -> list[Message]:
    """What this turn says to other runs. `asked`: by this command the parent wants it undone, and waits for news."""
    found = [_recall(after, after.definition.index[e.milestone], e.why) for e in events if type(e) is ev.ChildRecalled]
    for index in after.open:
        if after.definition.milestones[index].child is not None and _undo_opened(before, after, index):
            found.append(_recall(after, index, "its parent undoes it", undo=True))
    if after.parent is not None and after.final in FINAL:
        if before.final is not after.final:
            found.append(_ended(after, after.parent, f"{after.saga_id}/{after.seq}"))
        elif asked is not None:  # it has ended for good, and said so before the parent wanted to know
            found.append(_ended(after, after.parent, f"{after.saga_id}/{after.seq}/{asked}"))
    return found


def _undo_opened(before: RunState, after: RunState, index: int) -> bool:
    was, now = before.milestones[index], after.milestones[index]
    if now.undo_status is not UndoStatus.RUNNING or now.undo is None:
        return False
    return was.undo is None or was.undo.number != now.undo.number


def _recall(parent: RunState, index: int, why: str, *, undo: bool = False) -> Message:
    spec, m = parent.definition.milestones[index], parent.milestones[index]
    to = child_id(parent.saga_id, spec.id, m.revision)
    command_id = f"{parent.saga_id}/{parent.seq}/{spec.id}{'/undo' if undo else ''}"  # one turn may say both
    return Message(to, command_id, *encode_command(Recall(why, undo)))


def _ended(child: RunState, parent: Parent, command_id: str) -> Message:
    assert child.final is not None
    ended = {SagaStatus.COMPLETED: "completed", SagaStatus.COMPENSATED: "compensated"}.get(child.final, "resolved")
    reason = child.reason or (None if child.because is None else str(child.because))
    result = _result(child) if ended == "completed" else None
    command = ChildEnded(parent.milestone, ended, result, reason)  # type: ignore[arg-type]
    return Message(parent.saga_id, command_id, *encode_command(command))


def _result(child: RunState) -> Json:
    """`{"saga_id": …, "results": {milestone: result}}`."""
    named = zip(child.definition.milestones, child.milestones, strict=True)
    results = ",".join(f'"{spec.id}":{m.result}' for spec, m in named if m.result is not None)
    told = "{" + (results if len(results) <= TOO_LARGE else "") + "}"
    return Json(f'{{"saga_id":{encode(child.saga_id)},"results":{told}}}')
