"""A SQLite database as a killed worker leaves it, with runs of every kind in flight; and how they come to their end.

It is made on manual time by a worker that is copied while it calls participants: what kill -9 would leave, its locks
apart. Wherever it is opened again everything goes on at that time, with the same words to the same runs.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saga_journey import (
    Failed,
    Journeys,
    Outcome,
    Retry,
    Run,
    Saga,
    Structured,
    child,
    external,
    open_journeys,
    parallel,
    timer,
)
from saga_journey.authoring import Journey
from saga_journey.core.children import child_id
from saga_journey.core.codec import encode_command
from saga_journey.core.commands import Cancel
from saga_journey.core.definition import ONE_CALL, JourneyDefinition
from saga_journey.testing.clock import START, ManualClock, store_on
from saga_journey.testing.wrapping import WatchedStore
from tests.acceptance.participant import PATIENCE, Participant, fail, hold, refuse
from tests.acceptance.sagas import step
from tests.acceptance.story import journal

ACME: Any = {"tenant_id": "acme", "user_id": "ann"}
HERE: Any = {"tenant_id": "default", "user_id": "ann"}
LATER = Retry(attempts=3, first=9000, most=9000)
LONG = 20_000.0
AREAS = {"name": "research", "areas": [{"id": "reading", "completion": ["read"]}, {"id": "writing"}]}
WITH_KEY = ("approval", "patient", "wine", "stuck", "going_back", "called_back", "trip", "party", "order")
"""Journeys of which one run was started with its name as the key."""
OF_APPROVAL = ("paused", "to_be_cancelled", "given_time")


def journeys_of(who: Participant) -> dict[str, Journey[Any]]:
    """What the runs in flight are of."""

    def ask(name: str, **policy: Any) -> Any:
        return step(who, name, **policy)

    flight = Saga("flight", version=1, milestones=[ask("seat"), external("confirm", undo=None, timeout=LONG)])
    half_done = parallel(ask("plane"), [ask("car"), external("visa", undo=None, timeout=LONG)])
    called = parallel(ask("band"), [ask("cake")])
    every: list[Journey[Any]] = [
        flight,
        Saga("holiday", version=1, milestones=[ask("plan"), child(flight), ask("insure")]),
        Saga("approval", version=1, milestones=[ask("draft"), external("boss", undo=None, timeout=LONG), ask("file")]),
        Saga("patient", version=1, milestones=[ask("dial"), ask("talk", retry=LATER)]),
        Saga("wine", version=1, milestones=[ask("press"), timer("ripen", LONG / 2), ask("bottle")]),
        Saga("stuck", version=1, milestones=[ask("open"), ask("close")]),
        Saga("going_back", version=1, milestones=[ask("pack"), ask("label", undo_retry=LATER), ask("ship")]),
        Saga("called_back", version=1, milestones=[ask("lend"), ask("sign"), ask("send")]),
        Saga("trip", version=1, milestones=[ask("route"), half_done, ask("pay")]),
        Saga("party", version=1, milestones=[ask("invite"), called, ask("dance")]),
        Saga("order", version=1, milestones=[ask("reserve"), ask("charge"), ask("deliver")]),
        Saga("transfer", version=1, milestones=[ask("check"), ask("wire", undo=False, pivot=True, retry=ONE_CALL)]),
        Saga("shop", version=1, milestones=[ask("sell")]),
        Structured("survey", version=1, milestones=[ask("measure"), ask("report")]),
    ]
    return {journey.name: journey for journey in every}


@dataclass(frozen=True)
class InFlight:
    """A database, and in its folder what its participant has done so far. `runs`: their tenant and saga by a name."""

    url: str
    folder: Path
    runs: Mapping[str, tuple[str, str]]

    def copied(self, folder: Path) -> InFlight:
        """The same once more. Nobody may have it open."""
        shutil.copytree(self.folder, folder)
        return replace(self, url=f"sqlite:///{folder / 'journeys.db'}", folder=folder)

    def moved(self, url: str) -> InFlight:
        """The database is another one now, the participant is the same."""
        return replace(self, url=url)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"


class Nobody:
    """A publisher whose broker is never there: rows wait in the outbox."""

    async def publish(self, rows: Sequence[Mapping[str, Any]]) -> None:
        raise ConnectionError("there is no broker")


@dataclass(frozen=True)
class Scene:
    """Journeys that are open, and moved."""

    journeys: Journeys
    store: WatchedStore
    of: Mapping[str, Journey[Any]]
    clock: ManualClock

    async def start(self, journey: str, key: str | None = None, who: Any = HERE) -> Run:
        return await self.journeys.start(self.of[journey], {"for": key}, key=key, user_context=who)


@asynccontextmanager
async def opened(url: str, participant: Participant, *, working: bool = True) -> AsyncIterator[Scene]:
    clock, of = ManualClock(START), journeys_of(participant)
    store = WatchedStore(await store_on(clock, url))
    async with open_journeys(
        store, sagas=list(of.values()), clock=clock, publisher=Nobody(), working=working
    ) as journeys:
        try:
            yield Scene(journeys, store, of, clock)
        finally:
            participant.give_up()


# --- before -----------------------------------------------------------------------------------------------------------


async def made(folder: Path) -> InFlight:
    """A new one, in that folder, which is made for it."""
    origin = folder.with_name(f"{folder.name}-origin")
    origin.mkdir(parents=True)
    folder.mkdir()
    url = f"sqlite:///{origin / 'journeys.db'}"
    await (await store_on(ManualClock(START), url)).close()  # the participant looks into it
    participant = _scripted(url, origin)
    async with opened(url, participant) as scene:
        runs = await _begun(scene, origin / "journeys.db")
        _copy(origin, folder)  # in the middle of everything
    participant.book.close()
    there = InFlight(f"sqlite:///{folder / 'journeys.db'}", folder, runs)
    return replace(there, runs={**runs, **await _while_nobody_works(there)})


def _scripted(url: str, folder: Path) -> Participant:
    participant = Participant(url, folder)
    participant.side_by_side = True
    for milestone, reply in {
        "talk": fail(),
        "close": refuse(),
        "ship": refuse(),
        "send": refuse(),
        "report": refuse(),
        "band": hold(),
        "charge": hold(effect=True),
        "wire": hold(effect=True),
    }.items():
        participant.will(milestone, reply)
    for milestone, reply in {"open": refuse("not any more"), "label": fail(), "sign": hold()}.items():
        participant.will(milestone, reply, op="undo")
    return participant


async def _begun(scene: Scene, file: Path) -> dict[str, tuple[str, str]]:
    archived = await scene.start("shop", "archived")
    await archived.outcome(PATIENCE)
    with closing(sqlite3.connect(file, timeout=PATIENCE)) as db, db:
        db.execute("update outbox set published_at = at")  # else it stays
    await scene.store.prune(scene.store.now() + 1, 10, archive=True)  # its number is given once more
    runs = {"sold": await scene.start("shop", "sold"), "of_acme": await scene.start("approval", "approval", ACME)}
    for name in WITH_KEY:
        runs[name] = await scene.start(name, name)
    for name in ("holiday", "transfer", "survey"):
        runs[name] = await scene.start(name)
    for name in OF_APPROVAL:
        runs[name] = await scene.start("approval")
    await scene.store.quiet()
    await runs["paused"].pause("stocktaking")
    await runs["given_time"].move(_patient(scene.of["approval"].definition), reason="holidays")
    found = {name: ("acme" if name == "of_acme" else "default", run.saga_id) for name, run in runs.items()}
    found["flight"] = ("default", child_id(runs["holiday"].saga_id, "flight", 1))
    found["archived"] = ("default", archived.saga_id)
    found["session"] = ("default", await _session(scene))
    await scene.store.quiet()
    return found


def _patient(definition: JourneyDefinition) -> JourneyDefinition:
    milestones = tuple(replace(m, timeout=2 * LONG) if m.id == "boss" else m for m in definition.milestones)
    return JourneyDefinition(definition.name, 2, milestones, definition.kind)


async def _session(scene: Scene) -> str:
    session = await scene.journeys.session.start_session("ann", {**AREAS, "initial_area": "reading"}, HERE)
    await scene.journeys.session.update_area_state(session["session_id"], "reading", {"read": True}, HERE)
    return session["session_id"]


def _copy(origin: Path, folder: Path) -> None:
    for name in ("journeys.db", "ledger.db"):
        with closing(sqlite3.connect(origin / name)) as here, closing(sqlite3.connect(folder / name)) as there:
            here.backup(there)


async def _while_nobody_works(there: InFlight) -> dict[str, tuple[str, str]]:
    """A command that nobody has answered, and a run that nobody has taken."""
    participant = Participant(there.url, there.folder)
    async with opened(there.url, participant, working=False) as scene:
        record = await scene.store.find(*there.runs["to_be_cancelled"])
        assert record is not None
        await scene.store.send(record.key, "cmd_cancel", *encode_command(Cancel("ann", "no longer needed")))
        fresh = await scene.start("shop", "fresh")
    participant.book.close()
    return {"fresh": ("default", fresh.saga_id)}


# --- afterwards -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How it ended, what its journal says, and whose effects stand."""

    outcome: str
    told: tuple[str, ...]
    standing: tuple[str, ...]


