"""What a session is about, as data: its areas, what can be done in each, and which facts make each of them complete.

A definition comes from Python (`SessionDefinition(…)`) or from a request (`read_request`); both pass through
`problems()`, so a definition that exists can be used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saga_journey.core.canonical import encode
from saga_journey.core.definition import NAME
from saga_journey.errors import DefinitionError, NotJson, UnknownArea, brief, did_you_mean

MAX_AREAS = 100
MAX_NAMES = 100
"""So many actions, and so many facts, an area may have."""
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Area:
    """A place that can be entered at any time. `actions` are what a person can do there, by name.

    `completion` names the facts that make it complete: keys of its state that must be true. Without any, the area is
    complete once it was visited.
    """

    id: str
    title: str = ""
    actions: tuple[str, ...] = ()
    completion: tuple[str, ...] = ()


@dataclass(frozen=True)
class SessionDefinition:
    """Areas in the order in which they are recommended, and a hash of the whole. `word` is what readers call them."""

    name: str
    version: int
    areas: tuple[Area, ...]
    word: str = "area"
    hash: str = field(init=False, compare=False, repr=False, default="")
    index: Mapping[str, Area] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if found := problems(self):
            raise DefinitionError(self.name, found)
        set_once = object.__setattr__
        set_once(self, "index", {area.id: area for area in self.areas})
        set_once(self, "hash", hashlib.sha256(encode(plain(self)).encode()).hexdigest()[:32])

    def area(self, area: object) -> Area:
        """Raises UnknownArea, which says what there is."""
        if not isinstance(area, str) or area not in self.index:
            raise UnknownArea(area, tuple(self.index), self.word, did_you_mean(area, self.index))
        return self.index[area]


def plain(definition: SessionDefinition) -> dict[str, Any]:
    """The definition as JSON values. A field at its default is left out, so a field added later changes no hash."""
    said: dict[str, Any] = {"kind": "session", "name": definition.name, "version": definition.version}
    if definition.word != "area":
        said["word"] = definition.word
    return {**said, "areas": [_plain_area(area) for area in definition.areas]}


def _plain_area(area: Area) -> dict[str, Any]:
    said: dict[str, Any] = {"id": area.id, "title": area.title}
    said |= {"actions": list(area.actions), "completion": list(area.completion)}
    return {name: value for name, value in said.items() if value}


def from_plain(stored: Mapping[str, Any]) -> SessionDefinition:
    """The definition that `plain()` wrote."""
    areas = tuple(_area(row) for row in stored["areas"])
    return SessionDefinition(stored["name"], stored["version"], areas, stored.get("word", "area"))


def _area(said: Mapping[str, Any]) -> Area:
    names = {key: tuple(said.get(key, ())) for key in ("actions", "completion")}
    return Area(said["id"], said.get("title", ""), **names)


# --- what is wrong with it -------------------------------------------------------------------------------------------


def problems(definition: SessionDefinition) -> list[str]:
    """Every reason why this definition cannot be used, each a sentence; an empty list means that it can."""
    found = _whole_problems(definition)
    seen: set[str] = set()
    for area in definition.areas:
        if area.id in seen:
            found.append(f"area {area.id!r} is there twice: give each its own id")
        seen.add(area.id)
        found += _area_problems(area)
    return found


def _whole_problems(d: SessionDefinition) -> list[str]:
    found = []
    if not NAME.fullmatch(d.name):
        found.append(
            f"the name {brief(d.name)} is not usable: letters, digits, '_', '.', '-', at most 100, no digit first"
        )
    if isinstance(d.version, bool) or d.version < 1:
        found.append(f"version is {d.version}: versions count from 1")
    if not d.areas:
        found.append("it has no areas")
    if len(d.areas) > MAX_AREAS:
        found.append(f"it has {len(d.areas)} areas, at most {MAX_AREAS} are possible")
    return found


def _area_problems(area: Area) -> list[str]:
    who, found = f"area {brief(area.id)}", []
    if not NAME.fullmatch(area.id):
        found.append(f"{who}: the id is not usable: letters, digits, '_', '.', '-', at most 100, no digit first")
    if len(area.title) > MAX_TEXT:
        found.append(f"{who}: its title has {len(area.title)} characters, at most {MAX_TEXT} are possible")
    try:
        encode(area.title, f"{who}: title")
    except NotJson as error:
        found.append(str(error))
    for what, names in (("actions", area.actions), ("completion", area.completion)):
        found += _names_problems(f"{who}: {what}", names)
    return found


def _names_problems(where: str, names: Sequence[str]) -> list[str]:
    found = [f"{where} has {name!r}, which is no usable name" for name in names if not NAME.fullmatch(name)]
    found += [f"{where} has {name!r} twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if len(names) > MAX_NAMES:
        found.append(f"{where} has {len(names)} names, at most {MAX_NAMES} are possible")
    return found


# --- the second door -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A session as it was asked for."""

    definition: SessionDefinition
    initial_area: str | None = None
    idempotency_key: str | None = None


