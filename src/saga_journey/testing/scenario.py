"""Given a journey and what happened to it, when something arrives, then this follows: a specification that runs.

    given(checkout)
        .when(ok("reserve"))
        .then("milestone_completed reserve", calls="do charge 1")
        .when(refused("charge", "card declined"), at=2)
        .then("milestone_refused charge", "compensation_decided", calls="undo reserve 1")
        .when(ok("reserve"))
        .then("milestone_compensated reserve", "saga_compensated", status="compensated")

It drives the pure machine: no handler is called, nothing is stored, and time is what you say it is, in seconds since
the start. A `then` tells the whole turn: every event in order, and every call that is to be made after it. An event is
an object of `saga_journey.core.events`, or the beginning of its line in the story, up to a space; a call is written
"do charge 2" or "undo charge 1", the attempt may be left out. A command that was rejected has to be expected
(`answers`). When a `then` fails it shows the story so far, the one that was expected, and the one that came.

Where a journey forks, its conditions are read as the engine reads them. `waits` are the milestones that wait for
somebody else: for an answer, a time, a child.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saga_journey.authoring import Journey
from saga_journey.core import commands as cmd
from saga_journey.core.canonical import encode
from saga_journey.core.codec import event_fields, event_name
from saga_journey.core.commands import Answer, Answered, Command
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import AttentionKind, Event, Op, Parent
from saga_journey.core.evolve import evolve
from saga_journey.core.machine import begin, decide
from saga_journey.core.state import RunState
from saga_journey.core.walk import Intent, intents
from saga_journey.handlers.conditions import choose

# --- what arrives ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gave:
    """What the call of a milestone gave: of its open attempt, unless another one is named."""

    milestone: str
    outcome: Answered
    attempt: int | None = None
    op: Op | None = None


def ok(milestone: str, result: object = None, *, attempt: int | None = None, op: Op | None = None) -> Gave:
    """The handler returned."""
    text = None if result is None else encode(result, "result")
    return Gave(milestone, cmd.Ok(text), attempt, op)


def refused(milestone: str, reason: str = "refused", *, attempt: int | None = None, op: Op | None = None) -> Gave:
    """The handler raised `Refused`: a definite no."""
    return Gave(milestone, cmd.No(reason), attempt, op)


def unknown(milestone: str, error: str = "no answer", *, exhausted: bool = False, attempt: int | None = None) -> Gave:
    """The handler raised, was too slow, or its answer cannot be read."""
    return Gave(milestone, cmd.Unknown(error, exhausted), attempt)


def working(milestone: str, retry_in: float = 5.0) -> Gave:
    """The handler raised `Working`: accepted, not finished."""
    return Gave(milestone, cmd.StillWorking(retry_in))


def turned_away(milestone: str, error: str = "401") -> Gave:
    """The handler raised `Misconfigured`: nothing happened, and it is nobody's business no."""
    return Gave(milestone, cmd.TurnedAway(error))


def uncallable(milestone: str, kind: AttentionKind = "handler_missing", detail: str = "not registered") -> Gave:
    """The handler could not be called at all."""
    return Gave(milestone, cmd.Uncallable(kind, detail))


def child_ended(
    milestone: str,
    ended: Literal["completed", "compensated", "resolved"] = "completed",
    results: object = None,
    reason: str | None = None,
) -> Command:
    """The child that a milestone runs has ended. `results` are those of its milestones, when it is completed."""
    told = {"saga_id": f"the child of {milestone}", "results": results or {}}
    return cmd.ChildEnded(milestone, ended, encode(told, "results") if ended == "completed" else None, reason)


# --- the scenario ----------------------------------------------------------------------------------------------------


def given(
    journey: JourneyDefinition | Journey[Any],
    *turns: Event | Sequence[Event],
    input: object = None,
    at: float = 0.0,
    parent: Parent | None = None,
) -> Scenario:
    """A run that was started, and to which this happened: each event is a turn of its own, unless `turn` joins them.

    `parent`: it is the child of that milestone.
    """
    definition = journey.definition if isinstance(journey, Journey) else journey
    scenario = Scenario(definition, {} if input is None else input, parent)
    for past in turns:
        scenario.happened(past if isinstance(past, Sequence) else [past], at)
    return scenario


def turn(*events: Event) -> tuple[Event, ...]:
    """Events of the past that were one commit: a failure and the decision that followed it."""
    return events


