"""What a template may contain, and what comes of one that nobody should have written: a sentence, and nothing else."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_journey.core.canonical import MAX_BYTES, MAX_DEPTH
from saga_journey.errors import DefinitionError, UnknownJourneyType
from saga_journey.journey_templates import (
    read_journey,
    read_template,
    read_template_file,
    read_yaml,
    template_names,
    write_yaml,
)
from saga_journey.journey_templates.template import template_of

AT_ONCE = 0.5
"""Seconds of this processor: so long may it take to see that something is wrong."""

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
SLOW_BOMB = f"a: &a [{','.join(['x' * 1000] * 300)}]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 4)}]\n" for old, new in zip("abcd", "bcde", strict=True)
)

BAD: dict[str, tuple[str | bytes, str]] = {
    "alias bomb": (BOMB, "line 4, column 14: more than 20 aliases: write the values out"),
    "alias bomb of few aliases": (SLOW_BOMB, "more than 1,048,576 bytes, aliases written out"),
    "alias of itself": ("a: &a [*a]", "line 1, column 8: the alias *a stands inside of what it stands for"),
    "alias of nothing": ("a: *b", "line 1, column 4: the alias *b has no anchor before it"),
    "python tag": (
        "a: !!python/object/apply:os.system ['true']",
        "line 1, column 4: the tag 'tag:yaml.org,2002:python/o",
    ),
    "tag of a class": ("a:\n  b: !!python/name:os.system", "line 2, column 6: the tag"),
    "own tag": ("a: !mine {b: c}", "line 1, column 4: the tag '!mine': a definition is data"),
    "harmless tag": ("a: !!str 1", "line 1, column 4: the tag 'tag:yaml.org,2002:str'"),
    "tag without a name": ("a: ! b", "line 1, column 4: the tag '!'"),
    "declared tag": ("%TAG ! tag:example.org,2000:\n---\na: !x b", "the tag 'tag:example.org,2000:x'"),
    "10 MB": ("a: " + "x" * 10_000_000, "more than 1,048,576 bytes of YAML: at most so many are read"),
    "many values": ("[" + "0," * 100_000 + "0]", "more than 20,000 values, aliases written out"),
    "deep list": ("[" * 100_000, "line 1, column "),
    "deep object": ("{a: " * 100_000, "line 1, column "),
    "deep block": ("".join(f"{' ' * n}-\n" for n in range(100)), "line 65, column 65: more than 64 levels deep"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' is there twice"),
    "merge key": ("a: &a {b: c}\nd: {<<: *a}", "line 2, column 5: '<<' would merge another object here"),
    "number as a key": ("1: a", "line 1, column 1: the key 1 is no text: put quotes around it"),
    "nothing as a key": ("~: a", "the key null is no text"),
    "list as a key": ("[a]: b", "line 1, column 1: a key is text, not a list or an object"),
    "two documents": ("a: b\n---\nc: d", "line 2, column 1: a second document begins here"),
    "number of 5,000 digits": ("a: " + "9" * 5_000, "line 1, column 4: a number beyond 2**53"),
    "number that rounds": ("a: 9007199254740993", "line 1, column 4: a number beyond 2**53"),
    "infinity": ("a: 1e999", "line 1, column 4: a number that is too large"),
    "NUL": ('a: "\\0"', "bad.yaml.a: contains a NUL character"),
    "half a character": ('a: "\\ud800"', ""),
    "half a character as such": ("a: \ud800", "place 3: this is not UTF-8 text"),
    "escape sequence": ("a: \x1b[31m", "control characters are not allowed"),
    "bytes that are no text": (b"a: \xff", "place 3: this is not UTF-8 text"),
    "tabs": ("a:\n\t- b", "line 2, column 1: "),
    "no end": ("a: [b, c", "line 2, column 1: while parsing a flow sequence, did not find"),
    "a later YAML": ("%YAML 3.0\n---\na: b", "line 1, column 1: "),
}
ALARMING = ("exec", "compile", "open", "import", "os.system", "subprocess.Popen", "socket.connect", "pickle.find_class")


class Watch:
    """Listens to the interpreter; there is one for the whole process, because it cannot be taken away again."""

    def __init__(self) -> None:
        self.heard: list[str] | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.heard is not None and event in ALARMING:
            self.heard.append(event)


WATCH = Watch()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Nothing of these tests runs code, opens a file or starts a program while it is inside."""
    WATCH.heard = []
    try:
        yield
        assert WATCH.heard == []
    finally:
        WATCH.heard = None


