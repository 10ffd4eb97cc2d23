"""The second door: a journey definition out of a request (HTTP, CLI, templates), all its problems in one error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.request import (
    ChildRequest,
    JourneyRequest,
    MilestoneRequest,
    ParallelRequest,
    RetryRequest,
    ToRequest,
    put_in_line,
)
from saga_journey.core.shape import Parallel, problems_of_conditions
from saga_journey.errors import DefinitionError, NotJson, did_you_mean


def from_plain(stored: Mapping[str, Any]) -> JourneyDefinition:
    """The definition that `plain()` wrote."""
    request = JourneyRequest.model_validate({k: v for k, v in stored.items() if k != "name"})
    return _build(stored["name"], request, [])


def design(
    journey_type: str,
    requirements: Mapping[str, Any],
    compensation_handlers: Mapping[str, str | None],
    *,
    known_handlers: Collection[str] | None = None,
    problem_with_condition: Callable[[str], str | None] | None = None,
) -> JourneyDefinition:
    """The definition that a request describes, or one `DefinitionError` with every problem of it.

    `requirements` has the fields of `JourneyRequest`. `compensation_handlers` maps a milestone (its id or its action)
    to the name of its undo, or to None for "nothing to undo"; a milestone that has neither an undo there, nor `undo`
    of its own, nor the pivot at or before it, is a problem. `known_handlers` are the names that can be called, and
    `problem_with_condition` says why a condition cannot be read; None leaves either question open.
    """
    for what, given in (("requirements", requirements), ("compensation_handlers", compensation_handlers)):
        if not isinstance(given, Mapping):
            raise DefinitionError(journey_type, [f"{what} is a {type(given).__name__}: it is an object"])
    try:
        request = JourneyRequest.model_validate(_with_undos(requirements, compensation_handlers))
    except ValidationError as error:
        raise DefinitionError(journey_type, [_sentence(dict(e)) for e in error.errors()]) from None
    every = request.every_milestone()
    found = _unused_undos(compensation_handlers, every)
    if len(every) == len(request.milestones):  # no block among them
        request.milestones = [*put_in_line(every)]
    found += _silent_undos(every)
    if known_handlers is not None:
        found += _unknown_handlers(every, known_handlers)
    if problem_with_condition is not None:
        for m in every:
            found += problems_of_conditions(m.id, m.steps(), problem_with_condition)
    return _build(journey_type, request, found)


def _build(name: str, request: JourneyRequest, found: list[str]) -> JourneyDefinition:
    steps: list[Milestone | Parallel] = []
    for step in request.milestones:
        try:
            steps.append(step.build())
        except NotJson as error:
            found.append(str(error))
    try:
        options = request.model_dump(exclude={"version", "milestones"})
        definition = JourneyDefinition(name, request.version, tuple(steps), **options)
    except DefinitionError as error:
        known = [p for p in error.problems if steps or not found or "no milestones" not in p]
        raise DefinitionError(name, [*found, *known]) from None
    if found:
        raise DefinitionError(name, found)
    return definition


def _with_undos(requirements: Mapping[str, Any], undos: Mapping[str, str | None]) -> dict[str, Any]:
    """The requirements with each undo written into its milestone; what is not an object is left for the model."""
    rows = requirements.get("milestones")
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return dict(requirements)
    return {**requirements, "milestones": [_with_undo(row, undos) for row in rows]}


def _with_undo(row: Any, undos: Mapping[str, str | None]) -> Any:
    if not isinstance(row, Mapping):
        return row
    row = dict(row)
    if isinstance(branches := row.get("parallel"), Sequence) and not isinstance(branches, str):
        return {**row, "parallel": [_with_undos_of_branch(branch, undos) for branch in branches]}
    if "milestone_id" in row:
        row.setdefault("id", row.pop("milestone_id"))
    if "action" in row:
        row.setdefault("id", row["action"])
    for key in (row.get("id"), row.get("action")):
        if isinstance(key, str) and key in undos:
            row.setdefault("undo", undos[key])
    return row


def _with_undos_of_branch(branch: Any, undos: Mapping[str, str | None]) -> Any:
    """A branch of one milestone may be written without its list."""
    if isinstance(branch, Sequence) and not isinstance(branch, str):
        return [_with_undo(row, undos) for row in branch]
    return [_with_undo(branch, undos)] if isinstance(branch, Mapping) else branch


_OURS = frozenset({"a milestone", "a block", "a name", "a choice"})  # how a union names its members in a place


def _sentence(error: dict[str, Any]) -> str:
    said = [p for p in error["loc"] if p not in _OURS]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in said).lstrip(".") or "requirements"
    known = {name for model in _MODELS for name in model.model_fields}
    if error["type"] == "extra_forbidden":
        return f"{place} is not a field{did_you_mean(error['loc'][-1], known)}"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{place}: an object is wanted"
    return f"{place}: {error['msg']}"


_MODELS = (JourneyRequest, MilestoneRequest, ParallelRequest, RetryRequest, ToRequest, ChildRequest)


def _silent_undos(milestones: Sequence[MilestoneRequest]) -> list[str]:
    found = []
    for m in milestones:
        if m.pivot:
            break  # at and after the pivot there is no way back, so nothing has to be said
        if not m.says_undo():
            found.append(
                f"milestone {m.id!r} has no undo: name its handler, in `undo` or in compensation_handlers, "
                "or say null (None) there when there is nothing to undo"
            )
    return found


def _unused_undos(undos: Mapping[str, str | None], milestones: Sequence[MilestoneRequest]) -> list[str]:
    names = {m.id for m in milestones} | {m.action for m in milestones if m.action}
    return [
        f"compensation_handlers names {key!r}, which is no milestone{did_you_mean(key, names)}"
        for key in undos
        if key not in names
    ]


def _unknown_handlers(milestones: Sequence[MilestoneRequest], known: Collection[str]) -> list[str]:
    called = [(m, op, name) for m in milestones for op, name in (("action", _action(m)), ("undo", m.undo)) if name]
    return [
        f"milestone {m.id!r}: {op} {name!r} is not registered{did_you_mean(name, known)}"
        for m, op, name in called
        if name not in known
    ]


def _action(m: MilestoneRequest) -> str | None:
    return m.action or (m.id if m.kind == "action" else None)
