"""One encoder for both stores: what it takes, every store keeps and every reader gets back unchanged."""

from __future__ import annotations

import enum
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_journey.core.canonical import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, Json, decode, encode, fingerprint, printable
from saga_journey.errors import NotJson


def nested(levels: int, *, lists: bool = True) -> Any:
    value: Any = [] if lists else {}
    for _ in range(levels - 1):
        value = [value] if lists else {"in": value}
    return value


class Size(enum.IntEnum):
    SMALL = 1


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (-MAX_INTEGER, "-9007199254740992"),
        (1.5, "1.5"),
        (1.0, "1.0"),
        ("é\u2028\x1f\x7f", '"é\u2028\\u001f\x7f"'),
        ({}, "{}"),
        ([], "[]"),
        ((1, "two"), '[1,"two"]'),
        ({"b": 1, "a": [None, {"c": "d"}]}, '{"b":1,"a":[null,{"c":"d"}]}'),
        (Size.SMALL, "1"),
        (Colour.RED, '"red"'),
        ("\\u0000", '"\\\\u0000"'),  # six characters, none of them NUL
        ({"a": ["\\u0000", 1, {"b": 2}], "c": ("d",)}, '{"a":["\\\\u0000",1,{"b":2}],"c":["d"]}'),
    ],
)
def test_what_is_written(value: object, text: str) -> None:
    assert encode(value) == text


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        (math.nan, "result", "nan is not JSON"),
        ({"a": [1, -math.inf]}, "result.a[1]", "-inf is not JSON"),
        ({"a": "x\0y"}, "result.a", "contains a NUL character"),
        ({"x\0y": 1}, "result (key)", "contains a NUL character"),
        (["ok", "\0"], "result[1]", "contains a NUL character"),
        ({"a": "\ud800"}, "result.a", "contains a lone surrogate"),
        ({"\udfff": 1}, "result (key)", "contains a lone surrogate"),
        (b"raw", "result", "bytes is not JSON"),
        ({"at": datetime(2025, 1, 1, tzinfo=UTC)}, "result.at", "datetime is not JSON"),
        ([Decimal("1.0")], "result[0]", "Decimal is not JSON"),
        ({"s": {1, 2}}, "result.s", "set is not JSON"),
        (object(), "result", "object is not JSON"),
        ({1: "a"}, "result", "key 1 is not a string"),
        ({None: "a"}, "result", "key None is not a string"),
        (MAX_INTEGER + 1, "result", "integer beyond 2**53"),
        ({"a": {"b": -MAX_INTEGER - 1}}, "result.a.b", "integer beyond 2**53"),
        ((1, (2, math.nan)), "result[1][1]", "nan is not JSON"),
    ],
)
def test_what_is_refused_is_told_with_its_place(value: object, path: str, problem: str) -> None:
    with pytest.raises(NotJson) as refused:
        encode(value, "result")
    assert refused.value.path == path
    assert refused.value.problem.startswith(problem)


@pytest.mark.parametrize("lists", [True, False])
def test_the_depth_is_bounded(lists: bool) -> None:
    assert decode(encode(nested(MAX_DEPTH, lists=lists))) == nested(MAX_DEPTH, lists=lists)
    for levels in (MAX_DEPTH + 1, 5000):
        with pytest.raises(NotJson, match="more than 64 levels deep"):
            encode(nested(levels, lists=lists))


def test_what_contains_itself_is_too_deep() -> None:
    ring: list[Any] = []
    ring.append({"again": ring})
    with pytest.raises(NotJson, match="contains itself"):
        encode(ring)


def test_the_size_is_bounded() -> None:
    assert len(encode("x" * (MAX_BYTES - 2))) == MAX_BYTES
    with pytest.raises(NotJson, match="1,048,577 bytes of JSON"):
        encode("x" * (MAX_BYTES - 1))
    with pytest.raises(NotJson, match="bytes of JSON"):
        encode("é" * (MAX_BYTES // 2))  # bytes count, not characters


def test_integers_up_to_the_bound() -> None:
    assert decode(encode([MAX_INTEGER, -MAX_INTEGER])) == [2**53, -(2**53)]


def test_each_reader_gets_a_copy_of_its_own() -> None:
    text = encode({"items": []})
    decode(text)["items"].append(1)
    assert decode(text) == {"items": []}


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(ANY_JSON)
def test_what_was_written_reads_back_and_is_written_the_same_again(value: object) -> None:
    text = encode(value)
    assert decode(text) == value
    assert encode(decode(text)) == text
    assert fingerprint(text) == fingerprint(encode(decode(text)))


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint(Json('{"a":1,"b":[{"c":2,"d":3}]}')) == fingerprint(Json('{"b":[{"d":3,"c":2}],"a":1}'))
    assert fingerprint(Json("[1,2]")) != fingerprint(Json("[2,1]"))
    assert len(fingerprint(Json("null"))) == 16


def test_error_texts_are_made_printable() -> None:
    assert printable("a\0b\ud800c") == "a␀b?c"
    assert encode(printable("\0\udfff"))
    assert printable("x" * 3000) == "x" * 1999 + "…"
    assert printable("x" * 2000) == "x" * 2000
    assert printable("abc", limit=2) == "a…"
