"""`saga doctor`: is everything as it should be, and if not, what to do. Looks, and changes nothing."""

from __future__ import annotations

import time
from dataclasses import asdict

from saga_journey.cli.database_url import database_of
from saga_journey.cli.desk import Desk, desk
from saga_journey.cli.findings import Finding, of_problem
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, Problem
from saga_journey.cli.screen import Screen
from saga_journey.cli.times import ago
from saga_journey.core.state import SagaStatus
from saga_journey.ports import RunRecord, Search, Worker

LATE = 60.0
"""A saga that is due and that nobody has taken for so long (seconds) stands still."""
AT_MOST = 1000

ICONS = {"ok": ("✔ ok  ", "good"), "look": ("! look", "warn"), "bad": ("✘ bad ", "bad")}


async def doctor(given: Given) -> int:
    """Prints what it finds; 7 when something is bad."""
    screen, worst = Screen(given), 0
    database = database_of(given)
    try:
        async for finding in database.findings():
            _print(screen, finding)
            worst = UNREACHABLE if finding.level == "bad" else worst
    except Problem as problem:
        _print(screen, of_problem("database", problem))
        return UNREACHABLE
    if worst == 0:
        async with desk(given, screen) as opened:
            ahead = opened.now() - time.time()
            for finding in [*database.about_time(ahead), *await _sagas(opened)]:
                _print(screen, finding)
    return worst


def _print(screen: Screen, finding: Finding) -> None:
    if screen.given.json:
        screen.json(asdict(finding))
        return
    screen.out([ICONS[finding.level], (f"  {finding.check:<11}", "strong"), (finding.text, "")])
    for line in (finding.hint or "").splitlines():
        screen.out([(" " * 19, ""), (line, "dim")])


# --- the sagas --------------------------------------------------------------------------------------------------------


async def _sagas(desk: Desk) -> list[Finding]:
    workers = await desk.journeys.store.workers()
    moving = [
        record
        for status in (SagaStatus.IN_PROGRESS, SagaStatus.COMPENSATING)
        for record in await desk.search(Search(status=status, limit=AT_MOST))
    ]
    return [
        _workers(desk, workers, moving),
        *_late(desk, workers, moving),
        *await _attention(desk),
    ]


def _workers(desk: Desk, workers: list[Worker], moving: list[RunRecord]) -> Finding:
    alive = [w for w in workers if w.alive]
    dead = [w for w in workers if not w.alive and w.runs]
    text = f"{len(alive)} live, moving {_count(sum(w.runs for w in alive), 'saga')}" if alive else "none live"
    if dead:
        last = ago(max(w.seen_at for w in dead), desk.now())
        text += f"; {len(dead)} died, the last seen {last}, leaving {_count(sum(w.runs for w in dead), 'saga')}"
    if alive or not moving:
        return Finding("workers", "ok", text)
    hint = f"until one opens this database, {_count(len(moving), 'saga')} will not move"
    return Finding("workers", "look", text, hint)


def _late(desk: Desk, workers: list[Worker], moving: list[RunRecord]) -> list[Finding]:
    """Sagas that a live worker should have taken, and has not: it lacks their handlers, or has no room."""
    alive = {w.owner for w in workers if w.alive}
    now = desk.now()
    late = [r for r in moving if r.owner not in alive and r.due_at is not None and r.due_at < now - LATE]
    if not late or not alive:
        return []
    hint = f"the workers lack their handlers, or have no room: {desk.given.again('get', late[-1].saga_id)}"
    names = ", ".join(sorted({r.journey for r in late}))
    return [Finding("late", "look", f"{_count(len(late), 'saga')} nobody takes, of {names}", hint)]


async def _attention(desk: Desk) -> list[Finding]:
    stuck = await desk.search(Search(status=SagaStatus.FAILED, limit=AT_MOST))
    if not stuck:
        return [Finding("attention", "ok", "no saga waits for a person")]
    more = "+" if len(stuck) == AT_MOST else ""
    hints = "\n".join(desk.given.again("get", record.saga_id) for record in stuck[:3])
    found = [Finding("attention", "look", f"{len(stuck)}{more} waiting for a person, the newest:", hints)]
    return found + await _handlers(desk, stuck)


async def _handlers(desk: Desk, stuck: list[RunRecord]) -> list[Finding]:
    missing: dict[str, int] = {}
    for record in stuck:
        for attention in (await desk.state(record)).attention:
            if attention.kind in ("handler_missing", "cannot_decode"):
                missing[attention.detail] = missing.get(attention.detail, 0) + 1
    hint = "open a worker that has the code: they go on by themselves"
    return [Finding("handlers", "look", f"{_count(n, 'saga')}: {detail}", hint) for detail, n in missing.items()]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
