"""Ordered journeys: design, execute, advance, ask. The saga orchestrator is this, with compensation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Required, TypedDict

from saga_journey.core.definition import JourneyDefinition, JourneyKind
from saga_journey.core.design import design
from saga_journey.errors import InvalidInput, UnknownJourney
from saga_journey.runs import Run, Runs, UserContext, tenant_of


class StepResult(TypedDict, total=False):
    """What a milestone's outcome is, said from outside."""

    milestone_id: str
    """May be left out when exactly one milestone waits."""
    outcome: Required[str]
    """"ok", "refused" or "unknown"."""
    result: Any
    reason: str
    expected_attempt: int


class DesignedJourney(TypedDict):
    """A stored definition, ready to be executed."""

    journey_id: str
    journey_type: str
    version: int
    hash: str
    definition: JourneyDefinition


class StructuredJourneyOrchestrator:
    """Journeys whose milestones come in a fixed order; on failure they wait for a person."""

    kind: JourneyKind = "structured"

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def design_journey(
        self,
        journey_type: str,
        requirements: Mapping[str, Any],
        compensation_handlers: Mapping[str, str | None] | None = None,
        user_context: UserContext | None = None,
        *,
        kind: JourneyKind = "structured",
    ) -> DesignedJourney:
        """Checks a request and stores its definition by hash; the same request again gives the same journey.

        Raises DefinitionError with every problem at once (see `core.design.design` for the shape of a request).
        """
        wanted = {"kind": kind, **requirements}
        undos = compensation_handlers or {}
        if kind == "structured":
            wanted, undos = _by_hand(wanted, undos)
        definition = design(journey_type, wanted, undos, known_handlers=list(self._runs.curator))
        number = await self._runs.store.tenant(tenant_of(user_context))
        stored = await self._runs.store.save_definition(number, definition)
        return DesignedJourney(
            journey_id=f"jrn_{stored}_{definition.hash[:12]}",
            journey_type=definition.name,
            version=definition.version,
            hash=definition.hash,
            definition=definition,
        )

    async def execute_journey(
        self,
        journey_id: str,
        user_id: str | None,
        context: Any,
        user_context: UserContext | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> str:
        """Starts a run of a designed journey with `context` as its input; returns its id. Durable when it returns."""
        definition = await self.definition_of(journey_id, user_context)
        who: UserContext = {**(user_context or {})}
        if user_id is not None:
            who["user_id"] = user_id
        run = await self._runs.start(definition, context, key=idempotency_key, who=who)
        return run.saga_id

    async def advance_journey_step(
        self, saga_id: str, user_id: str | None, step_result: StepResult, user_context: UserContext | None = None
    ) -> dict[str, Any]:
        """Says the outcome of a milestone that waits. Raises Rejected `not_waiting`, `not_waiting_yet` or `stale`."""
        _check(step_result)
        who: UserContext = {**(user_context or {})}
        if user_id is not None:
            who["user_id"] = user_id
        answer = await self._runs.run(saga_id, who).advance(
            step_result.get("milestone_id"),
            step_result.get("result"),
            outcome=step_result["outcome"],
            reason=step_result.get("reason"),
            expected_attempt=step_result.get("expected_attempt"),
        )
        return {"saga_id": saga_id, **asdict(answer)}

    async def get_journey_status(self, saga_id: str, user_context: UserContext | None = None) -> dict[str, Any]:
        """The run as it stands (the fields of `RunView`)."""
        return asdict(await self.run(saga_id, user_context).status())

    def run(self, saga_id: str, user_context: UserContext | None = None) -> Run:
        return self._runs.run(saga_id, user_context)

    async def definition_of(self, journey_id: str, user_context: UserContext | None = None) -> JourneyDefinition:
        """Raises UnknownJourney for an id that `design` never gave to this tenant."""
        if not isinstance(journey_id, str):
            raise UnknownJourney(journey_id)
        number, _, digest = journey_id.removeprefix("jrn_").partition("_")
        if not journey_id.startswith("jrn_") or not number.isdecimal() or len(number) > 18 or not digest:
            raise UnknownJourney(journey_id)
        tenant = await self._runs.store.tenant(tenant_of(user_context))
        definition = await self._runs.store.definition_for(tenant, int(number))
        if definition is None or not definition.hash.startswith(digest):
            raise UnknownJourney(journey_id)
        return definition


def _check(step_result: object) -> None:
    """A typing error is no success: every field must be known, and the outcome said."""
    known = ", ".join(sorted(StepResult.__annotations__))
    if not isinstance(step_result, Mapping):
        raise InvalidInput(f"step_result is a {type(step_result).__name__}: it is an object with {known}")
    if strange := sorted(str(name) for name in set(step_result) - set(StepResult.__annotations__)):
        raise InvalidInput(f"step_result has {', '.join(strange)}: it has {known}")
    if "outcome" not in step_result:
        raise InvalidInput("step_result has no outcome: it is 'ok', 'refused' or 'unknown'")


def _by_hand(
    wanted: Mapping[str, Any], undos: Mapping[str, str | None]
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """A structured journey is undone by hand, so a milestone need not say how: silence means None there."""
    said = dict(undos)
    for row in wanted.get("milestones", ()):
        if isinstance(row, Mapping) and "undo" not in row:
            name = row.get("id") or row.get("milestone_id") or row.get("action")
            if isinstance(name, str) and not {name, row.get("action")} & said.keys():
                said[name] = None
    return dict(wanted), said
