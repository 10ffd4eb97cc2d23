"""From a request to a stored journey: a template is filled, children are found, and everything is checked at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from saga_journey.core.definition import JourneyDefinition, JourneyKind, plain
from saga_journey.core.design import design
from saga_journey.errors import DefinitionError, UnknownJourney, UnknownJourneyType, did_you_mean
from saga_journey.handlers.conditions import problem_with_condition
from saga_journey.journey_templates import read_template, template_names
from saga_journey.runs import Runs, UserContext, tenant_of


class DesignedJourney(TypedDict):
    """A stored definition, ready to be executed."""

    journey_id: str
    journey_type: str
    version: int
    hash: str
    definition: JourneyDefinition


class Customization(TypedDict, total=False):
    """What is to be different in a new version of a journey."""

    version: int
    """The next one when left out."""
    deadline: float | None
    on_stuck_undo: str
    milestones: Mapping[str, Mapping[str, Any]]
    """By milestone: the fields of `MilestoneRequest` that change."""
    without: Sequence[str]
    """Milestones that are left out."""


class Designs:
    """The designed journeys of a store. Holds no state."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def design(
        self,
        journey_type: str,
        requirements: Mapping[str, Any],
        undos: Mapping[str, str | None],
        who: UserContext | None,
        kind: JourneyKind,
    ) -> DesignedJourney:
        """Raises DefinitionError with every problem, UnknownJourneyType for requirements without milestones."""
        return await self._stored(await self._checked(journey_type, requirements, undos, who, kind), who)

    async def _checked(
        self,
        journey_type: str,
        requirements: Mapping[str, Any],
        undos: Mapping[str, str | None],
        who: UserContext | None,
        kind: JourneyKind,
    ) -> JourneyDefinition:
        if not isinstance(requirements, Mapping):
            problem = f"requirements is a {type(requirements).__name__}: it is an object with milestones"
            raise DefinitionError(journey_type, [problem])
        request = requirements if "milestones" in requirements else _from_template(journey_type, requirements)
        request = {"kind": kind, **request}
        if kind == "structured":
            request, undos = _by_hand(request, undos)
        request = await self._with_children(journey_type, request, who)
        definition = design(
            journey_type,
            request,
            undos,
            known_handlers=list(self._runs.curator),
            problem_with_condition=problem_with_condition,
        )
        if definition.kind != kind:
            raise DefinitionError(
                journey_type, [f"kind is {definition.kind!r}: it is designed as a {kind} journey here"]
            )
        return definition

    async def customized(self, journey_id: str, wanted: Customization, who: UserContext | None) -> DesignedJourney:
        """The same journey with some things different, as a new version. Raises DefinitionError with every problem."""
        old = await self.of(journey_id, who)
        request = {**plain(old), "version": wanted.get("version", old.version + 1)}
        request.pop("name")
        request.update({key: value for key, value in wanted.items() if key in ("deadline", "on_stuck_undo")})
        found = _strangers(old, wanted)
        request["milestones"] = _changed(request["milestones"], wanted)
        try:
            definition = await self._checked(old.name, request, {}, who, old.kind)
        except DefinitionError as error:
            raise DefinitionError(old.name, [*found, *error.problems]) from None
        if found:
            raise DefinitionError(old.name, found)
        return await self._stored(definition, who)

    async def of(self, journey_id: str, who: UserContext | None = None) -> JourneyDefinition:
        """Raises UnknownJourney for an id that `design` never gave to this tenant."""
        if not isinstance(journey_id, str):
            raise UnknownJourney(journey_id)
        number, _, digest = journey_id.removeprefix("jrn_").partition("_")
        if not journey_id.startswith("jrn_") or not number.isdecimal() or len(number) > 18 or not digest:
            raise UnknownJourney(journey_id)
        tenant = await self._runs.store.tenant(tenant_of(who))
        definition = await self._runs.store.definition_for(tenant, int(number))
        if definition is None or not definition.hash.startswith(digest):
            raise UnknownJourney(journey_id)
        return definition

    async def of_run(self, saga_id: str, who: UserContext | None = None) -> JourneyDefinition:
        """The definition that a run is pinned to. Raises UnknownSaga."""
        record = await self._runs.record(saga_id, who)
        return await self._runs.store.definition(record.definition)

    async def _stored(self, definition: JourneyDefinition, who: UserContext | None) -> DesignedJourney:
        tenant = await self._runs.store.tenant(tenant_of(who))
        number = await self._runs.store.save_definition(tenant, definition)
        return DesignedJourney(
            journey_id=f"jrn_{number}_{definition.hash[:12]}",
            journey_type=definition.name,
            version=definition.version,
            hash=definition.hash,
            definition=definition,
        )

    async def _with_children(
        self, journey_type: str, request: Mapping[str, Any], who: UserContext | None
    ) -> dict[str, Any]:
        """A milestone names the journey it runs by its `journey_id`; the definition pins what that is."""
        found: list[str] = []
        rows = request.get("milestones")
        steps = await self._with_child(rows, who, found)
        if found:
            raise DefinitionError(journey_type, found)
        return {**request, "milestones": steps}

    async def _with_child(self, row: Any, who: UserContext | None, found: list[str]) -> Any:
        if _is_list(row):
            return [await self._with_child(one, who, found) for one in row]
        if isinstance(row, Mapping) and "parallel" in row:
            return {**row, "parallel": await self._with_child(row["parallel"], who, found)}
        if not isinstance(row, Mapping) or "journey_id" not in row:
            return row
        try:
            child = await self.of(row["journey_id"], who)
        except UnknownJourney as error:
            found.append(f"milestone {row.get('id')!r}: {error}")
            return row
        pinned = {"name": child.name, "version": child.version, "hash": child.hash, "pivot": child.pivot is not None}
        said = {key: value for key, value in row.items() if key != "journey_id"}
        return {"kind": "child", **said, "child": pinned}


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _from_template(journey_type: str, requirements: Mapping[str, Any]) -> Mapping[str, Any]:
    known = template_names()
    if journey_type not in known:
        raise UnknownJourneyType(journey_type, known, did_you_mean(journey_type, known))
    return read_template(journey_type).fill(requirements)


