"""The same for shapes: a true story of a block, a choice, a timer or a child is falsified in one place; it shows."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from saga_journey.testing.participants import Reply
from tests.crash.life import Life, Pipes, Planted, live
from tests.crash.place import Place, make_template
from tests.crash.plans import Block, Nested, Plan, Step
from tests.crash.shapes import BRANCH, CHILD, CHILD_UNDONE, PARALLEL_REFUSES, RESERVE, SHIP

BLOCK = Plan(
    "block",
    (RESERVE, Block(((Step("flight", do=(Reply.ERROR, Reply.OK)),), (Step("car"), Step("seat")))), SHIP),
    "completed",
)
NAP = Plan("nap", (RESERVE, Block(((Step("nap", seconds=0.05),), (Step("car"),))), SHIP), "completed")
STUCK_CHILD = Plan(
    "stuck-child",
    (RESERVE, Nested("travel", (Step("flight"),)), Step("ship", do=(Reply.REFUSE,), undo=None)),
    "compensated",
)
TRUE_STORIES = {plan.name: plan for plan in (BLOCK, NAP, BRANCH, PARALLEL_REFUSES, CHILD, CHILD_UNDONE, STUCK_CHILD)}

Row = list[Any]
"""[seq, at, events]: one row of a journal; an event is [name, {fields}]."""
PARENT, OWN = 1, 2
"""Run numbers."""


@pytest.fixture(scope="session")
def true_places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    """Each story, as it really happened."""
    folder = tmp_path_factory.mktemp("true")
    template = make_template(folder)
    places = {}
    for name, plan in TRUE_STORIES.items():
        places[name] = Place.of(template, folder / name)
        asyncio.run(live(places[name], plan, Life("life"), Planted(), Pipes()))
    return places


@pytest.fixture
def place(request: pytest.FixtureRequest, true_places: dict[str, Place], tmp_path: Path) -> Place:
    copy = tmp_path / "story"
    shutil.copytree(true_places[request.param].folder, copy)
    return Place(copy)


# --- ways to lie -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lie:
    """What is told instead of the truth, and the invariant that it breaks."""

    invariant: str
    story: str
    tell: Callable[[Place], None]


def rewritten(run: int, change: Callable[[list[Row]], list[Row]]) -> Callable[[Place], None]:
    """The journal of that run is another one."""

    def tell(place: Place) -> None:
        with closing(sqlite3.connect(place.database)) as db:
            found = db.execute("select seq, at, events from journal where run = ? order by seq", (run,)).fetchall()
            rows = change([[seq, at, json.loads(events)] for seq, at, events in found])
            tenant, epoch = db.execute("select tenant, epoch from journal where run = ?", (run,)).fetchone()
            db.execute("delete from journal where run = ?", (run,))
            told = [(tenant, run, seq, epoch, at, json.dumps(events)) for seq, at, events in rows]
            db.executemany("insert into journal (tenant, run, seq, epoch, at, events) values (?, ?, ?, ?, ?, ?)", told)
            db.commit()

    return tell


def sql(script: str, *, ledger: bool = False) -> Callable[[Place], None]:
    def tell(place: Place) -> None:
        with closing(sqlite3.connect(place.ledger if ledger else place.database)) as db:
            db.executescript("drop trigger if exists entry_stays; drop trigger if exists entry_kept;" + script)

    return tell


def both(*lies: Callable[[Place], None]) -> Callable[[Place], None]:
    def tell(place: Place) -> None:
        for lie in lies:
            lie(place)

    return tell


def numbered(rows: list[Row]) -> list[Row]:
    """With the seqs that a journal must have."""
    seq = 1
    for row in rows:
        row[0] = seq
        seq += len(row[2])
    return rows


def said(rows: list[Row], name: str, milestone: str | None = None) -> tuple[int, int]:
    """Where an event stands: its row and its place there."""
    for number, row in enumerate(rows):
        for at, (told, fields) in enumerate(row[2]):
            if told == name and milestone in (None, fields.get("milestone")):
                return number, at
    raise AssertionError(f"{name} {milestone} did not happen: {rows}")


def with_event_after(name: str, milestone: str, event: list[Any]) -> Callable[[list[Row]], list[Row]]:
    """One more event in that row."""

    def change(rows: list[Row]) -> list[Row]:
        number, at = said(rows, name, milestone)
        rows[number][2].insert(at + 1, event)
        return numbered(rows)

    return change


def until(name: str, milestone: str | None = None, *, included: bool = True) -> Callable[[list[Row]], list[Row]]:
    """The journal ends there."""
    return lambda rows: rows[: said(rows, name, milestone)[0] + included]


def with_row(*events: list[Any]) -> Callable[[list[Row]], list[Row]]:
    """One more row at the end."""
    return lambda rows: numbered([*rows, [0, rows[-1][1], list(events)]])


def changed(name: str, milestone: str | None, **fields: Any) -> Callable[[list[Row]], list[Row]]:
    """Other fields of an event."""

    def change(rows: list[Row]) -> list[Row]:
        number, at = said(rows, name, milestone)
        rows[number][2][at][1].update(fields)
        return rows

    return change


def two_attempts_of_one_event(rows: list[Row]) -> list[Row]:
    """The end of `car` opens `seat`, and in the same row, after it, `flight` is to be tried again."""
    ended, completed = said(rows, "attempt_ended", "flight")[0], said(rows, "milestone_completed", "car")[0]
    first, later = sorted((ended, completed))
    rows[first][2] = [*rows[completed][2], *rows[ended][2]]
    rows[first][2] = [event for event in rows[first][2] if event[0] != "attempt_started"]
    return numbered([*rows[:later], *rows[later + 1 :]])


def earlier(name: str, milestone: str, seconds: float) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        number = said(rows, name, milestone)[0]
        for row in rows[number:]:
            row[1] -= seconds
        return rows

    return change


REQUESTED = ["compensation_decided", {"because": {"kind": "requested"}}]
STATUS = "update run set status = '{}', due_at = {} where run = {};"


def late_request(milestone: str, *, like: str) -> str:
    """One more request in the ledger, after everything else, for another milestone."""
    return (
        "insert into entry (tenant, key, saga, milestone, op, body, fence, received, applied, why, visible, "
        "action_key, undoable, emits, worker) "
        f"select tenant, saga || '/late', saga, '{milestone}', 'do', body, 99, received, 0, '', 1, "
        f"saga || '/late', 0, 0, worker from entry where milestone = '{like}' limit 1;"
    )


def attention_elsewhere(rows: list[Row]) -> list[Row]:
    """One branch refused, and instead of the decision another branch waits for a person."""
    number, at = said(rows, "milestone_refused", "flight")
    attention = ["attention_raised", {"kind": "milestone_failed", "milestone": "car", "detail": "?"}]
    rows[number][2] = [rows[number][2][at], attention]
    return rows[: number + 1]


LIES = {
    "started before its block was through": Lie(
        "I2",
        "block",
        rewritten(1, with_event_after("attempt_started", "car", ["attempt_started", {"milestone": "ship"}])),
    ),
    "the second of a branch before the first": Lie(
        "I2",
        "block",
        rewritten(1, with_event_after("attempt_started", "car", ["attempt_started", {"milestone": "seat"}])),
    ),
    "started twice": Lie(
        "I2",
        "block",
        rewritten(1, with_event_after("milestone_completed", "ship", ["attempt_started", {"milestone": "car"}])),
    ),
    "two attempts with one fence": Lie("I13", "block", rewritten(1, two_attempts_of_one_event)),
    "an arm that there is not": Lie("I2", "branch", rewritten(1, changed("arm_chosen", "reserve", arm="thank"))),
    "a choice made twice": Lie(
        "I2",
        "branch",
        rewritten(
            1,
            with_event_after("arm_chosen", "reserve", ["arm_chosen", {"milestone": "reserve", "arm": "express"}]),
        ),
    ),
    "an arm that was not taken": Lie("I2", "branch", rewritten(1, changed("arm_chosen", "reserve", arm="standard"))),
    "done, and not taken": Lie("I3", "branch", sql(late_request("standard", like="express"), ledger=True)),
    "a timer that struck early": Lie("I17", "nap", rewritten(1, earlier("milestone_completed", "nap", 0.04))),
    "a refusal that only bothers a sibling": Lie(
        "I9",
        "parallel-refuses",
        rewritten(1, attention_elsewhere),
    ),
    "undone in the order of starting": Lie(
        "I10",
        "parallel-refuses",
        sql(
            """create temp table undo as select n, milestone, row_number() over (order by n) p,
            row_number() over (order by n desc) q from entry where op = 'undo' and applied = 1;
            update entry set milestone = (select b.milestone from undo a join undo b on a.p = b.q where a.n = entry.n)
            where n in (select n from undo);""",
            ledger=True,
        ),
    ),
    "a branch that goes on after the decision": Lie(
        "I11", "parallel-refuses", sql(late_request("seat", like="car"), ledger=True)
    ),
    "what a sibling did still stands": Lie(
        "I7", "parallel-refuses", sql("delete from entry where op = 'undo' and milestone = 'car'", ledger=True)
    ),
    "a child of nobody": Lie(
        "I1",
        "child",
        rewritten(OWN, changed("saga_started", None, parent={"saga_id": "saga_gone", "milestone": "travel"})),
    ),
    "the child of another milestone": Lie(
        "I1",
        "child",
        sql(
            'update journal set events = replace(events, \'"milestone":"travel"\', \'"milestone":"ship"\') '
            "where run = 2 and seq = 1"
        ),
    ),
    "a child that does not exist": Lie(
        "I1",
        "child",
        sql(
            "delete from run where run = 2; delete from journal where run = 2; delete from outbox where run = 2;"
            "delete from command where run = 2;"
        ),
    ),
    "a child by another definition": Lie(
        "I19", "child", sql("update run set definition = (select definition from run where run = 1) where run = 2")
    ),
    "completed before its child was": Lie(
        "I5",
        "child",
        both(
            rewritten(OWN, until("saga_completed", included=False)),
            sql(STATUS.format("in_progress", "0", OWN)),
        ),
    ),
    "completed, and its child is undone": Lie(
        "I6",
        "child",
        both(
            rewritten(OWN, with_row(REQUESTED)),
            sql(STATUS.format("compensating", "0", OWN)),
        ),
    ),
    "a child that turned back by itself": Lie(
        "I8",
        "child",
        both(
            rewritten(OWN, with_row(REQUESTED)),
            sql(STATUS.format("compensating", "0", OWN)),
        ),
    ),
    "a child that somebody cancelled": Lie(
        "I8", "child-undone", rewritten(OWN, changed("compensation_decided", None, because={"kind": "cancelled"}))
    ),
    "compensated, and its child stands": Lie(
        "I7",
        "child-undone",
        both(
            rewritten(OWN, until("saga_completed")),
            sql(STATUS.format("completed", "null", OWN)),
        ),
    ),
    "compensated before its child was": Lie(
        "I5",
        "child-undone",
        both(
            rewritten(OWN, until("saga_completed")),
            sql(STATUS.format("completed", "null", OWN)),
        ),
    ),
    "a child told to stop that is none": Lie(
        "I2",
        "child-undone",
        rewritten(
            PARENT,
            with_event_after("milestone_refused", "ship", ["child_recalled", {"milestone": "reserve", "why": "?"}]),
        ),
    ),
    "nobody tells the parent": Lie(
        "I15",
        "child",
        both(
            rewritten(PARENT, until("milestone_completed", "reserve")),
            sql(STATUS.format("in_progress", "1e18", PARENT) + "delete from command where run = 1;"),
        ),
    ),
    "nobody asks the child": Lie(
        "I15",
        "stuck-child",
        both(
            rewritten(PARENT, until("compensation_decided")),
            sql(STATUS.format("compensating", "1e18", PARENT) + "delete from command;"),
        ),
    ),
}


@pytest.mark.parametrize("place", TRUE_STORIES, indirect=True)
def test_a_true_story_breaks_nothing(place: Place) -> None:
    assert place.check() == []


@pytest.mark.parametrize(("place", "lie"), [(lie.story, lie) for lie in LIES.values()], ids=LIES, indirect=["place"])
def test_a_lie_is_called_by_its_invariant(place: Place, lie: Lie) -> None:
    lie.tell(place)
    assert lie.invariant in {violation.invariant for violation in place.check()}


@pytest.mark.parametrize("place", ["child"], indirect=True)
def test_the_clocks_of_two_workers_may_differ_a_little(place: Place) -> None:
    """A parent hears of its child's end, and dates that a moment before it: a witness saw which was written first."""
    with closing(sqlite3.connect(place.database)) as db:
        db.execute("drop trigger witness_changed")
        ended = "select max(at) from journal where run <> 1 and events like '%saga_completed%'"
        heard = "run = 1 and events like '%milestone_completed%travel%'"
        assert db.execute(f"update journal set at = ({ended}) - 0.000001 where {heard}").rowcount == 1
        db.commit()
    assert place.check() == []
