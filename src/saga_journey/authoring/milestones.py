"""The steps of a journey as they are written: milestones, waits, children, and blocks that run side by side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, overload

from saga_journey.core.canonical import Json, encode
from saga_journey.core.definition import (
    ACTION_RETRY,
    ONE_CALL,
    UNDO_RETRY,
    ChildJourney,
    Effects,
    Milestone,
    Retry,
)
from saga_journey.core.shape import To
from saga_journey.errors import DefinitionError, NotJson
from saga_journey.handlers.context import Context
from saga_journey.handlers.curator import handler_name
from saga_journey.handlers.types import UNDECLARED

if TYPE_CHECKING:
    from saga_journey.authoring.journeys import Saga

I = TypeVar("I")  # noqa: E741 - the input type of a saga
R = TypeVar("R")
I_contra = TypeVar("I_contra", contravariant=True)  # a milestone that asks less of its input serves more sagas
R_co = TypeVar("R_co", covariant=True)
if TYPE_CHECKING:  # only they read it: `typing.TypeVar` knows defaults from Python 3.13 on
    from typing_extensions import TypeVar as TypeVarWithDefault

    J = TypeVarWithDefault("J", default=object)
    """The input type of a saga, where nothing may tell it: an external milestone that asks nobody."""
    S = TypeVarWithDefault("S", default=Any)
    """What somebody else says, where nothing may tell its type."""


@dataclass(frozen=True, eq=False)
class MilestoneOf(Generic[I_contra, R_co]):
    """A milestone as written: its names and policies, and the functions they mean. `ctx.result(it)` is typed."""

    id: str
    spec: Milestone | None
    handlers: Mapping[str, Callable[..., Any]]
    result: Any = UNDECLARED
    problems: tuple[str, ...] = ()
    child: Saga[Any] | None = None

    def __result__(self) -> R_co:
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
    """How often the action is attempted: 4 times by default, 7 s of waiting between them at most."""
    undo_retry: Retry
    """How often the undo is attempted: 20 times by default, 1 h 47 min of waiting between them at most."""
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
    next_steps: Sequence[To]
    """Where the journey goes on: `[to("express", when="input.total > 100"), to("standard")]`, the first that holds."""
    effects: Effects
    """What the action does to the world: reversible, compensable, irreversible or read_only. Read by the lint."""


@dataclass(frozen=True, eq=False)
class BlockOf(Generic[I_contra]):
    """A block as written: its branches run side by side."""

    branches: tuple[tuple[MilestoneOf[I_contra, Any], ...], ...]


def parallel(*branches: MilestoneOf[I, Any] | Sequence[MilestoneOf[I, Any]]) -> BlockOf[I]:
    """Milestones, or sequences of them, that run side by side; what follows waits for all of them.

    When one of them fails the others are stopped, and what was done is undone in the reverse order of its start.
    """
    return BlockOf(tuple((b,) if isinstance(b, MilestoneOf) else tuple(b) for b in branches))


def to(milestone: str | MilestoneOf[Any, Any], when: str | None = None) -> To:
    """Where a journey may go on: at a milestone that stands further on, or at the `"end"`.

    `when` is a condition in CEL over `input` and `results` (needs the extra `cel`), e.g. `"input.total > 100"`.
    """
    return To(milestone if isinstance(milestone, str) else milestone.id, when)


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
    options: dict[str, Any] = {**policy}
    names = {key: options.pop(key, None) for key in ("id", "name", "undo_name", "params")}
    if options.get("at_most_once"):
        options.setdefault("retry", ONE_CALL)
    handlers = (action, names["name"]), (undo, names["undo_name"])
    return _written(names["id"], *handlers, names["params"], options)


def external(
    id: str,
    *,
    undo: Callable[[Context[J], S | None], Awaitable[None]] | Callable[[Context[J], S | None], None] | None,
    timeout: float,
    result: type[S] | None = None,
    request: Callable[[Context[J]], Any] | None = None,
    undo_timeout: float = 60.0,
    within: float | None = None,
    retry: Retry = ACTION_RETRY,
    undo_retry: Retry = UNDO_RETRY,
    params: Any = None,
    pivot: bool = False,
    optional: bool = False,
    next_steps: Sequence[To] = (),
    effects: Effects | None = None,
) -> MilestoneOf[J, S]:
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
        "next_steps": next_steps,
        "effects": effects,
    }
    return _written(id, (request, None), (undo, None), params, options, UNDECLARED if result is None else result)


def timer(id: str, seconds: float, *, optional: bool = False) -> MilestoneOf[object, None]:
    """A milestone that is done when its time has passed, in store time: through restarts, and for months if need be."""
    options: dict[str, Any] = {"kind": "timer", "timeout": seconds, "optional": optional}
    return _written(id, (None, None), (None, None), None, options)


class ChildPolicy(TypedDict, total=False):
    """What may be said of a child beside its saga and its input, as of any milestone."""

    id: str | None
    within: float | None
    pivot: bool
    optional: bool
    next_steps: Sequence[To]


@overload
def child(saga: Saga[I], *, given: None = None, **policy: Unpack[ChildPolicy]) -> MilestoneOf[I, dict[str, Any]]: ...
@overload
def child(
    saga: Saga[I], *, given: MilestoneOf[Any, I], **policy: Unpack[ChildPolicy]
) -> MilestoneOf[object, dict[str, Any]]: ...
@overload
def child(saga: Saga[Any], *, given: str, **policy: Unpack[ChildPolicy]) -> MilestoneOf[object, dict[str, Any]]: ...
def child(
    saga: Saga[Any],
    *,
    id: str | None = None,
    given: str | MilestoneOf[Any, Any] | None = None,
    within: float | None = None,
    pivot: bool = False,
    optional: bool = False,
    next_steps: Sequence[To] = (),
) -> MilestoneOf[Any, dict[str, Any]]:
    """A milestone that is a saga of its own; its undo is the compensation of the finished child.

    The child's input is the journey's own, or the result of the milestone `given`. Its result is
    `{"saga_id": …, "results": {milestone: result}}`. `within` bounds it in seconds, and then undoes it. A saga with a
    pivot is a child only where the milestone itself is the pivot.
    """
    d = saga.definition
    options: dict[str, Any] = {
        "kind": "child",
        "child": ChildJourney(d.name, d.version, d.hash, d.pivot is not None),
        "given": given if given is None or isinstance(given, str) else given.id,
        "within": within,
        "pivot": pivot,
        "optional": optional,
        "next_steps": next_steps,
    }
    written = _written(id or saga.name, (None, None), (None, None), None, options)
    return replace(written, child=saga)


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
    options["next_steps"] = tuple(options.get("next_steps", ()))
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
