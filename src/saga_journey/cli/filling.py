"""ls, show and use of `saga template`: what there is, what it asks for, and the journey that comes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydantic_core import from_json

from saga_journey.cli.definitions import milestones
from saga_journey.cli.options import Given
from saga_journey.cli.problems import NOT_FOUND, USAGE, Problem, did_you_mean
from saga_journey.cli.screen import Line, Screen
from saga_journey.cli.table import table
from saga_journey.cli.values import json_of
from saga_journey.core.canonical import decode
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.design import design
from saga_journey.inspection.graph import mermaid
from saga_journey.journey_templates import (
    Template,
    example_of,
    read_template,
    read_template_file,
    template_names,
    write_yaml,
)
from saga_journey.journey_templates.reading import read_file
from saga_journey.journey_templates.shelf import file_of

YAML = (".yaml", ".yml")
WIDEST = 100
"""Prose is not wider than that, on a wide terminal either."""


# --- which one --------------------------------------------------------------------------------------------------------


def _template(name: str) -> Template:
    """Raises Problem for a name that none has, DefinitionError for a file that is none."""
    if _is_file(name):
        try:
            return read_template_file(Path(name))
        except OSError as error:
            raise Problem(USAGE, "no_such_file", f"{name}: {error.strerror or error}") from None
    if name not in template_names():
        raise Problem(NOT_FOUND, "unknown_template", f"no template {name!r}", did_you_mean(name, template_names()))
    return read_template(name)


def _is_file(name: str) -> bool:
    return "/" in name or name.endswith(YAML)


def _shown(template: Template) -> JourneyDefinition:
    """The journey with every default; with what its example asks for, when it cannot do without being asked."""
    asked = template.example["requirements"] if template.requirements.get("required") else {}
    return _definition(template, asked)


def _definition(template: Template, requirements: Mapping[str, Any]) -> JourneyDefinition:
    return design(template.name, template.fill(requirements), {})


# --- ls and show ------------------------------------------------------------------------------------------------------


def ls(given: Given) -> None:
    """Every template that comes with the library."""
    screen, rows = Screen(given), []
    for template in map(read_template, template_names()):
        ids = [m.id for m in _shown(template).milestones]
        if given.json:
            screen.json({"name": template.name, "title": template.title, "milestones": ids})
        rows.append([(template.name, ""), (template.title, ""), (", ".join(ids), "dim")])
    if not given.json:
        screen.out(*table(("TEMPLATE", "WHAT IT DOES", "MILESTONES"), rows, screen.room))
        screen.hint(f"next: {given.again('template', 'show', template_names()[-1])}")


def show(given: Given, name: str, *, as_written: bool, as_graph: bool) -> None:
    """One template: the whole of it, its own text, or its journey as a picture."""
    template, screen = _template(name), Screen(given)
    definition = _shown(template)
    if as_written:
        source = Path(name) if _is_file(name) else file_of(name)
        screen.out(*source.read_text("utf-8").splitlines())
    elif as_graph:
        screen.out(*mermaid(definition).splitlines())
    elif given.json:
        screen.json(template.plain())
    else:
        screen.out(*_page(template, definition, screen.room))
        screen.hint("", f"next: {given.again('template', 'use', name, '--example', template.name)}")


def _page(template: Template, definition: JourneyDefinition, room: int) -> list[Line]:
    prose: list[Line] = [[(row, "")] for row in wrap(template.description, min(room, WIDEST))]
    asked = [_requirement(n, said, template) for n, said in template.requirements["properties"].items()]
    told = [[(name, ""), (what, "")] for name, what in template.handlers.items()]
    return [
        *([(f"{template.name}: {template.title}", "strong")], [], *prose, []),
        *(*table(("REQUIREMENT", "TYPE", "DEFAULT", "WHAT IT SAYS"), asked, room), []),
        *(*milestones(definition, room), []),
        *table(("HANDLER", "WHAT IT MUST DO"), told, room),
    ]


def _requirement(name: str, said: Mapping[str, Any], template: Template) -> list[tuple[str, str]]:
    default = json.dumps(said["default"], ensure_ascii=False) if "default" in said else "required"
    style = "dim" if "default" in said else "strong"
    return [(name, ""), (_type(said), ""), (default, style), (str(said.get("description", "")), "")]


_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def _type(said: Mapping[str, Any]) -> str:
    """`integer ≥ 1 ≤ 20`, or the values that there are."""
    if "enum" in said:
        return " | ".join(str(value) for value in said["enum"])
    wanted = said.get("type", "anything")
    bounds = [_BOUNDS[key].format(said[key]) for key in _BOUNDS if key in said]
    return " ".join([" or ".join(wanted) if isinstance(wanted, list) else str(wanted), *bounds])


# --- use --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `use` was told."""

    name: str
    settings: tuple[str, ...]
    requirements: str | None
    out: str | None
    example: str | None


