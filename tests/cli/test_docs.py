"""docs/CLI.md is true: each of its examples is run, and says what the page shows."""

import json
import re
import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from saga_journey.testing.databases import look_into
from tests.cli.stage import Cli, Done, Worker
from tests.servers.postgres import Server

PAGE = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text("utf-8")
EXAMPLES = re.findall(r"<!-- given: (.+?) -->\n```console\n(.+?)```", PAGE, re.DOTALL)

Hire = Callable[..., Worker]


def undone(cli: Cli, hire: Hire) -> None:
    assert cli("watch", hire().start("order", ship="refuse")).code == 11


def stuck(cli: Cli, hire: Hire) -> None:
    assert cli("watch", hire().start("order", ship="refuse", refund_card=["refuse", "ok"])).code == 12


def doubtful(cli: Cli, hire: Hire) -> None:
    assert cli("watch", hire().start("sale", charge_card="fail")).code == 12


def waiting(cli: Cli, hire: Hire) -> None:
    saga = hire().start("approval")
    assert until_waiting(cli, saga)


def completed(cli: Cli, hire: Hire) -> None:
    assert cli("watch", hire().start("order")).code == 0


def orphaned(cli: Cli, hire: Hire) -> None:
    worker = hire()
    worker.start("order", ship="gate")
    worker.until("called ship")
    worker.kill()


def undecided(cli: Cli, hire: Hire) -> None:
    assert cli("watch", hire().start("choosy")).code == 12


def half_way(cli: Cli, hire: Hire) -> None:
    assert cli("watch", hire().start("steps", charge_card="refuse")).code == 12


def program(cli: Cli, hire: Hire) -> None:
    (cli.folder / "orders.py").write_text(PROGRAM)


PROGRAM = """
from saga_journey import Saga, milestone

def pay(ctx): ...

checkout = Saga("checkout", version=1, milestones=[milestone(pay, undo=None)])
"""


def in_flight(cli: Cli, hire: Hire) -> None:
    """A run of `approval` that waits, and three files: one milestone less, only other policies, and nonsense."""
    waiting(cli, hire)
    request = json.loads(cli("journey", "get", "approval", "--request").out)
    reserve, boss, card = request["milestones"]
    files = {
        "shorter": [reserve, boss],
        "patient": [reserve, {**boss, "timeout": 7200.0}, card],
        "broken": [{**reserve, "undos": "x"}, {**boss, "timeout": "soon"}],
    }
    for name, milestones in files.items():
        written = {**request, "version": 2, "milestones": milestones}
        (cli.folder / f"{name}.json").write_text(json.dumps(written))


GIVEN: dict[str, Callable[[Cli, Hire], None]] = {
    "nothing": lambda cli, hire: None,
    "an order that was undone": undone,
    "an undo that is stuck": stuck,
    "a pivot in doubt": doubtful,
    "a milestone that waits for an answer": waiting,
    "an order that is completed": completed,
    "a journey in flight, and new versions of it in files": in_flight,
    "a choice that nobody can make": undecided,
    "a structured journey that waits for a person": half_way,
    "an order whose worker is gone": orphaned,
    "a program with a journey": program,
}
ON_A_SERVER = "an empty database on a server"
TO_BE_MOVED = "a file with a saga in flight, and an empty database on a server"
THERE = "postgresql://app@db.example.com/shop"


def on_a_server(cli: Cli, server: Server) -> None:
    """And the role of an application, which stays when the server is not ours."""
    cli.use(server.databases.fresh())
    with closing(look_into(cli.url, writing=True)) as db:
        if not db.rows("select 1 from pg_roles where rolname = 'shop'"):
            db.execute("create role shop")


def until_waiting(cli: Cli, saga: str) -> bool:
    """Reads what `watch` tells until the saga waits for an answer."""
    with cli.begin("watch", saga, "--json") as watch:
        assert watch.stdout is not None
        found = any('"waiting_for":"an answer' in line for line in watch.stdout)
        watch.terminate()
    return found


def steps(example: str) -> list[tuple[list[str], int, list[str]]]:
    """Each command of an example: its words, its exit code, the lines that the page shows of its output."""
    found: list[tuple[list[str], int, list[str]]] = []
    for line in example.splitlines():
        if line.startswith("$ saga "):
            command, _, comment = line.removeprefix("$ saga ").partition(" # exits ")
            found.append((shlex.split(command), int(comment or 0), []))
        else:
            found[-1][2].append(line)
    return found


def ended(cli: Cli, *words: str) -> Done:
    """A worker, told to end as soon as it works."""
    with cli.begin(*words) as worker:
        assert worker.stdout is not None
        first = worker.stdout.readline()
        worker.terminate()
        out, err = worker.communicate(timeout=60)
    return Done(worker.returncode, first + out, err)


def shows(done: Done, line: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in line.rstrip().split("…"))
    return any(re.fullmatch(pattern, said.rstrip()) for said in done.said.splitlines())


@pytest.mark.parametrize(("given", "example"), EXAMPLES, ids=[f"{i}-{given}" for i, (given, _) in enumerate(EXAMPLES)])
def test_example(given: str, example: str, cli: Cli, hire: Hire, request: pytest.FixtureRequest) -> None:
    if given == ON_A_SERVER:
        on_a_server(cli, request.getfixturevalue("postgres_server"))
    elif given == TO_BE_MOVED:
        orphaned(cli, hire)
        example = example.replace(THERE, request.getfixturevalue("postgres_server").databases.fresh())
    else:
        GIVEN[given](cli, hire)
    for words, code, lines in steps(example):
        done = ended(cli, *words) if words[0] == "worker" else cli(*words)
        assert done.code == code, f"saga {shlex.join(words)}\n{done.said}"
        missing = [line for line in lines if line.strip() and not shows(done, line)]
        assert not missing, f"saga {shlex.join(words)} does not show {missing}\n{done.said}"


def test_every_command_has_an_example(cli: Cli) -> None:
    commands = re.findall(r"^  ([a-z][a-z-]*)  +[A-Z]", cli("--help").out, re.MULTILINE)
    assert {"get", "retry", "doctor"} <= set(commands)
    shown = {words[0] for _, example in EXAMPLES for words, _, _ in steps(example)}
    assert set(commands) == shown
