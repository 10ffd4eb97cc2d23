"""Whoever looks into a database from outside sees the same on PostgreSQL as on SQLite."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from saga_journey.core.codec import event_name
from saga_journey.testing.databases import Looking, look_into
from saga_journey.testing.evidence import Evidence, SagaEvidence, gather
from saga_journey.testing.journal import JournalReader
from tests import pool
from tests.crash.life import Life, Pipes, Planted, live
from tests.crash.place import STORES, Place, make_template
from tests.crash.shapes import SHAPES
from tests.servers.postgres import running_postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place_on(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """A fresh place on that store."""
    made: list[Place] = []

    def one(store: str) -> Place:
        folder = tmp_path / store
        on_postgres = store == "postgres"
        made.append(Place.on_postgres(folder) if on_postgres else Place.of(make_template(tmp_path), folder))
        return made[-1]

    yield one
    for place in made:
        place.discard()


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, place_on: Callable[[str], Place]) -> Place:
    """One in which a saga was undone."""
    place = place_on(request.param)
    told("last-refuses", place)
    return place


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database on PostgreSQL."""
    url = pool.lent()
    yield url
    pool.given_back(url)


def told(shape: str, place: Place) -> Evidence:
    """What is seen of a saga of that shape, which nothing disturbed."""
    asyncio.run(live(place, SHAPES[shape], Life("life"), Planted(), Pipes()))
    return gather(place.database, place.ledger, place.log)


def said(saga: SagaEvidence) -> dict[str, Any]:
    """What does not depend on when it happened."""
    return {
        "row": (saga.tenant, saga.row.status, saga.row.due_at, saga.row.owner, saga.definition_hash),
        "turns": [[event_name(fact.event) for fact in turn.facts] for turn in saga.turns],
        "unreadable": saga.unreadable,
        "calls": [(str(entry), entry.visible) for entry in saga.calls],
        "commands": [(command.name, command.answered) for command in saga.commands],
        "outbox": [(fact.seq, fact.item, fact.kind) for fact in saga.outbox],
        "held": bool(saga.holders),
        "written": [write.seq for write in saga.writes if write.epoch == write.newest],
        "changes": saga.changes,
    }


@pytest.mark.parametrize("shape", ["last-refuses", "cancel", "child-undone", "retry-then-ok"])
def test_the_same_story_is_the_same_evidence(shape: str, place_on: Callable[[str], Place]) -> None:
    here, there = [told(shape, place_on(store)) for store in STORES]
    assert [said(saga) for saga in here.sagas.values()] == [said(saga) for saga in there.sagas.values()]
    assert here.sagas
    assert here.homeless == there.homeless == []
    assert len(here.owners) == len(there.owners)


def test_the_checker_finds_nothing_where_nothing_is(place: Place) -> None:
    assert place.check() == []


LIES = {
    "I1": "delete from journal",
    "I2": "update journal set at = at - 100 where seq = 3",
    "I13": "insert into witness_write (tenant, run, seq, epoch, newest) values (1, 1, 9, 1, 2)",
    "I15": "update run set owner = 77, status = 'in_progress'",
    "I18": "delete from outbox where seq = 3 and item = 0",
    "I20": "update outbox set tenant = 2",
}


@pytest.mark.parametrize("invariant", LIES)
def test_the_checker_finds_the_same_lie(place: Place, invariant: str) -> None:
    with closing(look_into(place.database, writing=True)) as looking:
        looking.execute(LIES[invariant])
    assert invariant in {violation.invariant for violation in place.check()}


# --- the witness ------------------------------------------------------------------------------------------------------

STRANGE = {
    "update journal set at = at where seq = 2": [(2, "changed")],
    "delete from journal where seq = 3": [(3, "deleted")],
    "update run set definition = definition + 1": [(0, "pinned to another definition")],
    "update run set definition = definition": [],
    "begin; delete from journal; rollback;": [],
}


@pytest.mark.parametrize("strange", STRANGE)
def test_the_witness_notes_what_is_strange_and_was_not_taken_back(place: Place, strange: str) -> None:
    with closing(look_into(place.database, writing=True)) as looking:
        looking.execute(strange)
        assert looking.rows("select seq, what from witness_change order by rowid") == STRANGE[strange]


def test_the_witness_notes_who_holds_a_run(place: Place) -> None:
    with closing(look_into(place.database, writing=True)) as looking:
        looking.execute("delete from witness_holder")
        for change in ("owner = 5, epoch = 8", "owner = 5, epoch = 8", "owner = 6", "epoch = 9", "owner = null"):
            looking.execute(f"update run set {change}")
        found = looking.rows("select epoch, owner from witness_holder order by rowid")
        assert found == [(8, 5), (8, 6), (9, 6)]


def test_the_witness_notes_the_newest_epoch_at_each_write(place: Place) -> None:
    with closing(look_into(place.database, writing=True)) as looking:
        looking.execute("update run set epoch = 4")
        looking.execute("insert into journal select tenant, run, 99, 3, at, events from journal where seq = 1")
        assert looking.rows("select epoch, newest from witness_write where seq = ?", 99) == [(3, 4)]


# --- looking ----------------------------------------------------------------------------------------------------------


def test_it_may_look_while_a_loop_is_running(place: Place) -> None:
    async def look() -> list[Any]:
        with closing(JournalReader(place.database)) as reader:
            return reader.recorded_intents(reader.rows("select saga from run")[0][0])

    held = [(intent.op, intent.milestone) for intent in asyncio.run(look())]
    assert held[:2] == [("do", "reserve"), ("do", "charge")]


def test_who_only_looks_changes_nothing(place: Place) -> None:
    with closing(look_into(place.database)) as looking, pytest.raises(Exception, match=r"read-?only"):
        looking.execute("update run set owner = 7")


def test_there_is_a_table_or_there_is_none(place: Place) -> None:
    with closing(look_into(place.database)) as looking:
        assert (looking.has_table("witness_change"), looking.has_table("nothing")) == (True, False)


def test_the_clock_is_never_behind_the_servers(url: str) -> None:
    with closing(look_into(url)) as looking:
        now = looking.clock()
        for _ in range(20):
            ((servers,),) = looking.rows("select extract(epoch from clock_timestamp())::double precision")
            assert servers <= now() < servers + 1


def process_of(looking: Looking) -> int:
    """The one that serves it, on the server."""
    return int(looking.rows("select pg_backend_pid()")[0][0])


def test_a_lost_connection_is_made_anew(url: str) -> None:
    with closing(look_into(url)) as looking, closing(look_into(url)) as other:
        first = process_of(looking)
        other.rows("select pg_terminate_backend(?, 5000)", first)
        assert process_of(looking) != first


def test_a_question_that_takes_its_connection_along_is_asked_once_more(url: str) -> None:
    with closing(look_into(url)) as looking:
        first = process_of(looking)
        assert looking.rows("select pg_terminate_backend(pg_backend_pid()) where pg_backend_pid() = ?", first) == []


def test_a_server_that_was_restarted_is_asked_again() -> None:
    with running_postgres() as server, closing(look_into(server.url())) as looking:
        first = process_of(looking)
        server.kill()
        server.start()
        assert process_of(looking) != first


FORKED = """
import os, sys
from saga_journey.testing.databases import look_into
looking = look_into(sys.argv[1])
process = lambda: looking.rows("select pg_backend_pid()")[0][0]
first = process()
child = os.fork()
if child == 0:
    apart = process() != first
    looking.close()
    os._exit(0 if apart else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child had no connection of its own"
assert process() == first, "the parent has lost its connection"
looking.close()
"""


def test_a_forked_process_has_a_connection_of_its_own(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, url], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
