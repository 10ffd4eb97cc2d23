"""Saga journeys: structured journeys that undo themselves when a milestone fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from saga_journey.errors import UnknownSaga
from saga_journey.orchestrators.designs import DesignedJourney
from saga_journey.orchestrators.structured import StepResult, StructuredJourneyOrchestrator
from saga_journey.runs import Runs, UserContext


class SagaJourneyOrchestrator:
    """The five saga operations, and `compensate_saga`. Composes a structured orchestrator and adds compensation."""

    def __init__(self, runs: Runs) -> None:
        self._structured = StructuredJourneyOrchestrator(runs)

    async def design_saga_journey(
        self,
        journey_type: str,
        requirements: Mapping[str, Any],
        compensation_handlers: Mapping[str, str | None],
        user_context: UserContext | None = None,
    ) -> DesignedJourney:
        """As `design_journey`, and every milestone before the pivot must say what undoes it (None: nothing to undo)."""
        return await self._structured.designs.design(
            journey_type, requirements, compensation_handlers, user_context, "saga"
        )

    async def execute_saga_journey(
        self,
        journey_id: str,
        user_id: str | None,
        context: Any,
        user_context: UserContext | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> str:
        """Starts a saga with `context` as its input and returns its saga_id. Durable when it returns."""
        return await self._structured.execute_journey(
            journey_id, user_id, context, user_context, idempotency_key=idempotency_key
        )

    async def advance_saga_step(
        self,
        saga_id: str,
        journey_id: str | None,
        user_id: str | None,
        step_result: StepResult,
        user_context: UserContext | None = None,
    ) -> dict[str, Any]:
        """Says the outcome of a milestone that waits: {"saga_id", "accepted", "code", "detail"}.

        `journey_id`, when given, must be of the journey that the saga is a run of, in any version (else UnknownSaga).
        """
        if journey_id is not None:
            definition = await self._structured.designs.of(journey_id, user_context)
            if (await self._structured.designs.of_run(saga_id, user_context)).name != definition.name:
                raise UnknownSaga(saga_id)
        return await self._structured.advance_journey_step(saga_id, user_id, step_result, user_context)

    async def get_saga_status(self, saga_id: str, user_context: UserContext | None = None) -> dict[str, Any]:
        """The saga as it stands (the fields of `RunView`)."""
        return await self._structured.get_journey_status(saga_id, user_context)

    async def get_saga_execution_history(
        self, saga_id: str, user_context: UserContext | None = None
    ) -> list[dict[str, Any]]:
        """Every event, oldest first: {"seq", "at", "name", "fields"}."""
        entries = await self._structured.run(saga_id, user_context).history()
        return [entry._asdict() for entry in entries]

    async def compensate_saga(
        self,
        saga_id: str,
        user_context: UserContext | None = None,
        *,
        reason: str | None = None,
        expected: int | None = None,
    ) -> dict[str, Any]:
        """Undoes what is done, of a completed saga too: {"saga_id", "accepted", "code", "detail"}.

        Raises Rejected `past_pivot`, `conflict` (the saga moved since the preview whose seq is `expected`) or `final`.
        """
        answer = await self._structured.run(saga_id, user_context).compensate(reason, expected=expected)
        return {"saga_id": saga_id, **asdict(answer)}
