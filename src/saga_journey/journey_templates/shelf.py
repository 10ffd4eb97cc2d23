"""Where templates are: those that come with the library, by name, and any file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from saga_journey.errors import DefinitionError, UnknownJourneyType, did_you_mean
from saga_journey.journey_templates.reading import read_file
from saga_journey.journey_templates.template import Template, template_of

HERE = Path(__file__).parent


def template_names() -> list[str]:
    """The templates that come with the library."""
    return sorted(file.stem for file in HERE.glob("*.yaml"))


def read_template(name: str) -> Template:
    """The template of that name. Raises UnknownJourneyType; a name is looked up, and never becomes a path."""
    names = template_names()
    if name not in names:
        raise UnknownJourneyType(name, names, did_you_mean(name, names))
    return _read(name)


@cache
def _read(name: str) -> Template:
    return read_template_file(file_of(name))


def file_of(name: str) -> Path:
    """Where the template of that name is written."""
    return HERE / f"{name}.yaml"


def read_template_file(path: Path) -> Template:
    """A template of your own. Raises DefinitionError with every problem of it, OSError when it cannot be read."""
    return template_of(read_file(path, path.name), path.name)


def read_journey(path: Path) -> tuple[str, dict[str, object]]:
    """The name and the request of a journey that `saga template use` wrote: YAML or JSON. Raises as above."""
    said = read_file(path, path.name)
    if not isinstance(said, dict) or not isinstance(said.get("name"), str):
        raise DefinitionError(path.name, ["it is no journey: an object with a name and milestones"])
    return said.pop("name"), said


def example_of(name: str) -> Path | None:
    """The folder of that template's example: beside this file when installed, in the checkout else."""
    if name not in template_names():
        return None
    folders = HERE / "examples" / name, HERE.parents[2] / "examples" / name
    return next((folder for folder in folders if (folder / "run.py").is_file()), None)