def use(given: Given, wanted: Wanted) -> None:
    """Raises DefinitionError with every problem of the requirements; then nothing is written."""
    template, screen = _template(wanted.name), Screen(given)
    said = _requirements(template, wanted)
    journey = {"name": template.name, **template.fill(said)}
    design(template.name, template.fill(said), {})  # each fits, and yet they may not fit together
    if wanted.example is not None:
        _make_example(given, screen, template, wanted.example, journey)
    if wanted.out is not None:
        _write(given, Path(wanted.out), journey)
        screen.say(f"wrote {wanted.out}")
        screen.hint(f"next: {given.again('journey', 'validate', wanted.out)}")
    elif wanted.example is None:
        _print(given, screen, journey)


def _print(given: Given, screen: Screen, journey: dict[str, Any]) -> None:
    if given.json:
        screen.json(journey)
    else:
        screen.out(*write_yaml(journey).splitlines())


def _requirements(template: Template, wanted: Wanted) -> Any:
    """Those of --requirements, with those of --set over them; an example may have its own."""
    if wanted.example is not None and not wanted.settings and wanted.requirements is None:
        return template.example["requirements"]
    said = _read(wanted.requirements) if wanted.requirements is not None else {}
    if not isinstance(said, dict):
        return said
    return said | dict(_setting(text, template) for text in wanted.settings)


def _read(text: str) -> Any:
    if text.startswith("@") and text.endswith(YAML):
        try:
            return read_file(Path(text[1:]), text[1:])
        except OSError as error:
            raise Problem(USAGE, "no_such_file", f"--requirements {text}: {error.strerror or error}") from None
    read = json_of(text, "--requirements")
    assert read is not None, "it was said"
    return decode(read)


def _setting(text: str, template: Template) -> tuple[str, Any]:
    """`attempts=5`: text where the template asks for text, else JSON as far as it is."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Problem(USAGE, "not_a_setting", f"--set {text}: a requirement is set by KEY=VALUE")
    if template.requirements["properties"].get(key, {}).get("type") == "string":
        return key, value
    try:
        return key, from_json(value, allow_inf_nan=False)
    except ValueError:
        return key, value


def _write(given: Given, path: Path, journey: dict[str, Any]) -> None:
    if path.exists() and not given.yes:
        raise Problem(USAGE, "file_exists", f"{path} is there already", "-y writes over it")
    is_json = path.suffix == ".json"
    text = json.dumps(journey, indent=2, ensure_ascii=False) + "\n" if is_json else write_yaml(journey)
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Problem(USAGE, "cannot_write", f"{path}: {error.strerror or error}") from None


def _make_example(given: Given, screen: Screen, template: Template, folder: str, journey: dict[str, Any]) -> None:
    """The handlers and the program of the template's example, and beside them the journey that was filled."""
    source, target = example_of(template.name), Path(folder)
    if source is None:
        raise Problem(USAGE, "no_example", f"{template.name} has no example here", "leave out --example")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Problem(USAGE, "file_exists", f"{target} is there already", "name a new directory")
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.db*"), dirs_exist_ok=True)
        _write(given, target / "journey.yaml", journey)
    except OSError as error:
        raise Problem(USAGE, "cannot_write", f"{target}: {error.strerror or error}") from None
    files = sorted(str(file) for file in target.iterdir())
    if given.json:
        screen.json({"directory": str(target), "files": files})
    else:
        screen.out(*files)
    refusing = _worth_refusing(_definition(template, template.example["requirements"]))
    screen.hint(f"next: python {target}/run.py --journey {target}/journey.yaml --fail-at {refusing}")


def _worth_refusing(definition: JourneyDefinition) -> str:
    """The last milestone whose failure undoes all the others."""
    no_way_back = definition.pivot if definition.pivot is not None else len(definition.milestones)
    able = [m.id for m in definition.milestones[: no_way_back + 1] if m.kind == "action" and not m.optional]
    return able[-1]
