"""A definition as an SVG drawing: the forward lane from left to right, and below it the undo lane from right to left.

1. Each step is a column; a block is as many columns as its longest branch, its branches one below the other, each with
   its own two lanes. The sides of its frame are where it forks and joins.
2. A choice has a trunk on top of its box; each way leaves it at a height of its own and comes down on its target, with
   its condition on it. Of ways that overlap the shorter one is lower, so that ways of one choice never cross.
3. The pivot is followed by a bar. Under what cannot be undone lies a lock.
4. Nothing is measured by a browser: the width of a text is estimated, generously, and what does not fit is cut.

The drawing stands for itself: it names its lanes, has a title and a description, loads nothing, and follows the
reader's choice of light or dark.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.paths import Edge, edges, later
from saga_journey.core.shape import Stage, is_choice

MARGIN, LANE = 40.0, 78.0
"""Around everything; and the room for the names of the lanes."""
HEIGHT, UNDO_HEIGHT, BETWEEN, ROWS = 54.0, 34.0, 26.0, 34.0
"""Of a milestone, of an undo, between the two, and between two branches."""
GAP, PAD = 46.0, 24.0
"""Between two columns; between a frame and what is in it."""
NARROWEST, WIDEST = 132.0, 220.0
LEVEL = 28.0
"""Between two ways that are drawn above one another."""
NAME, NOTE, CONDITION = 13.5, 11.5, 11.5
"""Sizes of text."""


# --- measuring --------------------------------------------------------------------------------------------------------


def width(text: str, size: float, *, mono: bool) -> float:
    """How wide a text may be at most, in the fonts that are asked for."""
    if mono:
        return sum(1.0 if east_asian_width(c) in "WF" else 0.61 for c in text) * size
    return sum(_SANS.get(c, 1.0 if east_asian_width(c) in "WF" else 0.64) for c in text) * size


_SANS = {**dict.fromkeys("iljI.,:;'|!", 0.34), **dict.fromkeys("ftr()[]- /·", 0.44), **dict.fromkeys("mwMW@", 0.98)}


def cut(text: str, room: float, size: float, *, mono: bool) -> str:
    """As much of a text as fits; `…` says that there was more."""
    at_most = int(max(room, 0.0) / (0.3 * size)) + 2  # no text of more characters fits
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * at_most]).split())
    if len(text) <= 4 * at_most and width(line, size, mono=mono) <= room:
        return line
    line = line[:at_most]
    while line and width(line + "…", size, mono=mono) > room:
        line = line[:-1]
    return line + "…"


def spoken(seconds: float) -> str:
    """A span in the largest unit that says it exactly: `3 d`, `90 min`, `2.5 s`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}"
    return f"{seconds:g} s"


# --- where everything lies --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """A milestone: the left edge and the top of its box."""

    x: float
    y: float

    @property
    def middle(self) -> float:
        return self.y + HEIGHT / 2

    @property
    def undo(self) -> float:
        """The top of its undo."""
        return self.y + HEIGHT + BETWEEN

    @property
    def undo_middle(self) -> float:
        return self.undo + UNDO_HEIGHT / 2


@dataclass(frozen=True, slots=True)
class Span:
    """A step: from its left to its right edge, frame included."""

    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Way:
    """A way that is drawn above the lane, `level` times up. `slot` is its place on the top edge of its target."""

    edge: Edge
    level: int
    slot: int


