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
from html import escape

from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.shape import Stage, is_choice
from saga_journey.inspection.drawing_style import style
from saga_journey.inspection.layout import GAP, HEIGHT, MARGIN, PAD, UNDO_HEIGHT, Layout, Span, Way, condition
from saga_journey.inspection.lettering import CONDITION, NAME, NOTE, cut, spoken, width


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
        f"<style>{style(key)}</style>",
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
    for drawn, radius in (("ring", 8), ("dot", 4)):
        yield f'<circle class="{drawn}" cx="{at.end:g}" cy="{y:g}" r="{radius}"/>'


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
