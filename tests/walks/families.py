"""A family of runs, simulated: one seed is one saga, its children, and all that happens to them.

Each member is a run with its own participants, its own worker and a mailbox. The walk plays the engine: it calls what
is due, several at a time where the shape has it so, reports what came of it, lets workers die and people type, and
carries the messages between parents and children that the real `family` module writes. In the end the weather is fine:
every call goes well, people help, and every run must come to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.children import child_id
from saga_journey.core.codec import decode_command, decode_turn, encode_definition, encode_turn
from saga_journey.core.commands import Command
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.evolve import evolve
from saga_journey.core.machine import NoArm, Turn, begin, decide
from saga_journey.core.shape import is_choice
from saga_journey.core.state import RunState
from saga_journey.core.timers import next_due
from saga_journey.core.walk import intents
from saga_journey.engines.embedded.family import Family, Known, messages
from saga_journey.ports import NewRun, Store
from tests.walks.laws import assert_same_state
from tests.walks.random_shapes import Shapes
from tests.walks.shape_cells import situations
from tests.walks.shape_laws import Order, assert_shape_laws
from tests.walks.world import World, can_be_undone

START = 1000.0
STALE = 1000
TENANT = 1


class Walk:
    """One family. `trace` collects what happened when it is asked for."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.random = Random(seed)
        self.traced = traced
        self.trace: list[str] = []
        self.now = START
        shapes = Shapes(self.random)
        definition = shapes.journey()
        self._numbers = dict(enumerate(shapes.all.values()))
        self._family = Family(cast(Store, None), publishing=False)
        self._family._known = {(TENANT, d.hash): Known(n, d) for n, d in self._numbers.items()}
        self.members: dict[str, Member] = {}
        self.seen: set[str] = set()
        self.fine = False
        self.troubled = self.random.choice((0.0, 0.03, 0.1))
        self.weather = self.random.sample(range(12), 3)  # which verbs people like
        if traced:
            self.say(*map(encode_definition, shapes.all.values()))
        turn = begin(definition, f"saga_{seed:012d}", Json("{}"), None, START)
        self.join(definition, turn.state.saga_id, turn)

    def say(self, *parts: object) -> None:
        if self.traced:
            self.trace.append(" ".join(map(str, parts)))

    # --- members and their mail ---

    def join(self, definition: JourneyDefinition, saga_id: str, turn: Turn) -> Member:
        assert saga_id not in self.members, "a child is started once"
        member = self.members[saga_id] = Member(self, definition, saga_id)
        member.commit(turn, START if saga_id == turn.state.saga_id and not self.members else turn.state.at, None)
        return member

    def born(self, before: RunState, after: RunState) -> list[NewRun]:
        return self._family.born(TENANT, before, after)

    def deliver(self, starts: Sequence[NewRun], mail: Sequence[Any]) -> None:
        """All in the one commit that says it; a message whose id is known is there already."""
        for new in starts:
            definition = self._numbers[new.definition]
            events = decode_turn(new.turn)
            state = evolve(RunState(definition, new.saga_id), events, new.at)
            self.join(definition, new.saga_id, Turn(events, state, []))
        for message in mail:
            to = self.members[message.to]
            if message.command_id not in to.known:
                to.known.add(message.command_id)
                to.mail[message.command_id] = decode_command(message.name, message.body)
            self.say("   to", message.to, message.command_id)

    def children_of(self, parent: Member, index: int) -> list[Member]:
        """All that this milestone ever ran, the newest last."""
        name = parent.definition.milestones[index].id
        ids = [child_id(parent.saga_id, name, n) for n in range(1, len(parent.state.inputs) + 1)]
        return [self.members[one] for one in ids if one in self.members]

    # --- the walk ---

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self.end_well()

    def step(self) -> None:
        if self.random.random() < 0.25:
            self._time_moves()
        busy = [m for m in self.members.values() if m.mail or m.calling or intents(m.state)]
        pool = busy if busy and self.random.random() < 0.8 else list(self.members.values())
        self.random.choice(pool).step()

    def _time_moves(self) -> None:
        dues = [due for m in self.members.values() if (due := next_due(m.state, m.calling)) is not None]
        if dues and self.random.random() < 0.5:
            self.now = max(self.now, min(dues))
        else:
            self.now += self.random.choice((0.1, 1.0, 3.0, 8.0, 8.0, 70.0))

    def end_well(self) -> None:
        """No more faults: whatever happened before, every run comes to its end, and to a true one."""
        self.fine = True
        idle = 0
        for _ in range(100):
            moved = False
            for member in list(self.members.values()):
                moved = member.move() or moved
            if all(m.state.final is not None and not m.mail for m in self.members.values()):
                break
            if not moved:
                dues = [due for m in self.members.values() if (due := next_due(m.state, m.calling)) is not None]
                idle = 0 if dues else idle + 1  # people may have to say something else
                assert idle < 12, f"nothing will ever move {[m.told() for m in self.members.values()]}"
                self.now = max(self.now, min(dues, default=self.now))
        left = [m.told() for m in self.members.values() if m.state.final is None]
        assert not left, f"not over after a long time: {left}"
        for member in self.members.values():
            member.judge()