def _strangers(old: JourneyDefinition, wanted: Customization) -> list[str]:
    named = [*wanted.get("milestones", {}), *wanted.get("without", ())]
    found = [
        f"{name!r} is no milestone of it{did_you_mean(name, old.index)}" for name in named if name not in old.index
    ]
    known = Customization.__annotations__
    return found + [f"{key} cannot be customized{did_you_mean(key, known)}" for key in wanted if key not in known]


def _changed(rows: Sequence[Any], wanted: Customization) -> list[Any]:
    """The steps with their changes; what an undo is not said of stays without one, out loud."""
    changed: list[Any] = []
    for row in rows:
        if "parallel" in row:
            branches = [_changed(branch, wanted) for branch in row["parallel"]]
            changed.append({"parallel": [branch for branch in branches if branch]})
        elif row["id"] not in wanted.get("without", ()):
            changed.append({"undo": None, **row, **wanted.get("milestones", {}).get(row["id"], {})})
    return changed


def _by_hand(
    wanted: Mapping[str, Any], undos: Mapping[str, str | None]
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """A structured journey is undone by hand, so a milestone need not say how: silence means None there."""
    said = dict(undos)
    for row in _rows(wanted.get("milestones", ())):
        if "undo" not in row:
            name = row.get("id") or row.get("milestone_id") or row.get("action")
            if isinstance(name, str) and not {name, row.get("action")} & said.keys():
                said[name] = None
    return dict(wanted), said


def _rows(steps: Any) -> list[Mapping[str, Any]]:
    """The milestones of a request, those of all blocks, too; what is none is left for the model to refuse."""
    if isinstance(steps, Mapping):
        return _rows(steps["parallel"]) if "parallel" in steps else [steps]
    return [row for step in steps for row in _rows(step)] if _is_list(steps) else []
