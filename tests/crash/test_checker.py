"""What each invariant looks like when it is broken: a true story is falsified in one place, and the checker says so."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from saga_journey.testing.acknowledged import ClientLog
from saga_journey.testing.participants import Reply
from tests.crash.life import Life, Pipes, Planted, live
from tests.crash.place import Place, make_template
from tests.crash.plans import OK, Plan, Step

COMPENSATED = Plan("undone", (Step("reserve"), Step("charge", emits=True), Step("ship", do=(Reply.REFUSE,))))
COMPLETED = Plan("done", (Step("reserve", do=(Reply.ERROR, *OK)), Step("charge", policy={"pivot": True})))
STUCK = Plan("stuck", (Step("reserve", undo=(Reply.REFUSE,)), Step("charge", do=(Reply.REFUSE,))))
TRUE_STORIES = {plan.name: plan for plan in (COMPENSATED, COMPLETED, STUCK)}

# What happened in `undone`, by seq: 1 started, 2 reserve and 3 charge completed, 4 ship refused, 5 decided,
# 6 charge and 7 reserve compensated, 8 saga compensated. Requests: do 1, 2, 3, undo 4 (charge), 5 (reserve).


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


@dataclass(frozen=True)
class Lie:
    """What is written over the truth, and the invariant that it breaks."""

    invariant: str
    story: str = "undone"
    journal: str = ""
    ledger: str = ""

    def tell(self, place: Place) -> None:
        for file, script in ((place.database, self.journal), (place.ledger, self.ledger)):
            with closing(sqlite3.connect(file)) as db:
                db.executescript("drop trigger if exists entry_stays; drop trigger if exists entry_kept;" + script)


NEW_REQUEST = (
    "insert into entry (tenant, key, saga, milestone, op, body, fence, received, applied, why, visible, action_key, "
    "undoable, emits, worker) select tenant, {key}, saga, {milestone}, {op}, body, {fence}, received, {applied}, '', "
    "1, action_key, undoable, emits, worker from entry where n = {like};"
)


def request(
    like: int, *, op: str = "op", key: str = "key", milestone: str = "milestone", fence: str = "fence", applied: int = 1
) -> str:
    """One more request in the ledger, like the one with that number but for what is said."""
    return NEW_REQUEST.format(like=like, op=op, key=key, milestone=milestone, fence=fence, applied=applied)


LIES = {
    "a row is gone": Lie("I2", journal="delete from journal where seq = 3"),
    "a row was changed": Lie("I2", journal="update journal set at = at + 0 where seq = 3"),
    "the index row says something else": Lie("I2", journal="update run set status = 'completed'"),
    "time runs backwards": Lie("I2", journal="update journal set at = at - 100 where seq = 3"),
    "an event that may not stand here": Lie(
        "I2", journal="""update journal set events = '[["milestone_waiting",{"milestone":"reserve"}]]' where seq = 3"""
    ),
    "a journal that is no JSON": Lie("I2", journal="update journal set events = '[' where seq = 6"),
    "no journal at all": Lie("I1", journal="delete from journal"),
    "a call before its intent": Lie("I3", ledger="update entry set visible = 0 where n = 1"),
    "a call without an intent": Lie("I3", ledger="update entry set fence = 3 where n = 4"),
    "an effect twice": Lie("I4", ledger=request(1)),
    "another key": Lie("I4", ledger="update entry set key = 'new' where n = 1;" + request(1, key="'other'", applied=0)),
    "another body": Lie("I4", "done", ledger="update entry set body = 'other' where n = 2"),
    "one key for both ways": Lie("I4", ledger="update entry set key = action_key"),
    "nobody did it": Lie("I5", ledger="delete from entry where n = 1"),
    "nobody undid it": Lie("I5", ledger="delete from entry where n = 5"),
    "one was left out": Lie("I6", "done", ledger="delete from entry where milestone = 'charge'"),
    "completed and undone": Lie("I6", "done", ledger=request(2, op="'undo'", key="'undo'")),
    "an effect still stands": Lie("I7", ledger="delete from entry where n = 5"),
    "an effect nobody knew of still stands": Lie("I7", ledger=request(3)),
    "a needless undo": Lie("I8", ledger=request(4, milestone="'ship'", key="'k'", fence="5")),
    "the failure without the decision": Lie(
        "I9",
        journal="""
        update journal set events = '[["milestone_refused",{"milestone":"ship","reason":"no"}]]' where seq = 4;
        insert into journal select tenant, run, 5, epoch, at,
        '[["compensation_decided",{"because":{"kind":"failure","milestone":"ship","error":"no"}}]]'
        from journal where seq = 4;
        """,
    ),
    "undone in the order of doing": Lie(
        "I10",
        ledger="update entry set milestone = case n when 4 then 'reserve' else 'charge' end where n in (4, 5)",
    ),
    "forward after the decision": Lie("I11", ledger=request(3, key="'late'", fence="6", applied=0)),
    "done after it was undone": Lie("I11", ledger=request(1, key="'late'")),
    "two ends": Lie(
        "I12",
        journal="""insert into journal select tenant, run, 9, epoch, at, '[["saga_compensated",{}]]'
        from journal where seq = 1""",
    ),
    "the epoch falls": Lie("I13", journal="update journal set epoch = 2 where seq = 3; update run set epoch = 2"),
    "written under an old claim": Lie("I13", journal="insert into witness_write values (1, 1, 9, 1, 2)"),
    "two owners, one epoch": Lie("I13", journal="insert into witness_holder values (1, 1, 1, 99)"),
    "undone past the pivot": Lie("I14", "done", ledger=request(3, op="'undo'", key="'undo'", fence="9")),
    "nobody will look for it": Lie("I15", "stuck", journal="update run set due_at = null"),
    "its owner is forgotten": Lie("I15", "stuck", journal="update run set owner = 77"),
    "a command without an answer": Lie(
        "I15", "stuck", journal="insert into command values (1, 1, 'c', 'retry', '{}', 0, null, null)"
    ),
    "ended, and still owned": Lie("I15", journal="update run set owner = 1"),
    "one intent, two calls": Lie("I16", ledger=request(1, applied=0)),
    "too many calls": Lie("I16", ledger=request(3, fence="99", applied=0) * 9),
    "a call before its time": Lie("I16", "done", ledger="update entry set received = received - 50 where n = 2"),
    "dated by another clock": Lie("I17", ledger="update entry set received = received - 50 where n = 4"),
    "an event that nobody is told": Lie("I18", journal="delete from outbox where seq = 3 and item = 0"),
    "an event that never happened": Lie("I18", journal="update outbox set seq = 42 where seq = 3 and item = 0"),
    "told with another body": Lie("I18", journal="update outbox set body = '{}' where seq = 3"),
    "emitted and not told": Lie("I18", journal="delete from outbox where item > 0"),
    "another definition": Lie("I19", journal="update definition set hash = 'other'"),
    "pinned to another one": Lie(
        "I19",
        journal="""insert into definition select 2, tenant, 'other', name, 2, body, 0 from definition;
        update run set definition = 2""",
    ),
    "called for another tenant": Lie("I20", ledger="update entry set tenant = 'globex'"),
    "another tenant's definition": Lie("I20", journal="update definition set tenant = 2"),
    "rows of no run": Lie("I20", journal="update outbox set tenant = 2"),
    "a stuck undo that calls itself done": Lie(
        "I20",
        "stuck",
        journal="""update run set status = 'compensated';
        insert into journal select tenant, run, 9, epoch, at, '[["saga_compensated",{}]]' from journal where seq = 1;
        update journal set seq = (select max(seq) + 3 from journal where seq < 9) where seq = 9""",
    ),
}


@pytest.fixture
def place(request: pytest.FixtureRequest, true_places: dict[str, Place], tmp_path: Path) -> Place:
    story = getattr(request, "param", "undone")
    copy = tmp_path / "story"
    shutil.copytree(true_places[story].folder, copy)
    return Place(copy)


@pytest.mark.parametrize("place", TRUE_STORIES, indirect=True)
def test_a_true_story_breaks_nothing(place: Place) -> None:
    assert place.check() == []


@pytest.mark.parametrize(("place", "lie"), [(lie.story, lie) for lie in LIES.values()], ids=LIES, indirect=["place"])
def test_a_lie_is_called_by_its_invariant(place: Place, lie: Lie) -> None:
    lie.tell(place)
    assert lie.invariant in {violation.invariant for violation in place.check()}


def test_an_acknowledged_saga_that_is_not_there(place: Place) -> None:
    ClientLog(place.log).started("acme", "undone", "key", {}, "saga_gone")
    assert [v.invariant for v in place.check()] == ["I1"]


def test_one_key_for_two_sagas(place: Place) -> None:
    log = ClientLog(place.log)
    log.started("acme", "undone", "key", {}, "saga_one")
    log.started("acme", "undone", "key", {}, "saga_two")
    assert any("more than one saga" in v.sentence for v in place.check())


def test_an_answer_that_is_not_stored(place: Place) -> None:
    ClientLog(place.log).answered("acme", saga_of(place), "cancel", "applied", "some-id")
    assert [v.invariant for v in place.check()] == ["I1"]


def test_an_answer_about_another_tenants_saga(place: Place) -> None:
    ClientLog(place.log).seen("globex", saga_of(place))
    assert [str(v) for v in place.check()] == [f"I20 {saga_of(place)}: 'globex' was answered about a saga of 'acme'"]


def saga_of(place: Place) -> str:
    with closing(sqlite3.connect(place.database)) as db:
        return str(db.execute("select saga from run").fetchone()[0])
