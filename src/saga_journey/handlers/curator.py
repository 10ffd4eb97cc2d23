"""The Curator: which function a handler name means. A definition holds names; this binds them to code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saga_journey.core.definition import NAME, JourneyDefinition
from saga_journey.errors import DefinitionError
from saga_journey.handlers.types import PLAIN, UNDECLARED, Shape, input_type, result_type, shape_of, undo_argument_type

HandlerFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Handler:
    """One handler: its function, whether it is `async def`, and the types it declares."""

    name: str
    fn: HandlerFunction
    is_async: bool
    result: Shape
    input: Shape
    undo_argument: Shape


@dataclass(frozen=True, slots=True)
class JourneyTypes:
    """What the authoring API declares beside a definition: types do not change its hash."""

    input: Shape | None
    """None: what each handler's own annotation says."""
    results: Mapping[str, Shape]


class Curator:
    """Binds names to handlers. Register everything before the journeys open; then it only answers."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._names: dict[HandlerFunction, str] = {}
        self._types: dict[str, JourneyTypes] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._handlers

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def register(self, fn: HandlerFunction, name: str | None = None) -> str:
        """Makes a function callable by name (its own `__name__` by default); the same pair twice is fine.

        Raises DefinitionError for a lambda, a partial, a name that is taken, or annotations that do not resolve.
        """
        name = name or handler_name(fn)
        known = self._handlers.get(name)
        if known is not None and known.fn != fn:
            raise DefinitionError(name, [f"two functions share the handler name {name!r}: give one of them name=…"])
        if known is None:
            self._handlers[name] = describe(name, fn)
            self._names.setdefault(fn, name)
        return name

    def register_object(self, name: str, thing: object) -> list[str]:
        """Makes the public methods of an object callable as `name.method`; returns those names."""
        found = []
        for method, fn in inspect.getmembers(thing, inspect.isroutine):
            if not method.startswith("_"):
                found.append(self.register(fn, f"{name}.{method}"))
        return found

    def declare(self, journey: str, types: JourneyTypes) -> None:
        """The input and result types that a journey declares."""
        self._types[journey] = types

    def get(self, name: str) -> Handler | None:
        return self._handlers.get(name)

    def name_of(self, fn: HandlerFunction) -> str | None:
        return self._names.get(fn)

    def missing(self, definition: JourneyDefinition) -> tuple[str, ...]:
        """The handler names of a definition that nothing is registered under."""
        return tuple(name for name in definition.handlers() if name not in self._handlers)

    def input_shape(self, definition: JourneyDefinition, handler: Handler | None = None) -> Shape:
        """The type that a journey declares for its input, else what the handler's own annotation says."""
        declared = self._types.get(definition.name)
        if declared is not None and declared.input is not None:
            return declared.input
        return handler.input if handler is not None else PLAIN

    def result_shape(self, definition: JourneyDefinition, index: int) -> Shape:
        """The declared type of a milestone's result."""
        spec = definition.milestones[index]
        declared = self._types.get(definition.name)
        if declared is not None and spec.id in declared.results:
            return declared.results[spec.id]
        if spec.kind == "action" and spec.action in self._handlers:
            return self._handlers[spec.action].result
        if spec.undo in self._handlers:
            return self._handlers[spec.undo].undo_argument
        return PLAIN


def handler_name(fn: HandlerFunction) -> str:
    """A function's own name, when it can serve as a handler's. Raises DefinitionError when it cannot."""
    name = getattr(fn, "__name__", None)
    if name is None or not NAME.fullmatch(name):
        shown = name or type(fn).__name__
        raise DefinitionError(
            shown, [f"{shown} has no name that survives a restart (a lambda, a partial): write a def, or give name=…"]
        )
    return str(name)


def describe(name: str, fn: HandlerFunction) -> Handler:
    """A handler from its function; raises DefinitionError when its annotations cannot be used."""
    try:
        return Handler(
            name=name,
            fn=fn,
            is_async=inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None)),  # noqa: B004
            result=shape_of(result_type(fn)),
            input=shape_of(_lenient(input_type, fn)),
            undo_argument=shape_of(_lenient(undo_argument_type, fn)),
        )
    except TypeError as error:
        raise DefinitionError(name, [f"handler {name!r}: {error}"]) from None


def _lenient(read: Callable[[HandlerFunction], Any], fn: HandlerFunction) -> Any:
    """An annotation that is only a second source may stay unresolved (imported for type checkers only)."""
    try:
        return read(fn)
    except TypeError:
        return UNDECLARED