class Layout:
    """Where everything of a definition lies."""

    def __init__(self, definition: JourneyDefinition) -> None:
        self.d = definition
        self.edges = edges(definition)
        self.box = min(max([NARROWEST, *(width(m.id, NAME, mono=True) + 34 for m in definition.milestones)]), WIDEST)
        self.ways = _levels([edge for edge in self.edges if not self.is_straight(edge)])
        self.blocks = any(len(stage) > 1 for stage in definition.stages)
        heights = max((way.level for way in self.ways), default=0) * LEVEL
        self.top = 84.0 + heights + (PAD if self.blocks or self.ways else 0)
        self.cells: dict[int, Cell] = {}
        self.spans: list[Span] = []
        self._put()
        rows = max(len(stage) for stage in definition.stages)
        self.bottom = self.row(rows - 1).undo + UNDO_HEIGHT + (PAD if self.blocks else 0)

    def row(self, number: int) -> Cell:
        return Cell(0.0, self.top + number * (HEIGHT + BETWEEN + UNDO_HEIGHT + ROWS))

    def is_straight(self, edge: Edge) -> bool:
        return edge.target == edge.start + 1 and (edge.said is None or not is_choice(self.source(edge)))

    def source(self, edge: Edge) -> Milestone:
        return self.d.milestones[self.d.stages[edge.start][0][0]]

    def is_block(self, step: int) -> bool:
        return len(self.d.stages[step]) > 1

    def _put(self) -> None:
        x = MARGIN + LANE + 34
        for step, stage in enumerate(self.d.stages):
            inside = PAD if self.is_block(step) else 0.0
            for number, branch in enumerate(stage):
                for column, place in enumerate(branch):
                    self.cells[place] = Cell(x + inside + column * (self.box + GAP), self.row(number).y)
            columns = max(len(branch) for branch in stage)
            right = x + 2 * inside + columns * (self.box + GAP) - GAP
            self.spans.append(Span(x, right))
            x = right + self._gap_after(step)
        self.end = x + 9

    def _gap_after(self, step: int) -> float:
        """Wide enough for the condition on the way to the next step."""
        beside = [way.edge for way in self.ways if way.edge.start == step and way.edge.target == step + 1]
        said = [width(condition(edge), CONDITION, mono=True) + 44 for edge in beside]
        return max([GAP, *(min(wide, 240.0) - 46 for wide in said)])

    def is_past_pivot(self, place: int) -> bool:
        """There is no way back any more where it stands."""
        pivot = self.d.pivot
        return pivot is not None and place in later(self.d, pivot)

    # --- ways above the lane ---

    def height(self, way: Way) -> float:
        return self.top - (PAD if self.blocks else 0) - 6 - way.level * LEVEL

    def leaves(self, step: int) -> float:
        """Where the trunk of a choice stands."""
        return self.spans[step].right - 22

    def lands(self, way: Way) -> tuple[float, float]:
        """Where a way comes down."""
        target = way.edge.target
        if target == len(self.d.stages):
            return self.end, self.row(0).middle - 9
        top = self.top - (PAD if self.is_block(target) else 0)
        return self.spans[target].left + 20 + 13 * min(way.slot, 7), top


def _levels(above: Sequence[Edge]) -> list[Way]:
    """Shorter ways lie lower; two that overlap never lie at one height. Lower ones come down further left."""
    found: list[Way] = []
    for edge in sorted(above, key=lambda edge: (edge.target - edge.start, edge.start)):
        over = [w.level for w in found if w.edge.start < edge.target and edge.start < w.edge.target]
        slot = sum(1 for w in found if w.edge.target == edge.target)
        found.append(Way(edge, max(over, default=0) + 1, slot))
    return found


def condition(edge: Edge) -> str:
    """What is written on a way out of a choice."""
    assert edge.said is not None
    return edge.said.when if edge.said.when is not None else "else"


# --- drawing ----------------------------------------------------------------------------------------------------------


def svg(definition: JourneyDefinition) -> str:
    """The whole drawing, a file of its own or a part of an HTML page."""
    at = Layout(definition)
    wide, high = at.end + 9 + MARGIN, at.bottom + (48 if definition.pivot is not None else 32)
    key = definition.hash[:8]
    opening = f'class="journey j{key}" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}" role="img"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {opening} aria-labelledby="t{key} d{key}">',
        f'<title id="t{key}">{_x(definition.name)}, version {definition.version}</title>',
        f'<desc id="d{key}">{_x(description(definition))}</desc>',
        f"<style>{_style(key)}</style>",
        f'<rect class="paper" x="0.75" y="0.75" width="{wide - 1.5:g}" height="{high - 1.5:g}" rx="12"/>',
        *_head(definition),
        *_lanes(at),
        *_frames(at),
        *_rails(at),
        *_undo_rails(at),
        *_above(at),
        *(line for place in range(len(definition.milestones)) for line in _milestone(at, place)),
        *_choices(at),
        *_bars(at),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _head(d: JourneyDefinition) -> Iterator[str]:
    counted = "1 milestone" if len(d.milestones) == 1 else f"{len(d.milestones)} milestones"
    said = [f"version {d.version}", d.kind, counted]
    said += [f"deadline {spoken(d.deadline)}"] if d.deadline is not None else []
    yield f'<text class="title" x="{MARGIN:g}" y="40">{_x(d.name)}</text>'
    yield f'<text class="note" x="{MARGIN:g}" y="59">{_x(" · ".join(said))}</text>'


