"""Ordered journeys: design, execute, advance, ask. The saga orchestrator is this, with compensation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Required, TypedDict

from saga_journey.core.commands import Answer
from saga_journey.errors import InvalidInput, UnknownJourneyType, did_you_mean
from saga_journey.journey_templates import read_template, template_names
from saga_journey.orchestrators.designs import Customization, DesignedJourney, Designs
from saga_journey.runs import Run, Runs, UserContext


class StepResult(TypedDict, total=False):
    """What a milestone's outcome is, said from outside."""

    milestone_id: str
    """May be left out when exactly one milestone waits."""
    outcome: Required[str]
    """"ok", "refused" or "unknown"."""
    result: Any
    reason: str
    expected_attempt: int
    next_step: str
    """Where the journey is to go on, one of the milestone's own next steps."""


class JourneyType(TypedDict):
    """What can be designed by name."""

    journey_type: str
    title: str
    description: str


class StructuredJourneyOrchestrator:
    """Journeys whose milestones come in a fixed order; on failure they wait for a person."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self.designs: Designs = Designs(runs)

    # --- designing ---

    async def get_available_journey_types(self, user_context: UserContext | None = None) -> list[JourneyType]:
        """What can be designed from a template, by name."""
        templates = [read_template(name) for name in template_names()]
        return [JourneyType(journey_type=t.name, title=t.title, description=t.description) for t in templates]

    async def get_journey_template(self, journey_type: str, user_context: UserContext | None = None) -> dict[str, Any]:
        """A template as JSON: its requirements as a JSON Schema, its journey, its handlers.

        Raises UnknownJourneyType, which names the nearest one.
        """
        known = template_names()
        if journey_type not in known:
            raise UnknownJourneyType(journey_type, known, did_you_mean(journey_type, known))
        return read_template(journey_type).plain()

    async def design_journey(
        self, journey_type: str, requirements: Mapping[str, Any], user_context: UserContext | None = None
    ) -> DesignedJourney:
        """Checks a request and stores its definition by hash; the same request again gives the same journey.

        `requirements` has the fields of `core.request.JourneyRequest`; or, without `milestones`, what the template
        `journey_type` requires. A milestone may run another designed journey: `{"id": …, "journey_id": "jrn_…"}`.
        Raises DefinitionError with every problem at once, UnknownJourneyType.
        """
        return await self.designs.design(journey_type, requirements, {}, user_context, "structured")

    async def customize_journey(
        self, journey_id: str, customizations: Customization, user_context: UserContext | None = None
    ) -> DesignedJourney:
        """A new version of a designed journey with some things different. Runs of the old one stay as they are.

        Raises UnknownJourney, and DefinitionError with every problem at once.
        """
        return await self.designs.customized(journey_id, customizations, user_context)

    # --- running ---

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
        definition = await self.designs.of(journey_id, user_context)
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
            next_step=step_result.get("next_step"),
        )
        return _told(saga_id, answer)

    async def get_journey_status(self, saga_id: str, user_context: UserContext | None = None) -> dict[str, Any]:
        """The run as it stands (the fields of `RunView`)."""
        return asdict(await self.run(saga_id, user_context).status())

    async def pause_journey(
        self, saga_id: str, user_context: UserContext | None = None, *, reason: str | None = None
    ) -> dict[str, Any]:
        """Starts nothing new until it is resumed; waits and deadlines stand still. Raises Rejected `in_attention`."""
        return _told(saga_id, await self.run(saga_id, user_context).pause(reason))

    async def resume_journey(self, saga_id: str, user_context: UserContext | None = None) -> dict[str, Any]:
        """Goes on; waits and deadlines move by the paused time. Raises Rejected `not_paused`."""
        return _told(saga_id, await self.run(saga_id, user_context).resume())

    async def cancel_journey(
        self, saga_id: str, user_context: UserContext | None = None, *, reason: str | None = None
    ) -> dict[str, Any]:
        """Stops it where it is, once what is being called has ended; nothing is undone by itself."""
        return _told(saga_id, await self.run(saga_id, user_context).cancel(reason))

    def run(self, saga_id: str, user_context: UserContext | None = None) -> Run:
        return self._runs.run(saga_id, user_context)


def _told(saga_id: str, answer: Answer) -> dict[str, Any]:
    return {"saga_id": saga_id, **asdict(answer)}


def _check(step_result: object) -> None:
    """A typing error is no success: every field must be known, and the outcome said."""
    known = ", ".join(sorted(StepResult.__annotations__))
    if not isinstance(step_result, Mapping):
        raise InvalidInput(f"step_result is a {type(step_result).__name__}: it is an object with {known}")
    if strange := sorted(str(name) for name in set(step_result) - set(StepResult.__annotations__)):
        raise InvalidInput(f"step_result has {', '.join(strange)}: it has {known}")
    if "outcome" not in step_result:
        raise InvalidInput("step_result has no outcome: it is 'ok', 'refused' or 'unknown'")
