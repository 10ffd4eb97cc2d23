"""The two lanes of a saga in plain text: what was done from left to right, what is undone from right to left.

→ reserve_stock ✔ done   ── charge_card ✔ done   ── ship ✘ refused ── send_receipt ○ not reached
← reserve_stock ↩ undone ── charge_card ↩ undone ──┘

1. Each milestone is a column with a cell in each lane; cells of a column have one width, so that the lanes line up.
2. As many columns as fit make a stretch, one under the other; `─╴` and `╶─` say that the line goes on.
3. The pivot is a bar, `┃`, after its column. The corner `┘` is where the saga turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saga_journey.cli import words
from saga_journey.cli.screen import Line, Span
from saga_journey.cli.text import cells, cut
from saga_journey.core.events import UNDO
from saga_journey.core.state import RunState

JOINT, BAR, CORNER, GOES_ON = " ── ", " ─┃─ ", " ──┘", " ─╴"
FORWARD, BACK = "→ ", "← "


@dataclass(frozen=True, slots=True)
class Column:
    """One milestone. `back` is None where the undo lane only passes through."""

    name: str
    forward: Span
    back: Span | None
    joint: str

    @property
    def width(self) -> int:
        return max(cells(f"{self.name} {span[0]}") for span in (self.forward, self.back) if span is not None)


def lanes(state: RunState, now: float, width: int) -> list[Line]:
    """Both lanes, at most `width` cells wide as long as one milestone fits; the undo lane once it has turned back."""
    columns = [_column(state, index, now, width) for index in range(len(state.milestones))]
    turned = max((i for i, c in enumerate(columns) if c.back is not None), default=-1) if _back(state) else -1
    found: list[Line] = []
    begin = 0
    while begin < len(columns):
        end = _stretch(columns, begin, width)
        found.append(_forward_lane(columns, begin, end))
        if begin <= turned:
            found.append(_undo_lane(columns, begin, end, turned))
        begin = end
    if _back(state) and turned < 0:
        found.append([(BACK, ""), ("nothing to undo", "dim")])
    return found


def _back(state: RunState) -> bool:
    return state.direction == UNDO


def _column(state: RunState, index: int, now: float, width: int) -> Column:
    spec = state.definition.milestones[index]
    forward, back = words.action(state, index, now), words.undo(state, index, now) if _back(state) else None
    longest = max(len(span[0]) for span in (forward, back) if span is not None)
    name = cut(words.label(spec), max(width - longest - len(FORWARD) - len(BAR) - 1, 8))
    return Column(name, forward, back, BAR if spec.pivot else JOINT)


def _stretch(columns: Sequence[Column], begin: int, width: int) -> int:
    """The end of the stretch that begins there: as many columns as fit, one at least."""
    room = width - len(FORWARD) - len(BAR)
    end = begin
    while end < len(columns):
        room -= columns[end].width + (len(columns[end - 1].joint) if end > begin else 0)
        if room < 0 and end > begin:
            break
        end += 1
    return end


def _forward_lane(columns: Sequence[Column], begin: int, end: int) -> Line:
    line: list[Span] = [(FORWARD, "strong")]
    for place in range(begin, end):
        column, last = columns[place], place == end - 1
        line += _cell(column, column.forward, 0 if last else column.width)
        line.append((_joint(column, goes_on=end < len(columns)) if last else column.joint, ""))
    return line


def _joint(column: Column, *, goes_on: bool) -> str:
    """After the last column of a stretch."""
    if column.joint == BAR:
        return " ─┃╴" if goes_on else " ┃"
    return GOES_ON if goes_on else ""


def _undo_lane(columns: Sequence[Column], begin: int, end: int, turned: int) -> Line:
    line: list[Span] = [(BACK, "undo")]
    for place in range(begin, min(end, turned + 1)):
        column, last = columns[place], place in (end - 1, turned)
        line += [("─" * column.width, "undo")] if column.back is None else _cell(column, column.back, column.width)
        line.append((CORNER if place == turned else GOES_ON if last else column.joint, "undo"))
    return line


def _cell(column: Column, span: Span, width: int) -> list[Span]:
    padding = " " * max(width - cells(f"{column.name} {span[0]}"), 0)
    return [(column.name + " ", "dim" if span[1] == "dim" else ""), span, (padding, "")]