def _lanes(at: Layout) -> Iterator[str]:
    row = at.row(0)
    yield f'<text class="lane" x="{MARGIN:g}" y="{row.middle + 4:g}">forward</text>'
    if any(m.undoable for m in at.d.milestones):
        yield f'<text class="lane" x="{MARGIN:g}" y="{row.undo_middle + 4:g}">undo</text>'


def _frames(at: Layout) -> Iterator[str]:
    for step, span in enumerate(at.spans):
        if at.is_block(step):
            top, bottom = at.top - PAD, at.row(len(at.d.stages[step]) - 1).undo + UNDO_HEIGHT + 14
            yield (
                f'<rect class="frame" x="{span.left:g}" y="{top:g}" width="{span.right - span.left:g}" '
                f'height="{bottom - top:g}" rx="10"/>'
            )
            yield f'<text class="lane" x="{span.left + 12:g}" y="{at.top - 8:g}">side by side</text>'
            for x in (span.left, span.right):
                yield f'<path class="fork" d="M{x:g} {top + 10:g} V{bottom - 10:g}"/>'


# --- the lanes --------------------------------------------------------------------------------------------------------


def _rails(at: Layout) -> Iterator[str]:
    """The forward lane: from the start through every step that only follows the one before it, to the end."""
    first, y = at.spans[0].left, at.row(0).middle
    yield f'<circle class="dot" cx="{first - 34:g}" cy="{y:g}" r="5"/>'
    yield from _forward(first - 29, first, y)
    for edge in at.edges:
        if at.is_straight(edge):
            last = edge.target == len(at.spans)
            yield from _forward(at.spans[edge.start].right, at.end - 9 if last else at.spans[edge.target].left, y)
    for step, stage in enumerate(at.d.stages):
        if at.is_block(step):
            yield from _branches(at, stage, at.spans[step])
    for style, radius in (("ring", 8), ("dot", 4)):
        yield f'<circle class="{style}" cx="{at.end:g}" cy="{y:g}" r="{radius}"/>'


def _branches(at: Layout, stage: Stage, span: Span) -> Iterator[str]:
    for branch in stage:
        x = span.left
        for cell in (at.cells[place] for place in branch):
            yield from _forward(x, cell.x, cell.middle)
            x = cell.x + at.box
        yield f'<path class="rail" d="M{x:g} {at.cells[branch[0]].middle:g} H{span.right:g}"/>'


def _forward(x: float, to: float, y: float) -> Iterator[str]:
    yield f'<path class="rail" d="M{x:g} {y:g} H{to - 6:g}"/>'
    yield f'<path class="tip" d="M{to - 1:g} {y:g} l-8 -4.5 v9 z"/>'


def _undo_rails(at: Layout) -> Iterator[str]:
    """The undo lane: what was done last is undone first."""
    stops: list[Span] = []
    for step, stage in enumerate(at.d.stages):
        undone = [[place for place in branch if at.d.milestones[place].undoable] for branch in stage]
        for branch in undone if at.is_block(step) else ():
            yield from _undo_branch(at, branch, at.spans[step], goes_on=bool(stops))
        if any(undone):
            stops.append(at.spans[step])
    for before, after in itertools.pairwise(stops):
        yield from _back(after.left, before.right, at.row(0).undo_middle)


