"""The client of a plan's sagas: starts them, cancels, asks, helps, and writes every answer down before it goes on.

A client that comes back after a crash does what it had begun once more: the same keys, the same command ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from saga_journey import Failed, Journeys, Rejected, Run, Saga, SagaJourneyError, UserContext
from saga_journey.core.children import child_id
from saga_journey.core.commands import Answer
from saga_journey.errors import UnknownSaga
from saga_journey.outcomes import Outcome
from saga_journey.testing.acknowledged import ClientLog, read_log
from tests.crash.place import Place
from tests.crash.plans import Cue, Plan
from tests.crash.progress import Progress

INPUT = {"order": 42}
WAITS_FOR_CODE = "handler_missing"

Verb = Callable[[Run, str], Awaitable[Answer]]

MINDING = ("retry", "mark_undone", "it_happened", "resolve")
"""What a child is told that waits for a person, one after the other."""

VERBS: dict[str, Verb] = {
    "cancel": lambda run, id: run.cancel("changed my mind", command_id=id),
    "compensate": lambda run, id: run.compensate("the day after", command_id=id),
    "pause": lambda run, id: run.pause("a moment", command_id=id),
    "resume": lambda run, id: run.resume(command_id=id),
    "retry": lambda run, id: run.retry(reason="mended", command_id=id),
    "skip": lambda run, id: run.skip(reason="let it be", result={"done": "by hand"}, command_id=id),
    "mark_undone": lambda run, id: run.mark_undone(reason="by hand", command_id=id),
    "it_happened": lambda run, id: run.it_happened(reason="looked", result={"done": "seen"}, command_id=id),
    "resolve": lambda run, id: run.resolve("enough", command_id=id),
}


class Client:
    """One for each saga of a plan, in each life of a worker."""

    def __init__(
        self,
        place: Place,
        plan: Plan,
        journeys: Journeys,
        cue: Cue,
        progress: Progress,
        *,
        number: int = 1,
        patient: bool = True,
    ) -> None:
        """`patient`: what waits only for a worker with the code is not over for this client."""
        self._log = ClientLog(place.log)
        self._plan = plan
        self._journeys = journeys
        self._cue = cue
        self._progress = progress
        self._patient = patient
        self._key = f"{plan.name}-{number}"
        self._who: UserContext = {"tenant_id": plan.tenants[number % len(plan.tenants)], "user_id": "ann"}
        self._is_back = any(said.call == "started" and said.key == self._key for said in read_log(place.log))

    @property
    def tenant(self) -> str:
        return self._who["tenant_id"]

    async def see_it_through(self, saga: Saga[object]) -> Outcome:
        """Start, whatever the plan says, and wait for the outcome."""
        run = await self._journeys.start(saga, INPUT, key=self._key, user_context=self._who)
        self._log.started(self.tenant, saga.name, self._key, INPUT, run.saga_id)
        minders = [asyncio.create_task(self._mind(run, name)) for name in self._plan.nested]
        try:
            return await self._see_through(run)
        finally:
            for minder in minders:
                minder.cancel()
            await asyncio.gather(*minders, return_exceptions=True)

    async def _mind(self, run: Run, name: str) -> None:
        """A child that waits for a person gets what it needs in the end, or its parent would wait for ever."""
        own = self._journeys.run(child_id(run.saga_id, name, 1), self._who)
        said = 0
        while True:
            self._progress.made.clear()
            try:
                outcome = await own.outcome()
            except UnknownSaga:
                await self._progress.made.wait()  # it has not been started yet
                continue
            if isinstance(outcome, Failed):
                await self._ask(own, MINDING[min(said, len(MINDING) - 1)], f"mind-{name}-{said}")
                said += 1
            else:
                await self._progress.made.wait()

    async def _see_through(self, run: Run) -> Outcome:
        ending = asyncio.create_task(self._outcome(run))
        if self._plan.external is not None and (await run.status()).waiting_for is not None:
            self._progress.wake_partner()
        if self._plan.cue_at is not None:
            await self._interfere(run, ending)
        await ending  # it may have been one that a verb has changed since
        outcome = await self._outcome(run)
        for number, verb in enumerate(self._plan.help, 1):
            if isinstance(outcome, Failed) and self._patient:
                await self._ask(run, verb, f"help-{number}-{verb}")
                outcome = await self._outcome(run)
        return await self._afterwards(run, outcome)

    async def _outcome(self, run: Run) -> Outcome:
        """As `run.outcome()`, and through a wait for code that this worker has."""
        while True:
            self._progress.made.clear()
            outcome = await run.outcome()
            lacks_code = isinstance(outcome, Failed) and outcome.attention[0].kind == WAITS_FOR_CODE
            if not (lacks_code and self._patient):
                return outcome
            await self._progress.made.wait()

    async def _interfere(self, run: Run, ending: asyncio.Task[Outcome]) -> None:
        """While the handler is being called; at once when this client may have done so in an earlier life."""
        called = asyncio.create_task(self._cue.called.wait())
        if not self._is_back:
            await asyncio.wait({called, ending}, return_when=asyncio.FIRST_COMPLETED)
        for verb in self._plan.interfere:
            await self._ask(run, verb, verb)
        if self._plan.until_decided:  # nothing more is called if that was in an earlier life
            decided = asyncio.create_task(self._progress.decided.wait())
            await asyncio.wait({decided, ending}, return_when=asyncio.FIRST_COMPLETED)
            decided.cancel()
        self._cue.go_on.set()
        called.cancel()

    async def _afterwards(self, run: Run, outcome: Outcome) -> Outcome:
        for verb in self._plan.afterwards:
            await self._ask(run, verb, f"{verb}-afterwards")
        if self._plan.stranger is not None:
            await self._ask_as_a_stranger(run, self._plan.stranger)
        return await run.outcome() if self._plan.afterwards else outcome

    async def _ask(self, run: Run, verb: str, command_id: str) -> None:
        try:
            code = (await VERBS[verb](run, command_id)).code
        except Rejected as rejection:
            code = rejection.code
        self._log.answered(self.tenant, run.saga_id, verb, code, command_id)

    async def _ask_as_a_stranger(self, run: Run, tenant: str) -> None:
        try:
            await self._journeys.run(run.saga_id, {"tenant_id": tenant}).status()
        except SagaJourneyError:
            return
        self._log.seen(tenant, run.saga_id)