_REQUEST: dict[str, type] = {
    "name": str,
    "version": int,
    "areas": list,
    "initial_area": str,
    "idempotency_key": str,
}
_AREA: dict[str, type] = {"id": str, "title": str, "actions": list, "completion": list}
_CALLED: dict[type, str] = {str: "a text", int: "a whole number", list: "a list"}


def read_request(config: object) -> SessionRequest:
    """What a `session_config` asks for, or one `DefinitionError` with every problem of it.

        {"name": "research", "areas": [{"id": "reading", "title": "Reading", "actions": ["add_paper"],
         "completion": ["papers_read"]}, …], "initial_area": "reading", "idempotency_key": "ann-1", "version": 1}

    Only `areas`, with an `id` each, is required; null is the same as leaving a field out. `name` is "session" then.
    """
    found: list[str] = []
    said = _fields(config, "session_config", _REQUEST, found)
    name = said.get("name", "session")
    rows = [_fields(row, f"areas[{place}]", _AREA, found) for place, row in enumerate(said.get("areas", ()))]
    rows = [_with_names(row, f"areas[{place}]", found) for place, row in enumerate(rows)]
    areas = tuple(_area(row) for row in rows if "id" in row)
    definition: SessionDefinition | None = None
    try:
        definition = SessionDefinition(name, said.get("version", 1), areas)
    except DefinitionError as error:
        found += [p for p in error.problems if areas or not found or "no areas" not in p]
    found += _wish_problems(said, [area.id for area in areas])
    if found or definition is None:
        raise DefinitionError(name, found)
    return SessionRequest(definition, said.get("initial_area"), said.get("idempotency_key"))


def _fields(value: object, place: str, known: Mapping[str, type], found: list[str]) -> dict[str, Any]:
    """The fields of an object that have the right type; what is wrong with the others is added to `found`."""
    if not isinstance(value, Mapping):
        found.append(f"{place} is {_kind(value)}: it is an object with {', '.join(known)}")
        return {}
    said = {}
    for key, member in value.items():
        if key not in known:
            found.append(f"{place}.{key} is not a field{did_you_mean(key, known)}")
        elif member is not None and _is_a(member, known[key]):
            said[key] = member
        elif member is not None:
            found.append(f"{place}.{key} is {_kind(member)}: it is {_CALLED[known[key]]}")
    required = "areas" if known is _REQUEST else "id"
    if value.get(required) is None:
        found.append(f"{place} has no {required}")
    return said


def _is_a(value: object, wanted: type) -> bool:
    if wanted is list:
        return isinstance(value, list | tuple)
    return isinstance(value, wanted) and not isinstance(value, bool)


def _kind(value: object) -> str:
    return f"{value!r:.50}, which is a {type(value).__name__}"


def _with_names(row: dict[str, Any], place: str, found: list[str]) -> dict[str, Any]:
    """Lists of names hold texts and nothing else."""
    for key in row.keys() & {"actions", "completion"}:
        strange = [name for name in row[key] if not isinstance(name, str)]
        found += [f"{place}.{key} has {_kind(name)}: it holds names" for name in strange]
        row[key] = [name for name in row[key] if isinstance(name, str)]
    return row


def _wish_problems(said: Mapping[str, Any], areas: Collection[str]) -> list[str]:
    found = []
    initial, key = said.get("initial_area"), said.get("idempotency_key")
    if initial is not None and initial not in areas:
        found.append(f"initial_area is {initial!r}, which is no area{did_you_mean(initial, areas)}")
    if key is not None:
        if not 0 < len(key) <= MAX_TEXT:
            found.append(f"idempotency_key has {len(key)} characters: it is a text of 1 to {MAX_TEXT}")
        try:
            encode(key, "idempotency_key")
        except NotJson as error:
            found.append(str(error))
    return found
