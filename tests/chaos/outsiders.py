"""Another process of a bad day: the partner who answers what is asked for, and the person who helps what is parked."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from contextlib import closing

from saga_journey import Journeys, Rejected, SagaStatus, open_journeys
from saga_journey.ports import Search
from saga_journey.testing.acknowledged import ClientLog
from tests.chaos.client import TENANTS
from tests.chaos.notes import Notes
from tests.chaos.place import Place
from tests.chaos.sagas import APPROVAL
from tests.chaos.signals import told_to_end

LOOK_EVERY = 0.1
"""The partner finds what he is asked for in the ledger (seconds)."""
ROUND = 1.0
"""How often the person looks for sagas that wait for one (seconds)."""


def answer(place: Place) -> None:
    """The whole life of the process."""
    place.log_as("outsiders")
    asyncio.run(_live(place))


async def _live(place: Place) -> None:
    over = told_to_end()
    async with open_journeys(place.url, working=False, handle_sigterm=False) as journeys:
        outsiders = _Outsiders(place, journeys)
        Notes(place.notes, "outsiders").note("open")
        tasks = [asyncio.create_task(work) for work in (outsiders.approve(), outsiders.mind())]
        ending = asyncio.create_task(over.wait())
        done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, ending):
            task.cancel()
        await asyncio.gather(*tasks, ending, return_exceptions=True)
        for task in done - {ending}:
            task.result()


class _Outsiders:
    def __init__(self, place: Place, journeys: Journeys) -> None:
        self._place = place
        self._said = ClientLog(place.said)
        self._notes = Notes(place.notes, "outsiders")
        self._journeys = journeys

    async def approve(self) -> None:
        """Answers every request once, whatever it takes."""
        seen = 0
        async with asyncio.TaskGroup() as answers:
            with closing(sqlite3.connect(self._place.ledger, timeout=30)) as books:
                sql = "select max(n), saga, tenant from entry where milestone = ? and n > ? group by saga order by 1"
                answered: set[str] = set()
                while True:
                    for n, saga, tenant in books.execute(sql, (APPROVAL, seen)).fetchall():
                        seen = n
                        if saga not in answered:
                            answered.add(saga)
                            answers.create_task(self._advance(saga, tenant))
                    await asyncio.sleep(LOOK_EVERY)

    async def _advance(self, saga: str, tenant: str) -> None:
        run = self._journeys.run(saga, {"tenant_id": tenant})
        for number in itertools.count(1):
            command_id = f"{APPROVAL}-{number}"
            try:
                code = (await run.advance(APPROVAL, {"approved": True}, command_id=command_id)).code
            except Rejected as rejection:
                code = rejection.code
            self._said.answered(tenant, saga, "advance", code, command_id)
            if code != "not_waiting_yet":
                return
            await asyncio.sleep(LOOK_EVERY)

    async def mind(self) -> None:
        """Says `retry` to whatever waits for a person."""
        for number in itertools.count(1):
            for tenant in TENANTS:
                waiting = Search(status=SagaStatus.FAILED)
                for record in await self._journeys.search(waiting, {"tenant_id": tenant}):
                    await self._help(record.saga_id, tenant, f"help-{number}")
            await asyncio.sleep(ROUND)

    async def _help(self, saga: str, tenant: str, command_id: str) -> None:
        run = self._journeys.run(saga, {"tenant_id": tenant})
        why = [attention.kind for attention in (await run.status()).attention]
        try:
            code = (await run.retry(reason="looked after", command_id=command_id)).code
        except Rejected as rejection:
            code = rejection.code
        self._said.answered(tenant, saga, "retry", code, command_id)
        self._notes.note("helped", saga=saga, why=why, code=code)
