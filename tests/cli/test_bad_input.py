"""Mistakes of users end in a sentence and the right code, never in a traceback."""

import pytest

from saga_journey.cli import asking
from tests.cli.stage import Cli, Worker

WHY = ("--reason", "why not")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["get"], 2, "Missing argument 'ID'"),
        (["get", ""], 2, "the id is empty"),
        (["get", "saga_nope"], 3, "no saga 'saga_nope' here"),
        (["get", "@last", "--payload"], 2, "No such option: --payload"),
        (["lss"], 2, "Did you mean 'ls'?"),
        (["ls", "-s", "fialed"], 2, "did you mean failed?"),
        (["ls", "-s", "xxx"], 2, "there is in_progress, paused"),
        (["ls", "--since", "yesterday"], 2, "neither an age nor a date"),
        (["ls", "--since", "1e99d"], 2, "neither an age nor a date"),
        (["ls", "--limit", "0"], 2, "--limit"),
        (["ls", "--limit", "many"], 2, "--limit"),
        (["ls", "--before", "saga_nope"], 3, "no saga 'saga_nope'"),
        (["retry", "@last"], 2, "Missing option '--reason'"),
        (["retry", "@last", "reserve_stok", *WHY], 3, "did you mean reserve_stock?"),
        (["retry", "@last", *WHY, "--input", "{x"], 6, "--input is not JSON"),
        (["retry", "@last", *WHY, "--input", "[" * 100_000], 6, "--input is not JSON"),
        (["retry", "@last", *WHY, "--input", "[" * 100 + "]" * 100], 6, "64 levels"),
        (["retry", "@last", *WHY, "--input", "NaN"], 6, "--input is not JSON"),
        (["retry", "@last", *WHY, "--input", "123456789012345678901"], 6, "--input"),
        (["retry", "@last", *WHY, "--input", "@nowhere.json"], 2, "No such file"),
        (["retry", "@last", *WHY, "--input", "@."], 2, "directory"),
        (["advance", "@last", "--outcome", "maybe"], 2, "'maybe'"),
        (["retry", "@last", *WHY], 4, "the answer is no (final)"),
        (["advance", "@last"], 4, "the answer is no (not_waiting)"),
        (["resolve", "@last", *WHY, "-y"], 4, "the saga is completed"),
        (["skip", "@last", *WHY, "-y", "--json"], 4, '"code": "final"'),
        (["compensate", "@last"], 2, "compensate needs --reason"),
        (["compensate", "@last", "--expected", "1", *WHY, "-y"], 4, "the saga has moved on"),
        (["pause", "@last", "--wait", "-1"], 2, "--wait"),
        (["db"], 2, "migrate"),
        (["demo", "--fail-at", "shop"], 2, "did you mean ship?"),
        (["demo", "--db", "sqlite:///x.db"], 2, "leave out --db"),
        (["ls", "--db", "journeys.db"], 2, "did you mean --db sqlite:///journeys.db?"),
        (["ls", "--db", "mysql://app:s3cret@host/x"], 2, "'mysql://app@host/x' is not a database"),
        (["ls", "--db", "sqlite://x.db"], 2, "sqlite:////var/lib/app/journeys.db"),
        (["ls", "--db", "postgresql+asyncpg://host/x"], 2, "leave the name of the driver out"),
        (["db", "prune"], 2, "--older-than"),
        (["db", "prune", "--older-than", "30"], 2, "neither an age nor a date"),
        (["db", "prune", "--older-than", "2999-01-01"], 2, "has not come yet"),
        (["db", "prune", "--older-than", "1d"], 2, "prune cannot be taken back"),
        (["db", "prune", "--older-than", "1d", "--batch", "0"], 2, "--batch"),
        (["ls", "--db", "sqlite:///:memory:"], 2, "inside one process"),
    ],
)
def test_mistake(mistaken: Cli, words: list[str], code: int, said: str) -> None:
    done = mistaken.here(*words)
    assert done.code == code, done.said
    assert said in done.said
    assert "Traceback" not in done.said


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A database with one completed order, and no worker: nothing of this test file changes it."""
    cli = Cli(tmp_path_factory.mktemp("mistaken"))
    worker = Worker(cli)
    assert cli.outcome(worker.start("order")) == 0
    worker.stop()
    return cli


def test_a_mistyped_id(mistaken: Cli) -> None:
    saga = mistaken("ls", "--json").json()["saga_id"]
    wrong = saga[:-3] + ("0" if saga[-3] != "0" else "1") + saga[-2:]
    assert f"did you mean {saga}?" in mistaken("get", wrong).err


def test_there_is_no_last_one_yet(cli: Cli) -> None:
    assert cli("db", "migrate").code == 0
    done = cli("get", "@last")
    assert (done.code, "there is no saga yet" in done.err) == (3, True)
    assert cli("ls").err == "no sagas yet\n"


def test_mistakes_for_programs(mistaken: Cli) -> None:
    unknown = mistaken("--json", "get", "saga_nope")
    assert unknown.out == ""
    assert set(unknown.error()) == {"code", "message", "hint", "exit_code"}
    assert (unknown.error()["code"], unknown.error()["exit_code"]) == ("unknown_saga", 3)
    usage = mistaken("get", "--json")
    assert (usage.code, usage.error()["code"]) == (2, "usage")


def test_words_that_are_not_utf8(mistaken: Cli) -> None:
    done = mistaken("get", "saga_\udcff")
    assert (done.code, "not UTF-8" in done.err) == (2, True)


def test_what_is_our_fault_says_so(mistaken: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(asking, "ls", broken)
    done = mistaken.here("ls")
    assert done.code == 1
    assert done.err == (
        "saga: unexpected ZeroDivisionError: of ours\n"
        "  this is a bug in saga-journey: the same command with -v shows where\n"
    )
    assert "Traceback" in mistaken.here("ls", "-v").err