def refused(call: Callable[[], object]) -> tuple[str, ...]:
    """The problems that a call tells, which it does at once and without running anything: the second time, when all
    that it needs of the standard library has been imported."""
    with pytest.raises(DefinitionError):
        call()
    with watched():
        begun = time.process_time()
        with pytest.raises(DefinitionError) as error:
            call()
        took = time.process_time() - begun
    assert took < AT_ONCE
    return error.value.problems


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", BAD)
def test_a_bad_document_is_refused_at_once_with_its_place(what: str) -> None:
    source, said = BAD[what]
    (problem,) = refused(lambda: read_yaml(source, "bad.yaml"))
    assert said in problem
    assert len(problem) < 200


@pytest.mark.parametrize("what", [what for what in BAD if what != "many values"])
def test_the_parser_in_python_refuses_the_same(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(DefinitionError) as error:
        read_yaml(BAD[what][0], "bad.yaml")
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("True", True),
        ("no", "no"),
        ("Yes", "Yes"),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("-0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", ".5"),
        (".nan", ".nan"),
        ("'1'", "1"),
        ("{on: off}", {"on": "off"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("\ufeffa: b", {"a": "b"}),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
    ],
)
@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
def test_plain_text_means_what_json_would_mean(
    text: str, value: Any, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parser == "SafeLoader":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    read = read_yaml(text, "good.yaml")
    assert (read == value and type(read) is type(value)) or text.startswith("[[")


def test_what_an_alias_stands_for_is_a_copy() -> None:
    read = read_yaml("a: &x [1]\nb: *x", "good.yaml")
    read["a"].append(2)
    assert read["b"] == [1]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(
        ["no", "1e3", "0x1", "=", "<<", "2026-01-31", "- a", "a: b", "007", "1_0", "~", "null", "$x", " x "]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150)
@given(values)
def test_what_is_written_is_read_as_the_same_value(value: Any) -> None:
    assert read_yaml(write_yaml(value), "own.yaml") == value


def test_any_bytes_are_read_or_refused() -> None:
    chance = random.Random(7)
    pieces = [
        "a",
        ": ",
        "\n",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "&x ",
        "*x",
        "!t ",
        "'",
        '"',
        "|",
        ">",
        "#",
        "  ",
        "\t",
        "%",
        "?",
        ",",
    ]
    for _ in range(400):
        text = "".join(chance.choices(pieces, k=chance.randrange(1, 30)))
        with contextlib.suppress(DefinitionError):
            read_yaml(text, "any.yaml")


def test_a_file_is_not_read_further_than_it_may_be_long(tmp_path: Path) -> None:
    endless = tmp_path / "endless.yaml"
    with endless.open("wb") as file:
        file.truncate(50 * 1024 * MAX_BYTES)  # sparse: it takes no room
    with pytest.raises(DefinitionError, match="at most so many are read"):
        read_template_file(endless)


# ── templates ────────────────────────────────────────────────────────────────────────────────────────────────────────


def small(**changes: Any) -> dict[str, Any]:
    """A template that can hardly be smaller, with some things different."""
    properties = {"currency": {"type": "string", "enum": ["EUR", "USD"]}, "attempts": {"type": "integer", "default": 4}}
    template = {
        "name": "small",
        "title": "Small",
        "description": "As small as can be.",
        "requirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            "required": ["currency"],
        },
        "input": {"type": "object", "additionalProperties": False, "properties": {}},
        "journey": {
            "milestones": [
                {"id": "pay", "undo": "refund", "retry": {"attempts": "$attempts"}, "params": {"in": "$currency"}}
            ]
        },
        "handlers": {"pay": "Pays.", "refund": "Gives it back."},
        "example": {"requirements": {"currency": "EUR"}, "input": {}},
    }
    return {**template, **changes}


def changed(path: str, value: Any) -> dict[str, Any]:
    template: Any = deepcopy(small())
    *before, last = path.split(".")
    inside = template
    for name in before:
        inside = inside[int(name) if name.isdecimal() else name]
    inside[last] = value
    return dict(template)


def test_a_gap_gets_the_value_with_its_type_and_nothing_in_it_is_looked_at() -> None:
    template = template_of(small(), "small.yaml")
    filled = template.fill({"currency": "USD", "attempts": 7})
    assert filled["milestones"][0]["retry"] == {"attempts": 7}
    free = template_of(changed("requirements.properties.currency", {"type": "string"}), "small.yaml")
    for text in ("$attempts", "{{7*7}}", "${HOME}", "$currency", "__import__('os')", "!!python/none"):
        with watched():
            assert free.fill({"currency": text})["milestones"][0]["params"] == {"in": text}


def test_what_is_filled_in_many_times_is_counted_first() -> None:
    """A template of yours can ask for something large, and say it everywhere."""
    document = changed("journey.milestones.0.params", {"in": ["$currency"] * 5_000})
    document["requirements"]["properties"]["currency"] = {"type": "array"}
    document["example"]["requirements"]["currency"] = []
    template = template_of(document, "small.yaml")
    (problem,) = refused(lambda: template.fill({"currency": list(range(9_000))}))
    assert problem == "filled, it would have more than 1,048,576 bytes: at most so many are kept"


def test_a_default_is_taken_and_what_is_filled_is_a_copy() -> None:
    template = template_of(small(), "small.yaml")
    filled = template.fill({"currency": "EUR"})
    assert filled["milestones"][0]["retry"] == {"attempts": 4}
    filled["milestones"][0]["retry"]["attempts"] = 9
    assert template.fill({"currency": "EUR"})["milestones"][0]["retry"] == {"attempts": 4}


def test_a_repeated_milestone_is_numbered() -> None:
    row = {"repeat": "$attempts", "milestone": {"id": "pay", "undo": "refund", "params": {"in": "$currency"}}}
    template = template_of(changed("journey.milestones", [row]), "small.yaml")
    filled = template.fill({"currency": "USD", "attempts": 3})["milestones"]
    assert [m["id"] for m in filled] == ["pay_1", "pay_2", "pay_3"]
    assert {m["action"] for m in filled} == {"pay"}
    assert filled[1]["params"] == {"in": "USD", "number": 2, "of": 3}


@pytest.mark.parametrize("times", [0, -1, 1001, 2.5, "3", None, True])
def test_a_milestone_is_repeated_a_whole_number_of_times(times: Any) -> None:
    rows = [{"repeat": times, "milestone": {"id": "pay", "undo": None}}]
    document = {**small(), "journey": {"milestones": rows, "deadline": "$attempts", "on_stuck_undo": "$currency"}}
    assert refused(lambda: template_of(document, "small.yaml")) == (
        f"repeat is {times!r}: it is a whole number from 1 to 1000",
    )


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (None, ["the document: Input should be a valid dictionary or instance of _Document"]),
        (small(titel="x"), ["titel is not a field of a template (did you mean 'title'?)"]),
        (
            small(title=1, handlers={"pay": 2}),
            ["title: Input should be a valid string", "handlers.pay: Input should be a valid string"],
        ),
        (
            changed("journey.milestones.0.params", {"in": "$curency"}),
            [
                "journey.milestones[0].params.in: $curency is no requirement (did you mean 'currency'?)",
                "requirements.properties.currency is used nowhere",
            ],
        ),
        (
            changed("requirements.required", []),
            ["requirements.properties.currency must be required, or have a default"],
        ),
        (
            changed("requirements.properties.currency", {"type": "string", "pattern": "(a+)+$", "$ref": "file:///etc"}),
            [
                "requirements.properties.currency.pattern is not a keyword that a template may use",
                "requirements.properties.currency.$ref is not a keyword that a template may use",
            ],
        ),
        (
            changed("requirements.properties.currency", {"type": "text", "enum": []}),
            ["requirements.properties.currency.type: 'text' is not valid under any of the given schemas"],
        ),
        (
            changed("requirements.additionalProperties", True),
            ["requirements must say `type: object` and `additionalProperties: false`"],
        ),
        (
            changed("example.requirements", {"currency": "XXX"}),
            ['requirements.currency: "XXX" is none of "EUR", "USD"'],
        ),
        (changed("example.input", {"a": 1}), ["example.input.a is not asked for"]),
        (
            changed("handlers", {"pay": "Pays.", "refnd": "?"}),
            ["handlers does not say what 'refund' must do", "handlers: nothing calls 'refnd' (did you mean 'refund'?)"],
        ),
        (
            changed("journey.milestones.0.tiemout", 5),
            ["milestones[0].tiemout is not a field (did you mean 'timeout'?)"],
        ),
        (
            changed("journey.milestones.0.id", "os.system('true')"),
            None,
        ),
        (changed("journey.milestones", [{"repeat": 2}]), None),
        (
            changed(
                "journey.milestones", [{"repeat": 2, "milestone": {"id": "pay", "params": ["$currency", "$attempts"]}}]
            ),
            ["milestone 'pay' is repeated: its params are an object"],
        ),
        (
            changed(
                "journey.milestones",
                [
                    {"repeat": 1000, "milestone": {"id": f"p{n}", "params": {"a": ["$currency", "$attempts"] * 99}}}
                    for n in range(50)
                ],
            ),
            ["filled, it would have more than 1,048,576 bytes: at most so many are kept"],
        ),
        (changed("journey.milestones", "$currency"), None),
        (changed("journey.milestones", [["$currency"]] * 3), None),
    ],
)
def test_a_template_that_is_none_says_everything_that_is_wrong(document: Any, problems: list[str] | None) -> None:
    told = refused(lambda: template_of(document, "small.yaml"))
    assert problems is None or [*told] == problems


