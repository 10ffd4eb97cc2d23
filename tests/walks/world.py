"""The participants of a random walk, and what they really did. Machine and model cannot see it; the truth judges both.

A call that ended unknown, or was lost, may have had its effect or not; one that was accepted (202) too. Participants do
not replay by key: after an effect that nobody heard of, they may say no. People and partners tell the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.definition import Milestone
from saga_journey.core.events import Op
from saga_journey.core.state import RunState


def can_be_undone(spec: Milestone) -> bool:
    """By its undo; or by the child that it ran, unless that was the point of no return."""
    return spec.undo is not None or (spec.kind == "child" and not spec.pivot)


class World:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.done: set[int] = set()  # milestones whose action took effect
        self.accepted: set[int] = set()  # whose effect is still to come: they answered "working"
        self.silent: set[int] = set()  # who left a call unanswered
        self.ok = random.choice((0.3, 0.6, 0.8))  # how often things go well
        self.doubtful = random.random() < 0.3  # calls that fail are mostly not answered at first

    def stands(self, index: int) -> bool:
        return index in self.done or index in self.accepted

    def maybe(self, index: int, op: Op) -> None:
        """Nobody hears what became of that call."""
        if self.random.random() < 0.5:
            self.took_place(index, op)

    def took_place(self, index: int, op: Op) -> None:
        if op == "do":
            self.done.add(index)
        else:
            self.done.discard(index)
            self.accepted.discard(index)

    def answer(self, index: int, op: Op, *, asked_again: bool) -> cmd.Answered:
        """What a call gives, and what it does."""
        dice = self.random.random()
        if dice < self.ok:
            self.took_place(index, op)
            return cmd.Ok(Json('"done"'))
        dice = (dice - self.ok) / (1 - self.ok)
        if self.doubtful and index not in self.silent and self.random.random() < 0.7:
            self.silent.add(index)
            dice = 0.5
        if dice < 0.25:
            if asked_again and op == "do":
                self.accepted.discard(index)  # it was accepted, and then came to nothing
            return cmd.No("no")
        if dice < 0.60:
            self.maybe(index, op)
            return cmd.Unknown("broken", exhausted=dice < 0.28)
        if dice < 0.78:
            if op == "do" and self.random.random() < 0.5:
                self.accepted.add(index)
            return cmd.StillWorking(self.random.choice((0.5, 5.0)))
        return cmd.TurnedAway("401")

    def judge(self, state: RunState) -> None:
        """What the run says against what is true."""
        for index, m in enumerate(state.milestones):
            if m.status in ("pending", "refused"):
                assert not self.stands(index), f"milestone {index} is called {m.status}, and took place"
            if m.undo_status in ("done", "manual"):
                assert not self.stands(index), f"milestone {index} is called undone, and stands"
        if state.final is not None:
            self._judge_the_end(state)

    def _judge_the_end(self, state: RunState) -> None:
        specs = state.definition.milestones
        standing = {s.id for i, s in enumerate(specs) if self.stands(i) and can_be_undone(s)}
        if state.final == "compensated":
            assert not standing, f"compensated, and {standing} still stand"
        if state.final == "resolved":
            assert standing <= set(state.left), f"{standing} stand, only {state.left} are told"
        if state.final == "completed":
            for index, m in enumerate(state.milestones):
                assert m.status in ("completed", "skipped") or specs[index].optional, "completed means all"

    def truth(self, state: RunState, commands: Sequence[cmd.Command]) -> list[cmd.Command]:
        """The same commands, with the answers from outside that a partner who knows would give."""
        said_no = False  # in this turn; then it did not happen
        told = []
        for command in commands:
            asked = _asked_about(state, command)
            if asked and isinstance(command, cmd.Advance):
                if command.outcome == "unknown" and len(asked) == 1 and state.waits_outside(asked[0]) and not said_no:
                    self.maybe(asked[0], "do")
                if command.outcome == "refused" and any(map(self.stands, asked)):
                    command = cmd.Advance(command.milestone, "unknown")
                said_no = said_no or command.outcome == "refused"
            told.append(command)
        return told

    def heard(self, after: RunState, events: Sequence[ev.Event]) -> None:
        """What people stated, and partners answered, is true."""
        for event in events:
            index = after.definition.index.get(getattr(event, "milestone", None) or "", 0)
            if isinstance(event, ev.MilestoneCompleted) and after.milestones[index].order > 0:
                self.took_place(index, "do")
            if isinstance(event, ev.FactStated):
                self.took_place(index, "do" if event.fact == "happened" else "undo")


def _asked_about(state: RunState, command: cmd.Command) -> list[int]:
    """What an answer may be about."""
    if not isinstance(command, cmd.Advance):
        return []
    if command.milestone is not None:
        index = state.definition.index[command.milestone]
        return [index] if index in state.open else []
    return [i for i in state.open if state.definition.milestones[i].kind in ("action", "external")]