async def ended(there: InFlight) -> dict[str, Ended]:
    """Opens it with a new worker, says to each run what it waits for, and waits until all have ended."""
    participant = Participant(there.url, there.folder)
    participant.side_by_side = True
    try:
        async with opened(there.url, participant) as scene:
            runs = {
                name: scene.journeys.run(saga, {"tenant_id": tenant})
                for name, (tenant, saga) in there.runs.items()
                if name not in ("session", "archived")
            }
            await scene.store.quiet()
            await _said(scene, runs)
            for _ in range(6):
                await scene.clock.leap(LONG / 4, scene.store.quiet)
            return {name: await _ended(run, participant) for name, run in runs.items()}
    finally:
        participant.book.close()
        assert participant.protests == []


async def _said(scene: Scene, runs: Mapping[str, Run]) -> None:
    doubtful = await runs["transfer"].outcome(PATIENCE)
    assert isinstance(doubtful, Failed), "its one call was lost, so nobody knows"
    await runs["transfer"].it_happened("wire", result={"of": "wire"}, reason="seen at the bank")
    for name in ("approval", "of_acme", "given_time"):
        await runs[name].advance("boss", "yes")
    await runs["paused"].resume()
    await scene.store.quiet()
    await runs["paused"].advance("boss", outcome="refused", reason="no")
    await runs["flight"].advance("confirm", "LH 123")
    await runs["trip"].advance("visa", "granted")
    await runs["stuck"].retry("open", reason="it can be opened again")
    await runs["survey"].retry("report", reason="once more")


async def _ended(run: Run, participant: Participant) -> Ended:
    outcome: Outcome = await run.outcome(PATIENCE)
    return Ended(repr(outcome), tuple(await journal(run)), tuple(sorted(participant.standing(run.saga_id))))