# ── requirements ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("requirements", "problems"),
    [
        ([1], ["requirements: list is no object"]),
        ({}, ["requirements.table is missing: The table whose rows move."]),
        (
            {"table": "", "waves": "3", "wave_timeout": 0, "attempts": 21, "first_dealy": 1},
            [
                "requirements.attempts: 21 is not at most 20",
                "requirements.first_dealy is not asked for (did you mean 'first_delay'?)",
                'requirements.table: "" does not fit minLength 1',
                "requirements.wave_timeout: 0 is not above 0",
                'requirements.waves: "3" is not an integer',
            ],
        ),
        (
            {"table": ["a"], "waves": 3.0, "attempts": True, "first_delay": None},
            [
                "requirements.attempts: true is not an integer",
                "requirements.first_delay: null is not a number",
                'requirements.table: ["a"] is not a string',
                "requirements.waves: 3.0 is not an integer",
            ],
        ),
        ({"table": "x" * 10_000_000}, None),
        ({"table": "\0"}, ["requirements.table: contains a NUL character"]),
        ({"table": "a", "waves": 2**60}, None),
        ({"table": "a", "first_delay": float("nan")}, ["requirements.first_delay: nan is not JSON"]),
        ({"table": {"a": object()}}, None),
        ({1: 2}, ["requirements: key 1 is not a string"]),
        ({f"x{n}": n for n in range(500)}, None),
    ],
)
def test_requirements_that_do_not_fit_are_told_all_at_once_each_with_its_path(
    requirements: Any, problems: list[str] | None
) -> None:
    template = read_template("wave_migration")
    told = refused(lambda: template.fill(requirements))
    assert problems is None or [*told] == problems
    assert all(problem.startswith("requirements") and len(problem) < 200 for problem in told)


