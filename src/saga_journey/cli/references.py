"""What `MODULE:ATTRIBUTE` means: the journeys and handlers of a program, imported as the program itself would be.

It is imported because the person at this command line names it; nothing that a definition says can do that.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from saga_journey.authoring import Journey
from saga_journey.cli.problems import USAGE, VALIDATION, Problem, did_you_mean
from saga_journey.errors import SagaJourneyError
from saga_journey.handlers.curator import Curator

KINDS = "a Saga, a Structured, a list of them, a Curator, or a function that gives one of these"


@dataclass(frozen=True, slots=True)
class Program:
    """What a worker opens."""

    journeys: list[Journey[Any]]
    curator: Curator | None


def program_of(references: Sequence[str]) -> Program:
    """What they mean together. Raises Problem with what there is instead."""
    journeys: list[Journey[Any]] = []
    curators: list[Curator] = []
    for reference in references:
        value, reference = _value(reference)
        if isinstance(value, Curator):
            curators.append(value)
        else:
            journeys += [journey for journey in _journeys(value, reference) if journey not in journeys]
    if len(set(map(id, curators))) > 1:
        what = "more than one Curator is named, and a worker has one"
        raise Problem(USAGE, "two_curators", what, "register all handlers in the same one")
    return Program(journeys, curators[0] if curators else None)


def _journeys(value: object, reference: str) -> list[Journey[Any]]:
    many = list(value) if isinstance(value, list | tuple) else [value]
    if not many:
        raise Problem(USAGE, "no_journey", f"{reference} is an empty list: there is nothing to move")
    if strange := [one for one in many if not isinstance(one, Journey)]:
        has = "is" if strange == [value] else "has in its list"
        raise Problem(USAGE, "wrong_kind", f"{reference} {has} {_called(strange[0])}", f"it has to be {KINDS}")
    return [one for one in many if isinstance(one, Journey)]


def _called(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"


def _value(reference: str) -> tuple[object, str]:
    """The attribute, or what it gives when it is a function; and how to call that."""
    name, colon, attribute = reference.partition(":")
    if name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        what = f"{reference!r}: a worker imports a module, by its name and not by its path"
        raise Problem(USAGE, "a_path", what, f"saga worker {dotted}:{attribute or '…'}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise Problem(
            USAGE, "no_module", f"{reference!r} names no module", "saga worker MODULE:ATTRIBUTE, as orders:checkout"
        )
    module = _imported(name)
    if not colon or not hasattr(module, attribute):
        what = f"module {name!r} has no {attribute!r}" if attribute else f"{reference!r} names no attribute"
        raise Problem(USAGE, "no_attribute", what, _there_is(module, attribute))
    value = getattr(module, attribute)
    return (_given_by(value, reference), f"{reference}()") if inspect.isroutine(value) else (value, reference)


def _given_by(function: Any, reference: str) -> object:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            value = function()
    except SagaJourneyError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{reference}() cannot be called: {type(error).__name__}: {error}"
        raise Problem(VALIDATION, "not_callable", what, "-v shows where") from error
    if inspect.iscoroutine(value):
        value.close()
        raise Problem(USAGE, "wrong_kind", f"{reference} is an async function", f"it has to be {KINDS}, without async")
    return value


def _there_is(module: ModuleType, wanted: str) -> str:
    """What could be meant instead."""
    fitting = [
        f"{module.__name__}:{name}"
        for name, value in vars(module).items()
        if isinstance(value, Journey | Curator) or (isinstance(value, list) and value and isinstance(value[0], Journey))
    ]
    functions = [
        f"{module.__name__}:{name}"
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not inspect.signature(value).parameters
    ]
    hint = did_you_mean(f"{module.__name__}:{wanted}", fitting or functions)
    return hint or f"a journey is a variable of the module: checkout = Saga(…); it has to be {KINDS}"


# --- modules ----------------------------------------------------------------------------------------------------------


def _imported(name: str) -> ModuleType:
    """The module of that name, from here or from what is installed; what it prints is not our data."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except SagaJourneyError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            what = f"there is no module {name!r}, neither in {here} nor installed"
            raise Problem(USAGE, "no_module", what, did_you_mean(name, _modules_here())) from None
        what = f"module {name!r} cannot be imported: {type(error).__name__}: {error}"
        raise Problem(VALIDATION, "not_importable", what, "-v shows where") from error


def _modules_here() -> list[str]:
    """Of the current directory, packages included."""
    here = Path.cwd()
    files = [*here.glob("*.py"), *here.glob("*/__init__.py")]
    return sorted(path.stem if path.stem != "__init__" else path.parent.name for path in files)
