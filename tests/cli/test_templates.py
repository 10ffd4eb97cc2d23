"""`saga template`: what is there, what it asks for, the journey that comes of it, and an example that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from saga_journey.core.design import design
from saga_journey.journey_templates import read_template, read_yaml, template_names
from tests.cli.stage import Cli, environment

EXPECTED = [
    "account_onboarding",
    "compliance_workflow",
    "content_migration",
    "money_transfer",
    "order_processing",
    "payment_with_pivot",
    "travel_booking",
    "wave_migration",
]
BOMB = "name: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_they_are_listed_with_their_milestones(cli: Cli) -> None:
    assert [line["name"] for line in cli.here("template", "ls", "--json").lines()] == EXPECTED == template_names()
    assert cli.here("template", "ls", "--json").lines()[6]["milestones"][-1] == "charge_card"
    shown = cli.here("template", "ls")
    assert [line.split()[0] for line in shown.out.splitlines()] == ["TEMPLATE", *EXPECTED]
    assert shown.err == "next: saga template show wave_migration\n"


@pytest.mark.parametrize("name", EXPECTED)
def test_one_is_shown_with_all_that_it_asks_for(cli: Cli, name: str) -> None:
    template = read_template(name)
    shown = cli.here("template", "show", name)
    assert (shown.code, shown.err) == (0, f"\nnext: saga template use {name} --example {name}\n")
    for word in (*template.requirements["properties"], *template.handlers, template.title):
        assert word in shown.out
    assert cli.here("template", "show", name, "--json").json() == template.plain()
    assert read_yaml(cli.here("template", "show", name, "--yaml").out, name) == template.plain()
    assert cli.here("template", "show", name, "--graph").out.startswith("flowchart LR\n")


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_filled_is_a_journey(cli: Cli, name: str, tmp_path: Path) -> None:
    """On stdout, in a file, as YAML and as JSON: always the same one, which `journey validate` accepts."""
    said = json.dumps(read_template(name).example["requirements"])
    filled = cli.here("template", "use", name, "--requirements", said, "--json").json()
    assert filled.pop("name") == name
    assert design(name, filled, {}).milestones
    assert read_yaml(cli.here("template", "use", name, "--requirements", said).out, name) == {"name": name, **filled}
    for file in ("journey.yaml", "journey.json"):
        done = cli.here("template", "use", name, "--requirements", said, "--out", file)
        assert (done.code, done.out) == (0, "")
        assert done.err == f"wrote {file}\nnext: saga journey validate {file}\n"
        assert read_yaml((tmp_path / file).read_bytes(), name) == {"name": name, **filled}
        assert cli.here("journey", "validate", file).code == 0
    assert json.loads((tmp_path / "journey.json").read_text("utf-8"))["name"] == name


def test_requirements_come_from_anywhere_and_single_ones_go_over_them(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text('{"table": "a", "waves": 2}', "utf-8")
    (tmp_path / "all.yaml").write_text("table: a\nwaves: 2\n", "utf-8")
    said = [["--requirements", "@all.json"], ["--requirements", "@all.yaml"], ["--set", "table=a", "--set", "waves=2"]]
    said += [["--requirements", '{"table": "b", "waves": 2}', "--set", "table=a"]]
    filled = [cli.here("template", "use", "wave_migration", *words, "--json").json() for words in said]
    filled += [
        cli(
            "template", "use", "wave_migration", "--json", "--requirements", "@-", stdin='{"table": "a", "waves": 2}'
        ).json()
    ]
    assert all(journey == filled[0] for journey in filled)
    assert [m["id"] for m in filled[0]["milestones"]][1:3] == ["wave_1", "wave_2"]
    assert filled[0]["milestones"][1]["params"] == {"table": "a", "number": 1, "of": 2}


def test_text_stays_text_where_text_is_asked_for(cli: Cli) -> None:
    filled = cli.here("template", "use", "wave_migration", "--set", "table=7", "--set", "waves=1", "--json").json()
    assert filled["milestones"][0]["params"] == {"table": "7"}


@pytest.mark.parametrize("name", ["travel_booking", "account_onboarding"])
def test_an_example_runs_where_it_was_made(cli: Cli, name: str, tmp_path: Path) -> None:
    """Away from the checkout, with the journey that was filled beside it."""
    done = cli.here("template", "use", name, "--example", "mine", "--json")
    assert done.json() == {
        "directory": "mine",
        "files": [f"mine/{f}" for f in ("README.md", "handlers.py", "journey.yaml", "run.py")],
    }
    program = [sys.executable, "mine/run.py", "--dir", "books", "--journey", "mine/journey.yaml"]
    for words, outcome in (
        ([], "Completed"),
        (["--fail-at", "open_account" if "account" in name else "charge_card"], "Compensated"),
    ):
        ran = subprocess.run(
            [*program, *words], cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith(f"{outcome}(")
    assert cli.here("get", "@last", "--db", f"sqlite:///{tmp_path}/books/journeys.db", "--exit-status").code == 11


def test_an_example_is_made_with_requirements_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    done = cli.here(
        "template", "use", "wave_migration", "--set", "table=customers", "--set", "waves=2", "--example", "mine"
    )
    assert done.out.split() == ["mine/README.md", "mine/handlers.py", "mine/journey.yaml", "mine/run.py"]
    assert done.err == "next: python mine/run.py --journey mine/journey.yaml --fail-at switch_readers\n"
    journey = read_yaml((tmp_path / "mine" / "journey.yaml").read_bytes(), "mine")
    assert [m["id"] for m in journey["milestones"]] == [
        "prepare_target",
        "wave_1",
        "wave_2",
        "compare_counts",
        "switch_readers",
    ]


def test_nothing_that_is_there_is_written_over(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "journey.yaml").write_text("mine", "utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    for words in (["--out", "journey.yaml"], ["--example", "mine"], ["--example", "journey.yaml"]):
        done = cli.here("template", "use", "money_transfer", *words)
        assert (done.code, "is there already" in done.err) == (2, True), done.said
    assert (tmp_path / "journey.yaml").read_text("utf-8") == "mine"
    assert cli.here("template", "use", "money_transfer", "--out", "journey.yaml", "-y").code == 0
    assert read_yaml((tmp_path / "journey.yaml").read_bytes(), "own")["name"] == "money_transfer"


def test_a_template_of_ones_own_is_a_file(cli: Cli, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        cli.here("template", "show", "money_transfer", "--yaml").out.replace("money_transfer", "mine"), "utf-8"
    )
    assert cli.here("template", "show", "./mine.yaml", "--json").json()["name"] == "mine"
    assert cli.here("template", "use", "mine.yaml", "--set", "currency=USD", "--json").json()["name"] == "mine"
    done = cli.here("template", "use", "mine.yaml", "--example", "folder")
    assert (done.code, "mine has no example here" in done.err) == (2, True)


# ── what people get wrong ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show"], 2, "Missing argument 'NAME'"),
        (["show", "travel_bokking"], 3, "did you mean travel_booking?"),
        (["show", "x"], 3, "there is account_onboarding, compliance_workflow"),
        (["use", "../travel_booking"], 2, "No such file"),
        (["use", "."], 3, "no template '.'"),
        (["use", "./"], 2, "directory"),
        (["use", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
        (["use", "money_transfer", "--set", "limit_cents"], 2, "a requirement is set by KEY=VALUE"),
        (["use", "money_transfer", "--set", "=5"], 2, "a requirement is set by KEY=VALUE"),
        (
            ["use", "money_transfer", "--set", "limit=5"],
            6,
            "requirements.limit is not asked for (did you mean 'limit_cents'?)",
        ),
        (
            ["use", "money_transfer", "--set", "limit_cents=many"],
            6,
            'requirements.limit_cents: "many" is not an integer',
        ),
        (
            ["use", "money_transfer", "--set", "limit_cents=1e999"],
            6,
            "requirements.limit_cents: inf is not JSON",
        ),
        (["use", "money_transfer", "--requirements", "{x"], 6, "--requirements is not JSON"),
        (["use", "money_transfer", "--requirements", "[1]"], 6, "requirements: list is no object"),
        (["use", "money_transfer", "--requirements", "[" * 100_000], 6, "--requirements is not JSON"),
        (["use", "money_transfer", "--requirements", "@nowhere.json"], 2, "No such file"),
        (["use", "money_transfer", "--requirements", "@nowhere.yaml"], 2, "No such file"),
        (["use", "money_transfer", "--requirements", "@."], 2, "directory"),
        (["use", "wave_migration"], 6, "requirements.table is missing: The table whose rows move."),
        (["use", "money_transfer", "--out", "nowhere/journey.yaml"], 2, "No such file"),
        (["use", "money_transfer", "--out", "."], 2, "is there already"),
        (["lss"], 2, "Did you mean 'ls'?"),
    ],
)
def test_mistake(cli: Cli, words: list[str], code: int, said: str) -> None:
    done = cli.here("template", *words)
    assert done.code == code, done.said
    assert said in done.said
    assert "Traceback" not in done.said
    assert done.out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "more than 20 aliases"),
        ("name: !!python/object/apply:os.system ['touch hit']", "line 1, column 7: the tag"),
        ("name: " + "x" * 10_000_000, "more than 1,048,576 bytes of YAML"),
        ("[" * 200_000, "line 1, column "),
        ("name: [", "line 2, column 1: while parsing a flow node, did not find expected node content"),
        ("name: \x1b[2J", "control characters are not allowed"),
        ("", "the document: "),
        ("name: 5", "description: Field required"),
    ],
)
@pytest.mark.parametrize("how", [["show", "bad.yaml"], ["use", "money_transfer", "--requirements", "@bad.yaml"]])
def test_a_file_that_nobody_should_have_written(cli: Cli, tmp_path: Path, text: str, said: str, how: list[str]) -> None:
    (tmp_path / "bad.yaml").write_text(text, "utf-8")
    done = cli.here("template", *how)
    assert done.code == 6, done.said
    assert "Traceback" not in done.said
    assert "\x1b" not in done.said
    assert said in done.err or how[0] == "use"
    assert [file.name for file in tmp_path.iterdir()] == ["bad.yaml"]


def test_every_problem_is_told_to_programs_too(cli: Cli) -> None:
    done = cli.here("--json", "template", "use", "wave_migration", "--set", "waves=0", "--set", "attempts=x")
    error: dict[str, Any] = done.error()
    assert (done.out, error["code"], error["exit_code"]) == ("", "invalid_definition", 6)
    assert error["message"].count("\n") == 3
    unknown = cli.here("--json", "template", "show", "x").error()
    assert (unknown["code"], unknown["exit_code"]) == ("unknown_template", 3)
