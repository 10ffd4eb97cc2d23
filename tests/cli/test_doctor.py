"""doctor looks at everything, and changes nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.cli.stage import Cli, Worker
from tests.cli.test_looking import keys


def findings(cli: Cli) -> dict[str, Any]:
    found = cli("doctor", "--json")
    assert found.code == 0, found.said
    assert all(set(line) == keys("`doctor`") - {"ok", "look", "bad"} for line in found.lines())
    return {line["check"]: line for line in found.lines()}


def test_all_is_well(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="gate")
    worker.until("called ship")
    found = findings(cli)
    assert {line["level"] for line in found.values()} == {"ok"}
    assert found["workers"]["text"] == "1 live, moving 1 saga"
    assert cli("get", saga, "--json").json()["status"] == "in_progress"


def test_what_waits_for_a_person(cli: Cli, worker: Worker) -> None:
    sagas = [worker.start("order", ship="refuse", refund_card="refuse") for _ in range(2)]
    assert [cli.outcome(saga) for saga in sagas] == [12, 12]
    attention = findings(cli)["attention"]
    assert (attention["level"], attention["text"]) == ("look", "2 waiting for a person, the newest:")
    assert attention["hint"].splitlines() == [f"saga get {sagas[1]}", f"saga get {sagas[0]}"]
    assert f"                   saga get {sagas[1]}\n" in cli("doctor").out


def test_workers_that_died(cli: Cli, hire: Callable[..., Worker]) -> None:
    worker = hire()
    worker.start("order", ship="gate")
    worker.until("called ship")
    worker.kill()
    for _ in range(2):  # looking does not bury them
        workers = findings(cli)["workers"]
        assert workers["level"] == "look"
        assert workers["text"].startswith("none live; 1 died, the last seen ")
        assert workers["text"].endswith(", leaving 1 saga")
        assert workers["hint"] == "until one opens this database, 1 saga will not move"


def test_handlers_that_nobody_has(cli: Cli, hire: Callable[..., Worker]) -> None:
    worker = hire()
    worker.start("order", ship="gate")
    worker.until("called ship")
    worker.kill()
    lacking = hire("none")
    assert lacking.process.poll() is None
    assert cli("watch", "@last").code == 12
    handlers = findings(cli)["handlers"]
    assert handlers["text"].startswith("1 saga: no worker here has ")
    assert "no worker has the code of ship" in cli("get", "@last").out
    worker = hire()
    worker.until("called ship 2")  # and it goes on by itself
    worker.say("open ship")
    assert cli("watch", "@last").code == 0


def test_a_clock_from_another_boot(cli: Cli) -> None:
    assert cli("db", "migrate").code == 0
    assert "it has no anchor yet" in cli("doctor").out
    assert findings(cli)["clock"]["text"] == "anchored since the last boot of this host"
    with closing(sqlite3.connect(cli.path)) as db, db:
        db.execute("update anchor set boot_id = 'another'")
    assert findings(cli)["clock"]["level"] == "look"


def test_a_file_that_everybody_can_write(cli: Cli) -> None:
    assert cli("db", "migrate").code == 0
    cli.path.chmod(0o666)
    assert findings(cli)["database"]["hint"] == f"chmod o-w {cli.path}"
