"""YAML as data: what comes out is JSON, and nothing is ever constructed on the way. The one place that imports yaml.

1. The text is read as a stream of events; values are made here, from scalars, lists and objects, and from nothing else.
2. A plain scalar is null, true, false or a number where JSON would say so; anything else is text. `no` is text, and so
   are `2026-01-31` and `007`.
3. Refused, each with its line and column: tags, keys that are no text or stand there twice, merge keys, a second
   document, numbers that not every JSON reader keeps exact, more than 64 levels, more than 20,000 values (each key is
   one, too).
4. Up to 20 aliases may stand for what carries an anchor. They are counted as if written out, so they save typing and
   nothing else: a document is at most 1 MiB with its aliases written out.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saga_journey.core.canonical import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, encode
from saga_journey.errors import DefinitionError, NotJson, SagaJourneyError

MAX_ALIASES = 20
MAX_VALUES = 20_000

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][-+]?[0-9]+)?")
Mark = Any
"""A place in a document, as the library says it: `line` and `column`, from 0."""
Event = Any
"""What the parser sees next: it has a `start_mark`."""

CONSTANTS: dict[str, bool | None] = {"": None, "~": None}
CONSTANTS |= dict.fromkeys(("null", "Null", "NULL"))
CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True)
CONSTANTS |= dict.fromkeys(("false", "False", "FALSE"), False)


def read_yaml(source: str | bytes, name: str) -> Any:
    """The value of a document; `name` is what errors call it. Raises DefinitionError with the place and the reason."""
    if len(source) > MAX_BYTES:
        raise DefinitionError(name, [f"more than {MAX_BYTES:,} bytes of YAML: at most so many are read"])
    library = _library()
    try:
        text = (source.encode() if isinstance(source, str) else source).decode("utf-8-sig")
        value = _value(library, text)
        encode(value, name)
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DefinitionError(name, [f"place {error.start}: this is not UTF-8 text"]) from None
    except _Refusal as refusal:
        raise DefinitionError(name, [str(refusal)]) from None
    except NotJson as error:
        raise DefinitionError(name, [str(error)]) from None
    except library.YAMLError as error:
        raise DefinitionError(name, [_said(error)]) from None
    return value


def read_file(path: Path, name: str) -> Any:
    """The value of a file, which is not read further than a document may be long. A `.json` is YAML, too. OSError."""
    with path.open("rb") as file:
        return read_yaml(file.read(MAX_BYTES + 1), name)


def write_yaml(value: Any) -> str:
    """The document that `read_yaml` reads as the same value. JSON values only."""
    return str(_library().dump(value, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=120))


def _library() -> Any:
    try:
        import yaml
    except ModuleNotFoundError:
        what = 'YAML is read by the extra "standard": pip install "saga-journey[standard]"'
        raise SagaJourneyError(what) from None
    return yaml


class _Refusal(Exception):
    """The document is readable, and not accepted."""

    def __init__(self, mark: Mark, why: str) -> None:
        super().__init__(f"{_place(mark)}: {why}")


def _place(mark: Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _said(error: Any) -> str:
    """The parser's own sentence; what it was busy with goes before it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    context = f"{error.context}, " if error.context else ""
    return f"{_place(mark)}: {context}{error.problem}"


def _value(library: Any, text: str) -> Any:
    """From events, so that depth and size are known before anything is built; the parser in C where it is there."""
    builder = _Builder()
    steps: dict[str, Callable[[Event], None]] = {
        "DocumentStartEvent": builder.document,
        "AliasEvent": builder.alias,
        "ScalarEvent": builder.scalar,
        "SequenceStartEvent": lambda event: builder.open(event, []),
        "MappingStartEvent": lambda event: builder.open(event, {}),
        "SequenceEndEvent": builder.close,
        "MappingEndEvent": builder.close,
    }
    for event in library.parse(text, Loader=getattr(library, "CSafeLoader", library.SafeLoader)):
        step = steps.get(type(event).__name__)
        if step is not None:
            step(event)
    return builder.root


@dataclass(slots=True)
class _Made:
    """A value, and what it takes when it is written out: characters, values, levels."""

    value: Any
    size: int
    count: int = 1
    levels: int = 0

    def take(self, member: _Made) -> None:
        self.size += member.size
        self.count += member.count
        self.levels = max(self.levels, member.levels + 1)