def _undo_branch(at: Layout, undone: Sequence[int], span: Span, *, goes_on: bool) -> Iterator[str]:
    x = span.right
    for cell in (at.cells[place] for place in reversed(undone)):
        yield from _back(x, cell.x + at.box, cell.undo_middle)
        x = cell.x
    if undone and goes_on:
        yield f'<path class="rail back" d="M{x:g} {at.cells[undone[0]].undo_middle:g} H{span.left:g}"/>'


def _back(x: float, to: float, y: float) -> Iterator[str]:
    yield f'<path class="rail back" d="M{x:g} {y:g} H{to + 6:g}"/>'
    yield f'<path class="tip back" d="M{to + 1:g} {y:g} l8 -4.5 v9 z"/>'


def _above(at: Layout) -> Iterator[str]:
    """Ways that are chosen, or lead further than to the next step."""
    for way in sorted(at.ways, key=lambda way: -way.level):
        x, y, (to, down) = at.leaves(way.edge.start), at.height(way), at.lands(way)
        start = at.top - (PAD if at.is_block(way.edge.start) else 0)
        yield (
            f'<path class="rail way" d="M{x:g} {start:g} V{y + 9:g} q0 -9 9 -9 H{to - 9:g} '
            f'q9 0 9 9 V{down - 6:g}"/><path class="tip" d="M{to:g} {down - 1:g} l-4.5 -8 h9 z"/>'
        )
    for way in at.ways:
        if is_choice(at.source(way.edge)):
            yield from _condition(at, way)


def _choices(at: Layout) -> Iterator[str]:
    for step in sorted({way.edge.start for way in at.ways if is_choice(at.source(way.edge))}):
        yield f'<path class="choice" d="M{at.leaves(step):g} {at.top - 6:g} l6 6 l-6 6 l-6 -6 z"/>'


def _condition(at: Layout, way: Way) -> Iterator[str]:
    x, to, y = at.leaves(way.edge.start), at.lands(way)[0], at.height(way)
    said = condition(way.edge)
    shown = cut(said, to - x - 40, CONDITION, mono=True)
    wide, middle = width(shown, CONDITION, mono=True) + 16, (x + to) / 2
    yield (
        f'<g><title>{_x(said)}</title><rect class="pill" x="{middle - wide / 2:g}" y="{y - 10:g}" width="{wide:g}" '
        f'height="20" rx="10"/><text class="when" x="{middle:g}" y="{y + 4:g}">{_x(shown)}</text></g>'
    )


def _bars(at: Layout) -> Iterator[str]:
    """Behind the pivot there is no way back."""
    if at.d.pivot is None:
        return
    cell = at.cells[at.d.pivot]
    x = cell.x + at.box + GAP / 2
    yield f'<path class="bar" d="M{x:g} {cell.y - 4:g} V{cell.undo + UNDO_HEIGHT + 6:g}"/>'
    yield f'<text class="note middle" x="{x:g}" y="{cell.undo + UNDO_HEIGHT + 24:g}">no way back</text>'


# --- a milestone ------------------------------------------------------------------------------------------------------


def _milestone(at: Layout, place: int) -> Iterator[str]:
    m, cell = at.d.milestones[place], at.cells[place]
    kinds = "box" + (" pivot" if m.pivot else "") + (" optional" if m.optional else "")
    middle, note = cell.x + at.box / 2, _note(m)
    yield f"<g><title>{_x(_whole(m))}</title>"
    yield f'<rect class="{kinds}" x="{cell.x:g}" y="{cell.y:g}" width="{at.box:g}" height="{HEIGHT:g}" rx="9"/>'
    up = cell.y + (24 if note else HEIGHT / 2 + 5)
    yield f'<text class="name" x="{middle:g}" y="{up:g}">{_x(cut(m.id, at.box - 22, NAME, mono=True))}</text>'
    if note:
        icon = _ICONS.get(m.kind, "")
        shown = cut(note, at.box - (40 if icon else 20), NOTE, mono=False)
        yield from _labelled(icon, shown, middle, cell.y + 42, "note")
    yield "</g>"
    yield from _undo_of(at, place)


