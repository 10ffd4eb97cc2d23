"""`saga doctor`: is everything as it should be, and if not, what to do. Looks, and changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from saga_journey.cli.database import known, looking_into, must_be_there, must_be_writable, path_of, schema_of
from saga_journey.cli.desk import Desk, desk
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE, Problem
from saga_journey.cli.screen import Screen
from saga_journey.cli.times import ago, span
from saga_journey.core.state import SagaStatus
from saga_journey.ports import RunRecord, Search, Worker
from saga_journey.stores.sqlite.clock import boot_id
from saga_journey.stores.sqlite.connection import MINIMUM

MIB = 1024 * 1024
LARGE_WAL = 64 * MIB
LITTLE_ROOM, NO_ROOM = 1024 * MIB, 64 * MIB
LATE = 60.0
"""A saga that is due and that nobody has taken for so long (seconds) stands still."""
AT_MOST = 1000
DRIFT = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `look` asks for a person's eye, `bad` keeps sagas from moving."""

    check: str
    level: Literal["ok", "look", "bad"]
    text: str
    hint: str | None = None


ICONS = {"ok": ("✔ ok  ", "good"), "look": ("! look", "warn"), "bad": ("✘ bad ", "bad")}


async def doctor(given: Given) -> int:
    """Prints what it finds; 7 when something is bad."""
    screen, worst = Screen(given), 0
    path = path_of(given)
    for finding in _file(given, path):
        _print(screen, finding)
        worst = UNREACHABLE if finding.level == "bad" else worst
    if worst == 0:
        async with desk(given, screen) as opened:
            for finding in await _sagas(opened):
                _print(screen, finding)
    return worst


def _print(screen: Screen, finding: Finding) -> None:
    if screen.given.json:
        screen.json(asdict(finding))
        return
    screen.out([ICONS[finding.level], (f"  {finding.check:<11}", "strong"), (finding.text, "")])
    for line in (finding.hint or "").splitlines():
        screen.out([(" " * 19, ""), (line, "dim")])


# --- the file ---------------------------------------------------------------------------------------------------------


def _file(given: Given, path: Path) -> Iterator[Finding]:
    """Everything that can be seen without opening the journeys; ends at the first thing that is bad."""
    yield _sqlite()
    try:
        must_be_there(path, given)
        yield _database(path)
        must_be_writable(path)
        yield Finding("rights", "ok", f"the file and {path.resolve().parent} can be written")
        yield _wal(path)
        yield _schema(path, given)
        yield _disk(path)
        yield _clock(path)
    except Problem as problem:
        yield Finding("database", "bad", problem.message, problem.hint)


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info < MINIMUM:
        return Finding("sqlite", "bad", f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed")
    return Finding("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")


def _database(path: Path) -> Finding:
    about = path.stat()
    text = f"{path.resolve()}, {_size(about.st_size)}, {stat.filemode(about.st_mode)}"
    if about.st_mode & stat.S_IWOTH:
        return Finding("database", "look", f"{text}: everybody can write it", f"chmod o-w {path}")
    return Finding("database", "ok", text)


def _wal(path: Path) -> Finding:
    with looking_into(path) as db:
        mode = db.execute("pragma journal_mode").fetchone()[0]
    log = Path(f"{path}-wal")
    size = log.stat().st_size if log.exists() else 0
    if mode != "wal":
        return Finding("wal", "look", f"journal mode {mode}", "the next process that opens it switches to WAL")
    if size > LARGE_WAL:
        hint = "some process has been reading for a long time, so the log cannot be emptied: find and end it"
        return Finding("wal", "look", f"the log has grown to {_size(size)}", hint)
    return Finding("wal", "ok", f"on, its log has {_size(size)}")


def _schema(path: Path, given: Given) -> Finding:
    schema = schema_of(path)
    if schema.problem is not None:
        raise schema.problem
    if not schema.applied:
        hint = f"another file? --db sqlite:///…\nor make it one: {given.again('db', 'migrate')}"
        return Finding("schema", "bad", "this is not a database of saga-journey", hint)
    if schema.pending:
        return Finding("schema", "bad", f"{len(schema.pending)} migrations are to come", given.again("db", "migrate"))
    return Finding("schema", "ok", f"version {schema.applied[-1][0]} of {known()}")


def _disk(path: Path) -> Finding:
    room = shutil.disk_usage(path.resolve().parent)
    text = f"{_size(room.free)} free of {_size(room.total)}"
    if room.free < NO_ROOM:
        return Finding("disk", "bad", text, "make room: nothing is lost, but nothing new is called until there is some")
    return Finding("disk", "look" if room.free < LITTLE_ROOM else "ok", text)


def _clock(path: Path) -> Finding:
    """Store time is the wall clock at the first opening since boot, and the boot clock from then on."""
    with looking_into(path) as db:
        row = db.execute("select boot_id from anchor").fetchone()
    if row is None:
        return Finding("clock", "look", "it has no anchor yet", "the first process that opens it sets one")
    if row[0] != boot_id():
        text = "anchored before the last boot of this host, or on another one"
        return Finding("clock", "look", text, "the next process that opens it anchors anew, never backwards")
    return Finding("clock", "ok", "anchored since the last boot of this host")


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


# --- the sagas --------------------------------------------------------------------------------------------------------


async def _sagas(desk: Desk) -> list[Finding]:
    workers = await desk.journeys.store.workers()
    moving = [
        record
        for status in (SagaStatus.IN_PROGRESS, SagaStatus.COMPENSATING)
        for record in await desk.search(Search(status=status, limit=AT_MOST))
    ]
    return [
        _time(desk),
        _workers(desk, workers, moving),
        *_late(desk, workers, moving),
        *await _attention(desk),
    ]


def _time(desk: Desk) -> Finding:
    ahead = desk.now() - time.time()
    text = f"store time and the wall clock differ by {span(abs(ahead))}"
    if abs(ahead) < DRIFT:
        return Finding("time", "ok", text)
    return Finding("time", "look", text, "somebody set the wall clock; timers follow store time, which nobody sets")


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
