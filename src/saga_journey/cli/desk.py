"""Where a command works: the journeys of the database, opened without moving any, and the saga that is meant."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from saga_journey.bootstrap import open_journeys
from saga_journey.cli.database_url import must_be_usable
from saga_journey.cli.options import Given
from saga_journey.cli.problems import NOT_FOUND, UNEXPECTED, USAGE, Problem, did_you_mean, nearest
from saga_journey.cli.screen import Screen
from saga_journey.core.state import RunState
from saga_journey.journeys import Journeys
from saga_journey.ports import RunRecord, Search
from saga_journey.runs import Run, UserContext

LAST = "@last"
SHOWN = 5
NEAR = 200
"""Among so many of the newest sagas is looked for the one that a mistyped id may mean."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The open journeys, as the tenant and the person of this call see them."""

    given: Given
    screen: Screen
    journeys: Journeys

    @property
    def who(self) -> UserContext:
        who = UserContext(tenant_id=self.given.tenant)
        if self.given.user is not None:
            who["user_id"] = self.given.user
        return who

    def now(self) -> float:
        return self.journeys.store.now()

    async def search(self, search: Search) -> list[RunRecord]:
        return await self.journeys.search(search, self.who)

    def run(self, record: RunRecord) -> Run:
        return self.journeys.run(record.saga_id, self.who)

    async def record(self, saga_id: str) -> RunRecord:
        """The saga with that id, or with a prefix of it that no other one has, or the newest one for `@last`."""
        if saga_id == LAST:
            newest = await self.search(Search(limit=1))
            return newest[0] if newest else self._none(saga_id)
        if not saga_id.strip():
            raise Problem(USAGE, "no_id", "the id is empty", f"an id, the beginning of one, or {LAST}")
        exact = await self.journeys.store.find(self.given.tenant, saga_id)
        if exact is not None and not exact.is_session:
            return exact
        found = await self.search(Search(prefix=saga_id, limit=SHOWN + 1))
        found = found or await self.search(Search(prefix=f"saga_{saga_id}", limit=SHOWN + 1))
        if len(found) > 1:
            raise _ambiguous(saga_id, found)
        return found[0] if found else await self._unknown(saga_id)

    async def state(self, record: RunRecord) -> RunState:
        """The run folded from its journal, with all that its definition says."""
        runs = self.journeys._runs  # every door goes through `Runs`; this is the CLI's one way to it
        try:
            return await runs.state(record)
        except (KeyError, TypeError, ValueError) as error:
            what = f"the journal of {record.saga_id} cannot be read by this version ({type(error).__name__}: {error})"
            raise Problem(UNEXPECTED, "unreadable", what, "was it written by a newer one? saga doctor") from error

    def _none(self, saga_id: str) -> RunRecord:
        raise Problem(NOT_FOUND, "unknown_saga", f"there is no saga yet, so {saga_id} means none", self._where())

    async def _unknown(self, saga_id: str) -> RunRecord:
        near = [r.saga_id for r in await self.search(Search(limit=NEAR))]
        meant = nearest(saga_id, near, like=0.85)
        hint = f"did you mean {meant}?\n{self._where()}" if meant else self._where()
        raise Problem(NOT_FOUND, "unknown_saga", f"no saga {saga_id!r} here", hint)

    def _where(self) -> str:
        return (
            f"looked in {self.given.database}, tenant {self.given.tenant}; {self.given.again('ls')} lists what is there"
        )


def _ambiguous(prefix: str, found: list[RunRecord]) -> Problem:
    some = "\n".join([r.saga_id for r in found[:SHOWN]] + (["…"] if len(found) > SHOWN else []))
    return Problem(USAGE, "ambiguous_id", f"more than one saga begins with {prefix!r}: say more of it", some)


def must_have(state: RunState, milestone: str | None) -> None:
    """Raises Problem for a milestone that the journey does not have."""
    if milestone is not None and milestone not in state.definition.index:
        what = f"{milestone!r} is no milestone of {state.definition.name!r}"
        raise Problem(NOT_FOUND, "unknown_milestone", what, did_you_mean(milestone, list(state.definition.index)))


@contextlib.asynccontextmanager
async def desk(given: Given, screen: Screen) -> AsyncIterator[Desk]:
    """Raises Problem when there is no such database; never makes one, never migrates one."""
    await must_be_usable(given)
    async with open_journeys(given.db, working=False) as journeys:
        yield Desk(given, screen, journeys)
