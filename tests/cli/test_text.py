"""Whatever a saga contains is printed harmlessly, and measured as a terminal shows it."""

import json

import pytest

from saga_journey.cli.text import cells, compact, cut, harmless, machine, pretty

NASTY = "\x1b[31mred\x9b0m\x07\u202ebidi\u200b\n\x7f\x00 end"


def test_control_characters_are_spelled_out() -> None:
    assert harmless(NASTY) == r"\x1b[31mred\x9b0m\x07\u202ebidi\u200b\n\x7f\x00 end"


def test_ordinary_text_of_any_script_stays() -> None:
    assert harmless("Größe 日本 ✔") == "Größe 日本 ✔"


def test_a_space_that_must_not_break_is_a_space() -> None:
    assert harmless("10\u00a0€") == "10 €"


def test_what_was_spelled_out_stays_as_it_is() -> None:
    assert harmless(harmless(NASTY)) == harmless(NASTY)


@pytest.mark.parametrize("only_ascii", [False, True])
def test_json_is_still_the_same_value(only_ascii: bool) -> None:
    value = {NASTY: [NASTY, "Größe 日本", "\U000e0001tag"]}
    text = machine(value, only_ascii=only_ascii)
    assert text.isprintable()
    assert json.loads(text) == value


def test_json_for_people_is_printable_too() -> None:
    assert compact({"a": NASTY}).isprintable()
    assert all(line.isprintable() for line in pretty({"a": [NASTY]}))


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("✔ done", 6)])
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "most", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("abc", 0, "")]
)
def test_cut(text: str, most: int, shown: str) -> None:
    assert cut(text, most) == shown
