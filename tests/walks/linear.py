"""Random walks of the machine beside the model: one seed is one saga, its definition and all that happens to it.

The walk plays the engine: it calls what is due, reports what came of it, lets workers die and people type. After every
turn machine and model must agree, the journal must fold to the same state, the laws must hold, and what the run says
must be true of the world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.codec import decode_turn, encode_definition, encode_turn
from saga_journey.core.commands import Command
from saga_journey.core.definition import ONE_CALL, JourneyDefinition, Milestone, MilestoneKind, Retry
from saga_journey.core.evolve import evolve
from saga_journey.core.machine import Turn, begin, decide
from saga_journey.core.state import RunState
from saga_journey.core.timers import next_due
from saga_journey.core.walk import intents
from tests.walks.laws import assert_agreement, assert_answers, assert_laws, assert_same_state
from tests.walks.model import Model
from tests.walks.world import World

START = 1000.0
STALE = 1000  # an attempt number that no walk reaches
Maker = Callable[[], Command | None]


# --- a definition ----------------------------------------------------------------------------------------------------


def random_definition(random: Random) -> JourneyDefinition:
    count = random.choice((1, 2, 2, 3, 3, 4, 5, 8))
    pivot = random.choice((None, random.randrange(count)))
    milestones = tuple(random_milestone(random, i, pivot) for i in range(count))
    return JourneyDefinition(
        "walk",
        1,
        milestones,
        kind="structured" if random.random() < 0.2 else "saga",
        deadline=random.choice((None, None, 30.0, 200.0)),
        on_stuck_undo=random.choice(("stop", "continue")),
    )


def random_milestone(random: Random, index: int, pivot: int | None) -> Milestone:
    kind: MilestoneKind = random.choice(("action", "action", "action", "external"))
    once = kind == "action" and random.random() < 0.15
    after = pivot is not None and index > pivot
    return Milestone(
        f"m{index}",
        None if kind == "external" and random.random() < 0.5 else f"do{index}",
        None if after or random.random() < 0.25 else f"undo{index}",
        kind,
        timeout=random.choice((20.0, 100.0)),
        within=random.choice((None, None, None, 15.0, 60.0)),
        retry=ONE_CALL if once else random_retry(random),
        undo_retry=random_retry(random),
        pivot=index == pivot,
        optional=index != pivot and random.random() < 0.15,
        at_most_once=once,
    )


def random_retry(random: Random) -> Retry:
    return Retry(
        attempts=random.choice((1, 2, 4, 4)),
        first=random.choice((0.0, 0.0, 1.0, 4.0)),
        lost=random.choice((0, 1, 2, 3)),
    )


# --- the walk --------------------------------------------------------------------------------------------------------


class Walk:
    """One saga, machine and model side by side. `trace` collects what happened when it is asked for."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.random = Random(seed)
        self.traced = traced
        self.trace: list[str] = []
        self.now = START
        self.definition = random_definition(self.random)
        self.world = World(self.random)
        self.state = RunState(self.definition, f"walk-{seed}")
        self.model = Model(self.definition, START)
        self.calling: tuple[int, ...] = ()
        self.called: set[tuple[int, int]] = set()  # actions and attempt numbers, since a person asked for more
        self.weather = self.random.sample(self._makers(), 4)  # what this saga sees more of than others
        self.quick = self.random.choice((0.8, 0.8, 0.4))  # how soon a call comes back
        self.interfering = self.random.choice((0.0, 0.0, 0.3))  # how often people act during a call
        self.tail = self.random.randrange(6)  # steps after it has ended
        if traced:
            self.say(encode_definition(self.definition))
        self._commit(begin(self.definition, self.state.saga_id, Json("{}"), None, START), START)
        assert_agreement(self.state, self.model)

    def say(self, *parts: object) -> None:
        if self.traced:
            self.trace.append(" ".join(map(str, parts)))

    def run(self, steps: int = 60) -> None:
        for _ in range(steps):
            if self.state.final is not None:
                if self.tail == 0:
                    return
                self.tail -= 1
            self.step()

    def step(self) -> None:
        """The clock moves, something happens, both decide."""
        if self.random.random() < 0.3:
            self._time_moves()
        self._begin_calls()
        if self.random.random() < (0.1 if self.calling and self.state.paused_at else 0.015) and self._owned():
            self._crash_loop()
        elif commands := self._arrivals():
            self._decide(commands)

    # --- the engine ---

    def _time_moves(self) -> None:
        if self.random.random() < 0.5 and (due := next_due(self.state)) is not None:
            self.now = max(self.now, due)
        elif self.random.random() < 0.15 and (deadline := self.state.deadline_at) is not None:
            self.now = max(self.now, deadline)
        elif self.random.random() < 0.1:
            self.now += self.random.choice((25.0, 70.0, 9e4))
        else:
            self.now += self.random.choice((0.1, 0.5, 1.0, 3.0, 8.0))

    def _begin_calls(self) -> None:
        if self.calling or self.random.random() < 0.3:
            return
        for intent in intents(self.state):
            if intent.not_before <= self.now:
                self.calling = (intent.milestone,)
                self.say("call", intent)
                if intent.op == "do":
                    self._count_call(intent.milestone, intent.attempt)

    def _count_call(self, index: int, attempt: int) -> None:
        self.called.add((index, attempt))
        if self.definition.milestones[index].at_most_once:
            assert len([i for i, _ in self.called if i == index]) == 1, "at_most_once was called twice"

    def _owned(self) -> bool:
        """A worker holds the claim: something is being called, or is to be called."""
        if self.state.final is not None or self.state.status == "failed":
            return False
        return bool(self.calling) or bool(intents(self.state))

    def _crash_loop(self) -> None:
        """Claimed five times, and nothing was written: the engine parks the run unread."""
        self._worker_dies()
        self.model.crash_loop(self.now)
        turn: list[ev.Event] = [ev.AttentionRaised("crash_loop", None, "five workers died")]
        self.say("crash loop at", self.now)
        self._commit(Turn(turn, evolve(self.state, turn, self.now), []), self.now)
        assert_agreement(self.state, self.model)
        self.world.judge(self.state)

    def _worker_dies(self) -> None:
        for index in self.calling:
            if self._still_open(index):
                self.world.maybe(index, self.state.op_of(index))
        self.calling = ()

    def _still_open(self, index: int) -> bool:
        return index in self.state.open and not self.state.waits_outside(index)

    # --- what arrives ---

    def _arrivals(self) -> list[Command]:
        """Mostly one command, sometimes many. Of a dead worker no report arrives."""
        count = self.random.choice((1, 1, 1, 1, 1, 1, 2, 3, 4))
        found = [self._arrival() for _ in range(count)]
        if self.calling and self.random.random() < (0.5 if self._stopping() else self.interfering):
            return [self.random.choice((cmd.Pause("ann"), cmd.Cancel("ann"), cmd.Compensate()))]
        if cmd.TakeOver() in found:
            self._worker_dies()
        elif self.random.random() < self.quick and (report := self._report()):
            found.append(report)
        self.random.shuffle(found)
        return [command for command in found if command is not None]

    def _stopping(self) -> bool:
        """What is called now is the last of it: the pivot that a stop waits for, or an action that drains."""
        if self.state.paused_at is not None:
            return False
        return self.state.stop is not None or any(self.state.op_of(i) != self.state.direction for i in self.state.open)

    def _arrival(self) -> Command | None:
        if self.state.status == "failed" and self.state.open and self.random.random() < 0.25:
            return self._advance()  # a partner answers what is parked
        dice = self.random.random()
        if dice < 0.25:
            return cmd.TimePassed()
        if dice < 0.30:
            return self._stale()
        if dice < 0.55:
            return self.random.choice(self.weather)()
        return self.random.choice(self._makers())() if dice < 0.70 else None

    def _report(self) -> Command | None:
        """What the call under way gave; now and then, that what was to be called cannot be."""
        if not self.calling:
            return self._uncallable() if self.random.random() < 0.05 else None
        index, self.calling = self.calling[0], ()
        if not self._still_open(index):  # it was answered from outside meanwhile
            return cmd.Report(index, "do", STALE, cmd.Ok())
        op, number = self.state.op_of(index), self.state.calls(index).number
        if self.random.random() < 0.04:
            return cmd.Report(index, op, number, cmd.Uncallable("cannot_decode", "gone"))
        asked_again = op == "do" and self.state.milestones[index].asking
        return cmd.Report(index, op, number, self.world.answer(index, op, asked_again=asked_again))

    def _uncallable(self) -> Command | None:
        due = [i for i in intents(self.state) if i.not_before <= self.now]
        if not due:
            return None
        kind: ev.AttentionKind = self.random.choice(("handler_missing", "cannot_decode"))
        return cmd.Report(due[0].milestone, due[0].op, due[0].attempt, cmd.Uncallable(kind, "gone"))

    def _stale(self) -> Command:
        index = self.random.randrange(len(self.definition.milestones))
        outcome = self.random.choice((cmd.Ok(), cmd.No("no"), cmd.Unknown("broken"), cmd.TurnedAway("401")))
        return cmd.Report(index, self.random.choice(("do", "undo")), STALE, outcome)

    def _makers(self) -> list[Maker]:
        return [
            self._advance,
            lambda: cmd.Cancel("ann"),
            lambda: cmd.Compensate(self.random.choice((None, None, 0)), "ann"),
            lambda: cmd.Pause("ann"),
            lambda: cmd.Resume("ann"),
            lambda: cmd.RetryMilestone(self._name()),
            lambda: cmd.RetryMilestone(self._name(), Json('{"edited":true}')),
            lambda: cmd.Skip(self._name(), self.random.choice((None, Json("1")))),
            lambda: cmd.StateFact(self.random.choice(("happened", "did_not_happen")), self._name()),
            lambda: cmd.StateFact("undone", self._name()),
            lambda: cmd.Resolve("enough") if self.random.random() < 0.3 else None,
            lambda: cmd.TakeOver() if self._owned() else None,
            cmd.HandlersBack,
        ]

    def _advance(self) -> Command:
        outcome: Any = self.random.choice(("ok", "ok", "ok", "refused", "unknown"))
        expected = 77 if self.random.random() < 0.05 else None
        return cmd.Advance(self._name(), outcome, None, expected_attempt=expected)

    def _name(self) -> str | None:
        """Mostly a milestone that it may concern."""
        dice = self.random.random()
        if dice < 0.2:
            return None
        near = [self.definition.milestones[i].id for i in self.state.open]
        near += [a.milestone for a in self.state.attention if a.milestone is not None]
        if dice < 0.85 and near:
            return self.random.choice(near)
        return self.random.choice(self.definition.milestones).id

    # --- deciding, and agreeing ---

    def _decide(self, commands: Sequence[Command]) -> None:
        commands = self.world.truth(self.state, commands)
        reported = {c.milestone for c in commands if isinstance(c, cmd.Report) and c.attempt != STALE}
        calling = (*self.calling, *(reported if self.random.random() < 0.5 else ()))  # the engine may be late to tell
        self.say("at", self.now, *commands, "calling", calling)
        before, now = self.state, max(self.now, self.state.at)
        turn = decide(before, commands, self.now, calling)
        said = self.model.turn(commands, self.now, [self.definition.milestones[i].id for i in calling])
        self._commit(turn, now)
        self.world.heard(turn.state, turn.events)
        assert_laws(before, turn, calling, now)
        assert_answers(turn.answers, said)
        assert_agreement(self.state, self.model)
        self.world.judge(self.state)

    def _commit(self, turn: Turn, at: float) -> None:
        if self.traced:
            self._tell(turn)
        events = decode_turn(encode_turn(turn.events))
        assert events == turn.events, "what was written reads back"
        assert_same_state(evolve(self.state, events, at) if events else self.state, turn.state)
        self.state = turn.state
        if any(isinstance(e, ev.MilestoneRetried | ev.AttentionCleared) for e in events):
            self.called.clear()

    def _tell(self, turn: Turn) -> None:
        for event in turn.events:
            self.say("   ", event)
        self.say("    =", turn.state.status, [f"{i.op} {i.milestone} {i.attempt}" for i in intents(turn.state)])