def _undo_of(at: Layout, place: int) -> Iterator[str]:
    m, cell = at.d.milestones[place], at.cells[place]
    middle, text = cell.x + at.box / 2, cell.undo_middle + 4
    if m.undoable:
        handler = m.undo or f"compensate {m.child.name if m.child else ''}"
        yield f'<path class="pair" d="M{middle:g} {cell.y + HEIGHT:g} V{cell.undo:g}"/>'
        yield (
            f'<g><title>{_x(handler)} undoes {_x(m.id)}</title><rect class="box undo" x="{cell.x:g}" '
            f'y="{cell.undo:g}" width="{at.box:g}" height="{UNDO_HEIGHT:g}" rx="9"/>'
        )
        yield from _labelled(_BACK, cut(handler, at.box - 42, 12, mono=True), middle, text, "handler")
        yield "</g>"
    elif m.kind != "timer" and not at.is_past_pivot(place):
        said, icon = ("only reads", "") if m.effects == "read_only" else ("stays", _LOCK)
        yield f"<g><title>{_x(f'nothing undoes {m.id}')}</title>"
        wide = width(said, NOTE, mono=False) + 42
        yield (
            f'<rect class="stays" x="{middle - wide / 2:g}" y="{cell.undo + 5:g}" width="{wide:g}" '
            f'height="{UNDO_HEIGHT - 10:g}" rx="12"/>'
        )
        yield from _labelled(icon, said, middle, text, "note")
        yield "</g>"


def _labelled(icon: str, text: str, middle: float, y: float, style: str) -> Iterator[str]:
    """A text with an icon before it, together in the middle."""
    mono = style == "handler"
    wide = width(text, 12 if mono else NOTE, mono=mono)
    if icon:
        yield f'<path class="icon {style}" transform="translate({middle - wide / 2 - 9:g} {y - 10:g})" d="{icon}"/>'
    yield f'<text class="{style} middle" x="{middle + (8 if icon else 0):g}" y="{y:g}">{_x(text)}</text>'


_BACK = "M4 1 l-3.5 3.5 l3.5 3.5 m-3.5 -3.5 h7 a3 3 0 0 1 0 6 h-3"
_LOCK = "M2.5 5.5 v-2 a2.5 2.5 0 0 1 5 0 v2 M1 5.5 h8 v5.5 h-8 z"
_ICONS = {
    "external": "M6 1 H1 V11 H10 V7 M7 1 H11 V5 M11 1 L5.5 6.5",
    "timer": "M6 1 a5 5 0 1 0 0.01 0 M6 3.5 V6 L8 7.5",
    "child": "M1 1 H8 V8 H1 Z M4 8 V11 H11 V4 H8",
}


def _note(m: Milestone) -> str:
    """What else is to be known of a milestone, on one line."""
    said = []
    if m.kind == "external":
        said.append(f"an answer, {spoken(m.timeout)}")
    elif m.kind == "timer":
        said.append(spoken(m.timeout))
    elif m.child is not None:
        said.append(f"{m.child.name} v{m.child.version}")
    elif m.action != m.id:
        said.append(str(m.action))
    said += [word for word, is_so in (("optional", m.optional), ("at most once", m.at_most_once)) if is_so]
    return " · ".join(["pivot", *said] if m.pivot else said)


def _whole(m: Milestone) -> str:
    note = _note(m)
    return f"{m.id} ({note})" if note else m.id


# --- how it looks -----------------------------------------------------------------------------------------------------

