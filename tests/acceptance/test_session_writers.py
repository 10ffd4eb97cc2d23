"""Sessions have no owner: whoever writes, writes; nothing that was acknowledged is lost, and nothing is half done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from saga_journey import open_journeys
from saga_journey.core.session import AreaEntered
from saga_journey.core.session_codec import encode_turn
from saga_journey.errors import Rejected
from saga_journey.ports import Conflict, RunKey, Search, TurnWrite, Wanted
from saga_journey.testing.databases import open_store
from saga_journey.testing.wrapping import WrappedStore
from tests.acceptance.processes import program

RESEARCH: dict[str, Any] = {"name": "research", "areas": [{"id": "reading", "completion": ["read"]}, {"id": "lounge"}]}


@pytest.mark.anyio
async def test_it_goes_on_after_a_restart(shared_url: str) -> None:
    """Closed in the middle and opened again: where the person was, and what was done, is there."""
    async with open_journeys(shared_url) as journeys:
        session_id = (await journeys.session.start_session("ann", {**RESEARCH, "initial_area": "reading"}))[
            "session_id"
        ]
        before = await journeys.session.update_area_state(session_id, "reading", {"page": 3})
    async with open_journeys(shared_url, working=False) as journeys:
        assert await journeys.session.get_area_state(session_id, "reading") == before
        await journeys.session.update_area_state(session_id, "reading", {"read": True})
    async with open_journeys(shared_url) as journeys:
        state = await journeys.session.get_session_state(session_id)
        assert (state["completed_areas"], state["current_area"]) == (["reading"], "reading")


@pytest.mark.anyio
async def test_many_tasks_at_once_lose_nothing(store_url: str) -> None:
    async with open_journeys(store_url) as journeys:
        sessions = journeys.session
        session_id = (await sessions.start_session("ann", RESEARCH))["session_id"]
        await asyncio.gather(*(sessions.update_area_state(session_id, "reading", {f"n{n}": n}) for n in range(30)))
        area = await sessions.get_area_state(session_id, "reading")
        assert area["state"] == {f"n{n}": n for n in range(30)}
        assert (await sessions.get_session_state(session_id))["seq"] == 31


@pytest.mark.anyio
async def test_two_handles_at_once_lose_nothing(shared_url: str) -> None:
    async with open_journeys(shared_url) as one, open_journeys(shared_url) as other:
        session_id = (await one.session.start_session("ann", RESEARCH))["session_id"]
        notes = [
            journeys.session.update_area_state(session_id, "reading", {f"{name}{n}": n})
            for n in range(15)
            for name, journeys in (("one", one), ("other", other))
        ]
        await asyncio.gather(*notes)
        area = await other.session.get_area_state(session_id, "reading")
        assert area["state"] == {f"{name}{n}": n for n in range(15) for name in ("one", "other")}


@pytest.mark.anyio
async def test_two_processes_at_once_lose_nothing(shared_url: str, tmp_path: Path) -> None:
    async with open_journeys(shared_url) as journeys:
        session_id = (await journeys.session.start_session("ann", RESEARCH))["session_id"]
        given = {"url": shared_url, "session_id": session_id}
        async with program("note_taker", tmp_path, **given) as a, program("note_taker", tmp_path, **given) as b:
            a.say("note a 40")
            b.say("note b 40")
            await asyncio.gather(a.line("noted"), b.line("noted"))
            await asyncio.gather(a.left(), b.left())
        area = await journeys.session.get_area_state(session_id, "reading")
        assert area["state"] == {f"{name}-{n}": n for n in range(40) for name in "ab"}


@pytest.mark.anyio
async def test_of_two_that_end_it_at_once_one_is_told(store_url: str) -> None:
    async with open_journeys(store_url) as journeys:
        sessions = journeys.session
        session_id = (await sessions.start_session("ann", RESEARCH))["session_id"]
        ends = [sessions.end_session(session_id, reason=reason) for reason in ("done", "bored")]
        first, second = await asyncio.gather(*ends, return_exceptions=True)
        assert isinstance(first, dict) != isinstance(second, dict)
        assert isinstance(first, Rejected) != isinstance(second, Rejected)


@pytest.mark.anyio
async def test_workers_beside_it_leave_it_alone(shared_url: str) -> None:
    """A session needs no worker, so a claim never finds it, whoever looks and however often."""
    async with open_journeys(shared_url) as journeys:
        session_id = (await journeys.session.start_session("ann", RESEARCH))["session_id"]
        store = journeys.store
        owner = await store.enter(lease=60)
        claimed = await store.claim(Wanted(owner, 10, 10, [], 10, 0.0, fragile=True))
        await store.leave(owner)
        assert (claimed.runs, claimed.next_due) == ([], None)
        (record,) = await journeys.search(Search(sessions=True))
        assert (record.saga_id, record.owner, record.epoch) == (session_id, None, 0)


# --- the promise of the store ----------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_seq_is_written_once(store_url: str) -> None:
    """Another turn of that seq is a conflict and writes nothing; the very same turn again was written before."""
    async with open_journeys(store_url) as journeys:
        session_id = (await journeys.session.start_session("ann", RESEARCH))["session_id"]
        record = await journeys.store.find("default", session_id)
        assert record is not None
        first, other = _entering(record.key, "reading"), _entering(record.key, "lounge")
        await journeys.store.commit(first)
        await journeys.store.commit(first)
        with pytest.raises(Conflict):
            await journeys.store.commit(other)
        rows = await journeys.store.load(record.key)
        assert [row.seq for row in rows] == [1, 2]
        assert rows[1].events == first.events


@pytest.mark.anyio
async def test_a_conflict_takes_nobody_along(store_url: str) -> None:
    """In one batch with a conflict, everything else is written."""
    async with open_journeys(store_url) as journeys:
        ids = [(await journeys.session.start_session("ann", RESEARCH))["session_id"] for _ in range(3)]
        found = [await journeys.store.find("default", session_id) for session_id in ids]
        keys = [record.key for record in found if record is not None]
        writes = [_entering(key, area) for area in ("reading", "lounge") for key in keys]
        answers = await asyncio.gather(*map(journeys.store.commit, writes), return_exceptions=True)
        assert [type(answer) for answer in answers] == [type(None)] * 3 + [Conflict] * 3
        states = [await journeys.session.get_session_state(session_id) for session_id in ids]
        assert [state["current_area"] for state in states] == ["reading"] * 3


def _entering(key: RunKey, area: str) -> TurnWrite:
    return TurnWrite(key, 0, 2, 1.0, encode_turn([AreaEntered(area)]))


class Contested(WrappedStore):
    """A store in which somebody else is always faster."""

    async def commit(self, turn: TurnWrite) -> None:
        raise Conflict


@pytest.mark.anyio
async def test_who_is_always_too_late_is_told_so(store_url: str) -> None:
    async with open_journeys(Contested(await open_store(store_url))) as journeys:
        session_id = (await journeys.session.start_session("ann", RESEARCH))["session_id"]
        with pytest.raises(Rejected, match="others change it all the time") as no:
            await journeys.session.navigate_to_area(session_id, "lounge")
        assert no.value.code == "conflict"
