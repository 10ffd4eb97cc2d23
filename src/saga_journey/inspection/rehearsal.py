"""What would be undone: the machine is led through a definition, and something goes wrong at each milestone in turn.

No handler is called, no condition is read, and no time is waited for: answers are made up, and of a choice the way is
taken that leads to the milestone in question. What runs beside a milestone is done before that one fails, so what is
told is the most that can have to be undone.

    refused        it says no, and certainly did nothing (a child: it undid itself)
    unknown        nobody learns what it did, and its attempts are spent (a child: a person closed it)
    undo_refused   it is done, the saga turns back behind it, and it cannot be undone
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from saga_journey.core import commands as cmd
from saga_journey.core.canonical import NULL
from saga_journey.core.commands import Answered, Command
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.events import DO, UNDO, AttentionKind, Op
from saga_journey.core.machine import begin, decide
from saga_journey.core.shape import Parallel
from saga_journey.core.state import COMPLETED, UNKNOWN, RunState, SagaStatus, UndoStatus

Fate = Literal["refused", "unknown", "undo_refused"]
Outcome = Literal["ok", "refused", "unknown"]


class Undone(NamedTuple):
    """One undo that is called. `blind`: nobody knows what the action did, so it is given nothing."""

    milestone: str
    handler: str
    blind: bool
    done: bool


@dataclass(frozen=True, slots=True)
class Story:
    """What follows when something goes wrong at a milestone.

    `undone` are the undos in the order in which they are called. `stays` is what was done, or may have been, and is not
    undone when the saga has turned back. `attention` is what a person is needed for; None when nobody is.
    """

    milestone: str
    fate: Fate
    status: SagaStatus
    undone: tuple[Undone, ...]
    stays: tuple[str, ...]
    attention: AttentionKind | None


def rehearse(definition: JourneyDefinition, milestones: Collection[str] | None = None) -> Iterator[Story]:
    """A story for each way in which each milestone can go wrong, in their order; or only of the named milestones."""
    timeless = _timeless(definition)
    for index, spec in enumerate(timeless.milestones):
        if milestones is None or spec.id in milestones:
            play = _Play(timeless, index)
            for fate in _fates(timeless, spec):
                yield play.story(fate)


def _fates(definition: JourneyDefinition, spec: Milestone) -> tuple[Fate, ...]:
    """What can go wrong at a milestone. A timer never fails, and only a saga is undone by itself."""
    if spec.kind == "timer":
        return ()
    undone = definition.kind == "saga" and spec.undoable
    return ("refused", "unknown", "undo_refused") if undone else ("refused", "unknown")


def _timeless(d: JourneyDefinition) -> JourneyDefinition:
    """The same journey, where nothing is ever too late."""
    steps = [
        Parallel(tuple(tuple(map(_patient, branch)) for branch in step.branches))
        if isinstance(step, Parallel)
        else _patient(step)
        for step in d.steps
    ]
    return JourneyDefinition(d.name, d.version, tuple(steps), d.kind, None, d.on_stuck_undo)


def _patient(m: Milestone) -> Milestone:
    return replace(m, within=None, timeout=MOMENT if m.kind == "timer" else EVER)


MOMENT, EVER = 1.0, 1e9


class _Play:
    """One milestone of a definition, and the way to it."""

    def __init__(self, definition: JourneyDefinition, index: int) -> None:
        self._definition = definition
        self._index = index
        self._before = self._led_to(begin(definition, "saga_rehearsed", NULL, None, 0.0).state)

    def _led_to(self, state: RunState) -> RunState:
        """Everything is done that can be before the milestone is."""
        while others := [index for index in state.open if index != self._index]:
            state = self._answered(state, others[0], "ok")
        return state

    def story(self, fate: Fate) -> Story:
        if fate != "undo_refused":
            state = self._to_its_end(self._answered(self._before, self._index, fate))
        else:
            state = self._to_its_end(self._turned_back(), refusing=self._index)
        attention = state.attention[0].kind if state.attention else None
        name = self._definition.milestones[self._index].id
        return Story(name, fate, state.status, _undone(state), _stays(state), attention)

    def _turned_back(self) -> RunState:
        """It is done, and the next one that can refuse does. The undo of a pivot serves while that is in doubt."""
        if self._definition.milestones[self._index].pivot:
            return self._answered(self._before, self._index, "unknown")
        state = self._answered(self._before, self._index, "ok")
        while state.direction == DO and state.final is None:
            state = self._answered(state, state.open[0], "refused")
        return state if state.direction == UNDO else self._taken(state, cmd.Compensate())

    def _to_its_end(self, state: RunState, refusing: int | None = None) -> RunState:
        """Everything goes well but that undo, until nothing moves any more."""
        while state.final is None and (able := [index for index in state.open if not state.blocked(index)]):
            refuses = able[0] == refusing and state.op_of(able[0]) == UNDO
            state = self._answered(state, able[0], "refused" if refuses else "ok")
        return state

    def _answered(self, state: RunState, index: int, outcome: Outcome) -> RunState:
        """What is open at that milestone ends so."""
        spec, op = self._definition.milestones[index], state.op_of(index)
        if spec.kind == "child":
            return self._taken(state, cmd.ChildEnded(spec.id, _ENDED[op, outcome]))
        if spec.kind == "timer":
            return self._taken(state, cmd.TimePassed(), after=MOMENT)
        if spec.kind == "external" and op == DO:
            return self._taken(state, cmd.Advance(spec.id, outcome))
        return self._taken(state, cmd.Report(index, op, state.calls(index).number, _GAVE[outcome]))

    def _taken(self, state: RunState, arrived: Command, after: float = 0.0) -> RunState:
        return decide(state, [arrived], state.at + after, (), self._towards).state

    def _towards(self, state: RunState, at: int) -> str:
        """The first way out of a choice that leads to the milestone; where none does any more, the first of all."""
        steps = [step.milestone for step in self._definition.milestones[at].next_steps]
        ways = self._definition.ways
        return next((step for step in steps if self._index in ways.reached_from(step)), steps[0])


_GAVE: dict[Outcome, Answered] = {
    "ok": cmd.Ok(),
    "refused": cmd.No("it refuses"),
    "unknown": cmd.Unknown("nobody knows", exhausted=True),
}
_ENDED: dict[tuple[Op, Outcome], Literal["completed", "compensated", "resolved"]] = {
    (DO, "ok"): "completed",
    (DO, "refused"): "compensated",
    (DO, "unknown"): "resolved",
    (UNDO, "ok"): "compensated",
    (UNDO, "refused"): "resolved",
}


def _undone(state: RunState) -> tuple[Undone, ...]:
    called = [index for index, m in enumerate(state.milestones) if m.undo_status is not UndoStatus.NONE]
    return tuple(_one(state, index) for index in sorted(called, key=lambda index: -state.milestones[index].order))


def _one(state: RunState, index: int) -> Undone:
    spec, m = state.definition.milestones[index], state.milestones[index]
    handler = spec.undo or (f"compensate {spec.child.name}" if spec.child is not None else "")
    return Undone(spec.id, handler, m.status is UNKNOWN, m.undo_status is UndoStatus.DONE)


def _stays(state: RunState) -> tuple[str, ...]:
    """What nothing undoes, though the saga has turned back. What only reads leaves nothing behind, nor does a timer."""
    if state.direction == DO:
        return ()
    return tuple(
        spec.id
        for spec, m in zip(state.definition.milestones, state.milestones, strict=True)
        if m.status in (COMPLETED, UNKNOWN)
        and m.undo_status is not UndoStatus.DONE
        and spec.kind != "timer"
        and spec.effects != "read_only"
    )
