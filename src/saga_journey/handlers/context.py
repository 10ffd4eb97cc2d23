"""What a handler is given: the saga it works for, the keys that make its effect happen once, what came before it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from pydantic_core import from_json

from saga_journey.core.canonical import Json, decode, encode
from saga_journey.core.events import DO, Op
from saga_journey.core.state import COMPLETED, SKIPPED, RunState
from saga_journey.errors import AmbiguousResult, NoResult

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from saga_journey.handlers.curator import Curator
    from saga_journey.ports import Call

I = TypeVar("I")  # noqa: E741 - the input type of a saga
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
D = TypeVar("D")


class HasResult(Protocol[R_co]):
    """A milestone object: it carries its result's type and its id."""

    @property
    def id(self) -> str: ...

    def __result__(self) -> R_co: ...


_MISSING: Any = object()
_log = logging.getLogger("saga_journey.handlers")


class Context(Generic[I]):
    """What a handler knows about the call it is in. Safe to use from the handler's own thread or task.

    `idempotency_key` is the same for every attempt of this call and differs between an action and its undo; send it to
    the participant. Inside an undo, `action_key` is the key its action used.
    """

    __slots__ = ("_call", "_curator", "_input")

    def __init__(self, call: Call, curator: Curator, input: Any) -> None:
        self._call = call
        self._curator = curator
        self._input = input

    @property
    def saga_id(self) -> str:
        return self._call.state.saga_id

    @property
    def milestone_id(self) -> str:
        return self._call.state.definition.milestones[self._call.milestone].id

    @property
    def attempt(self) -> int:
        """Counts from 1; a repeated attempt carries the same idempotency key."""
        return self._call.attempt

    @property
    def fence(self) -> int:
        """Grows with every call of the saga; a participant may refuse a smaller one."""
        return self._call.fence

    @property
    def deadline(self) -> float:
        """When the engine stops waiting for this call: seconds since the epoch, store time."""
        return self._call.deadline

    @property
    def tenant(self) -> str:
        return self._call.tenant

    @property
    def input(self) -> I:
        """The saga's input, in the revision that this milestone sees."""
        if self._input is _MISSING:
            self._input = from_json(self._call.state.input_of(self._call.milestone))
        value: I = self._input
        return value

    @property
    def params(self) -> Any:
        """The milestone's own data (`milestone(…, params=…)`); None when it has none."""
        params = self._call.state.definition.milestones[self._call.milestone].params
        return None if params is None else decode(params)

    @property
    def user_id(self) -> str | None:
        """Who started the saga."""
        return self._call.state.user

    @property
    def idempotency_key(self) -> str:
        """Unique for (saga, milestone, action or undo, revision of the input), the same in every attempt."""
        return call_key(self._call.state, self._call.milestone, self._call.op)

    @property
    def action_key(self) -> str:
        """The idempotency key of this milestone's action."""
        return call_key(self._call.state, self._call.milestone, DO)

    @property
    def action_known(self) -> bool:
        """Did the action end ok? Tells "it returned None" from "nobody knows" inside an undo."""
        return self._call.state.milestones[self._call.milestone].status is COMPLETED

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that carries saga_id, milestone_id and attempt."""
        extra = {"saga_id": self.saga_id, "milestone_id": self.milestone_id, "attempt": self.attempt}
        return logging.LoggerAdapter(_log, extra)

    @overload
    def result(self, of: HasResult[R]) -> R: ...
    @overload
    def result(self, of: Callable[[Context[Any]], Awaitable[R]]) -> R: ...
    @overload
    def result(self, of: Callable[[Context[Any]], R]) -> R: ...
    @overload
    def result(self, of: str) -> Any: ...
    @overload
    def result(self, of: HasResult[R], default: D) -> R | D: ...
    @overload
    def result(self, of: Callable[[Context[Any]], Awaitable[R]], default: D) -> R | D: ...
    @overload
    def result(self, of: Callable[[Context[Any]], R], default: D) -> R | D: ...
    @overload
    def result(self, of: str, default: object) -> Any: ...
    def result(self, of: Any, default: Any = _MISSING) -> Any:
        """What an earlier milestone returned: by its function, its milestone object or its id.

        Raises NoResult when it has none (skipped, not reached) and no default is given, AmbiguousResult when more than
        one milestone uses the function, CannotDecode when an older version of the code wrote it.
        """
        state = self._call.state
        index = self._index(of)
        m = state.milestones[index]
        if m.status not in (COMPLETED, SKIPPED) or (m.status is SKIPPED and m.result is None):
            if default is _MISSING:
                name = state.definition.milestones[index].id
                raise NoResult(f"milestone {name!r} is {m.status} and has no result: give a default if that is fine")
            return default
        return read_result(state, index, self._curator)

    def _index(self, of: Any) -> int:
        definition = self._call.state.definition
        name = getattr(of, "id", of)
        if isinstance(name, str):
            if name not in definition.index:
                raise NoResult(f"{name!r} is no milestone of {definition.name!r}")
            return definition.index[name]
        handler = self._curator.name_of(of)
        found = [i for i, m in enumerate(definition.milestones) if handler is not None and m.action == handler]
        if len(found) > 1:
            names = ", ".join(definition.milestones[i].id for i in found)
            raise AmbiguousResult(f"{handler!r} is the action of {names}: name the milestone by its object or id")
        if not found:
            raise NoResult(f"{getattr(of, '__name__', of)!r} is the action of no milestone of {definition.name!r}")
        return found[0]

    def emit(self, event_type: str, data: Any) -> None:
        """An event for the outside, published only if this attempt ends ok; `data` must be JSON (else NotJson)."""
        self._call.emitted += ((event_type, encode(data, f"event {event_type!r}")),)


def call_key(state: RunState, milestone: int, op: Op) -> str:
    """The idempotency key of an action or an undo. The attempt is not part of it; the input's revision is."""
    revision = state.milestones[milestone].revision
    tail = "" if revision == 1 else f"/r{revision}"
    return f"{state.saga_id}/{state.definition.milestones[milestone].id}/{op}{tail}"


def read_result(state: RunState, index: int, curator: Curator) -> Any:
    """A fresh copy of a milestone's result in its declared type; None when it returned nothing."""
    text: Json | None = state.milestones[index].result
    if text is None:
        return None
    name = state.definition.milestones[index].id
    return curator.result_shape(state.definition, index).load(text, f"the stored result of {name!r}")


NOT_READ = _MISSING
"""Given as a context's input when it is plain JSON: it is read when the handler asks for it."""