# ── the shelf ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["traval_booking", "../shelf", "/etc/passwd", "", "travel_booking.yaml", "__init__", None]
)
def test_a_name_that_no_template_has_is_looked_up_and_never_opened(name: Any) -> None:
    read_template("travel_booking")
    with pytest.raises(UnknownJourneyType, match="no template is called"):
        read_template(name)


def test_the_nearest_template_is_named() -> None:
    with pytest.raises(UnknownJourneyType, match="did you mean 'travel_booking'"):
        read_template("travel-booking")


@pytest.mark.parametrize("name", template_names())
def test_a_template_is_json_that_nobody_can_change(name: str) -> None:
    template = read_template(name)
    plain = template.plain()
    assert template_of(deepcopy(plain), name).plain() == plain
    assert read_yaml(write_yaml(plain), name) == plain
    plain["journey"].clear()
    assert read_template(name).journey


def test_a_journey_that_was_written_is_read_with_its_name(tmp_path: Path) -> None:
    template = read_template("money_transfer")
    file = tmp_path / "journey.yaml"
    file.write_text(write_yaml({"name": "mine", **template.fill({})}), "utf-8")
    assert read_journey(file) == ("mine", template.fill({}))
    file.write_text("milestones: []", "utf-8")
    with pytest.raises(DefinitionError, match="it is no journey"):
        read_journey(file)


# ── the extra ────────────────────────────────────────────────────────────────────────────────────────────────────────

WITHOUT = """
import sys
sys.modules |= dict.fromkeys(("yaml", "jsonschema"))
import saga_journey
from saga_journey.journey_templates import read_template, template_names
print(len(template_names()))
try:
    read_template("travel_booking")
except saga_journey.SagaJourneyError as error:
    print(error)
"""
LAZY = "import sys, saga_journey; print({'yaml', 'jsonschema'} & sys.modules.keys())"


@pytest.mark.parametrize(
    ("program", "said"),
    [(WITHOUT, '8\nYAML is read by the extra "standard": pip install "saga-journey[standard]"\n'), (LAZY, "set()\n")],
)
def test_the_extra_is_missed_only_where_it_is_needed(program: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (said, "")


def test_the_wheel_carries_the_templates_and_their_examples(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=Path(__file__).parents[2], capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    there = set(zipfile.ZipFile(wheel).namelist())
    for name in template_names():
        assert f"saga_journey/journey_templates/{name}.yaml" in there
        assert f"saga_journey/journey_templates/examples/{name}/run.py" in there
    assert not [file for file in there if "pycache" in file or file.endswith(".db")]