class Member:
    """One run of the family."""

    def __init__(self, walk: Walk, definition: JourneyDefinition, saga_id: str) -> None:
        self.walk = walk
        self.random = walk.random
        self.definition = definition
        self.saga_id = saga_id
        self.state = RunState(definition, saga_id)
        self.world = FamilyWorld(walk, self)
        self.calling: list[int] = []
        self.dead = False
        self.mail: dict[str, Command] = {}
        self.known: set[str] = set()
        self.order = Order()
        self.called: set[tuple[int, int]] = set()
        self.quick = self.random.choice((0.9, 0.5, 0.2))  # how soon a call comes back

    def told(self) -> str:
        s = self.state
        return f"{self.saga_id} {s.status} {s.attention} open {s.open} calling {self.calling} mail {list(self.mail)}"

    # --- one step ---

    def step(self) -> None:
        self._begin_calls()
        if self._owned() and self.random.random() < self.walk.troubled / 6:
            self._crash_loop()
        elif arrived := self._arrivals():
            self._take(arrived)

    def move(self) -> bool:
        """One step in fine weather; says whether anything was to be done."""
        self.world.ok = 1.0
        self._begin_calls()
        arrived: list[Command] = [self._report(index) for index in list(self.calling)]
        arrived += [*self.mail.values(), *self._help()]
        due = next_due(self.state, self.calling)
        if self.dead or arrived or (due is not None and due <= self.walk.now):
            heard, before = bool(self.mail), self.state.seq
            self._take([*self._claim(), *arrived])
            return heard or self.state.seq > before
        return False

    def _owned(self) -> bool:
        if self.state.final is not None or self.state.status == "failed":
            return False
        return bool(self.calling) or bool(intents(self.state))

    def _begin_calls(self) -> None:
        for intent in intents(self.state):
            later = intent.not_before > self.walk.now or intent.milestone in self.calling
            later = later or (intent.op == "undo" and bool(self.calling))  # an answer from outside was faster
            if self.dead or later or (not self.walk.fine and self.random.random() < 0.3):
                continue
            self.calling.append(intent.milestone)
            self.walk.say("call", self.saga_id, intent)
            if intent.op == "do":
                self._count_call(intent.milestone, intent.attempt)

    def _count_call(self, index: int, attempt: int) -> None:
        self.called.add((index, attempt))
        if self.definition.milestones[index].at_most_once:
            assert len([i for i, _ in self.called if i == index]) == 1, "at_most_once was called twice"

    def _worker_dies(self) -> None:
        for index in self.calling:
            if index in self.state.open and not self.state.waits_outside(index):
                self.world.maybe(index, self.state.op_of(index))
        self.calling, self.dead = [], True

    def _crash_loop(self) -> None:
        """Claimed five times, and nothing was written: the engine parks the run unread."""
        self._worker_dies()
        self.dead = False
        turn: list[ev.Event] = [ev.AttentionRaised("crash_loop", None, "five workers died")]
        self.walk.seen.update(situations(self.state, self.state, turn, ()))
        self.walk.say(self.saga_id, "crash loop")
        self.commit(Turn(turn, evolve(self.state, turn, self.walk.now), []), self.walk.now, None)

    # --- what arrives ---

    def _claim(self) -> list[Command]:
        """What a claim tells the machine first."""
        taken_over: list[Command] = [cmd.TakeOver()] if self.dead else []
        self.dead = False
        return [cmd.TimePassed(), *taken_over, cmd.HandlersBack()]

    def _arrivals(self) -> list[Command]:
        random, found = self.random, list[Command]()
        if self._owned() and random.random() < self.walk.troubled:
            self._worker_dies()
        if self.dead or (not self.calling and random.random() < 0.3):
            found += self._claim()
        for index in list(self.calling):
            if random.random() < self.quick:
                found.append(self._report(index))
        if not self.calling and not found and random.random() < 0.03:
            found += self._uncallable()
        found += [command for command in self.mail.values() if random.random() < 0.7]
        if random.random() < 0.12:
            found.append(self._of_people())
        if random.random() < 0.03:
            found.append(cmd.Report(random.randrange(len(self.state.milestones)), "do", STALE, cmd.Ok()))
        if random.random() < 0.2:
            random.shuffle(found)
        return found

    def _report(self, index: int) -> Command:
        """What the call under way gave."""
        self.calling.remove(index)
        if index not in self.state.open or self.state.waits_outside(index):  # it was answered from outside meanwhile
            return cmd.Report(index, "do", STALE, cmd.Ok())
        op, number = self.state.op_of(index), self.state.calls(index).number
        if not self.walk.fine and self.random.random() < 0.03:
            return cmd.Report(index, op, number, cmd.Uncallable("cannot_decode", "gone"))
        asked_again = op == "do" and self.state.milestones[index].asking
        return cmd.Report(index, op, number, self.world.answer(index, op, asked_again=asked_again))

    def _uncallable(self) -> list[Command]:
        """What was to be called cannot be."""
        due = [i for i in intents(self.state) if i.not_before <= self.walk.now]
        return [cmd.Report(i.milestone, i.op, i.attempt, cmd.Uncallable("handler_missing", "gone")) for i in due[:1]]

    def _of_people(self) -> Command:
        if self.definition.kind == "structured" and self.random.random() < 0.25:
            return cmd.Rollback()
        makers = self._makers()
        number = self.random.choice(self.walk.weather) if self.random.random() < 0.6 else self.random.randrange(12)
        return makers[number]()

    def _makers(self) -> list[Callable[[], Command]]:
        random = self.random
        return [
            self._advance,
            lambda: cmd.Cancel("ann"),
            lambda: cmd.Compensate(None, "ann"),
            lambda: cmd.Pause("ann"),
            lambda: cmd.Resume("ann"),
            lambda: cmd.RetryMilestone(self._name()),
            lambda: cmd.RetryMilestone(self._name(), Json('{"edited":true}')),
            lambda: cmd.Skip(self._name(), random.choice((None, Json("1")))),
            lambda: cmd.StateFact(random.choice(("happened", "did_not_happen", "undone")), self._name()),
            lambda: cmd.Rollback(self._name() if random.random() < 0.3 else None),
            lambda: self._choose(random),
            lambda: cmd.Resolve("enough") if random.random() < 0.2 else cmd.TimePassed(),
        ]

    def _advance(self) -> Command:
        outcome: Any = self.random.choice(("ok", "ok", "ok", "refused", "unknown"))
        name = self._name()
        spec = self.definition.milestones[self.definition.index[name]] if name is not None else None
        ways = [step.milestone for step in spec.next_steps] if spec is not None else []
        next_step = self.random.choice(ways) if ways and self.random.random() < 0.7 else None
        return cmd.Advance(name, outcome, None, next_step=next_step)

    def _choose(self, random: Random) -> Command:
        asked = [a.milestone for a in self.state.attention if a.kind == "no_arm" and a.milestone is not None]
        if not asked:
            return cmd.Choose("end")
        spec = self.definition.milestones[self.definition.index[asked[0]]]
        return cmd.Choose(random.choice(spec.next_steps).milestone)

    def _name(self) -> str | None:
        """Mostly a milestone that it may concern."""
        dice = self.random.random()
        near = [self.definition.milestones[i].id for i in self.state.open]
        near += [a.milestone for a in self.state.attention if a.milestone is not None]
        if dice < 0.2:
            return None
        return self.random.choice(near) if near and dice < 0.9 else self.random.choice(self.definition.milestones).id

    # --- people who help ---

    def _help(self) -> list[Command]:
        """What a sensible person says to a run that does not move by itself; one thing at a time."""
        state = self.state
        if state.final is not None:
            return []
        if state.paused_at is not None:
            return [cmd.Resume("bob")]
        if state.attention:
            return [self._verb_for(state.attention[0].kind, state.attention[0].milestone)]
        waiting = [i for i in state.open if state.waits_outside(i) and state.op_of(i) == "do"]
        named = [spec.id for i in waiting if (spec := self.definition.milestones[i]).kind == "external"]
        return [cmd.Advance(named[0])] if named else []

    def _verb_for(self, kind: str, milestone: str | None) -> Command:
        match kind:
            case "no_arm":
                return self._choose(self.random)
            case "child_resolved":
                return cmd.StateFact(self.random.choice(("happened", "did_not_happen")), milestone, Json("1"))
            case "stuck_undo":
                fact = cmd.StateFact("undone", milestone)
                return self.random.choice((cmd.RetryMilestone(milestone), fact, cmd.Skip(milestone)))
            case "pivot_in_doubt":
                return cmd.StateFact("happened", milestone, Json("1"))
            case "handler_missing" | "cannot_decode":
                return cmd.HandlersBack()
            case "crash_loop":
                return cmd.RetryMilestone()
        return self.random.choice((cmd.RetryMilestone(milestone), cmd.Skip(milestone, Json("1"))))

    # --- deciding ---

    def _take(self, arrived: list[Command]) -> None:
        ids = [id for id, command in self.mail.items() if any(command is one for one in arrived)]
        commands = self.world.truth(self.state, arrived)
        reported = {c.milestone for c in commands if isinstance(c, cmd.Report) and c.attempt != STALE}
        calling = (*self.calling, *(reported if self.random.random() < 0.3 else ()))  # the engine may be late to tell
        self.walk.say("at", self.walk.now, self.saga_id, *commands, "calling", calling)
        before, now = self.state, max(self.walk.now, self.state.at)
        turn = decide(before, commands, self.walk.now, calling, self._arm)
        recalls = [id for id in ids if isinstance(command := self.mail[id], cmd.Recall) and command.undo]
        for id in ids:
            del self.mail[id]
        self.walk.seen.update(situations(before, turn.state, turn.events, arrived))
        self.commit(turn, now, recalls[-1] if recalls else None, calling=calling)

    def _arm(self, state: RunState, index: int) -> str:
        """Where it goes on: a function of the run and its revision of the input; sometimes nobody knows."""
        spec = state.definition.milestones[index]
        assert is_choice(spec)
        dice = Random(f"{state.saga_id}/{index}/{len(state.inputs)}")
        if spec.next_steps[-1].when is not None and dice.random() < 0.4:
            raise NoArm("none of its conditions holds")
        return dice.choice(spec.next_steps).milestone

    def commit(self, turn: Turn, now: float, asked: str | None, *, calling: Sequence[int] = ()) -> None:
        before, after = self.state, turn.state
        if self.walk.traced:
            self._tell(turn)
        events = decode_turn(encode_turn(turn.events))
        assert events == turn.events, "what was written reads back"
        assert_same_state(evolve(before, events, now) if events else before, after)
        self.state = after
        if any(isinstance(e, ev.MilestoneRetried | ev.AttentionCleared | ev.RollbackStarted) for e in events):
            self.called.clear()
        self.world.heard(after, events)
        if events or turn.answers:
            self.walk.deliver(self.walk.born(before, after), messages(before, after, events, asked))
        assert_shape_laws(before, turn, calling, self.calling, self.order)
        self.judge()

    def judge(self) -> None:
        self.world.judge(self.state)
        for index, spec in enumerate(self.definition.milestones):
            if spec.kind == "child":
                self._judge_child(index)
            m = self.state.milestones[index]
            if m.status == "skipped" and m.order == 0 and index not in self.world.stated:
                assert self._is_left_out(index), f"{index} is skipped, and no choice left it out"

    def _is_left_out(self, index: int) -> bool:
        arms = [m.arm for m in self.state.milestones[:index] if m.arm is not None]
        return any(index not in self.definition.ways.reached_from(arm) for arm in arms)

    def _judge_child(self, index: int) -> None:
        """What a parent says of its child, and what the child says of itself."""
        m, children = self.state.milestones[index], self.walk.children_of(self, index)
        assert bool(m.order) <= bool(children), "a child that was started is there"
        child = children[-1] if children else None
        stated = self.world.stated
        if m.order == 0 or child is None or index in stated:
            return
        if m.status == "completed" and m.undo_status == "none":
            assert child.state.final == "completed", f"its child is {child.state.status}, not completed"
        if m.status == "refused" or m.undo_status == "done":
            assert child.state.final == "compensated", f"its child is {child.state.status}, not compensated"
        if index in self.state.open and child.state.final is not None:
            news = any(isinstance(c, cmd.ChildEnded) for c in self.mail.values())
            asked = any(isinstance(c, cmd.Recall) and c.undo for c in child.mail.values())
            assert news or asked, f"{self.saga_id} waits for a child that has ended, and nobody will tell it"

    def _tell(self, turn: Turn) -> None:
        for event in turn.events:
            self.walk.say("   ", event)
        calls = [f"{i.op} {i.milestone} {i.attempt}" for i in intents(turn.state)]
        self.walk.say("    =", turn.state.status, calls, "open", turn.state.open)