class Scenario:
    """One run and its story. `state` is where it stands; `when` and `then` return the scenario, to go on."""

    def __init__(self, definition: JourneyDefinition, input: object, parent: Parent | None = None) -> None:
        self.now: float = 0.0
        self.story: list[str] = [f"given  {definition.name} version {definition.version}"]
        begun = begin(definition, "saga_1", encode(input, "input"), None, self.now, parent)
        self.state: RunState = begun.state
        self.events: Sequence[Event] = begun.events
        self.answers: Sequence[Answer | None] = ()
        self._tell()

    def happened(self, events: Sequence[Event], at: float) -> Scenario:
        """One turn of the past."""
        self.now = max(self.now, float(at))
        self.state, self.events, self.answers = evolve(self.state, events, self.now), events, ()
        self._tell()
        return self

    def when(self, *arrived: Command | Gave, at: float | None = None, calling: str | Sequence[str] = ()) -> Scenario:
        """These arrive, in one turn. `calling` are the milestones whose handler is being called at that moment."""
        self.now = self.now if at is None else float(at)
        said = ", ".join(_arrival_line(one) for one in arrived)
        busy = [self.state.definition.index[name] for name in _listed(calling)]
        self.story.append(f"when   at {self.now:g}: {said}" + "".join(f", calling {name}" for name in _listed(calling)))
        commands = [self._report(one) if isinstance(one, Gave) else one for one in arrived]
        decided = decide(self.state, commands, self.now, busy, choose)
        self.state, self.events, self.answers = decided.state, decided.events, decided.answers
        self._tell()
        return self

    def then(
        self,
        *events: str | Event,
        calls: str | Sequence[str] = (),
        answers: str | Sequence[str] | None = None,
        status: str | None = None,
        waits: str | Sequence[str] | None = None,
    ) -> Scenario:
        """Exactly these events followed, and exactly these calls are to be made. Raises AssertionError otherwise.

        Where `answers`, `status` or `waits` are given, they are exactly so, too.
        """
        __tracebackhide__ = True
        expected = [e if isinstance(e, str) else event_line(e) for e in events]
        expected += [f"-> {call}" for call in _listed(calls)]
        came = self._turn_lines()
        told = len(expected) == len(came) and all(map(_begins, came, expected))
        waiting = waits is None or sorted(_listed(waits)) == sorted(self._waiting())
        if told and waiting and self._answered(answers) and status in (None, self.state.status):
            return self
        raise AssertionError(self._both_stories(expected, answers, status, waits))

    # --- how ---

    def _report(self, gave: Gave) -> Command:
        index = self.state.definition.index[gave.milestone]
        op, attempt = gave.op, gave.attempt
        if op is None or attempt is None:
            if index not in self.state.open:
                raise ValueError(f"{gave.milestone!r} has no open attempt: name the attempt and op of a late report")
            op, attempt = op or self.state.op_of(index), attempt or self.state.calls(index).number
        return cmd.Report(index, op, attempt, gave.outcome)

    def _tell(self) -> None:
        self.story += [f"       {line}" for line in self._turn_lines()]
        self.story += [f"       answered {a.code}: {a.detail}".rstrip(": ") for a in self.answers if a is not None]

    def _turn_lines(self) -> list[str]:
        calls = [f"-> {self._call_line(intent)}" for intent in intents(self.state)]
        return [event_line(event) for event in self.events] + calls

    def _call_line(self, intent: Intent) -> str:
        name = self.state.definition.milestones[intent.milestone].id
        later = f" not before {intent.not_before:g}" if intent.not_before > self.now else ""
        return f"{intent.op} {name} {intent.attempt}{later}"

    def _waiting(self) -> list[str]:
        state = self.state
        return [state.definition.milestones[index].id for index in state.open if state.waits_outside(index)]

    def _answered(self, expected: str | Sequence[str] | None) -> bool:
        came = [a for a in self.answers if a is not None]
        if expected is None:
            return all(a.accepted for a in came)
        return [a.code for a in came] == _listed(expected)

    def _both_stories(
        self,
        expected: list[str],
        answers: str | Sequence[str] | None,
        status: str | None,
        waits: str | Sequence[str] | None,
    ) -> str:
        lines = ["the story is another one", "", *self.story, f"       the saga is {self.state.status}", ""]
        lines += ["expected" + ("" if expected else ": nothing"), *(f"       {line}" for line in expected)]
        if answers is not None:
            lines.append(f"       answered {', '.join(_listed(answers)) or 'nothing'}")
        if waits is not None:
            lines.append(f"       waiting for {', '.join(_listed(waits)) or 'nobody'}")
        if status is not None:
            lines.append(f"       the saga is {status}")
        came = self._turn_lines()
        lines += ["", "but it was" + ("" if came else ": nothing"), *(f"       {line}" for line in came)]
        lines += [f"       answered {a.code}" for a in self.answers if a is not None]
        if waits is not None:
            lines.append(f"       waiting for {', '.join(self._waiting()) or 'nobody'}")
        return "\n".join([*lines, f"       the saga is {self.state.status}"])


# --- how it is written -----------------------------------------------------------------------------------------------


def event_line(event: Event) -> str:
    """An event as the story writes it: its wire name, its milestone, its other fields."""
    fields = event_fields(event)
    words = [event_name(event), *([fields.pop("milestone")] if fields.get("milestone") else [])]
    return " ".join([*words, *(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())])


def _arrival_line(arrived: Command | Gave) -> str:
    if isinstance(arrived, Gave):
        return f"{arrived.milestone} gave {arrived.outcome}"
    return str(arrived)


def _begins(line: str, expected: str) -> bool:
    return line == expected or line.startswith(f"{expected} ")


def _listed(one_or_many: str | Sequence[str]) -> list[str]:
    return [one_or_many] if isinstance(one_or_many, str) else list(one_or_many)
