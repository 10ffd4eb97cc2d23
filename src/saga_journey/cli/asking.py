"""ls, get, history, watch: looking at sagas without touching them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from saga_journey.cli import as_json, words
from saga_journey.cli.desk import Desk
from saga_journey.cli.picture import commands, next_commands, payloads, picture
from saga_journey.cli.problems import NO_OUTCOME, OUTCOMES, Problem, nearest
from saga_journey.cli.screen import Line, Span
from saga_journey.cli.table import table
from saga_journey.cli.text import compact
from saga_journey.cli.times import ago, clock, moment, precise
from saga_journey.core.events import Because
from saga_journey.core.progress import HistoryEntry, view
from saga_journey.core.state import FINAL, RunState, SagaStatus
from saga_journey.ports import RunRecord, Search

WIDE = 120
REDRAW_EVERY = 0.5
"""How often a picture is drawn anew for its countdowns (seconds)."""
LOOK_EVERY = 2.0
"""How often is looked when nobody says that something was written (seconds)."""


# --- ls ---------------------------------------------------------------------------------------------------------------


async def ls(desk: Desk, search: Search) -> None:
    records = await desk.search(search)
    if desk.given.json:
        for record in records:
            desk.screen.json(as_json.row(record))
        return
    if not records:
        desk.screen.say(await _nothing(desk, search))
        return
    await _show(desk, records)
    _point_on(desk, search, records)


async def _show(desk: Desk, records: Sequence[RunRecord]) -> None:
    """A line for each; what it waits for has a column, or on a narrow terminal a line of its own."""
    screen, heads = desk.screen, ["SAGA", "JOURNEY", "STATUS", "STARTED"]
    waits = [await _waits(desk, record) for record in records]
    rows = [_row(desk, record) for record in records]
    if screen.room >= WIDE:
        rows = [[*row, (wait, "")] for row, wait in zip(rows, waits, strict=True)]
        screen.out(*table([*heads, "WAITS FOR"], rows, screen.room))
        return
    head, *lines = table(heads, rows, screen.room)
    screen.out(head)
    for line, record, wait in zip(lines, records, waits, strict=True):
        person = "a person: " if record.status is SagaStatus.FAILED else ""
        screen.out(line, *([[(f"  waits for {person}{wait}", "dim")]] if wait else []))


async def _waits(desk: Desk, record: RunRecord) -> str:
    return "" if record.status in FINAL else view(await desk.state(record)).waiting_for or ""


def _row(desk: Desk, record: RunRecord) -> list[Span]:
    now, far = desk.now(), desk.screen.room >= WIDE
    started = moment(record.started_at, now) if far else ago(record.started_at, now)
    return [(record.saga_id, ""), (record.journey, ""), words.status(record.status), (started, "")]


async def _nothing(desk: Desk, search: Search) -> str:
    """An empty list says what was asked; a mistyped journey is the likeliest reason."""
    asked = [f"status {search.status}"] if search.status else []
    asked += [f"journey {search.journey}"] if search.journey else []
    asked += ["that time"] if search.since is not None else []
    said = f"no saga of {', '.join(asked)}" if asked else "no sagas yet" if search.before is None else "no more sagas"
    journeys = sorted({r.journey for r in await desk.search(Search(limit=1000))}) if search.journey else []
    meant = nearest(search.journey or "", journeys)
    return said + (f": did you mean journey {meant}?" if meant and meant != search.journey else "")


def _point_on(desk: Desk, search: Search, records: Sequence[RunRecord]) -> None:
    if len(records) == search.limit:
        desk.screen.hint(f"more: {desk.given.again('ls', '--before', records[-1].saga_id)}")
    stuck = next((r for r in records if r.status is SagaStatus.FAILED), None)
    desk.screen.hint(f"next: {desk.given.again('get', (stuck or records[0]).saga_id)}")


# --- get --------------------------------------------------------------------------------------------------------------


async def get(desk: Desk, saga_id: str, *, with_payloads: bool, exit_status: bool) -> int:
    record = await desk.record(saga_id)
    state = await desk.state(record)
    screen = desk.screen
    if desk.given.json:
        screen.json(saga_json(desk, record, state, with_payloads=with_payloads))
    else:
        screen.out(*picture(state, desk.now(), screen, tabled=True))
        screen.out(*(payloads(state) if with_payloads else []))
        await _owned(desk, record, state)
        for command in next_commands(state, desk.given, desk.now()):
            screen.hint(f"next: {command}")
    return exit_of(state) if exit_status else 0


def saga_json(desk: Desk, record: RunRecord, state: RunState, *, with_payloads: bool) -> dict[str, Any]:
    helping = [command for command, _ in commands(state, desk.given)]
    return as_json.saga(view(state), record, helping, payloads=with_payloads)


async def _owned(desk: Desk, record: RunRecord, state: RunState) -> None:
    """A run that stands still because no worker is there says so; nothing else would tell."""
    moving = state.status in (SagaStatus.IN_PROGRESS, SagaStatus.COMPENSATING)
    if moving and not any(worker.alive for worker in await desk.journeys.store.workers()):
        desk.screen.say("no worker is live on this database: it goes on when one opens it")


def exit_of(state: RunState) -> int:
    return OUTCOMES.get(state.status, NO_OUTCOME)


# --- history ----------------------------------------------------------------------------------------------------------


async def history(desk: Desk, saga_id: str, *, follow: bool, with_payloads: bool) -> None:
    record = await desk.record(saga_id)
    seen = 0
    async with contextlib.aclosing(changes(desk, record, every=LOOK_EVERY)) as states:
        async for state in states:
            seen = await events_after(desk, record, seen, with_payloads=with_payloads)
            if not follow or state.final is not None:
                return


async def events_after(desk: Desk, record: RunRecord, seen: int, *, with_payloads: bool) -> int:
    """Prints the events that are new, and gives the seq of the newest one."""
    for entry in await desk.run(record).history():
        if entry.seq > seen:
            if desk.given.json:
                desk.screen.json(as_json.event(entry, payloads=with_payloads))
            else:
                desk.screen.out(_event(entry, with_payloads=with_payloads))
            seen = entry.seq
    return seen


def _event(entry: HistoryEntry, *, with_payloads: bool) -> Line:
    fields = as_json.event(entry, payloads=with_payloads)["fields"]
    milestone = fields.pop("milestone", None)
    said = "; ".join(f"{name}: {_value(name, value)}" for name, value in fields.items())
    style = EVENT_STYLES.get(entry.name, "")
    line: list[Span] = [(f"{entry.seq:>4}  {precise(entry.at)}  ", "dim"), (f"{entry.name:<21}", style)]
    return [*line, (f"  {milestone}" if milestone else "", ""), (f"  {said}" if said else "", "dim")]


def _value(name: str, value: Any) -> str:
    if name == "because":
        return str(Because(**value))
    if name.endswith("_at") and isinstance(value, float):
        return clock(value)
    return value if isinstance(value, str) else compact(value)


EVENT_STYLES = {
    "milestone_completed": "good",
    "saga_completed": "good",
    "milestone_refused": "bad",
    "milestone_gave_up": "bad",
    "undo_given_up": "bad",
    "attention_raised": "bad",
    "attempt_ended": "warn",
    "attempt_lost": "warn",
    "compensation_decided": "undo",
    "milestone_compensated": "undo",
    "saga_compensated": "undo",
}


# --- watch ------------------------------------------------------------------------------------------------------------


async def watch(desk: Desk, saga_id: str, timeout: float | None) -> int:  # noqa: ASYNC109 - it is an exit code
    """Until the saga has an outcome; gives the exit code that says which."""
    record = await desk.record(saga_id)
    try:
        async with asyncio.timeout(timeout):
            state = await accompany(desk, record)
    except TimeoutError:
        if desk.screen.moves:
            _show_picture(desk, await desk.state(record))
        what = f"{record.saga_id} has no outcome after {timeout:g} s; it goes on"
        raise Problem(NO_OUTCOME, "no_outcome", what, desk.given.again("watch", record.saga_id)) from None
    for command in next_commands(state, desk.given, desk.now()):
        desk.screen.hint(f"next: {command}")
    return exit_of(state)


async def accompany(desk: Desk, record: RunRecord) -> RunState:
    """Shows a saga as it goes on, and at the end where it came to: a moving picture on a terminal, else its events."""
    screen = desk.screen
    state: RunState | None = None
    if screen.moves:
        with screen.moving() as draw:
            async with contextlib.aclosing(changes(desk, record, every=REDRAW_EVERY)) as states:
                async for state in states:
                    draw(picture(state, desk.now(), screen, tabled=False))
                    if state.status in OUTCOMES:
                        break
    else:
        state = await _told(desk, record)
    assert state is not None, "the first state comes at once"
    if not desk.given.json:
        _show_picture(desk, state)
    return state


def _show_picture(desk: Desk, state: RunState) -> None:
    desk.screen.out(*picture(state, desk.now(), desk.screen, tabled=False))


async def _told(desk: Desk, record: RunRecord) -> RunState:
    """Line by line: its events, or with --json the whole saga each time it changed."""
    state: RunState | None = None
    seen = 0
    async with contextlib.aclosing(changes(desk, record, every=LOOK_EVERY)) as states:
        async for state in states:
            if state.seq > seen:
                seen = await _tell_change(desk, record, state, seen)
            if state.status in OUTCOMES:
                break
    assert state is not None, "the first state comes at once"
    if not desk.given.json:
        desk.screen.out("")
    return state


async def _tell_change(desk: Desk, record: RunRecord, state: RunState, seen: int) -> int:
    if not desk.given.json:
        return await events_after(desk, record, seen, with_payloads=False)
    desk.screen.json(saga_json(desk, await desk.record(record.saga_id), state, with_payloads=False))
    return state.seq


async def changes(desk: Desk, record: RunRecord, *, every: float) -> AsyncGenerator[RunState]:
    """The run as it stands, now and again whenever something was written, or so many seconds have passed."""
    written = asyncio.Event()
    forget = desk.journeys.store.on_change(written.set)
    desk.journeys.observe(lambda _: written.set())
    try:
        while True:
            written.clear()
            yield await desk.state(record)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await written.wait()
    finally:
        forget()