@dataclass(slots=True)
class _Open:
    """A list or an object whose end has not come. `key`: the one whose value comes next."""

    made: _Made
    anchor: str | None
    key: str | None = None


class _Builder:
    """The value, as far as the events have come."""

    def __init__(self) -> None:
        self.root: Any = None
        self._documents = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, _Made | None] = {}
        """None: its value is still open."""
        self._aliases = self._size = self._count = 0

    def document(self, event: Event) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Refusal(event.start_mark, "a second document begins here: one file is one document")

    def scalar(self, event: Event) -> None:
        self._no_tag(event)
        if event.value == "<<" and event.implicit[0] and self._wants_key():
            raise _Refusal(event.start_mark, "'<<' would merge another object here: write its fields out")
        made = _Made(_plain(event) if event.implicit[0] else event.value, len(event.value) + 1)
        self._fits(event.start_mark, made)
        self._anchored(event.anchor, made)
        self._add(made, event.start_mark)

    def alias(self, event: Event) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _Refusal(event.start_mark, f"more than {MAX_ALIASES} aliases: write the values out")
        if event.anchor not in self._anchors:
            raise _Refusal(event.start_mark, f"the alias *{event.anchor} has no anchor before it")
        meant = self._anchors[event.anchor]
        if meant is None:
            raise _Refusal(event.start_mark, f"the alias *{event.anchor} stands inside of what it stands for")
        self._fits(event.start_mark, meant)
        self._add(replace(meant, value=copy.deepcopy(meant.value)), event.start_mark)

    def open(self, event: Event, value: Any) -> None:
        self._no_tag(event)
        if self._wants_key():
            raise _Refusal(event.start_mark, "a key is text, not a list or an object")
        made = _Made(value, size=2, levels=1)
        self._fits(event.start_mark, made)
        self._anchored(event.anchor, None)
        self._open.append(_Open(made, event.anchor))

    def close(self, event: Event) -> None:
        ended = self._open.pop()
        self._anchored(ended.anchor, ended.made)
        self._add(ended.made, event.start_mark)

    def _add(self, made: _Made, mark: Mark) -> None:
        if not self._open:
            self.root = made.value
            return
        within = self._open[-1]
        if isinstance(within.made.value, list):
            within.made.value.append(made.value)
        elif within.key is None:
            within.key = self._key(made.value, within.made.value, mark)
        else:
            within.made.value[within.key] = made.value
            within.key = None
        within.made.take(made)

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].made.value, dict) and self._open[-1].key is None

    def _key(self, key: object, members: dict[str, Any], mark: Mark) -> str:
        if not isinstance(key, str):
            raise _Refusal(mark, f"the key {json.dumps(key)[:60]} is no text: put quotes around it")
        if key in members:
            raise _Refusal(mark, f"the key {key[:60]!r} is there twice")
        return key

    def _fits(self, mark: Mark, made: _Made) -> None:
        """Asked before a value is made, or copied."""
        self._size += made.size
        self._count += made.count
        if len(self._open) + made.levels > MAX_DEPTH:
            raise _Refusal(mark, f"more than {MAX_DEPTH} levels deep")
        if self._count > MAX_VALUES:
            raise _Refusal(mark, f"more than {MAX_VALUES:,} values, aliases written out")
        if self._size > MAX_BYTES:
            raise _Refusal(mark, f"more than {MAX_BYTES:,} bytes, aliases written out")

    def _anchored(self, anchor: str | None, made: _Made | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = made

    def _no_tag(self, event: Event) -> None:
        if event.tag is not None:
            what = f"the tag {event.tag[:60]!r}: a definition is data, and tags are not read"
            raise _Refusal(event.start_mark, what)


def _plain(event: Event) -> Any:
    """What a scalar without quotes means."""
    text: str = event.value
    if text in CONSTANTS:
        return CONSTANTS[text]
    number = NUMBER.fullmatch(text)
    if number is None:
        return text
    if number["fraction"] is None and number["exponent"] is None:
        if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
            raise _Refusal(event.start_mark, "a number beyond 2**53, which not every JSON reader keeps exact: quote it")
        return int(text)
    if not math.isfinite(float(text)):
        raise _Refusal(event.start_mark, "a number that is too large")
    return float(text)


def _dumper() -> Any:
    """Writes text in quotes where `_plain` would read something else, and nothing twice by an alias."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = None if value.isprintable() else '"'  # nothing is lost where lines are folded
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"(?:{NUMBER.pattern})$"), list("-0123456789"))
    return Dumper
