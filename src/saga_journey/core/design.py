"""The second door: a journey definition out of a request (HTTP, CLI, templates), all its problems in one error."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saga_journey.core.canonical import encode
from saga_journey.core.definition import (
    ACTION_RETRY,
    ONE_CALL,
    UNDO_RETRY,
    JourneyDefinition,
    JourneyKind,
    Milestone,
    MilestoneKind,
    OnStuckUndo,
    Retry,
)
from saga_journey.errors import DefinitionError, NotJson


class _Request(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


class RetryRequest(_Request):
    """A retry policy as JSON; what is left out stays at the default of its kind."""

    attempts: int | None = None
    first: float | None = None
    factor: float | None = None
    most: float | None = None
    lost: int | None = None

    def over(self, default: Retry) -> Retry:
        return Retry(**{**asdict(default), **self.model_dump(exclude_none=True)})


class MilestoneRequest(_Request):
    """A milestone as JSON. `id` names the action too when `action` is left out; `undo: null` says "nothing to undo"."""

    id: str
    action: str | None = None
    undo: str | None = None
    kind: MilestoneKind = "action"
    timeout: float = 60.0
    undo_timeout: float = 60.0
    within: float | None = None
    retry: RetryRequest | None = None
    undo_retry: RetryRequest = Field(default_factory=RetryRequest)
    pivot: bool = False
    optional: bool = False
    at_most_once: bool = False
    params: Any = None
    next_steps: list[str] = Field(default_factory=list)

    def says_undo(self) -> bool:
        return "undo" in self.model_fields_set

    def build(self) -> Milestone:
        """Raises NotJson when the params cannot be recorded."""
        return Milestone(
            id=self.id,
            action=self.action or (self.id if self.kind == "action" else None),
            undo=self.undo,
            kind=self.kind,
            timeout=self.timeout,
            undo_timeout=self.undo_timeout,
            within=self.within,
            retry=self._retry(),
            undo_retry=self.undo_retry.over(UNDO_RETRY),
            pivot=self.pivot,
            optional=self.optional,
            at_most_once=self.at_most_once,
            params=None if self.params is None else encode(self.params, f"milestone {self.id!r}: params"),
        )

    def _retry(self) -> Retry:
        if self.retry is None:
            return ONE_CALL if self.at_most_once else ACTION_RETRY
        return self.retry.over(ACTION_RETRY)


class JourneyRequest(_Request):
    """A journey as JSON; what `plain(definition)` writes, this reads."""

    version: int = 1
    kind: JourneyKind = "saga"
    deadline: float | None = None
    on_stuck_undo: OnStuckUndo = "stop"
    milestones: list[MilestoneRequest]


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
) -> JourneyDefinition:
    """The definition that a request describes, or one `DefinitionError` with every problem of it.

    `requirements` has the fields of `JourneyRequest`. `compensation_handlers` maps a milestone (its id or its action)
    to the name of its undo, or to None for "nothing to undo"; a milestone that has neither an undo there, nor `undo`
    of its own, nor the pivot at or before it, is a problem. `known_handlers` are the names that can be called; None
    leaves that question open.
    """
    try:
        request = JourneyRequest.model_validate(_with_undos(requirements, compensation_handlers))
    except ValidationError as error:
        raise DefinitionError(journey_type, [_sentence(dict(e)) for e in error.errors()]) from None
    found = _unused_undos(compensation_handlers, request.milestones)
    request.milestones = _in_order(request.milestones, found)
    found += _silent_undos(request.milestones)
    if known_handlers is not None:
        found += _unknown_handlers(request.milestones, known_handlers)
    return _build(journey_type, request, found)


def _build(name: str, request: JourneyRequest, found: list[str]) -> JourneyDefinition:
    milestones = []
    for m in request.milestones:
        try:
            milestones.append(m.build())
        except NotJson as error:
            found.append(str(error))
    try:
        options = request.model_dump(exclude={"version", "milestones"})
        definition = JourneyDefinition(name, request.version, tuple(milestones), **options)
    except DefinitionError as error:
        known = [p for p in error.problems if milestones or not found or "no milestones" not in p]
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
    if "milestone_id" in row:
        row.setdefault("id", row.pop("milestone_id"))
    if "action" in row:
        row.setdefault("id", row["action"])
    for key in (row.get("id"), row.get("action")):
        if isinstance(key, str) and key in undos:
            row.setdefault("undo", undos[key])
    return row


def _sentence(error: dict[str, Any]) -> str:
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".") or "requirements"
    known = set(JourneyRequest.model_fields) | set(MilestoneRequest.model_fields) | set(RetryRequest.model_fields)
    if error["type"] == "extra_forbidden":
        return f"{place} is not a field{did_you_mean(error['loc'][-1], known)}"
    return f"{place}: {error['msg']}"


def _silent_undos(milestones: Sequence[MilestoneRequest]) -> list[str]:
    found = []
    for m in milestones:
        if m.pivot:
            break  # at and after the pivot there is no way back, so nothing has to be said
        if not m.says_undo():
            found.append(
                f"milestone {m.id!r} has no undo: name its handler in compensation_handlers, "
                "or say None there when there is nothing to undo"
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


def _in_order(milestones: list[MilestoneRequest], found: list[str]) -> list[MilestoneRequest]:
    """The order that `next_steps` gives, when any milestone has them; the order of the list otherwise."""
    by_id = {m.id: m for m in milestones}
    following = {m.id: m.next_steps for m in milestones if m.next_steps}
    before = len(found)
    for name, steps in following.items():
        found += [
            f"milestone {name!r} goes on to {step!r}, which does not exist" for step in steps if step not in by_id
        ]
        if len(steps) > 1:
            found.append(f"milestone {name!r} has {len(steps)} next steps: a journey is a line, so there is one")
    if not following or len(found) > before or len(by_id) < len(milestones):
        return milestones
    return _line(milestones, following, by_id, found)


def _line(
    milestones: list[MilestoneRequest],
    following: Mapping[str, list[str]],
    by_id: Mapping[str, MilestoneRequest],
    found: list[str],
) -> list[MilestoneRequest]:
    targets = {steps[0] for steps in following.values()}
    at: str | None = next((m.id for m in milestones if m.id not in targets), milestones[0].id)
    line: dict[str, MilestoneRequest] = {}
    while at is not None and at not in line:
        line[at] = by_id[at]
        at = following[at][0] if at in following else None
    if at is not None:
        found.append(f"next_steps run in a circle: {' -> '.join([*line, at])}")
    if left := [repr(name) for name in by_id if name not in line]:
        found.append(f"no path of next_steps reaches {', '.join(left)}")
    return list(line.values()) if len(line) == len(milestones) else milestones


def did_you_mean(name: object, known: Collection[str]) -> str:
    """ " (did you mean 'x'?)", or nothing when no known name comes near."""
    close = difflib.get_close_matches(str(name), known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
