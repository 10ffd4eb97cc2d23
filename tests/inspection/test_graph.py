"""The two pictures of a definition: whatever it contains they are well formed, complete, and nothing overlaps."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest

from saga_journey.core.definition import ONE_CALL, ChildJourney, JourneyDefinition, Milestone
from saga_journey.core.shape import Parallel, To
from saga_journey.inspection.drawing import description
from saga_journey.inspection.graph import mermaid, svg
from saga_journey.inspection.layout import Layout
from saga_journey.inspection.lettering import CONDITION, NAME, cut, spoken, width
from tests.core.journeys import ORDER, PAID, saga, step, wait

NASTY = 'input.name == "<script>alert(1)</script>" && \'"`]]>-->;#&amp;\u202e\n\x07\U0001f600 日本'
TRIP = Milestone("trip", None, kind="child", child=ChildJourney("travel", 1, "0" * 32))
RICH = JourneyDefinition(
    "checkout",
    4,
    (
        step("reserve"),
        step(
            "check", undo=None, effects="read_only", next_steps=(To("review", NASTY), To("pack", "input.x"), To("end"))
        ),
        wait("review", undo=None, timeout=259200.0),
        step("pack", optional=True),
        Parallel(((step("charge"), step("points")), (step("courier", undo=None),), (TRIP,))),
        Milestone("rest", None, kind="timer", timeout=5400.0),
        step("ship", undo=None, pivot=True),
        Milestone("a_name_that_is_far_too_long_to_be_written_into_any_box", "mail", at_most_once=True, retry=ONE_CALL),
    ),
    deadline=7 * 86400.0,
)
NS = {"svg": "http://www.w3.org/2000/svg"}


def drawn(definition: JourneyDefinition) -> ElementTree.Element:
    return ElementTree.fromstring(svg(definition))


def texts(root: ElementTree.Element, style: str = "") -> list[str]:
    found = root.iterfind(".//svg:text", NS)
    return ["".join(text.itertext()) for text in found if style in text.get("class", "").split() or not style]


def boxes(root: ElementTree.Element, style: str) -> list[tuple[float, float, float, float]]:
    rects = root.iterfind(".//svg:rect", NS)
    return [
        (float(r.attrib["x"]), float(r.attrib["y"]), float(r.attrib["width"]), float(r.attrib["height"]))
        for r in rects
        if style in r.get("class", "").split()
    ]


# --- the drawing ------------------------------------------------------------------------------------------------------


def test_both_lanes_are_there() -> None:
    root = drawn(ORDER)
    assert texts(root, "name") == ["reserve", "charge", "ship"]
    assert texts(root, "handler") == ["undo_reserve", "undo_charge", "undo_ship"]
    assert texts(root, "lane") == ["forward", "undo"]
    assert texts(root, "title") == ["order"]


def test_it_says_what_a_picture_cannot_say_to_everybody() -> None:
    root = drawn(PAID)
    title, desc = root.find("svg:title", NS), root.find("svg:desc", NS)
    assert root.get("role") == "img"
    assert title is not None
    assert desc is not None
    assert (root.get("aria-labelledby") or "").split() == [title.get("id"), desc.get("id")]
    assert title.text == "order, version 1"
    assert desc.text == (
        "Forward: reserve; charge; ship. Undone, from right to left: reserve by undo_reserve. "
        "Behind charge there is no way back."
    )


def test_two_drawings_on_one_page_do_not_share_ids_or_styles() -> None:
    ids = [set(re.findall(r' id="(\w+)"', svg(d))) for d in (ORDER, PAID)]
    assert not ids[0] & ids[1]
    style = drawn(ORDER).findtext("svg:style", namespaces=NS) or ""
    rules = [line for line in style.split("\n") if line and not line.startswith("@media")]
    assert all(
        selector.startswith(f".j{ORDER.hash[:8]}") for rule in rules for selector in rule.split("{")[0].split(",")
    )


def test_nothing_is_loaded_and_both_colour_schemes_are_there() -> None:
    text = svg(RICH)
    assert not re.search(r"url\(|@import|href|<script|<image|<foreignObject", text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme:dark" in text


def test_whatever_a_condition_contains_is_text() -> None:
    root = drawn(RICH)
    assert not root.findall(".//svg:script", NS)
    whole = [title.text for title in root.iterfind(".//svg:g/svg:title", NS)]
    assert any(text and "<script>alert(1)</script>" in text for text in whole)
    assert "\x07" not in svg(RICH)


def test_the_words_of_each_kind() -> None:
    notes = texts(drawn(RICH), "note")
    for said in ("version 4 · saga · 11 milestones · deadline 7 d", "an answer, 3 d", "90 min", "travel v1", "pivot"):
        assert said in notes
    assert {"only reads", "stays", "no way back", "optional", "mail · at most once"} <= set(notes)
    assert {"input.x", "else"} <= set(texts(drawn(RICH), "when"))


def test_behind_the_pivot_nothing_is_locked() -> None:
    assert len(boxes(drawn(RICH), "stays")) == 4  # check, review, courier, and the pivot itself
    assert texts(drawn(saga(step("a", pivot=True), step("b", undo=None))), "note").count("stays") == 0


def test_a_journey_that_undoes_nothing_has_no_undo_lane() -> None:
    assert texts(drawn(saga(step("a", undo=None))), "lane") == ["forward"]
    assert "Nothing is undone." in description(saga(step("a", undo=None)))


def random_shape(random: Random) -> JourneyDefinition:
    """Blocks and choices of all sorts."""
    steps: list[Milestone | Parallel] = []
    for n in range(random.randint(1, 12)):
        if random.random() < 0.3:
            branches = [
                tuple(step(f"s{n}_{b}_{i}", undo=random.choice((None, "u"))) for i in range(random.randint(1, 3)))
                for b in range(random.randint(2, 4))
            ]
            steps.append(Parallel(tuple(branches)))
        else:
            steps.append(step(f"s{n}" + "x" * random.randint(0, 30), undo=random.choice((None, "u" * 40))))
    for n, one in enumerate(steps[:-1]):
        if isinstance(one, Milestone) and random.random() < 0.5:
            steps[n] = replace(one, next_steps=tuple(_targets(random, steps[n + 1 :])))
    return JourneyDefinition("shape", 1, tuple(steps))


def _targets(random: Random, later: list[Any]) -> list[To]:
    first = later[0].branches[0][0].id if isinstance(later[0], Parallel) else later[0].id
    others = [m.id if isinstance(m, Milestone) else m.branches[0][0].id for m in later[1:]]
    chosen = random.sample(others, min(len(others), random.randint(0, 3)))
    return [*(To(name, "input.x > " + "1" * random.randint(1, 60)) for name in chosen), To(first)]


@pytest.mark.parametrize("seed", range(60))
def test_nothing_overlaps_and_everything_is_inside(seed: int) -> None:
    definition = random_shape(Random(seed))
    root = drawn(definition)
    wide, high = float(root.attrib["width"]), float(root.attrib["height"])
    drawn_boxes = boxes(root, "box") + boxes(root, "stays")
    assert len(boxes(root, "box")) == len(definition.milestones) + sum(m.undoable for m in definition.milestones)
    for x, y, w, h in drawn_boxes + boxes(root, "pill") + boxes(root, "frame"):
        assert 0 <= x <= x + w <= wide
        assert 0 <= y <= y + h <= high
    for place, (x, y, w, h) in enumerate(drawn_boxes):
        for other_x, other_y, other_w, other_h in drawn_boxes[place + 1 :]:
            apart = x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y
            assert apart, "two boxes overlap"
    for place, (x, y, w, _) in enumerate(boxes(root, "pill")):
        for other_x, other_y, other_w, _ in boxes(root, "pill")[place + 1 :]:
            assert y != other_y or x + w <= other_x or other_x + other_w <= x, "two conditions overlap"


@pytest.mark.parametrize("seed", range(60))
def test_ways_that_overlap_lie_at_different_heights(seed: int) -> None:
    ways = Layout(random_shape(Random(seed))).ways
    for place, way in enumerate(ways):
        for other in ways[place + 1 :]:
            over = way.edge.start < other.edge.target and other.edge.start < way.edge.target
            assert not over or way.level != other.level


# --- measuring --------------------------------------------------------------------------------------------------------


def test_long_texts_are_cut_to_what_fits() -> None:
    for text in ("reserve_stock", "x" * 500, "日本" * 100, "a b\n\tc\x07d", ""):
        for room in (0.0, 10.0, 60.0, 200.0):
            for mono in (True, False):
                shown = cut(text, room, NAME, mono=mono)
                assert width(shown, NAME, mono=mono) <= max(room, width("…", NAME, mono=mono))
    assert cut("reserve_stock", 500, NAME, mono=True) == "reserve_stock"
    assert cut("x" * 500, 100, CONDITION, mono=True).endswith("…")


def test_a_condition_of_a_megabyte_is_cut_at_once() -> None:
    long = saga(step("a", next_steps=(To("b", "x " * 500_000), To("c"))), step("b"), step("c"))
    before = time.process_time()
    assert "…" in texts(drawn(long), "when")[0]
    assert "…" in mermaid(long)
    assert time.process_time() - before < 10  # each letter looked at by each other one: hours


def test_a_thousand_milestones() -> None:
    before = time.process_time()
    assert len(texts(drawn(saga(*(step(f"m{i}") for i in range(1000)))), "name")) == 1000
    assert time.process_time() - before < 4


@pytest.mark.parametrize(
    ("seconds", "said"), [(60, "1 min"), (5400, "90 min"), (7200, "2 h"), (259200, "3 d"), (61, "61 s"), (0.5, "0.5 s")]
)
def test_spans(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


# --- mermaid ----------------------------------------------------------------------------------------------------------


def test_a_flowchart() -> None:
    assert mermaid(PAID).splitlines() == [
        "flowchart LR",
        '  start(("start"))',
        '  n0["reserve<br/>↩ undo_reserve"]',
        '  n1["charge<br/>pivot"]',
        '  n2["ship"]',
        '  done(("done"))',
        "  start --> n0",
        "  n0 --> n1",
        '  n1 ==>|"no way back"| n2',
        "  n2 --> done",
        "  classDef pivot stroke-width:4px",
        "  classDef stays stroke-dasharray:5 4",
        "  class n1 pivot",
        "  class n2 stays",
    ]


def test_blocks_choices_and_kinds() -> None:
    lines = mermaid(RICH).splitlines()
    assert '  subgraph s4["side by side"]' in lines
    assert '    n4["charge<br/>↩ undo_charge"] --> n5["points<br/>↩ undo_points"]' in lines
    assert '    n7[["trip<br/>↩ compensate travel"]]' in lines
    assert '  n2[/"review"/]' in lines
    assert '  n8{{"rest"}}' in lines
    assert '  n1 -->|"else"| done' in lines
    assert "  n3 --> s4" in lines
    assert "  s4 --> n8" in lines


def test_whatever_a_condition_contains_is_a_label() -> None:
    """A label has no character that means something to the language, and its quotes end where it ends."""
    for line in mermaid(RICH).splitlines():
        for label in re.findall(r'"(.*?)"', line):
            assert re.fullmatch(r"(?:[\w .,↩…]|#\d+;|<br/>)*", label), label
    assert "script" in mermaid(RICH)
    assert "<script" not in mermaid(RICH)
