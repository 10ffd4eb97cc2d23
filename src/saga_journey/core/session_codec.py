"""Turns and definitions of sessions <-> the text that stores keep, in the form that those of sagas have."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import from_json

from saga_journey.core.codec import Wire
from saga_journey.core.session import WIRE_NAMES, SessionEvent
from saga_journey.core.session_definition import SessionDefinition, from_plain

_WIRES = {kind: Wire(kind, name) for kind, name in WIRE_NAMES.items()}
_BY_NAME = {wire.name: wire for wire in _WIRES.values()}


def encode_turn(turn: Sequence[SessionEvent]) -> str:
    """A turn's events as one journal row."""
    return f"[{','.join([_WIRES[type(event)].framed(event) for event in turn])}]"


def decode_turn(row: str) -> list[SessionEvent]:
    """The events of a journal row."""
    return [_BY_NAME[name].build(said) for name, said in from_json(row)]


def decode_definition(text: str) -> SessionDefinition:
    return from_plain(from_json(text))
