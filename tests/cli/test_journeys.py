"""`saga journey`: definitions in files, in programs and in the database; mistakes in them end in a sentence."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saga_journey.cli.journey_files import definition_of, request_of
from saga_journey.core.definition import JourneyDefinition
from saga_journey.inspection import lint
from tests.cli.stage import Cli, Worker
from tests.cli.test_docs import until_waiting
from tests.cli.test_looking import PAGE, keys
from tests.core.journeys import saga, step, structured, wait
from tests.inspection.test_graph import RICH

ORDER: dict[str, Any] = {
    "name": "checkout",
    "version": 2,
    "milestones": [
        {"id": "reserve", "undo": "release"},
        {"id": "charge", "undo": "refund"},
        {"id": "ship", "undo": None},
    ],
}
PROGRAM = """
from saga_journey import Context, Saga, Structured, external, milestone
from names import NAME

print("importing it prints")

async def reserve(ctx: Context[dict]) -> str: ...
async def release(ctx: Context[dict], hold: str | None) -> None: ...

checkout = Saga(NAME, version=1, milestones=[milestone(reserve, undo=release)])
form = Structured("form", version=1, milestones=[milestone(reserve, undo=release)])
number = 7
"""


@pytest.fixture
def write(cli: Cli) -> Callable[[str, object], None]:
    """Puts a file into the folder: text as it is, anything else as JSON."""

    def write(name: str, content: object) -> None:
        path = cli.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    return write


Write = Callable[[str, object], None]


# --- what can be read -------------------------------------------------------------------------------------------------


def test_a_journey_as_data_needs_no_database(cli: Cli, write: Write) -> None:
    write("order.json", ORDER)
    done = cli.here("journey", "validate", "order.json")
    assert (done.code, done.out.splitlines()[0]) == (0, "✔ checkout version 2: 3 milestones, 2 of them undone")
    assert not cli.path.exists()


def test_yaml_stdin_and_the_arguments_of_design(cli: Cli, write: Write) -> None:
    write("order.yaml", "name: checkout\nversion: 2\nmilestones:\n  - {id: reserve, undo: release}\n")
    assert "checkout version 2" in cli.here("journey", "validate", "order.yaml").out
    assert "checkout version 2" in cli("journey", "validate", "-", stdin=json.dumps(ORDER)).out
    arguments = {
        "journey_type": "checkout",
        "requirements": {"milestones": [{"id": "reserve"}]},
        "compensation_handlers": {"reserve": "release"},
    }
    write("arguments.json", arguments)
    assert "1 milestone, 1 of them undone" in cli.here("journey", "validate", "arguments.json").out


def test_what_a_template_gives_is_a_journey(cli: Cli) -> None:
    assert cli.here("template", "use", "order_processing", "--out", "order.yaml").code == 0
    assert cli.here("journey", "validate", "order.yaml").code == 0
    assert cli.here("journey", "test", "order.yaml").code == 0


def test_a_journey_of_a_program(cli: Cli, write: Write) -> None:
    write("app.py", PROGRAM)
    write("names.py", "NAME = 'checkout'")
    done = cli("journey", "validate", "app.py:checkout", "--json")
    assert (done.code, done.json()["journey"]) == (0, "checkout")  # what it prints is not among our data
    ambiguous = cli("journey", "graph", "app.py")
    assert (ambiguous.code, "app.py:checkout\n  app.py:form" in ambiguous.err) == (2, True)
    assert "did you mean checkout?" in cli("journey", "graph", "app.py:chekout").err
    assert "number is no journey there" in cli("journey", "graph", "app.py:number").err


def test_a_program_in_a_package_and_one_named_as_a_module_of_ours(cli: Cli, write: Write) -> None:
    write("shop/__init__.py", "")
    write("shop/names.py", "NAME = 'checkout'")
    write("shop/sagas.py", PROGRAM.replace("from names", "from .names"))
    assert "checkout version 1" in cli("journey", "validate", "shop/sagas.py:checkout").out
    write("lib/names.py", "NAME = 'checkout'")
    write("lib/json.py", PROGRAM)
    assert "checkout version 1" in cli("journey", "validate", "lib/json.py:checkout").out


@pytest.mark.parametrize("definition", [RICH, saga(step("a"), wait("b", undo=None)), structured(step("a", undo=None))])
def test_a_request_reads_back(definition: JourneyDefinition) -> None:
    said = json.loads(json.dumps(request_of(definition)))
    conditions = [s for m in definition.milestones for s in m.next_steps if s.when is not None]
    if conditions:  # RICH has one that nobody could read
        said["milestones"][1]["next_steps"][0]["when"] = "input.nasty"
        assert definition_of(said, "request").milestones[0] == definition.milestones[0]
    else:
        assert definition_of(said, "request") == definition


# --- what cannot ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("", 6, "it is not JSON: EOF"),
        ("{", 6, "it is not JSON: EOF while parsing an object at line 1 column 1"),
        ('{"name": NaN}', 6, "it is not JSON"),
        ("[" * 100_000, 6, "it is not JSON: recursion limit exceeded"),
        ([], 6, "it is no journey but a list"),
        ({}, 6, "name: is missing"),
        ({"name": 7}, 6, "name: is no text"),
        ({"name": "x"}, 6, "milestones: Field required"),
        ({"name": "x", "milestones": {}}, 6, "milestones: Input should be a valid list"),
        ({"name": "x", "milestones": [7]}, 6, "milestones[0]: "),
        ({"name": "x", "milestones": [{}]}, 6, "milestones[0].id: Field required"),
        ({"name": "x y", "milestones": [{"id": "a", "undo": None}]}, 6, "the name 'x y' is not usable"),
        ({"name": "x", "milestones": [{"id": "a"}]}, 6, "milestone 'a' has no undo"),
        ({"name": "x", "milestones": [{"id": "a", "params": 2**60, "undo": None}]}, 6, "beyond 2**53"),
        ({"name": "x", "milestnes": [], "milestones": []}, 6, "milestnes is not a field (did you mean 'milestones'?)"),
        ({"name": "x", "compensation_handlers": [], "milestones": []}, 6, "compensation_handlers: is no object"),
        ({"name": "x", "requirements": [], "milestones": []}, 6, "milestones is not a field"),
        ({"name": "x", "milestones": [{"parallel": [[{"id": "a", "undo": None, "x": 1}], []]}]}, 6, "is not a field"),
        (
            {"name": "x", "milestones": [{"id": f"m{i}", "undo": None} for i in range(20_000)]},
            6,
            "it has 20000 milestones, at most 1000 can be run",
        ),
        ('{"name": "x", "padding": "' + "x" * 10_000_000 + '"}', 6, "more than 1,048,576 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_is_no_journey(cli: Cli, write: Write, content: object, code: int, said: str) -> None:
    write("bad.json", content)
    done = cli.here("journey", "validate", "bad.json")
    assert (done.code, done.out) == (code, ""), done.said
    assert said in done.err
    assert "Traceback" not in done.err


def test_every_problem_with_its_place(cli: Cli, write: Write) -> None:
    first = {"id": "a", "undo": "ua", "retry": {"attempts": "many", "tries": 1}}
    block = {"parallel": [[{"id": "b", "timeout": "soon"}], [{"id": "c", "effects": "none"}]]}
    write("bad.json", {"name": "x", "deadlin": 5, "milestones": [first, block]})
    told = cli.here("journey", "validate", "bad.json").err.splitlines()
    assert told[0] == "saga: journey 'x' has 5 problems:"
    places = [line.strip(" -").split(" ")[0].rstrip(":") for line in told[1:]]
    assert places == [
        "milestones[0].retry.attempts",
        "milestones[0].retry.tries",
        "milestones[1].parallel[0][0].timeout",
        "milestones[1].parallel[1][0].effects",
        "deadlin",
    ]


def test_conditions_that_do_not_compile(cli: Cli, write: Write) -> None:
    ways = [{"milestone": "b", "when": "input.total >"}, {"milestone": "c", "when": "totl > 1"}, "d"]
    names = [{"id": "a", "undo": None, "next_steps": ways}, *({"id": name, "undo": None} for name in "bcd")]
    write("bad.json", {"name": "x", "milestones": names})
    told = cli.here("journey", "validate", "bad.json").err
    assert "'input.total >' of to('b') cannot be read: line 1, column 14: Syntax error" in told
    assert "'totl > 1' of to('c') cannot be read: it reads totl" in told


def test_programs_that_cannot_be_imported(cli: Cli, write: Write) -> None:
    for content, said in (
        ("def", "SyntaxError"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("print('nothing')", "app.py has no journey"),
        ("from saga_journey import Saga\nx = Saga('x', version=0, milestones=[])", "versions count from 1"),
    ):
        write("app.py", content)
        done = cli("journey", "validate", "app.py")
        assert done.code in (2, 6)
        assert (said in done.err, "Traceback" in done.err) == (True, False), done.err


@pytest.mark.parametrize("words", [["validate", "no.json"], ["graph", "no.py:x"], ["test", "./no"], ["validate", "."]])
def test_files_that_are_not_there(cli: Cli, words: list[str]) -> None:
    done = cli.here("journey", *words)
    assert done.code == 2
    assert "No such file" in done.err or "directory" in done.err


def test_nothing_harmful_is_printed(cli: Cli, write: Write) -> None:
    nasty = "\x1b]0;pwned\x07\u202e"
    write("bad.json", {"name": nasty, "milestones": [{"id": nasty, "undo": nasty, nasty: nasty}]})
    told = cli("journey", "validate", "bad.json").err
    assert "\x1b" not in told
    assert "\u202e" not in told
    ways = [{"milestone": "end", "when": f"input.x == '{nasty}'"}, "b"]
    written = {"name": "x", "milestones": [{"id": "a", "undo": None, "next_steps": ways}, {"id": "b", "undo": None}]}
    write("nasty.json", written)
    for words in (["graph", "nasty.json"], ["graph", "nasty.json", "--format", "svg"], ["test", "nasty.json"]):
        done = cli("journey", *words)
        assert done.code == 0, done.err
        assert not {"\x1b", "\x07", "\u202e"} & set(done.said)


# --- validate, test, diff, graph --------------------------------------------------------------------------------------


def test_validate_strictly(cli: Cli, write: Write) -> None:
    contradiction = {**ORDER["milestones"][0], "effects": "read_only"}
    write("order.json", {**ORDER, "milestones": [contradiction]})
    assert cli.here("journey", "validate", "order.json").code == 0
    strict = cli.here("journey", "validate", "order.json", "--strict", "--json")
    assert strict.code == 6
    assert set(strict.json()) == keys("`journey validate`")
    (remark,) = strict.json()["remarks"]
    assert set(remark) == keys("… `remarks`") - {"look", "bad"}
    assert (remark["code"], remark["severity"], remark["milestone"]) == ("read_only_undo", "bad", "reserve")


def test_every_second_thought_is_on_the_page() -> None:
    table = PAGE.partition("| second thoughts |")[2].partition("\n\n")[0]
    told = {code for row in table.splitlines()[2:] for code in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(re.findall(r'Remark\("(\w+)"', inspect.getsource(lint)))


def test_stories(cli: Cli, write: Write) -> None:
    write("order.json", ORDER)
    stories = cli.here("journey", "test", "order.json", "--json").lines()
    assert set(stories[0]) == keys("`journey test`") - {"refused", "unknown", "undo_refused"} | {"undone"}
    assert [story["fate"] for story in stories] == [*["refused", "unknown", "undo_refused"] * 2, "refused", "unknown"]
    assert [undone["handler"] for undone in stories[6]["undone"]] == ["refund", "release"]
    assert cli.here("journey", "test", "order.json", "ship").out.splitlines() == [
        "ship",
        "  refuses           ↩ compensated: refund(charge), release(reserve)",
        "  ends unknown      ↩ compensated: refund(charge), release(reserve); ship stays",
    ]
    unknown = cli.here("journey", "test", "order.json", "shipp")
    assert (unknown.code, "did you mean ship?" in unknown.err) == (3, True)


def test_differences(cli: Cli, write: Write) -> None:
    write("old.json", ORDER)
    write("new.json", {**ORDER, "version": 3, "deadline": 60.0})
    shown = cli.here("journey", "diff", "old.json", "new.json")
    assert shown.out.splitlines() == ["~ version 3, was 2", "~ deadline 60 s, was none"]
    assert shown.err == "only policies differ: a run of the one can be moved to the other\n"
    said = cli.here("journey", "diff", "old.json", "new.json", "--json").json()
    assert set(said) == keys("`journey diff`")
    assert (said["same"], said["only_policies"]) == (False, True)
    assert set(said["changes"][0]) == keys("… `changes`")
    assert cli.here("journey", "diff", "old.json", "old.json").said == "they are the same\n"


def test_pictures(cli: Cli, write: Write) -> None:
    write("order.json", ORDER)
    assert cli.here("journey", "graph", "order.json").out.startswith("flowchart LR\n")
    assert cli.here("journey", "graph", "order.json", "--format", "svg").out.startswith("<svg ")
    said = cli.here("journey", "graph", "order.json", "--format", "svg", "--json").json()
    assert set(said) == keys("`journey graph`")
    assert said["graph"].startswith("<svg ")
    assert cli.here("journey", "graph", "order.json", "--format", "png").code == 2


# --- what the database has --------------------------------------------------------------------------------------------


def test_stored_journeys(cli: Cli, worker: Worker) -> None:
    saga = worker.start("approval")
    assert until_waiting(cli, saga)
    worker.start("order", ship="refuse")
    rows = cli("journey", "ls", "--json").lines()
    assert set(rows[0]) == keys("`journey ls`")
    assert [(row["journey"], row["version"], row["milestones"]) for row in rows] == [
        ("approval", 1, 3),
        ("order", 1, 4),
    ]
    assert rows[0]["in_flight"] == 1
    hash = rows[0]["hash"]
    for named in ("approval", "approval@1", hash, hash[:8], f"approval@{hash[:8]}", f"jrn_1_{hash[:12]}"):
        said = cli("journey", "get", named, "--json").json()
        assert set(said) == keys("`journey validate`") | {"in_flight", "request"}
        assert (said["journey"], said["in_flight"], said["hash"]) == ("approval", 1, rows[0]["hash"])
    (cli.folder / "written.json").write_text(cli("journey", "get", "approval", "--request").out)
    assert cli("journey", "diff", "approval", "written.json").err == "they are the same\n"


def test_another_tenants_journeys_do_not_exist(cli: Cli, worker: Worker) -> None:
    worker.start("order", "acme")
    assert cli("journey", "ls", "--json").out == ""
    assert cli("journey", "get", "order").code == 3
    assert cli("journey", "get", "order", "--tenant", "acme").code == 0
    assert cli("journey", "ls").err.startswith("no journeys yet")


def test_journeys_that_are_not_there(cli: Cli, worker: Worker) -> None:
    worker.start("order")
    for reference, said in (
        ("oder", "did you mean order?"),
        ("order@2", "order has no version '2' here\n  there is 1"),
        ("order@", "order has no version '' here"),
        ("abcdef12", "there is order"),
        ("", "no journey '' here"),
        ("@", "no journey '@' here"),
        ("x" * 5000, "no journey"),
    ):
        done = cli.here("journey", "get", reference)
        assert (done.code, said in done.err) == (3, True), done.err
    assert cli.here("journey", "get").code == 2
    assert cli.here("journey", "diff", "order").code == 2


def test_no_database(cli: Cli, write: Write) -> None:
    write("order.json", ORDER)
    for words in (["ls"], ["get", "order"], ["diff", "order", "order.json"], ["deploy", "order.json", "--check"]):
        assert cli.here("journey", *words).code == 7, words
    assert not cli.path.exists()


# --- deploy and move --------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(cli: Cli, worker: Worker) -> dict[str, Any]:
    """The request of `approval`, of which one run waits for the boss."""
    assert until_waiting(cli, worker.start("approval"))
    request: dict[str, Any] = json.loads(cli("journey", "get", "approval", "--request").out)
    return request


def patient(request: dict[str, Any]) -> dict[str, Any]:
    """The same with more time for the boss."""
    first, boss, last = request["milestones"]
    return {**request, "version": 2, "milestones": [first, {**boss, "timeout": 7200.0}, last]}


def test_deploying_is_only_checked(cli: Cli, write: Write) -> None:
    write("order.json", ORDER)
    done = cli.here("journey", "deploy", "order.json")
    assert (done.code, "saga journey deploy order.json --check" in done.err) == (2, True)


def test_a_deploy_of_what_nobody_runs(cli: Cli, write: Write) -> None:
    assert cli("db", "migrate").code == 0
    write("order.json", ORDER)
    done = cli("journey", "deploy", "order.json", "--check", "--json")
    assert (done.code, set(done.json())) == (0, keys("`journey validate`") | {"runs", "loses", "versions"})
    assert (done.json()["runs"], done.json()["versions"]) == (0, [])


def test_a_deploy_check(cli: Cli, write: Write, waiting: dict[str, Any]) -> None:
    write("same.json", waiting)
    same = cli("journey", "deploy", "same.json", "--check")
    assert (same.code, "1 run, of this very definition" in same.out) == (0, True)
    write("shorter.json", {**waiting, "version": 2, "milestones": waiting["milestones"][1:]})
    said = cli("journey", "deploy", "shorter.json", "--check", "--json")
    (version,) = said.json()["versions"]
    assert (said.code, set(version)) == (4, keys("… `versions`"))
    assert all(set(consequence) == keys("… `consequences`") for consequence in version["consequences"])
    assert [c["kind"] for c in version["consequences"]] == ["undo_lost", "parked", "past_removed"]
    both = {**ORDER, "milestones": [{"id": "reserve_stock", "undo": "release_stock"}]}
    write("other.json", both)  # deployed together: its handlers stay
    together = cli("journey", "deploy", "shorter.json", "other.json", "--check")
    assert (together.code, len(together.out.splitlines()) > 2) == (0, True), together.said


def test_old_versions_that_stay_in_the_program(cli: Cli, write: Write, waiting: dict[str, Any]) -> None:
    """Each run is held against the definition of its own version, when that is deployed, too."""
    write("kept.json", waiting)
    write("newest.json", {**waiting, "version": 3, "milestones": waiting["milestones"][1:]})
    both = cli("journey", "deploy", "newest.json", "kept.json", "--check", "--json")
    (said,) = both.lines()
    assert (both.code, said["version"], said["versions"][0]["same"]) == (0, 3, True)
    write("changed.json", {**waiting, "milestones": waiting["milestones"][:2]})  # under the same version
    changed = cli("journey", "deploy", "newest.json", "changed.json", "--check", "--json").json()
    kinds = [consequence["kind"] for consequence in changed["versions"][0]["consequences"]]
    assert kinds == ["same_version"], "its handlers are among those of the newest"


def test_two_meanings_in_one_deploy(cli: Cli, write: Write) -> None:
    assert cli("db", "migrate").code == 0
    write("one.json", ORDER)
    write("two.json", {**ORDER, "milestones": ORDER["milestones"][:1]})
    done = cli("journey", "deploy", "one.json", "two.json", "--check")
    assert (done.code, "is there twice" in done.err) == (4, True)


def test_runs_are_moved(cli: Cli, write: Write, waiting: dict[str, Any]) -> None:
    write("patient.json", patient(waiting))
    asked = cli("journey", "move", "patient.json", "--from", "1", "--reason", "holidays")
    assert (asked.code, "nobody is here to be asked" in asked.err) == (2, True)
    assert "boss: timeout 7200 s, was 3600 s" in asked.err
    moved = cli(
        "journey", "move", "patient.json", "--from", "1", "--reason", "holidays", "-y", "--json", "--user", "ada"
    )
    assert (moved.code, moved.json()["code"]) == (0, "applied")
    assert set(moved.json()) == keys("every verb") - {"applied", "no_change", "deferred", "stored"}
    saga = moved.json()["saga_id"]
    assert cli("get", saga, "--json").json()["version"] == 2
    event = next(e for e in cli("history", saga, "--json").lines() if e["event"] == "definition_moved")
    assert (event["fields"]["who"], event["fields"]["reason"]) == ("ada", "holidays")
    assert "definition" not in event["fields"]
    assert [row["in_flight"] for row in cli("journey", "ls", "--json").lines()] == [1, 0]
    back = cli("journey", "move", "approval@1", saga, "--reason", "back at work", "-y")
    assert (back.code, back.out) == (0, f"move {saga}: applied\n")
    answered = cli("advance", saga, "--result", '"yes"')
    assert answered.code == 0, answered.err
    assert cli.outcome(saga) == 0


def test_runs_that_cannot_be_moved(cli: Cli, write: Write, waiting: dict[str, Any]) -> None:
    write("shorter.json", {**waiting, "version": 2, "milestones": waiting["milestones"][:2]})
    why = ("--reason", "x", "-y")
    refused = cli("journey", "move", "shorter.json", "@last", *why)
    assert refused.code == 4
    assert "1 run: more than policies would change: charge_card is removed" in refused.err
    write("patient.json", patient(waiting))
    for words, code in (
        (["patient.json"], 2),
        (["patient.json", "@last", "--from", "1"], 2),
        (["patient.json", "saga_nope"], 3),
        (["patient.json", "--from", "9"], 3),
        (["patient.json", "--from", "nonsense"], 3),
        (["approval@2", "@last"], 3),
    ):
        assert cli("journey", "move", *words, *why).code == code, words
    assert cli("journey", "move", "patient.json", "@last").code == 2  # no reason
    write("other.json", ORDER)
    assert "it is another journey" in cli("journey", "move", "other.json", "@last", *why).err


def test_moves_are_stored_for_a_worker_to_come(cli: Cli, write: Write, worker: Worker, waiting: dict[str, Any]) -> None:
    worker.stop()
    write("patient.json", patient(waiting))
    words = ("journey", "move", "patient.json", "@last", "--reason", "x", "-y", "--command-id", "cmd_once", "--wait")
    stored = cli(*words, "0.1")
    assert (stored.code, "stored, it will be applied when a worker opens" in stored.out) == (0, True)
    again = Worker(cli)
    try:
        assert cli(*words, "20").out.endswith(": applied\n")
    finally:
        again.stop()


def test_files_of_the_same_name_as_a_stored_journey(cli: Cli, worker: Worker) -> None:
    worker.start("order")
    (Path(cli.folder) / "order").mkdir()
    assert cli("journey", "graph", "order").code == 0
