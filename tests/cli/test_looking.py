"""ls, get, history, watch, beside a running worker and after it has gone."""

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.stage import Cli, Worker

PAGE = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text("utf-8")


def keys(row: str) -> set[str]:
    """The keys that the page documents in one row of its table."""
    cell = next(line for line in PAGE.splitlines() if line.startswith(f"| {row} |")).split("|")[2]
    return set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", cell)))


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    """What it says until its end, and nothing of it on stderr."""
    out, err = process.communicate(timeout=60)
    assert err == ""
    return out.splitlines()


def test_list(cli: Cli, worker: Worker) -> None:
    sagas = [worker.start("order"), worker.start("sale", ship="refuse"), worker.start("order", ship="refuse")]
    assert [cli.outcome(saga) for saga in sagas] == [0, 12, 11]
    shown = cli("ls")
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == sagas[::-1]
    assert f"next: saga get {sagas[1]}" in shown.err  # the one that waits for a person
    rows = cli("ls", "--json").lines()
    assert [row["status"] for row in rows] == ["compensated", "failed", "completed"]
    assert all(set(row) == keys("`ls`") for row in rows)
    assert "cannot_go_on ship\n" in shown.out


def test_list_some(cli: Cli, worker: Worker) -> None:
    sagas = [worker.start("order") for _ in range(3)] + [worker.start("sale", ship="refuse")]
    assert cli.outcome(sagas[3]) == 12
    assert [row["saga_id"] for row in cli("ls", "-s", "failed", "--json").lines()] == [sagas[3]]
    assert [row["saga_id"] for row in cli("ls", "-j", "order", "--limit", "2", "--json").lines()] == sagas[2:0:-1]
    assert [row["saga_id"] for row in cli("ls", "-j", "order", "--before", sagas[1], "--json").lines()] == [sagas[0]]
    assert len(cli("ls", "--since", "1h", "--json").lines()) == 4
    assert cli("ls", "--since", "2999-01-01", "--json").lines() == []
    assert f"more: saga ls --before {sagas[2]}" in cli("ls", "--limit", "2").err
    assert "did you mean journey order?" in cli("ls", "-j", "oder").err


def test_an_id_may_be_cut_short(cli: Cli, worker: Worker) -> None:
    first, last = worker.start("order"), worker.start("order")
    for said in (last, last[:-1], last.removeprefix("saga_")[:-2], "@last"):
        assert cli("get", said, "--json").json()["saga_id"] == last
    ambiguous = cli("get", "saga_")
    assert ambiguous.code == 2
    assert {first, last} <= set(ambiguous.err.split())


def test_tenants_do_not_see_each_other(cli: Cli, worker: Worker) -> None:
    ours, theirs = worker.start("order"), worker.start("order", tenant="acme")
    assert [row["saga_id"] for row in cli("ls", "--json").lines()] == [ours]
    assert [row["tenant"] for row in cli("ls", "--json", "--tenant", "acme").lines()] == ["acme"]
    assert cli("get", theirs).code == cli("cancel", theirs, "--reason", "x", "-y").code == 3
    assert cli("get", theirs[:-1]).code == 3
    assert theirs not in cli("get", theirs[:-1] + "x").said.replace(f"{theirs[:-1]}x", "")
    assert f"saga compensate {theirs} --preview --tenant acme" in cli("get", "@last", "--tenant", "acme").err
    assert cli("ls", "--tenant", "").code == 6


def test_get(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="refuse", refund_card="refuse")
    assert cli.outcome(saga) == 12
    shown = cli("get", saga)
    assert shown.code == 0
    assert (
        "→ reserve_stock ✔ done    ── charge_card ✔ done       ── ship ✘ refused\n"
        "← reserve_stock ○ to undo ── charge_card ✘ not undone ──┘\n"
        "  ○ not reached: send_receipt\n"
    ) in shown.out
    for verb in ("retry", "skip", "mark-undone"):
        assert f'\n    saga {verb} {saga} charge_card --reason "…"\n' in shown.out
    assert f'\n    saga resolve {saga} --reason "…"\n' in shown.out
    assert cli("get", saga, "--exit-status").code == 12


def test_get_for_programs(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="refuse", refund_card="refuse")
    assert cli.outcome(saga) == 12
    found = cli("get", saga, "--json").json()
    assert set(found) == keys("`ls`") | keys("`get`, `watch`") - {"ls"}
    assert {key for m in found["milestones"] for key in m} == keys("… `milestones`") - {"result"}
    assert {key for a in found["attention"] for key in a} == keys("… `attention`")
    assert found["verbs"] == ["retry", "skip", "mark_undone", "resolve"]
    assert found["commands"][0] == f'saga retry {saga} charge_card --reason "…"'
    with_payloads = cli("get", saga, "--json", "--payloads").json()
    assert with_payloads["input"]["ship"] == "refuse"
    assert with_payloads["milestones"][0]["result"] == "reserve_stock done"


