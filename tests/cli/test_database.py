"""The file behind --db: missing, foreign, older, newer, broken, read-only; and db migrate, db status."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from saga_journey.cli import sqlite_file
from saga_journey.stores.migrations import Migration
from tests.cli.stage import Cli, environment
from tests.cli.test_looking import keys

READING = (["ls"], ["get", "@last"], ["watch", "@last"], ["history", "@last"], ["db", "status"])
AS_NOBODY = """
import os, pydantic, saga_journey.cli.doctor, saga_journey.core.design
pydantic.TypeAdapter(int)  # a Python that nobody may read has to be imported before
if os.getuid() == 0:  # to root everything is writable
    os.setgid(65534)
    os.setuid(65534)
saga_journey.cli.run()
"""
COMMANDING = (["pause", "@last"], ["resolve", "@last", "--reason", "x", "-y"])


def change(cli: Cli, statement: str) -> None:
    with closing(sqlite3.connect(cli.path)) as db, db:
        db.execute(statement)


def test_what_is_not_there_is_not_made(cli: Cli) -> None:
    for words in (*READING, *COMMANDING, ["doctor"]):
        done = cli.here(*words)
        assert (done.code, "there is no database" in done.said) == (7, True), words
        assert not list(cli.folder.iterdir())
    assert cli("ls", "--json").error()["code"] == "no_database"


def test_migrate(cli: Cli) -> None:
    made = cli("db", "migrate")
    assert (made.code, made.out.splitlines()[0]) == (0, "applied 0001 initial")
    assert "is up to date" in made.err
    again = cli("db", "migrate", "--json")
    assert set(again.json()) == keys("`db migrate`")
    assert again.json()["applied"] == []
    status = cli("db", "status", "--json").lines()
    assert set(status[0]) == keys("`db status`")
    assert (status[0]["number"], status[0]["state"]) == (1, "applied")
    assert cli("ls").code == 0


def test_migrate_where_there_is_no_directory(cli: Cli) -> None:
    done = cli("db", "migrate", "--db", "sqlite:///nowhere/x.db")
    assert (done.code, "there is no directory" in done.err) == (7, True)


def test_what_is_printed_for_a_file(cli: Cli) -> None:
    for _ in range(2):
        printed = cli.here("db", "migrate", "--print")
        assert (printed.code, cli.path.exists()) == (0, False)
    subprocess.run(
        [sys.executable, "-c", "import sqlite3, sys; sqlite3.connect('journeys.db').executescript(sys.stdin.read())"],
        input=printed.out,
        text=True,
        cwd=cli.folder,
        check=True,
    )
    assert cli.here("db", "status").code == 0
    assert cli.here("db", "migrate", "--print").out == "-- No migration is pending.\n"
    done = cli.here("db", "migrate", "--print", "--role", "shop")
    assert (done.code, "a file has no roles" in done.err) == (2, True)


def test_a_newer_schema(cli: Cli) -> None:
    assert cli("db", "migrate").code == 0
    change(cli, "insert into migration (number, name, checksum) values (9999, 'future', 'x')")
    for words in (*READING, *COMMANDING, ["db", "migrate"], ["doctor"]):
        done = cli.here(*words)
        assert (done.code, "upgrade saga-journey" in done.said) == (7, True), words
    assert cli("ls", "--json").error()["code"] == "schema_too_new"
    assert "9999    future" in cli("db", "status").out


def test_an_older_schema_is_not_migrated_by_looking(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.here("db", "migrate").code == 0
    monkeypatch.setattr(sqlite_file, "pending", lambda *_: [Migration(9001, "more", "select 1")])
    behind = cli.here("ls")
    assert (behind.code, "it lacks 9001 more\n  saga db migrate\n" in behind.err) == (7, True)
    status = cli.here("db", "status")
    assert re.search("9001 +more +pending", status.out)
    assert status.code == 7
    assert "1 migrations are to come" in cli.here("doctor").out


@pytest.mark.parametrize("words", [*READING, ["db", "migrate"]], ids=" ".join)
def test_a_database_of_another_program_is_left_alone(cli: Cli, words: list[str]) -> None:
    change(cli, "create table theirs (x)")
    done = cli.here(*words)
    assert "Traceback" not in done.said
    assert words == ["db", "status"] or (done.code, "program" in done.err or "not one of" in done.err) == (7, True)
    with closing(sqlite3.connect(cli.path)) as db:
        assert db.execute("select name from sqlite_master").fetchall() == [("theirs",)]


def test_what_is_not_a_database(cli: Cli) -> None:
    cli.path.write_text("it was a dark and stormy night" * 100)
    for words in (*READING, ["db", "migrate"], ["doctor"]):
        done = cli.here(*words)
        assert (done.code, "is not a SQLite database" in done.said) == (7, True), words


def test_a_directory(cli: Cli) -> None:
    cli.path.mkdir()
    for words in (["ls"], ["db", "migrate"], ["doctor"]):
        done = cli.here(*words)
        assert (done.code, "is a directory" in done.said) == (7, True), words


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder that an ordinary user can reach but not write."""
    folder = Path(tempfile.mkdtemp(prefix="saga-read-only-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_what_cannot_be_written(nobodys: Path) -> None:
    cli = Cli(nobodys)
    assert cli("db", "migrate").code == 0
    if os.getuid() != 0:
        cli.path.chmod(0o444)
    for words in (["ls"], ["doctor"], ["pause", "@last"]):
        command = [sys.executable, "-c", AS_NOBODY, *words, "--db", cli.url]
        done = subprocess.run(command, capture_output=True, text=True, cwd=nobodys, env=environment(), check=False)
        assert (done.returncode, "cannot be written by you" in done.stdout + done.stderr) == (7, True), done
    assert sorted(path.name for path in nobodys.iterdir()) == ["journeys.db"]
