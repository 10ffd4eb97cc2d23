"""Calling a handler, whatever kind it is, and saying what came of it. Anything not declared otherwise is "unknown"."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from saga_journey.core.canonical import NULL, Json, printable
from saga_journey.core.commands import Answered, No, Ok, StillWorking, TurnedAway, Uncallable, Unknown
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import DO
from saga_journey.core.state import COMPLETED, RunState
from saga_journey.core.walk import owes_undo
from saga_journey.errors import CannotDecode, Misconfigured, Refused, SagaJourneyError, Working
from saga_journey.handlers.conditions import choose
from saga_journey.handlers.context import NOT_READ, Context, read_result
from saga_journey.handlers.curator import Curator, Handler
from saga_journey.handlers.threads import HandlerThreads
from saga_journey.handlers.types import Shape
from saga_journey.ports import Call


class LocalInvoker:
    """Calls functions of this process (`ports.Invoker`)."""

    def __init__(self, curator: Curator) -> None:
        self._curator = curator
        self._bound: dict[tuple[str, int, str], _Bound] = {}
        self._threads = {"do": HandlerThreads("saga-action"), "undo": HandlerThreads("saga-undo")}

    def missing(self, definition: JourneyDefinition) -> tuple[str, ...]:
        return self._curator.missing(definition)

    def choose(self, state: RunState, milestone: int) -> str:
        return choose(state, milestone)

    def problem_with(self, definition: JourneyDefinition, milestone: str, result: Json | None) -> str | None:
        index = definition.index.get(milestone)
        if index is None or (result is None and definition.milestones[index].optional):
            return None  # an unknown name is the machine's to refuse
        shape = self._curator.result_shape(definition, index)
        try:
            shape.load(NULL if result is None else result, f"the result of {milestone!r}")
        except CannotDecode as error:
            needed = f"{milestone!r} gives {shape.name}: say what it would have given"
            return str(error) if result is not None else needed
        return None

    def unreadable(self, state: RunState) -> str | None:
        """Tries to read what the handlers still to be called may ask for."""
        definition = state.definition
        try:
            shape = self._curator.input_shape(definition)
            for text in state.inputs:
                shape.load(text, "the stored input")
            for index, m in enumerate(state.milestones):
                needed = owes_undo(state, index) if state.direction != DO else m.status is COMPLETED
                if needed and m.result is not None:
                    read_result(state, index, self._curator)
        except CannotDecode as error:
            return str(error)
        return None

    def prepare(self, call: Call) -> Awaitable[Answered] | Uncallable:
        bound = self._bound.get((call.state.definition.hash, call.milestone, call.op)) or self._bind(call)
        if bound is None:
            return Uncallable("handler_missing", f"{_handler_of(call)!r} is not registered in this process")
        call.stoppable = bound.handler.is_async
        if bound.input.is_plain and call.op == DO:
            return self._call(bound.handler, call, Context(call, self._curator, NOT_READ))  # plain JSON always reads
        try:
            return self._call(bound.handler, call, *self._arguments(call, bound))
        except CannotDecode as error:
            return Uncallable("cannot_decode", str(error))

    def _bind(self, call: Call) -> _Bound | None:
        """What a call of this milestone needs, looked up once."""
        definition = call.state.definition
        handler = self._curator.get(_handler_of(call) or "")
        if handler is None:
            return None
        bound = _Bound(
            handler,
            self._curator.input_shape(definition, handler),
            self._curator.result_shape(definition, call.milestone),
        )
        self._bound[definition.hash, call.milestone, call.op] = bound
        return bound

    def _arguments(self, call: Call, bound: _Bound) -> tuple[Any, ...]:
        state, given = call.state, NOT_READ
        if not bound.input.is_plain:
            given = bound.input.load(state.input_of(call.milestone), "the stored input")
        context: Context[Any] = Context(call, self._curator, given)
        if call.op == DO:
            return (context,)
        result = state.milestones[call.milestone].result
        return (context, None if result is None else bound.result.load(result, "the stored result"))

    async def _call(self, handler: Handler, call: Call, *arguments: Any) -> Answered:
        try:
            if handler.is_async:
                value = await handler.fn(*arguments)
            else:
                value = await self._threads[call.op].run(lambda: handler.fn(*arguments))
        except Refused as no:
            return No(_text(no.reason))
        except Working as later:
            return StillWorking(_seconds(later.retry_in))
        except Misconfigured as away:
            return TurnedAway(_text(away.reason))
        except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise  # the loop's own
        except BaseException as error:  # noqa: BLE001 - this is where every surprise becomes "unknown"
            return Unknown(describe_error(error))
        return _recorded(handler, value, call) if call.op == DO else Ok(None, call.emitted)


@dataclass(slots=True)
class _Bound:
    handler: Handler
    input: Shape
    result: Shape


def _handler_of(call: Call) -> str | None:
    spec = call.state.definition.milestones[call.milestone]
    return spec.action if call.op == DO else spec.undo


def _recorded(handler: Handler, value: object, call: Call) -> Answered:
    """The result as JSON. What cannot be recorded is unknown: the action was done, and asking again gives the same."""
    try:
        return Ok(handler.result.dump_result(value, "result"), call.emitted)
    except Exception as error:  # noqa: BLE001 - InvalidInput, NotJson, or what the type's own code raises
        why = _text(error) if isinstance(error, SagaJourneyError) else describe_error(error)
        return Unknown(f"{handler.name} was called, but its result cannot be recorded: {why}", exhausted=True)


def describe_error(error: BaseException) -> str:
    """An error in one line that every store can keep."""
    text = _text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(said: object) -> str:
    try:
        return printable(str(said))
    except Exception:  # noqa: BLE001 - its own __str__ may fail as well
        return ""


def _seconds(said: object) -> float:
    """When to ask again; what is no time means the default."""
    return float(said) if isinstance(said, int | float) and not math.isnan(said) else Working().retry_in