def test_payloads_only_when_asked_for(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order")
    assert cli.outcome(saga) == 0
    for words in (["get", saga], ["get", saga, "--json"], ["history", saga], ["history", saga, "--json"], ["ls"]):
        assert "reserve_stock done" not in cli(*words).out
        assert "ls" in words or "reserve_stock done" in cli(*words, "--payloads").out


def test_commands_repeat_the_database_that_was_named(cli: Cli, worker: Worker) -> None:
    saga = worker.start("sale", ship="refuse")
    assert cli.outcome(saga) == 12
    shown = cli("get", saga, "--db", cli.url)
    assert f'saga retry {saga} ship --reason "…" --db {cli.url}' in shown.out


def test_history(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="refuse")
    assert cli.outcome(saga) == 11
    events = cli("history", saga, "--json").lines()
    assert [event["seq"] for event in events] == list(range(1, 9))
    assert all(set(event) == keys("`history`") for event in events)
    assert [line.split()[2] for line in cli("history", saga).out.splitlines()] == [event["event"] for event in events]


def test_history_follows_until_the_end(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship=["gate"])
    with cli.begin("history", saga, "-f") as history:
        assert history.stdout is not None
        assert next(line for line in history.stdout if "charge_card" in line)
        worker.say("open ship")
        assert lines_of(history)[-1].split()[2] == "saga_completed"
    assert history.returncode == 0


STUCK = {"ship": "refuse", "refund_card": "refuse"}


@pytest.mark.parametrize(
    ("behaviour", "code", "status"),
    [({}, 0, "completed"), ({"ship": "refuse"}, 11, "compensated"), (STUCK, 12, "failed")],
)
def test_watch_ends_with_the_outcome(
    cli: Cli, worker: Worker, behaviour: dict[str, str], code: int, status: str
) -> None:
    saga = worker.start("order", **behaviour)
    seen = cli("watch", saga, "--json")
    assert (seen.code, seen.lines()[-1]["status"]) == (code, status)
    again = cli("watch", saga)  # what it says when nothing happens any more
    assert (again.code, status in again.out) == (code, True)


def test_watch_sees_what_others_do(cli: Cli, worker: Worker) -> None:
    saga = worker.start("steps", charge_card="refuse")
    with cli.begin("watch", saga, "--json") as watch:
        assert watch.stdout is not None
        assert any('"failed"' in line for line in watch.stdout)
    assert watch.wait(60) == 12
    assert cli("cancel", saga, "--reason", "x", "-y").code == 0
    assert cli.outcome(saga) == 13


def test_watch_gives_up(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="gate")
    worker.until("called ship")
    seen = cli("watch", saga, "--timeout", "0.01")
    assert seen.code == 124
    assert "it goes on" in seen.err
    assert cli("get", saga, "--exit-status").code == 124


def test_watch_is_interrupted(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="gate")
    with cli.begin("watch", saga, "--json") as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["saga_id"] == saga
        watch.send_signal(signal.SIGINT)
        assert "interrupted" in watch.communicate(timeout=60)[1]
    assert watch.returncode == 130
    assert cli("get", saga, "--json").json()["status"] == "in_progress"


def test_without_a_worker_it_says_so(cli: Cli, hire: Callable[..., Worker]) -> None:
    worker = hire()
    saga = worker.start("order", ship="gate")
    worker.until("called ship")
    worker.kill()
    shown = cli("get", saga)
    assert "ship ● running" in shown.out
    assert "no worker is live on this database" in shown.err
    assert cli("get", saga, "--quiet").err == ""


def test_what_a_saga_contains_cannot_reach_the_terminal(cli: Cli, worker: Worker) -> None:
    saga = worker.start("sale", ship="nasty", nasty_results="yes")
    assert cli.outcome(saga) == 12
    for words in (
        ["get", saga, "--payloads"],
        ["get", saga, "--payloads", "--json"],
        ["history", saga, "--payloads"],
        ["history", saga, "--payloads", "--json"],
        ["resolve", saga, "--reason", "\x1b[2J\u202e"],
        ["skip", saga, "\x1b[2J\x9b", "--reason", "x"],
        ["get", "\x1b[2J\x9b"],
        ["ls"],
    ):
        said = cli(*words).said
        assert said
        assert all(line.isprintable() for line in said.split("\n")), words


def test_a_reader_that_goes_away(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order")
    assert cli.outcome(saga) == 0
    with cli.begin("history", saga) as history:
        assert history.stdout is not None
        history.stdout.close()
        assert history.stderr is not None
        assert "Error" not in history.stderr.read()
    assert history.returncode in (0, 141)
