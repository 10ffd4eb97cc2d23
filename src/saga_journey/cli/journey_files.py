"""A journey out of a file: data (JSON, YAML), or a program (`app.py:checkout`). What is in a data file is never run.

A program is imported because the person at this command line names it, by its path; a definition cannot.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pydantic_core import from_json

from saga_journey.authoring import Journey
from saga_journey.cli.problems import USAGE, VALIDATION, Problem, did_you_mean
from saga_journey.core.canonical import MAX_BYTES
from saga_journey.core.codec import encode_definition
from saga_journey.core.definition import JourneyDefinition, plain
from saga_journey.core.design import design
from saga_journey.errors import DefinitionError, NotJson
from saga_journey.errors import did_you_mean as nearest
from saga_journey.handlers.conditions import problem_with_condition
from saga_journey.journey_templates import read_template, read_yaml, template_names

STDIN = "-"
DATA = (".json", ".yaml", ".yml")
PROGRAM = re.compile(r"(?P<path>.+\.py)(?::(?P<variable>.*))?", re.DOTALL)


class Read(NamedTuple):
    """A definition, and how it is named here; and those of its children, as far as the file has them."""

    definition: JourneyDefinition
    reference: str
    children: tuple[JourneyDefinition, ...] = ()


def is_file(reference: str) -> bool:
    """It means a file, and no journey of the database."""
    return (
        reference == STDIN or reference.endswith(DATA) or "/" in reference or PROGRAM.fullmatch(reference) is not None
    )


def read_one(reference: str) -> Read:
    """The journey that a file defines. Raises Problem, or DefinitionError with everything that is wrong with it."""
    found = read_all(reference)
    if len(found) > 1:
        names = "\n".join(f"{reference}:{variable}" for variable in found)
        raise Problem(USAGE, "ambiguous_journey", f"{reference} has more than one journey: say which", names)
    return next(iter(found.values()))


def read_all(reference: str) -> dict[str, Read]:
    """Every journey of a file, by the name of its variable, or of itself where it is data."""
    if program := PROGRAM.fullmatch(reference):
        return _of_program(Path(program["path"]), program["variable"])
    definition = definition_of(_document(reference), reference)
    return {definition.name: Read(definition, reference)}


# --- data -------------------------------------------------------------------------------------------------------------


def _document(reference: str) -> Any:
    try:
        if reference == STDIN:
            source = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(reference).open("rb") as file:
                source = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Problem(USAGE, "no_such_file", f"{reference}: {error.strerror or error}") from None
    if reference.endswith((".yaml", ".yml")):
        return read_yaml(source, reference)
    if len(source) > MAX_BYTES:
        raise DefinitionError(reference, [f"more than {MAX_BYTES:,} bytes: at most so many are read"])
    try:
        return from_json(source, allow_inf_nan=False)
    except ValueError as error:
        raise DefinitionError(reference, [f"it is not JSON: {error}"]) from None


def definition_of(document: object, name: str) -> JourneyDefinition:
    """The definition that a document describes: a request with its name in it, or the arguments of `design`.

    {"name": …, "milestones": [ … ], "compensation_handlers": { … }}
    {"journey_type": …, "requirements": {"milestones": [ … ]}, "compensation_handlers": { … }}
    """
    if not isinstance(document, Mapping):
        raise DefinitionError(name, [f"it is no journey but a {type(document).__name__}: an object with milestones is"])
    said, found = dict(document), []
    undos = said.pop("compensation_handlers", {})
    journey = said.pop("name", said.pop("journey_type", None))
    if "requirements" in said:
        strange = [key for key in said if key != "requirements"]
        found += [f"{key} is not a field{nearest(key, _ARGUMENTS)}" for key in strange]
        said = said["requirements"]
    if not isinstance(journey, str):
        found.append(f"name: {'is missing' if journey is None else 'is no text'}: a journey has a name")
    for what, value in (("requirements", said), ("compensation_handlers", undos)):
        if not isinstance(value, Mapping):
            raise DefinitionError(name, [*found, f"{what}: is no object"])
    return _designed(journey if isinstance(journey, str) else "unnamed", said, undos, found)


_ARGUMENTS = ("name", "journey_type", "requirements", "compensation_handlers")


def _designed(
    name: str, requirements: Mapping[str, Any], undos: Mapping[str, Any], found: list[str]
) -> JourneyDefinition:
    try:
        request = requirements
        if "milestones" not in request and name in template_names():
            request = read_template(name).fill(request)
        if request.get("kind") == "structured":
            request = {**request, "milestones": _by_hand(request.get("milestones"), undos)}
        definition = design(name, request, undos, problem_with_condition=problem_with_condition)
        encode_definition(definition)
    except DefinitionError as error:
        raise DefinitionError(name, [*found, *error.problems]) from None
    except NotJson as error:
        raise DefinitionError(name, [*found, str(error)]) from None
    if found:
        raise DefinitionError(name, found)
    return definition


def _by_hand(rows: Any, undos: Mapping[str, Any]) -> Any:
    """A structured journey is undone by hand: a milestone that does not say how says that it is not."""
    if isinstance(rows, list):
        return [_by_hand(row, undos) for row in rows]
    if not isinstance(rows, Mapping):
        return rows
    if "parallel" in rows:
        return {**rows, "parallel": _by_hand(rows["parallel"], undos)}
    named = {rows.get(key) for key in ("id", "milestone_id", "action") if isinstance(rows.get(key), str)}
    return rows if "undo" in rows or named & undos.keys() else {**rows, "undo": None}


def request_of(definition: JourneyDefinition) -> dict[str, Any]:
    """The document that `definition_of` reads as this definition; that there is no undo is said out loud."""
    said = plain(definition)
    return {**said, "milestones": [_out_loud(step) for step in said["milestones"]]}


def _out_loud(step: dict[str, Any]) -> dict[str, Any]:
    if "parallel" in step:
        return {"parallel": [[_out_loud(row) for row in branch] for branch in step["parallel"]]}
    return step if step.get("kind") in ("timer", "child") else {"undo": None, **step}


# --- programs ---------------------------------------------------------------------------------------------------------


def _of_program(path: Path, variable: str | None) -> dict[str, Read]:
    module = _imported(path)
    journeys = {name: value for name, value in vars(module).items() if isinstance(value, Journey | JourneyDefinition)}
    if variable is not None and variable not in journeys:
        what = "is no journey" if hasattr(module, variable) else "does not exist"
        raise Problem(USAGE, "no_journey", f"{path}: {variable} {what} there", did_you_mean(variable, list(journeys)))
    if not journeys:
        hint = "a journey is a variable of the module: checkout = Saga(…)"
        raise Problem(USAGE, "no_journey", f"{path} has no journey", hint)
    wanted = journeys if variable is None else {variable: journeys[variable]}
    return {name: _read(value, f"{path}:{name}") for name, value in wanted.items()}


def _read(journey: Journey[Any] | JourneyDefinition, reference: str) -> Read:
    if isinstance(journey, JourneyDefinition):
        return Read(journey, reference)
    return Read(journey.definition, reference, tuple(child.definition for child in journey.family()))


def _imported(path: Path) -> ModuleType:
    """The module of that file, imported as its own program would; what it prints is not our data."""
    if not path.is_file():
        raise Problem(USAGE, "no_such_file", f"{path}: No such file or directory")
    name, root = _dotted(path.resolve())
    before = list(sys.path)
    sys.path[:0] = [str(root), str(Path.cwd())]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return _module(name, path.resolve())
    except DefinitionError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{path} cannot be imported: {type(error).__name__}: {error}"
        raise Problem(VALIDATION, "not_importable", what, "-v shows where") from error
    finally:
        sys.path[:] = before


def _dotted(path: Path) -> tuple[str, Path]:
    """How a module is called from where its outermost package lies, and where that is."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _module(name: str, path: Path) -> ModuleType:
    """Imported under its own name, unless that already means something else here."""
    known = sys.modules.get(name)
    if known is None or getattr(known, "__file__", None) == str(path):
        module = importlib.import_module(name)
        if getattr(module, "__file__", None) == str(path):
            return module
    spec = importlib.util.spec_from_file_location(f"journeys_of_{path.stem}", path)
    assert spec is not None, "a file that ends in .py has a loader"
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
