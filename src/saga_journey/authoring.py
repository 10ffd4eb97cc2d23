"""What users write: a saga is a declared value. Order and pairs stand on one screen, and importing it runs nothing.

checkout = Saga("checkout", version=1, input=Order, milestones=[
    milestone(reserve_stock, undo=release_stock),
    milestone(charge_card, undo=refund_card, retry=Retry(attempts=5), timeout=10),
    milestone(send_receipt, undo=None),
])
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, Unpack, cast, overload

from saga_journey.core.canonical import Json, encode
from saga_journey.core.definition import (
    ACTION_RETRY,
    ONE_CALL,
    UNDO_RETRY,
    JourneyDefinition,
    JourneyKind,
    Milestone,
    OnStuckUndo,
    Retry,
)
from saga_journey.errors import DefinitionError, NotJson
from saga_journey.handlers.context import Context
from saga_journey.handlers.curator import Curator, JourneyTypes, handler_name
from saga_journey.handlers.types import UNDECLARED, shape_of

I = TypeVar("I")  # noqa: E741 - the input type of a saga
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class MilestoneOf(Generic[I, R]):
    """A milestone as written: its names and policies, and the functions they mean. `ctx.result(it)` is typed."""

    id: str
    spec: Milestone | None
    handlers: Mapping[str, Callable[..., Any]]
    result: Any = UNDECLARED
    problems: tuple[str, ...] = ()

    def __result__(self) -> R:
        raise TypeError("only type checkers ask a milestone for its result; use ctx.result(milestone)")


class Policy(TypedDict, total=False):
    """What may be said of a milestone beside its action and undo. Times are in seconds."""

    id: str
    """Its name in the definition; the action's name when left out."""
    name: str
    """The action's handler name, when two functions share a `__name__`."""
    undo_name: str
    """The undo's handler name, likewise."""
    params: Any
    """Its own data (JSON), for milestones made in a loop: `ctx.params`."""
    retry: Retry
    """How often the action is attempted: 4 times over about a minute by default."""
    undo_retry: Retry
    """How often the undo is attempted: 20 times over about two hours by default."""
    timeout: float
    """One attempt of the action; 60 by default."""
    undo_timeout: float
    """One attempt of the undo; 60 by default."""
    within: float | None
    """The whole milestone, from its first intent: queueing and backoff included. No limit by default."""
    pivot: bool
    """After it there is no way back: what follows is only retried."""
    optional: bool
    """Its failure does not stop the saga."""
    at_most_once: bool
    """One call, whatever happens; excludes `retry`."""


@overload
def milestone(
    action: Callable[[Context[I]], Awaitable[R]],
    *,
    undo: Callable[[Context[I], R | None], Awaitable[None]] | Callable[[Context[I], R | None], None] | None,
    **policy: Unpack[Policy],
) -> MilestoneOf[I, R]: ...
@overload
def milestone(
    action: Callable[[Context[I]], R],
    *,
    undo: Callable[[Context[I], R | None], Awaitable[None]] | Callable[[Context[I], R | None], None] | None,
    **policy: Unpack[Policy],
) -> MilestoneOf[I, R]: ...
def milestone(
    action: Callable[..., Any], *, undo: Callable[..., Any] | None, **policy: Unpack[Policy]
) -> MilestoneOf[Any, Any]:
    """An action and what undoes it. `undo=None` says out loud that there is nothing to undo.

    The undo receives the action's result, or None when nobody knows what the action did: then it looks up by
    `ctx.action_key`. What is wrong with a milestone is told by `Saga(...)`, all of it at once.
    """
    names = {key: policy.pop(key, None) for key in ("id", "name", "undo_name", "params")}  # type: ignore[misc]
    if policy.get("at_most_once"):
        policy.setdefault("retry", ONE_CALL)
    handlers = (action, names["name"]), (undo, names["undo_name"])
    return _written(names["id"], *handlers, names["params"], dict(policy))


def external(
    id: str,
    *,
    undo: Callable[[Context[I], R | None], Awaitable[None]] | Callable[[Context[I], R | None], None] | None,
    timeout: float,
    result: type[R] | None = None,
    request: Callable[[Context[I]], Any] | None = None,
    undo_timeout: float = 60.0,
    within: float | None = None,
    retry: Retry = ACTION_RETRY,
    undo_retry: Retry = UNDO_RETRY,
    params: Any = None,
    pivot: bool = False,
    optional: bool = False,
) -> MilestoneOf[I, R]:
    """A milestone that somebody else completes, by `advance`: an approval, a partner's callback.

    `request` asks for it, after the intent is recorded; `timeout` is the whole wait in seconds; `result` is the type
    of the answer.
    """
    options: dict[str, Any] = {
        "kind": "external",
        "retry": retry,
        "undo_retry": undo_retry,
        "timeout": timeout,
        "undo_timeout": undo_timeout,
        "within": within,
        "pivot": pivot,
        "optional": optional,
    }
    return _written(id, (request, None), (undo, None), params, options, UNDECLARED if result is None else result)


