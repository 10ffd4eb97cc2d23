"""`saga db move`: what would go along and the question; then the move, and what became of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from saga_journey.cli.database_url import KINDS
from saga_journey.cli.options import Given
from saga_journey.cli.postgres_server import DRIFT
from saga_journey.cli.problems import INTERRUPTED, UNREACHABLE, USAGE, Problem
from saga_journey.cli.screen import Screen
from saga_journey.cli.sending import must_agree
from saga_journey.cli.sqlite_file import SqliteFile
from saga_journey.cli.times import iso, span
from saga_journey.errors import StoreError
from saga_journey.stores.moving.mark import moment
from saga_journey.stores.moving.move import Moved, Plan, move, plan
from saga_journey.stores.moving.ports import Counts, Table
from saga_journey.stores.postgres.taking_in import PostgresTarget
from saga_journey.stores.server_url import is_postgres, parse_url, shown
from saga_journey.stores.sqlite.reading_out import SqliteSource

EVERY = 1.0
"""Seconds between two lines of progress."""

OTHERWISE = {
    ("sqlite", "sqlite"): "copy the file while nothing has it open: sqlite3 journeys.db '.backup other.db'",
    ("postgres", "postgres"): "pg_dump --schema saga_journey, while nothing is at work there",
    ("postgres", "sqlite"): "sagas that are on a server stay on one",
}
WORDS: dict[Table, str] = {
    "run": "saga",
    "tenant": "tenant",
    "definition": "definition",
    "journal": "journal row",
    "start_key": "key",
    "command": "command",
    "outbox": "outbox row",
    "archive": "archived saga",
}


async def relocate(given: Given, source_url: str, target_url: str) -> None:
    """Raises Problem or StoreError; then nothing was moved, unless it says something else."""
    _must_be_a_pair(source_url, target_url)
    await _must_be_ours(replace(given, db=source_url, db_said=True))
    screen = Screen(given)
    progress = Progress(screen)
    try:
        async with PostgresTarget.opened(target_url) as target:
            with closing(SqliteSource(source_url)) as source:
                planned = await plan(source, target, progress)
                if not planned.done:
                    _show(screen, planned, source_url, target.name)
                    must_agree(screen, f"nobody can open {source.name} afterwards")
                moved = None if planned.done else await move(source, target, progress)
    except asyncio.CancelledError:
        raise Problem(INTERRUPTED, "interrupted", "interrupted: nothing was moved") from None
    _tell(screen, planned, moved, source_url, shown(target_url))


def _must_be_a_pair(source: str, target: str) -> None:
    kinds = _kind(source), _kind(target)
    if kinds != ("sqlite", "postgres"):
        what = "only a SQLite file can be moved, and only to a PostgreSQL server"
        raise Problem(USAGE, "cannot_be_moved_so", what, OTHERWISE[kinds])
    try:
        parse_url(target)
    except StoreError as error:
        raise Problem(USAGE, "not_a_database_url", str(error)) from None


def _kind(url: str) -> str:
    if is_postgres(url):
        return "postgres"
    if url.startswith("sqlite:"):
        return "sqlite"
    hint = f"did you mean sqlite:///{url}?" if "://" not in url and url else None
    raise Problem(USAGE, "not_a_database_url", f"{shown(url)!r} is not a database: {KINDS}", hint)


async def _must_be_ours(given: Given) -> None:
    """The source: there, ours, and not of a newer version."""
    file = SqliteFile(given)
    _must_be_there(file.path)
    await file.must_open()
    schema = await file.schema()
    if schema.problem is not None:
        raise schema.problem
    if not schema.applied:
        raise Problem(UNREACHABLE, "not_ours", f"{file.name} is a database, but not one of saga-journey")


def _must_be_there(path: Path) -> None:
    if not path.exists():
        hint = "sqlite:///journeys.db is a file beside you, sqlite:////var/lib/app/journeys.db an absolute path"
        raise Problem(UNREACHABLE, "no_database", f"there is no database {path}", hint)


# --- before -----------------------------------------------------------------------------------------------------------


def _show(screen: Screen, planned: Plan, source: str, target: str) -> None:
    show = screen.hint if screen.given.yes else screen.insist
    show(f"move {source} to {target}:")
    if planned.again is not None:
        show(f"  it has all of this already, since {moment(planned.again)}; what is left is to mark {source}")
    else:
        show(f"  {_in_words(planned.here.counts, planned.here.in_flight)}")
        if planned.there.pending:
            show(f"  the database there is brought up to date first: {', '.join(planned.there.pending)}")
    if abs(planned.ahead) > DRIFT:
        show(f"  {_about_time(planned.ahead)}")
    show(f"  {source} is kept and marked: nobody can open it any more, and nobody write it")


def _in_words(counts: Counts, in_flight: int) -> str:
    words = [_many(counts[table], word) for table, word in WORDS.items() if counts[table] or table == "run"]
    words[0] += f" ({in_flight:,} in flight)"
    return ", ".join(words)


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _about_time(ahead: float) -> str:
    word, then = ("ahead of", "earlier") if ahead > 0 else ("behind", "later")
    away = span(abs(ahead))
    return f"the clock of the server is {away} {word} ours: timers follow it from now on, and fire so much {then}"


class Progress:
    """What is being done, in lines, for somebody at a terminal."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last = time.monotonic()

    def __call__(self, what: str, through: int, of: int) -> None:
        if self._screen.moves and time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            self._screen.say(f"  {what}: {through:,} of {of:,}")


# --- afterwards -------------------------------------------------------------------------------------------------------


def _tell(screen: Screen, planned: Plan, moved: Moved | None, source: str, target: str) -> None:
    mark = planned.here.mark if moved is None else moved.mark
    assert mark is not None, "it was moved, now or before"
    counts = planned.here.counts if moved is None else moved.counts
    again = moved is None or moved.again
    if screen.given.json:
        said = {"source": source, "target": target, "moved_at": iso(mark.at), "again": again, "ahead": planned.ahead}
        screen.json({**said, **_figures(counts), "in_flight": planned.here.in_flight})
        return
    if moved is None:
        screen.out(f"{source} was moved to {target} on {moment(mark.at)}: nothing is left to do")
    elif moved.again:
        screen.out(f"marked {source}: {target} has all of it since {moment(mark.at)}")
    else:
        screen.out(
            f"moved {_many(counts['run'], 'saga')} to {target}; every journal there is the same, and can be read"
        )
    screen.hint(f"next: {replace(screen.given, db=target, db_said=True).again('doctor')}")


def _figures(counts: Counts) -> dict[str, int]:
    return {
        "sagas": counts["run"],
        "tenants": counts["tenant"],
        "definitions": counts["definition"],
        "journal": counts["journal"],
        "keys": counts["start_key"],
        "commands": counts["command"],
        "outbox": counts["outbox"],
        "archived": counts["archive"],
    }
