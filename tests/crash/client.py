"""The client of one saga: starts it, cancels it, asks after it, and writes down every answer before it goes on.

A client that comes back after a crash does what it had begun once more: the same key, the same command id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from saga_journey import Journeys, Rejected, Run, Saga, SagaJourneyError, UserContext
from saga_journey.outcomes import Outcome
from saga_journey.testing.acknowledged import ClientLog, read_log
from tests.crash.place import Place
from tests.crash.plans import Cue, Plan

INPUT = {"order": 42}


class Client:
    """Used once in each life of a worker."""

    def __init__(
        self, place: Place, plan: Plan, journeys: Journeys, cue: Cue, wake_partner: Callable[[], None]
    ) -> None:
        self._log = ClientLog(place.log)
        self._plan = plan
        self._journeys = journeys
        self._cue = cue
        self._wake_partner = wake_partner
        self._who: UserContext = {"tenant_id": plan.tenant, "user_id": "ann"}
        self._is_back = any(said.call == "started" for said in read_log(place.log))

    async def see_it_through(self, saga: Saga[object]) -> Outcome:
        """Start, whatever the plan says, and wait for the outcome."""
        run = await self._start(saga)
        ending = asyncio.create_task(run.outcome())
        if self._plan.external is not None and (await run.status()).waiting_for is not None:
            self._wake_partner()
        if self._plan.cancel_during is not None:
            await self._cancel_during(run, ending)
        outcome = await ending
        if self._plan.cancel_at_the_end:
            await self._cancel(run, "cancel-at-the-end")
        if self._plan.stranger is not None:
            await self._ask_as_a_stranger(run, self._plan.stranger)
        return outcome

    async def _start(self, saga: Saga[object]) -> Run:
        key = f"{self._plan.name}-1"
        run = await self._journeys.start(saga, INPUT, key=key, user_context=self._who)
        self._log.started(self._plan.tenant, saga.name, key, INPUT, run.saga_id)
        return run

    async def _cancel_during(self, run: Run, ending: asyncio.Task[Outcome]) -> None:
        """When the handler has been called; at once by a client that may have asked before."""
        called = asyncio.create_task(self._cue.called.wait())
        if not self._is_back:
            await asyncio.wait({called, ending}, return_when=asyncio.FIRST_COMPLETED)
        await self._cancel(run, "cancel")
        self._cue.go_on.set()
        called.cancel()

    async def _cancel(self, run: Run, command_id: str) -> None:
        try:
            code = (await run.cancel("changed my mind", command_id=command_id)).code
        except Rejected as rejection:
            code = rejection.code
        self._log.answered(self._plan.tenant, run.saga_id, "cancel", code, command_id)

    async def _ask_as_a_stranger(self, run: Run, tenant: str) -> None:
        try:
            await self._journeys.run(run.saga_id, {"tenant_id": tenant}).status()
        except SagaJourneyError:
            return
        self._log.seen(tenant, run.saga_id)
