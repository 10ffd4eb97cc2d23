"""The three guides tell the truth: their programs print what they say, their tables are what the code says."""

from __future__ import annotations

import inspect
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from typer.main import get_command

import saga_journey
from saga_journey import Context, Journeys, Retry, Run, SagaStatus, errors
from saga_journey.authoring import Policy
from saga_journey.cli.app import app
from saga_journey.cli.options import FLAGS, VALUES, hoisted
from saga_journey.config import Limits
from saga_journey.core.definition import UNDO_RETRY, Milestone
from saga_journey.core.progress import VERBS
from saga_journey.core.state import FINAL
from saga_journey.orchestrators.analytics import JourneyAnalytics
from saga_journey.orchestrators.mvp import MVPJourneyOrchestrator
from saga_journey.orchestrators.saga import SagaJourneyOrchestrator
from saga_journey.orchestrators.session import SessionJourneyOrchestrator
from saga_journey.orchestrators.structured import StructuredJourneyOrchestrator
from saga_journey.orchestrators.tracker import MilestoneTracker
from tests.docs.pages import DOCS, Program, broken_links, programs_of, prose_of, rows_under, run

GUIDE = DOCS / "SAGA_JOURNEY_ORCHESTRATOR.md"
REFERENCE = DOCS / "SAGA_JOURNEY_QUICK_REFERENCE.md"
PATTERNS = DOCS / "JOURNEY_ORCHESTRATOR_PATTERNS.md"
PAGES = [GUIDE, REFERENCE, PATTERNS]
PROGRAMS = [program for page in PAGES for program in programs_of(page)]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of it, in an empty directory."""
    module = ModuleType("guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    run(program, module, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


# --- the quick reference is what the code says -----------------------------------------------------------------------


def code_in(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def first_cells(heading: str) -> list[str]:
    return [code for row in rows_under(REFERENCE, heading) for code in code_in(row[0])]


def signature(of: Callable[..., Any], name: str) -> str:
    """As the page writes it: parameters and their defaults, no types."""
    written, star = [], False
    for p in inspect.signature(of).parameters.values():
        if p.name == "self":
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            star = True
            written.append("*")
        prefix = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        written.append(f"{prefix}{p.name}" + ("" if p.default is p.empty else f"={value(p.default)}"))
    return f"{name}({', '.join(written)})"


def value(default: object) -> str:
    """A retry policy says what is not as in `Retry()`; an empty mapping is `{}`."""
    if default == Limits():
        return "Limits()"
    if repr(default) == "<factory>":
        return "{}"
    if not isinstance(default, Retry):
        return repr(default)
    ours = {f.name: getattr(default, f.name) for f in fields(Retry)}
    usual = {f.name: getattr(Retry(), f.name) for f in fields(Retry)}
    return f"Retry({', '.join(f'{name}={ours[name]:g}' for name in ours if ours[name] != usual[name])})"


def operations(of: type) -> list[str]:
    """The signatures of its public methods."""
    return [signature(fn, name) for name, fn in vars(of).items() if inspect.isfunction(fn) and not name.startswith("_")]


def test_it_fits_on_a_page() -> None:
    assert len(REFERENCE.read_text("utf-8").splitlines()) <= 150


def test_public_names() -> None:
    """All of them, each with its signature."""
    cells = first_cells("Public names")
    assert sorted(cell.partition("(")[0] for cell in cells) == sorted(saga_journey.__all__)
    called = {cell.partition("(")[0]: cell for cell in cells if "(" in cell and not cell.startswith("UserContext")}
    assert called == {name: signature(getattr(saga_journey, name), name) for name in called}
    assert set(saga_journey.__all__) - called.keys() == {
        *("Context", "Journeys", "Outcome", "Run", "SagaJourneyError", "SagaStatus", "UserContext")
    }


def test_what_a_handler_is_given() -> None:
    text = REFERENCE.read_text("utf-8").partition("\n## Context\n")[2].partition("\n## ")[0]
    assert {code.partition("(")[0] for code in code_in(text)} == {n for n in vars(Context) if not n.startswith("_")}


def test_milestone_options() -> None:
    """With the defaults that a milestone has; for its names these are in words."""
    told = {code: row[1] for row in rows_under(REFERENCE, "Milestone options") for code in code_in(row[0])}
    assert told.keys() == Policy.__annotations__.keys()
    defaults = {f.name: f"`{value(f.default)}`" for f in fields(Milestone) if f.name in told and f.name != "id"}
    assert defaults["undo_retry"] == f"`{value(UNDO_RETRY)}`"
    assert {name: told[name] for name in defaults} == defaults


def test_operations() -> None:
    """Of journeys, of a run, of the saga orchestrator, and of what looks at them."""
    told = [code for row in rows_under(REFERENCE, "Journeys and Run")[:-1] for code in code_in(row[1])]
    those = (Journeys, Run, SagaJourneyOrchestrator, MilestoneTracker, JourneyAnalytics)
    assert sorted(told) == sorted(operation for one in those for operation in operations(one))


@pytest.mark.parametrize(
    ("name", "orchestrator"),
    [
        ("structured", StructuredJourneyOrchestrator),
        ("session", SessionJourneyOrchestrator),
        ("mvp", MVPJourneyOrchestrator),
    ],
)
def test_operations_of_the_other_orchestrators(name: str, orchestrator: type) -> None:
    """They stand on the page about patterns."""
    told = prose_of(PATTERNS).partition(f"\n`journeys.{name}`: ")[2].partition("\n\n")[0]
    assert code_in(told) == operations(orchestrator)


def test_statuses() -> None:
    told = {code: row[1] for row in rows_under(REFERENCE, "Statuses") for code in code_in(row[0])}
    assert told == {status.value: "yes" if status in FINAL else "" for status in SagaStatus}


def test_attention_and_verbs() -> None:
    rows = rows_under(REFERENCE, "Attention and verbs")
    assert {kind: tuple(code_in(row[1])) for row in rows for kind in code_in(row[0])} == VERBS


def test_the_guide_says_what_to_do_for_each_attention() -> None:
    told = GUIDE.read_text("utf-8").partition("\n### What it waits for, and what to do\n")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE) == list(VERBS)


def test_errors() -> None:
    raised = {
        name
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.SagaJourneyError)
    }
    assert {code for code in first_cells("Errors") if code.isidentifier()} == raised - {"SagaJourneyError"}


def test_every_command_line_can_be_read() -> None:
    """Each is parsed by the command that it names; what it does is shown in docs/CLI.md."""
    text = REFERENCE.read_text("utf-8").partition("\n## Command line\n")[2].partition("\n## ")[0]
    lines = [code for code in code_in(text) if code.startswith("saga ")]
    assert len(lines) > 15
    for line in lines:
        parsed(line)


def parsed(line: str) -> None:
    """Raises click's own error for a command or an option that does not exist."""
    words = [word for word in hoisted(shlex.split(line)[1:], set(VALUES)) if word not in FLAGS]
    command: Any = get_command(app)
    context = click.Context(command, info_name="saga")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{line}: there is no command {words[0]}"
        command, words = found, words[1:]
    command.make_context("saga", words, parent=context)