def _written(
    id: str | None,
    action: tuple[Callable[..., Any] | None, str | None],
    undo: tuple[Callable[..., Any] | None, str | None],
    params: Any,
    options: dict[str, Any],
    result: Any = UNDECLARED,
) -> MilestoneOf[Any, Any]:
    handlers: dict[str, Callable[..., Any]] = {}
    problems: list[str] = []
    names = [_name(fn, given, handlers, problems) for fn, given in (action, undo)]
    shown = id or names[0] or "?"
    recorded = _params(shown, params, problems)
    if problems:
        return MilestoneOf(shown, None, handlers, result, tuple(problems))
    return MilestoneOf(shown, Milestone(shown, names[0], names[1], params=recorded, **options), handlers, result)


def _name(
    fn: Callable[..., Any] | None, given: str | None, handlers: dict[str, Callable[..., Any]], problems: list[str]
) -> str | None:
    if fn is None:
        return None
    try:
        name = given or handler_name(fn)
    except DefinitionError as error:
        problems += error.problems
        return None
    if handlers.setdefault(name, fn) != fn:
        problems.append(f"action and undo share the handler name {name!r}: give one of them name= or undo_name=")
    return name


def _params(shown: str, params: Any, problems: list[str]) -> Json | None:
    try:
        return None if params is None else encode(params, f"milestone {shown!r}: params")
    except NotJson as error:
        problems.append(str(error))
        return None


class Journey(Generic[I]):
    """A declared journey: a core definition, and the functions and types it names."""

    kind: JourneyKind

    def __init__(
        self,
        name: str,
        *,
        version: int,
        milestones: Sequence[MilestoneOf[I, Any]],
        input: type[I] | None = None,
        deadline: float | None = None,
        on_stuck_undo: OnStuckUndo = "stop",
    ) -> None:
        """Raises DefinitionError with every problem of the definition at once."""
        self.name = name
        found = [problem for m in milestones for problem in m.problems]
        handlers = _handlers(milestones, found)
        specs = tuple(m.spec for m in milestones if m.spec is not None)
        try:
            self.definition = JourneyDefinition(name, version, specs, self.kind, deadline, on_stuck_undo)
        except DefinitionError as error:
            known = [p for p in error.problems if specs or not found or "no milestones" not in p]
            raise DefinitionError(name, [*found, *known]) from None
        self._curate(handlers, found, milestones, input)
        if found:
            raise DefinitionError(name, found)

    def _curate(
        self,
        handlers: Mapping[str, Callable[..., Any]],
        found: list[str],
        milestones: Sequence[MilestoneOf[I, Any]],
        input: type[I] | None,
    ) -> None:
        self.handlers = handlers
        trial = Curator()
        for name, fn in handlers.items():
            try:
                trial.register(fn, name)
            except DefinitionError as error:
                found += error.problems
        try:
            results = {m.id: shape_of(m.result) for m in milestones if m.result is not UNDECLARED}
            self._types = JourneyTypes(shape_of(cast(Any, input)), results) if input is not None else None
            self._results = results
        except TypeError as error:
            found.append(str(error))

    def register_in(self, curator: Curator) -> None:
        """Binds the names of this journey to its functions there."""
        for name, fn in self.handlers.items():
            curator.register(fn, name)
        if self._types is not None or self._results:
            curator.declare(self.name, self._types or JourneyTypes(None, self._results))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, version={self.definition.version})"


class Saga(Journey[I]):
    """A journey that finishes, or undoes itself."""

    kind: JourneyKind = "saga"


class Structured(Journey[I]):
    """A journey in a fixed order that waits for a person when a milestone fails; nothing is undone by itself."""

    kind: JourneyKind = "structured"


def _handlers(milestones: Sequence[MilestoneOf[Any, Any]], found: list[str]) -> dict[str, Callable[..., Any]]:
    handlers: dict[str, Callable[..., Any]] = {}
    for m in milestones:
        for name, fn in m.handlers.items():
            if handlers.setdefault(name, fn) != fn:
                found.append(f"two functions share the handler name {name!r}: give one of them name= (or undo_name=)")
    return handlers
