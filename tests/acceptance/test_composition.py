"""An orchestrator that is composed of another one writes what that one would have written, and not one commit more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from saga_journey import Context, Curator, Journeys, Saga, milestone, open_journeys
from saga_journey.orchestrators.mvp import MVP
from saga_journey.testing.databases import open_store
from saga_journey.testing.wrapping import WrappedStore

T = TypeVar("T")
ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
NAMES = ("reserve", "charge", "ship")


class Counting(WrappedStore):
    """Counts what is written, by its name."""

    written: Counter[str]

    async def around_write(self, name: str, write: Callable[[], Awaitable[T]]) -> T:
        self.written[name] += 1
        return await write()


async def written(
    url: str, prepare: Callable[[Journeys], Awaitable[str]], act: Callable[[Journeys, str], Awaitable[None]]
) -> Counter[str]:
    """What `act` writes, after what `prepare` wrote; claims and leases, which come with time, left out."""
    store = Counting(await open_store(url))
    store.written = Counter()
    async with open_journeys(store, sagas=[ORDER], curator=with_handlers()) as journeys:
        given = await prepare(journeys)
        store.written.clear()
        await act(journeys, given)
        return Counter({name: n for name, n in store.written.items() if name in ("start", "commit", "send", "write")})


async def said(ctx: Context[Any]) -> str:
    return ctx.milestone_id


async def unsaid(ctx: Context[Any], result: str | None) -> None:
    pass


ORDER = Saga("order", version=1, milestones=[milestone(said, id=name, undo=unsaid) for name in NAMES])


def with_handlers() -> Curator:
    curator = Curator()
    for name in NAMES:
        curator.register(said, name)
        curator.register(unsaid, f"undo_{name}")
    return curator


REQUEST: dict[str, Any] = {"milestones": [{"id": name} for name in NAMES]}
UNDOS = {name: f"undo_{name}" for name in NAMES}


@pytest.mark.anyio
async def test_a_saga_commits_as_often_through_every_door(shared_url: str) -> None:
    async def nothing(journeys: Journeys) -> str:
        return ""

    async def python(journeys: Journeys, _: str) -> None:
        await (await journeys.start(ORDER, {}, user_context=ANN)).outcome()

    async def structured(journeys: Journeys) -> str:
        return (await journeys.structured.design_journey("plain", REQUEST, ANN))["journey_id"]

    async def saga(journeys: Journeys) -> str:
        return (await journeys.saga.design_saga_journey("undoable", REQUEST, UNDOS, ANN))["journey_id"]

    async def by_structured(journeys: Journeys, journey_id: str) -> None:
        await journeys.run(await journeys.structured.execute_journey(journey_id, "ann", {}, ANN), ANN).outcome()

    async def by_saga(journeys: Journeys, journey_id: str) -> None:
        await journeys.run(await journeys.saga.execute_saga_journey(journey_id, "ann", {}, ANN), ANN).outcome()

    direct = await written(shared_url, nothing, python)
    assert direct == {"start": 1, "commit": len(NAMES)}
    assert await written(shared_url, structured, by_structured) == direct
    assert await written(shared_url, saga, by_saga) == direct


@pytest.mark.anyio
async def test_a_four_pillar_journey_commits_as_often_as_its_session(shared_url: str) -> None:
    facts = {"files_uploaded": True}

    async def session(journeys: Journeys) -> str:
        return (await journeys.session.start_session("ann", {"areas": AREAS}, ANN))["session_id"]

    async def mvp(journeys: Journeys) -> str:
        return (await journeys.mvp.start_mvp_journey("ann", user_context=ANN))["session_id"]

    async def in_the_session(journeys: Journeys, session_id: str) -> None:
        door = journeys.session
        await door.navigate_to_area(session_id, "content", ANN)
        await door.update_area_state(session_id, "content", facts, ANN)
        await door.get_session_progress(session_id, ANN)
        await door.end_session(session_id, ANN)

    async def in_the_mvp(journeys: Journeys, session_id: str) -> None:
        door = journeys.mvp
        await door.navigate_to_pillar(session_id, "content", ANN)
        await door.update_pillar_progress(session_id, "content", facts, ANN)
        await door.get_mvp_progress(session_id, ANN)
        await door.end_mvp_journey(session_id, ANN)

    alone = await written(shared_url, session, in_the_session)
    assert sum(alone.values()) == 3
    assert await written(shared_url, mvp, in_the_mvp) == alone


AREAS = [{"id": area.id, "completion": list(area.completion)} for area in MVP.areas]