class FamilyWorld(World):
    """The participants of one run. What a child did is what its own participants did."""

    def __init__(self, walk: Walk, member: Member) -> None:
        super().__init__(walk.random)
        self._walk = walk
        self._member = member
        self.stated: set[int] = set()  # milestones of which a person said something

    def stands(self, index: int) -> bool:
        if self._member.definition.milestones[index].kind == "child":
            return any(child.world.owes() for child in self._walk.children_of(self._member, index))
        return super().stands(index)

    def owes(self) -> bool:
        """Something that could be undone stands."""
        specs = enumerate(self._member.definition.milestones)
        return any(self.stands(i) for i, spec in specs if can_be_undone(spec))

    def took_place(self, index: int, op: ev.Op) -> None:
        kind = self._member.definition.milestones[index].kind
        if kind == "child" and op == "undo":  # a person did it by hand
            for child in self._walk.children_of(self._member, index):
                for n in range(len(child.definition.milestones)):
                    child.world.took_place(n, "undo")
        elif kind not in ("child", "timer"):
            super().took_place(index, op)

    def heard(self, after: RunState, events: Sequence[ev.Event]) -> None:
        super().heard(after, events)
        for event in events:
            index = after.definition.index.get(getattr(event, "milestone", None) or "", -1)
            if isinstance(event, ev.MilestoneRolledBack):
                super().took_place(index, "undo")  # also where there was nothing to undo: it stays, and is done again
                self.stated.discard(index)
            if isinstance(event, ev.FactStated | ev.MilestoneSkipped) or getattr(event, "who", None) == "a person":
                self.stated.add(index)
