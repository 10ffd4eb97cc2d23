"""`saga db move`: the plan, the question, the answers; and what it says when it cannot be done."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from saga_journey.cli import relocating
from saga_journey.cli.options import Given
from saga_journey.cli.screen import Screen
from saga_journey.testing.databases import look_into
from tests.cli.stage import Cli, Done, Worker, environment
from tests.cli.test_database import AS_NOBODY, nobodys  # noqa: F401 - a fixture
from tests.cli.test_looking import keys
from tests.servers.postgres import Server, free_port
from tests.thorough import thorough

pytestmark = thorough

Hire = Callable[..., Worker]


@pytest.fixture
def target(postgres_server: Server) -> Iterator[str]:
    url = postgres_server.databases.fresh()
    yield url
    postgres_server.databases.drop(url)


@pytest.fixture
def empty(cli: Cli) -> Cli:
    """With a database in which nothing is."""
    assert cli.here("db", "migrate").code == 0
    return cli


def change(cli: Cli, statement: str) -> None:
    with closing(sqlite3.connect(cli.path)) as db, db:
        db.execute(statement)


def move(cli: Cli, target: str, *words: str) -> Done:
    return cli("db", "move", cli.url, target, *words)


def is_empty(url: str) -> bool:
    with closing(look_into(url)) as db:
        return not db.has_table("run") or not db.rows("select tenant from tenant union all select tenant from run")


# --- it is moved ------------------------------------------------------------------------------------------------------


def test_what_a_killed_worker_left_is_finished_there(cli: Cli, target: str, hire: Hire) -> None:
    worker = hire()
    waits, stuck = worker.start("approval", "acme"), worker.start("order", ship="refuse", refund_card=["refuse", "ok"])
    assert cli.outcome(stuck) == 12
    under_way = worker.start("order", ship=["gate", "ok"])
    worker.until("called ship")
    worker.kill()
    assert cli("retry", stuck, "--reason", "the bank is back", "--wait", "0").code == 0  # nobody is there to answer
    change(cli, "update owner set lease_until = 0")  # which took the lock of the dead away

    done = move(cli, target, "-y")
    assert (done.code, done.out) == (
        0,
        f"moved 3 sagas to {target}; every journal there is the same, and can be read\n",
    )
    assert "3 sagas (3 in flight), 2 tenants, 2 definitions" in done.err
    assert f"next: saga doctor --db {target}" in done.err

    cli.use(target)
    hire()
    assert cli.here("watch", under_way, "--json").code == 0
    assert cli.here("watch", stuck, "--json").code == 11
    assert cli.here("advance", waits, "boss", "--result", '"yes"', "--reason", "x", "--tenant", "acme").code == 0
    assert cli.here("watch", waits, "--json", "--tenant", "acme").code == 0
    assert "attempt_lost" in cli.here("history", under_way).out


def test_what_was_moved_cannot_be_used_any_more(empty: Cli, target: str) -> None:
    (empty.folder / "orders.py").write_text("from saga_journey import Curator\ncurator = Curator()\n")
    assert move(empty, target, "-y").code == 0
    for words in (
        ["ls"],
        ["doctor"],
        ["pause", "@last"],
        ["worker", "orders:curator"],
        ["db", "prune", "--older-than=1d"],
    ):
        done = empty(*words)
        assert done.code == 7, words
        assert f"{empty.path} was moved to {target} on 2" in done.err, words
        assert "open that one instead" in done.err
    assert empty("ls", "--db", target).code == 0


def test_as_json(empty: Cli, target: str) -> None:
    done = move(empty, target, "--json", "-y")
    said = done.json()
    assert set(said) == keys("`db move`")
    assert (said["source"], said["target"], said["again"], done.err) == (empty.url, target, False, "")
    assert (said["sagas"], said["in_flight"]) == (0, 0)
    once_more = move(empty, target, "--json", "-y").json()
    assert (once_more["again"], once_more["moved_at"]) == (True, said["moved_at"])


def test_the_same_command_again(empty: Cli, target: str) -> None:
    """After it is done; and where the mark is missing, as when it died between its two commits."""
    unmarked = empty.folder / "unmarked.db"
    shutil.copy(empty.path, unmarked)
    assert move(empty, target, "-y").code == 0
    again = move(empty, target)
    assert (again.code, "nothing is left to do" in again.out) == (0, True)
    unmarked.rename(empty.path)
    assert empty("ls").code == 0
    rest = move(empty, target, "-y")
    assert (rest.code, rest.out.startswith(f"marked {empty.url}: {target} has all of it since 2")) == (0, True)
    assert f"what is left is to mark {empty.url}" in rest.err
    assert empty("ls").code == 7


def test_a_password_is_never_shown(empty: Cli, target: str) -> None:
    done = move(empty, target.replace("postgres@", "postgres:secret@"), "-y")
    assert (done.code, "secret" in done.said + empty("ls").said) == (0, False)
    with closing(look_into(target)) as db:
        assert "secret" not in str(db.rows("select * from moved_from"))


def test_clocks_that_differ(empty: Cli, target: str) -> None:
    change(empty, "insert into anchor select 1, 'before', 0, 0 where not exists (select 1 from anchor)")
    change(empty, "insert into owner (lease_until, seen_at) values (0, unixepoch() + 7230)")
    change(empty, "update anchor set boot_id = 'before'")
    done = move(empty, target, "-y")
    assert done.code == 0
    said = "the clock of the server is 2 h behind ours: timers follow it from now on, and fire so much later"
    assert said in done.err


def test_progress_is_told_in_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(relocating, "EVERY", 0.0)
    for moves, lines in ((True, "  copying run: 2,000 of 5,000\n"), (False, "")):
        screen = Screen(Given())
        screen.moves = moves
        relocating.Progress(screen)("copying run", 2000, 5000)
        assert capsys.readouterr().err == lines


# --- the question -----------------------------------------------------------------------------------------------------


def test_somebody_must_agree(empty: Cli, target: str) -> None:
    done = move(empty, target)
    assert (done.code, "nobody is here to be asked" in done.err) == (2, True)
    assert f"move {empty.url} to {target}:" in done.err
    assert "0 sagas (0 in flight)" in done.err
    assert "the database there is brought up to date first: 0001 initial" in done.err
    assert f"{empty.url} is kept and marked: nobody can open it any more, and nobody write it" in done.err
    no = empty.at_terminal("db", "move", empty.url, target, answer="n\n", wait_for="go on?")
    assert (no.code, "nothing was done" in no.out) == (130, True)
    with closing(look_into(target)) as db:
        assert not db.has_table("migration")
    assert empty("ls").code == 0
    yes = empty.at_terminal("db", "move", empty.url, target, answer="y\n", wait_for="go on?")
    assert (yes.code, "moved 0 sagas" in yes.out) == (0, True)


# --- what cannot be done ----------------------------------------------------------------------------------------------

FILE, SERVER = "sqlite:///other.db", "postgresql://localhost/other"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (FILE, FILE, "copy the file"),
        (SERVER, SERVER, "pg_dump --schema saga_journey"),
        (SERVER, FILE, "sagas that are on a server stay on one"),
        ("other.db", SERVER, "did you mean sqlite:///other.db?"),
        (FILE, "mysql://localhost/other", "'mysql://localhost/other' is not a database"),
        (FILE, "postgresql://u:se@cret@localhost/other", "is not a URL of a PostgreSQL database: in a password"),
    ],
)
def test_other_pairs(cli: Cli, source: str, target: str, said: str) -> None:
    done = cli.here("db", "move", source, target, "-y")
    assert (done.code, said in done.err, "cret" in done.err) == (2, True, False), done.err
    assert not list(cli.folder.iterdir())


def test_a_source_that_is_not_there(cli: Cli, target: str) -> None:
    done = move(cli, target, "-y")
    assert (done.code, f"there is no database {cli.path}" in done.err) == (7, True)
    assert not cli.path.exists()


def test_a_source_that_is_not_ours(cli: Cli, target: str) -> None:
    change(cli, "create table theirs (x)")
    done = move(cli, target, "-y")
    assert (done.code, "but not one of saga-journey" in done.err) == (7, True)
    cli.path.write_text("it was a dark and stormy night" * 100)
    assert "is not a SQLite database" in move(cli, target, "-y").err


def test_a_target_that_does_not_answer(empty: Cli) -> None:
    done = move(empty, f"postgresql://app:secret@127.0.0.1:{free_port()}/shop", "-y")
    assert (done.code, "nobody listens on 127.0.0.1" in done.err, "secret" in done.err) == (7, True, False)
    assert empty("ls").code == 0


def test_a_target_that_is_not_empty(empty: Cli, target: str) -> None:
    assert empty("db", "migrate", "--db", target).code == 0
    with closing(look_into(target, writing=True)) as db:
        db.execute("insert into tenant (name) values ('globex')")
    done = move(empty, target, "-y")
    assert (done.code, f"{target} is not empty: it has rows in tenant; nothing was moved" in done.err) == (7, True)
    assert empty("ls").code == 0


def test_a_worker_that_lives(cli: Cli, worker: Worker, target: str) -> None:
    worker.start("order", ship="gate")
    worker.until("called ship")
    done = move(cli, target, "-y")
    said = f"is worked on: worker 1 (1 saga, pid {worker.process.pid}); nothing was moved. Stop that first"
    assert (done.code, said in done.err) == (7, True), done.err
    worker.process.send_signal(signal.SIGSTOP)
    assert said in move(cli, target, "-y").err
    worker.process.send_signal(signal.SIGCONT)
    assert is_empty(target)


def test_a_disk_that_cannot_be_written(nobodys: Path, target: str) -> None:  # noqa: F811
    cli = Cli(nobodys)
    assert cli("db", "migrate").code == 0
    before = f"import saga_journey.cli.relocating\n{AS_NOBODY}"
    command = [sys.executable, "-c", before, "db", "move", cli.url, target, "-y"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=nobodys, env=environment(), check=False)
    assert (done.returncode, "cannot be written by you" in done.stderr) == (7, True), done
    assert is_empty(target)


def test_ctrl_c_in_the_middle(empty: Cli, target: str) -> None:
    assert empty("db", "migrate", "--db", target).code == 0
    with closing(look_into(target, writing=True)) as holder, closing(look_into(target)) as looking:
        holder.execute("begin; lock table saga_journey.journal in exclusive mode")
        with empty.begin("db", "move", empty.url, target, "-y") as moving:
            while not looking.rows("select 1 from pg_locks where not granted and relation = 'journal'::regclass"):
                assert moving.poll() is None
            moving.send_signal(signal.SIGINT)
            out, err = moving.communicate(timeout=60)
    assert (moving.returncode, out) == (130, "")
    assert err.endswith("saga: interrupted: nothing was moved\n")
    assert is_empty(target)
    assert move(empty, target, "-y").code == 0