_LIGHT = {
    "paper": "#ffffff",
    "frame": "#f6f8fa",
    "line": "#d0d7de",
    "rail": "#8c959f",
    "text": "#1f2328",
    "dim": "#656d76",
    "live": "#0969da",
    "live-paper": "#eef6ff",
    "undo": "#9a6700",
    "undo-paper": "#fff8e1",
}
_DARK = {
    "paper": "#0d1117",
    "frame": "#151b23",
    "line": "#3a424c",
    "rail": "#6e7681",
    "text": "#e6edf3",
    "dim": "#8d96a0",
    "live": "#58a6ff",
    "live-paper": "#0f2036",
    "undo": "#d8a02b",
    "undo-paper": "#29200c",
}
_SANS_FONT = 'ui-sans-serif,system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,sans-serif'
_MONO_FONT = 'ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace'
_RULES = (
    ("text", f"font:13px {_SANS_FONT};fill:var(--text)"),
    (".title", "font-size:17px;font-weight:600"),
    (".name,.handler,.when", f"font-family:{_MONO_FONT}"),
    (".name", f"font-size:{NAME}px;font-weight:600;text-anchor:middle"),
    (".when", f"font-size:{CONDITION}px;text-anchor:middle"),
    (".handler", "font-size:12px;fill:var(--undo)"),
    (".note", f"font-size:{NOTE}px;fill:var(--dim)"),
    (".lane", "font-size:12px;fill:var(--dim)"),
    (".middle", "text-anchor:middle"),
    (".paper", "fill:var(--paper);stroke:var(--line);stroke-width:1.5"),
    (".frame", "fill:var(--frame)"),
    (".fork", "stroke:var(--rail);stroke-width:3;stroke-linecap:round"),
    (".rail", "fill:none;stroke:var(--rail);stroke-width:1.5"),
    (".rail.way", "stroke-linecap:round"),
    (".tip", "fill:var(--rail)"),
    (".rail.back", "stroke:var(--undo);opacity:.75"),
    (".tip.back", "fill:var(--undo)"),
    (".dot", "fill:var(--rail)"),
    (".ring", "fill:none;stroke:var(--rail);stroke-width:1.5"),
    (".pair", "fill:none;stroke:var(--undo);stroke-width:1.5;stroke-dasharray:1.5 5;stroke-linecap:round"),
    (".box", "fill:var(--live-paper);stroke:var(--live);stroke-width:1.5"),
    (".box.pivot", "stroke-width:3"),
    (".box.optional", "stroke-dasharray:5 4"),
    (".box.undo", "fill:var(--undo-paper);stroke:var(--undo)"),
    (".stays", "fill:var(--paper);stroke:var(--line);stroke-width:1.5"),
    (".pill", "fill:var(--paper);stroke:var(--line);stroke-width:1"),
    (".choice", "fill:var(--paper);stroke:var(--live);stroke-width:1.5"),
    (".bar", "stroke:var(--text);stroke-width:4;stroke-linecap:round"),
    (".icon", "fill:none;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round"),
    (".icon.note", "stroke:var(--dim)"),
    (".icon.handler", "stroke:var(--undo)"),
)


def _style(key: str) -> str:
    """For this drawing only, whatever page it is put into."""
    light, dark = (";".join(f"--{name}:{color}" for name, color in colors.items()) for colors in (_LIGHT, _DARK))
    rules = [f".j{key}{{color-scheme:light dark;{light}}}"]
    rules.append(f"@media(prefers-color-scheme:dark){{.j{key}{{{dark}}}}}")
    for selectors, said in _RULES:
        rules.append(",".join(f".j{key} {selector}" for selector in selectors.split(",")) + f"{{{said}}}")
    return "\n" + "\n".join(rules) + "\n"


# --- words ------------------------------------------------------------------------------------------------------------


def description(d: JourneyDefinition) -> str:
    """The drawing in words."""
    steps = [
        " beside ".join(", then ".join(_said(d.milestones[place]) for place in branch) for branch in stage)
        for stage in d.stages
    ]
    undone = [f"{m.id} by {m.undo or 'its child'}" for m in reversed(d.milestones) if m.undoable]
    said = f"Forward: {'; '.join(steps)}."
    said += f" Undone, from right to left: {', '.join(undone)}." if undone else " Nothing is undone."
    return said + (f" Behind {d.milestones[d.pivot].id} there is no way back." if d.pivot is not None else "")


def _said(m: Milestone) -> str:
    if not is_choice(m):
        return m.id
    ways = [f"to {s.milestone}" + (f" when {' '.join(s.when.split())}" if s.when else "") for s in m.next_steps]
    return f"{m.id}, which goes on {', else '.join(ways)}"


def _x(text: str) -> str:
    """Text as XML: escaped, and without the characters that XML cannot hold."""
    return escape("".join(c if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "￾￿" else " " for c in text))
