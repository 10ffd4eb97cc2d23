"""Structured and saga journeys inside the areas of a session: started once, and shown as they stand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from saga_journey import Context, Curator, Journeys, Refused, open_journeys
from saga_journey.errors import NotJson, Rejected, UnknownJourney
from saga_journey.orchestrators.session import SessionJourneyOrchestrator
from saga_journey.ports import NewRun, Started, Store, TurnWrite
from saga_journey.testing.clock import store_on
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.stage import Stage, ended

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
EVE: Any = {"tenant_id": "globex", "user_id": "eve"}
RESEARCH: dict[str, Any] = {"name": "research", "areas": [{"id": "reading"}, {"id": "writing"}]}
REPORT = {"milestones": [{"id": "print", "undo": None}, {"id": "approval", "kind": "external", "timeout": 9e5}]}


@pytest.fixture
def curator() -> Curator:
    async def print_it(ctx: Context[Any]) -> None:
        if ctx.input == "blank":
            raise Refused("nothing to print")

    curator = Curator()
    curator.register(print_it, "print")
    return curator


async def designed(journeys: Journeys) -> tuple[str, str]:
    """A structured journey and a saga journey."""
    structured = await journeys.structured.design_journey("form", REPORT, user_context=ANN)
    saga = await journeys.saga.design_saga_journey("report", REPORT, {"approval": None}, ANN)
    return structured["journey_id"], saga["journey_id"]


async def begun(sessions: SessionJourneyOrchestrator) -> str:
    return (await sessions.start_session("ann", RESEARCH, ANN))["session_id"]


@pytest.mark.anyio
async def test_an_area_shows_the_journeys_that_it_started(stage: Stage, curator: Curator) -> None:
    """Their status is what their runs say now; nothing of it is kept in the session."""
    async with stage.moving(curator=curator) as journeys:
        form, report = await designed(journeys)
        sessions, session_id = journeys.session, await begun(journeys.session)
        filled = await sessions.start_journey_in_area(session_id, "reading", form, "text", ANN)
        blank = await sessions.start_journey_in_area(session_id, "reading", report, "blank", ANN)
        assert (filled["journey"], filled["status"], filled["number"]) == ("form", "in_progress", 1)
        await ended(journeys.run(blank["saga_id"], ANN))
        shown = (await sessions.get_area_state(session_id, "reading", ANN))["journeys"]
        assert shown == [filled, {**blank, "status": "compensated"}]
        await journeys.run(filled["saga_id"], ANN).advance("approval")
        await ended(journeys.run(filled["saga_id"], ANN))
        shown = (await sessions.get_area_state(session_id, "reading", ANN))["journeys"]
        assert [link["status"] for link in shown] == ["completed", "compensated"]
        assert (await sessions.get_area_state(session_id, "writing", ANN))["journeys"] == []


@pytest.mark.anyio
async def test_each_call_starts_another_run(stage: Stage, curator: Curator) -> None:
    async with stage.moving(curator=curator) as journeys:
        form, _ = await designed(journeys)
        sessions, session_id = journeys.session, await begun(journeys.session)
        started = [await sessions.start_journey_in_area(session_id, "reading", form, "text", ANN) for _ in range(3)]
        elsewhere = await sessions.start_journey_in_area(session_id, "writing", form, "text", {"tenant_id": "acme"})
        history = await journeys.run(elsewhere["saga_id"], ANN).history()
        assert history[0].fields["user"] == "ann"  # nobody else was said, so it is the session's
        assert [link["number"] for link in started] == [1, 2, 3]
        assert len({link["saga_id"] for link in [*started, elsewhere]}) == 4


@pytest.mark.anyio
async def test_a_journey_goes_on_when_its_session_ends(stage: Stage, curator: Curator) -> None:
    async with stage.moving(curator=curator) as journeys:
        form, _ = await designed(journeys)
        sessions, session_id = journeys.session, await begun(journeys.session)
        link = await sessions.start_journey_in_area(session_id, "reading", form, "text", ANN)
        await sessions.end_session(session_id, ANN)
        await journeys.run(link["saga_id"], ANN).advance("approval")
        await ended(journeys.run(link["saga_id"], ANN))
        shown = (await sessions.get_area_state(session_id, "reading", ANN))["journeys"]
        assert [link["status"] for link in shown] == ["completed"]


class AtTheSameMoment(WrappedStore):
    """A store that starts nothing for a session before so many have asked for it."""

    def __init__(self, inner: Store, calls: int) -> None:
        super().__init__(inner)
        self._all_are_here = asyncio.Barrier(calls)
        self._waiting = calls

    async def start(self, new: NewRun) -> Started:
        if new.start_key is not None and self._waiting > 0:
            self._waiting -= 1
            await self._all_are_here.wait()
        return await self.inner.start(new)


@pytest.mark.anyio
async def test_the_same_start_at_the_same_moment_is_one_run(stage: Stage, curator: Curator) -> None:
    """A double click. What differs in its context, or is another journey, is another run."""
    store = AtTheSameMoment(await store_on(stage.clock, stage.url), calls=4)
    async with open_journeys(store, curator=curator, clock=stage.clock) as journeys:
        form, report = await designed(journeys)
        sessions, session_id = journeys.session, await begun(journeys.session)
        starts = [(form, "a"), (form, "a"), (form, "b"), (report, "a")]
        links = await asyncio.gather(
            *(sessions.start_journey_in_area(session_id, "reading", journey, text, ANN) for journey, text in starts)
        )
        assert links[0]["saga_id"] == links[1]["saga_id"]
        assert len({link["saga_id"] for link in links}) == 3
        shown = (await sessions.get_area_state(session_id, "reading", ANN))["journeys"]
        assert {link["saga_id"] for link in shown} == {link["saga_id"] for link in links}


class Forgetful(WrappedStore):
    """A store whose process dies just before it links a journey, as often as it is told to."""

    def __init__(self, inner: Store, deaths: int) -> None:
        super().__init__(inner)
        self.deaths = deaths

    async def commit(self, turn: TurnWrite) -> None:
        if self.deaths and turn.events is not None and "journey_linked" in turn.events:
            self.deaths -= 1
            raise ConnectionError("died")
        await self.inner.commit(turn)


@pytest.mark.anyio
async def test_a_start_whose_answer_was_lost_is_repeated_and_not_doubled(stage: Stage, curator: Curator) -> None:
    """Two calls die between the start of their runs and their links; another comes in between; each finds its run."""
    store = Forgetful(await store_on(stage.clock, stage.url), deaths=2)
    async with open_journeys(store, curator=curator, clock=stage.clock) as journeys:
        form, _ = await designed(journeys)
        sessions, session_id = journeys.session, await begun(journeys.session)
        for text in ("a", "b"):
            with pytest.raises(ConnectionError):
                await sessions.start_journey_in_area(session_id, "reading", form, text, ANN)
        other = await sessions.start_journey_in_area(session_id, "reading", form, "c", ANN)
        again = [await sessions.start_journey_in_area(session_id, "reading", form, text, ANN) for text in "ba"]
        assert [link["number"] for link in (other, *again)] == [3, 2, 1]
        assert len(await journeys.search(user_context=ANN)) == 3


class Ending(WrappedStore):
    """A store in which somebody ends the session while a journey is being started in it."""

    sessions: SessionJourneyOrchestrator | None = None

    async def start(self, new: NewRun) -> Started:
        started = await self.inner.start(new)
        if self.sessions is not None and new.start_key is not None:
            await self.sessions.end_session(new.start_key.key.split("/")[0], ANN)
        return started


@pytest.mark.anyio
async def test_a_session_that_ends_meanwhile_says_what_was_started(stage: Stage, curator: Curator) -> None:
    store = Ending(await store_on(stage.clock, stage.url))
    async with open_journeys(store, curator=curator, clock=stage.clock) as journeys:
        form, _ = await designed(journeys)
        session_id = await begun(journeys.session)
        store.sessions = journeys.session
        with pytest.raises(Rejected, match=r"was ended by ann: .* saga_.* was started just before, and goes on"):
            await journeys.session.start_journey_in_area(session_id, "reading", form, "a", ANN)
        assert len(await journeys.search(user_context=ANN)) == 1


@pytest.mark.anyio
async def test_what_cannot_be_started_leaves_nothing(stage: Stage, curator: Curator) -> None:
    async with stage.moving(curator=curator) as journeys:
        form, _ = await designed(journeys)
        theirs = (await journeys.structured.design_journey("form", REPORT, user_context=EVE))["journey_id"]
        sessions, session_id = journeys.session, await begun(journeys.session)
        wrong: Any
        for wrong in ("jrn_99_abc", "report", theirs, None, 7):
            with pytest.raises(UnknownJourney):
                await sessions.start_journey_in_area(session_id, "reading", wrong, "a", ANN)
        with pytest.raises(NotJson):
            await sessions.start_journey_in_area(session_id, "reading", form, object(), ANN)
        assert (await sessions.get_area_state(session_id, "reading", ANN))["journeys"] == []
        assert await journeys.search(user_context=ANN) == []
