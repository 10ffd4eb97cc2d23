"""Events, commands and definitions <-> the text that stores keep. What is JSON already is framed, not encoded again.

A journal row is a JSON list of `[name, {fields}]`, fields at their default left out. Names are for ever; when an event
changes its shape it gets `name@2` and an entry in `UPCASTERS`, so that old rows still read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any

from pydantic_core import from_json, to_json

from saga_journey.core import session_definition as session
from saga_journey.core.canonical import Json, encode
from saga_journey.core.commands import COMMAND_NAMES, Answer, External
from saga_journey.core.definition import JourneyDefinition, plain
from saga_journey.core.events import WIRE_NAMES, Because, Event, MilestoneCompensated, MilestoneCompleted, Parent

UPCASTERS: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]] = {}
"""An old wire name to a function from its fields to the name and fields of today."""


class Wire:
    """How one class is written: its name, and for each field its default and whether it holds JSON text already."""

    __slots__ = ("_fields", "_opening", "kind", "name", "raw")

    def __init__(self, kind: type, name: str) -> None:
        self.kind: type = kind
        self.name: str = name
        self.raw: frozenset[str] = frozenset(f.name for f in fields(kind) if "Json" in str(f.type))
        self._fields = [(attrgetter(f.name), f.default, f.name in self.raw, f'"{f.name}":') for f in fields(kind)]
        self._opening = f'["{name}",{{'

    def body(self, thing: object) -> str:
        """The fields as a JSON object."""
        return "{" + self._members(thing) + "}"

    def framed(self, thing: object) -> str:
        """`[name, {fields}]`."""
        return self._opening + self._members(thing) + "}]"

    def _members(self, thing: object) -> str:
        parts = []
        for read, default, raw, label in self._fields:
            value = read(thing)
            if value is not default:  # defaults are None, False or (), of which there is one each
                parts.append(label + (value if raw else _text(value)))
        return ",".join(parts)

    def build(self, said: dict[str, Any]) -> Any:
        for name in self.raw & said.keys():
            said[name] = Json(to_json(said[name]).decode())  # what is written is set: null is JSON too
        if "because" in said:
            said["because"] = Because(**said["because"])
        if "parent" in said:
            said["parent"] = Parent(**said["parent"])
        if "left" in said:
            said["left"] = tuple(said["left"])
        return self.kind(**said)


def _text(value: object) -> str:
    if type(value) is str:
        return encode_basestring(value)  # in C, and as canonical as the other one
    if (wire := _INNER.get(type(value))) is not None:
        return wire.body(value)
    return to_json(value).decode()


_INNER = {Because: Wire(Because, "because"), Parent: Wire(Parent, "parent")}
_EVENTS = {kind: Wire(kind, name) for kind, name in WIRE_NAMES.items()}
_EVENTS_BY_NAME = {wire.name: wire for wire in _EVENTS.values()}
_COMMANDS = {kind: Wire(kind, name) for kind, name in COMMAND_NAMES.items()}
_COMMANDS_BY_NAME = {wire.name: wire for wire in _COMMANDS.values()}


def encode_turn(turn: Sequence[Event]) -> str:
    """A turn's events as one journal row."""
    if len(turn) == 1:
        return f"[{_framed(turn[0])}]"
    return f"[{','.join([_framed(event) for event in turn])}]"


def _framed(event: Event) -> str:
    if type(event) is MilestoneCompleted and event.result is not None and event.who is None:  # most of every journal
        return f'["milestone_completed",{{"milestone":"{event.milestone}","result":{event.result}}}]'
    if type(event) is MilestoneCompensated:
        return f'["milestone_compensated",{{"milestone":{encode_basestring(event.milestone)}}}]'
    return _EVENTS[type(event)].framed(event)


def decode_turn(row: str) -> list[Event]:
    """The events of a journal row."""
    return [_event(name, said) for name, said in from_json(row)]


def _event(name: str, said: dict[str, Any]) -> Event:
    while name in UPCASTERS:
        name, said = UPCASTERS[name](said)
    event: Event = _EVENTS_BY_NAME[name].build(said)
    return event


def encode_command(command: External) -> tuple[str, str]:
    """The name of a command and its fields as text. Raises NotJson for a reason or a name that no store can keep."""
    wire = _COMMANDS[type(command)]
    for f in fields(command):
        value = getattr(command, f.name)
        if isinstance(value, str) and f.name not in wire.raw:
            encode(value, f"{wire.name}: {f.name}")
    return wire.name, wire.body(command)


def decode_command(name: str, body: str) -> External:
    command: External = _COMMANDS_BY_NAME[name].build(from_json(body))
    return command


def encode_answer(answer: Answer) -> str:
    return to_json(answer).decode()


def decode_answer(text: str) -> Answer:
    return Answer(**from_json(text))


def encode_definition(definition: JourneyDefinition | session.SessionDefinition) -> Json:
    said = plain(definition) if isinstance(definition, JourneyDefinition) else session.plain(definition)
    return encode(said, f"journey {definition.name!r}")


def decode_definition(text: str) -> JourneyDefinition:
    from saga_journey.core.design import from_plain  # its models cost 40 ms: whoever reads one pays, not every import

    return from_plain(from_json(text))


def event_name(event: Event) -> str:
    """The wire name of an event."""
    return WIRE_NAMES[type(event)]


def event_fields(event: Event) -> dict[str, Any]:
    """The fields of an event as JSON values, for readers."""
    said: dict[str, Any] = from_json(_EVENTS[type(event)].body(event))
    return said
