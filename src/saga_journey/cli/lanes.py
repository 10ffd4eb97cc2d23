"""The two lanes of a saga in plain text: what was done from left to right, what is undone from right to left.

→ reserve_stock ✔ done   ── charge_card ✔ done   ── ship ✘ refused
← reserve_stock ↩ undone ── charge_card ↩ undone ──┘
  ○ not reached: send_receipt

1. Each milestone is a column with a cell in each lane; cells of a column have one width, so that the lanes line up.
2. As many columns as fit make a stretch; the stretches come one under the other, `─╴` says that the lane goes on.
3. The pivot is a bar, `┃`, after its column. The corner `┘` is where the saga turned back. Branches that run side by
   side are joined by `∥`; they are undone in the reverse order of their start, which need not be the order drawn.
4. What is still to come is said once, before the first of it; once it will not come any more, it is a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from saga_journey.cli import words
from saga_journey.cli.screen import Line, Span
from saga_journey.cli.text import cells, cut
from saga_journey.core.events import UNDO
from saga_journey.core.state import MilestoneStatus, RunState

JOINT, BAR, BESIDE = " ── ", " ─┃─ ", " ∥  "
GOES_ON, BAR_GOES_ON, LAST_BAR, CORNER = " ─╴", " ─┃╴", " ┃", " ──┘"
FORWARD, BACK = "→ ", "← "
COMES = "○ to come: "


@dataclass(frozen=True, slots=True)
class Column:
    """One milestone. `back` is None where the undo lane only passes through. `beside`: another branch follows."""

    forward: Line
    back: Line | None
    pivot: bool
    beside: bool = False

    @property
    def width(self) -> int:
        return max(_cells(self.forward), _cells(self.back or ()))

    @property
    def joint(self) -> str:
        return BAR if self.pivot else BESIDE if self.beside else JOINT


def lanes(state: RunState, now: float, width: int) -> list[Line]:
    """Both lanes, at most `width` cells wide as long as one milestone fits; the undo lane once it has turned back."""
    reached = _reached(state)
    ahead = [] if _ended(state) else range(reached, len(state.milestones))
    columns = [_column(state, index, now, width) for index in range(reached)]
    columns += [_to_come(state, index, width, first=index == reached) for index in ahead]
    turned = max((place for place, column in enumerate(columns) if column.back is not None), default=-1)
    found: list[Line] = []
    begin = 0
    while begin < len(columns):
        end = _stretch(columns, begin, width)
        found.append(_forward_lane(columns, begin, end))
        if begin <= turned:
            found.append(_undo_lane(columns, begin, end, turned))
        begin = end
    return found + _remarks(state, reached, turned, width)


def _ended(state: RunState) -> bool:
    """It goes forward no more."""
    return state.direction == UNDO or state.final is not None


def _reached(state: RunState) -> int:
    """How many milestones there are up to the last one that something has happened to."""
    touched = [i for i, m in enumerate(state.milestones) if m.status is not MilestoneStatus.PENDING]
    return touched[-1] + 1 if touched else 0


def _remarks(state: RunState, reached: int, turned: int, width: int) -> list[Line]:
    found: list[Line] = []
    if state.direction == UNDO and turned < 0:
        found.append([(BACK, "undo"), ("nothing to undo", "dim")])
    if _ended(state) and reached < len(state.milestones):
        names = ", ".join(spec.id for spec in state.definition.milestones[reached:])
        rows = wrap(f"○ not reached: {names}", width, initial_indent="  ", subsequent_indent="    ")
        found += [[(row, "dim")] for row in rows]
    return found


# --- columns ----------------------------------------------------------------------------------------------------------


def _column(state: RunState, index: int, now: float, width: int) -> Column:
    spec = state.definition.milestones[index]
    forward = words.action(state, index, now)
    back = words.undo(state, index, now) if state.direction == UNDO else None
    longest = max(cells(span[0]) for span in (forward, back) if span is not None)
    name = cut(words.label(spec), _room(width) - longest - 1)
    undone: Line | None = None if back is None else [(f"{name} ", ""), back]
    return Column([(f"{name} ", ""), forward], undone, spec.pivot, _beside(state, index))


def _to_come(state: RunState, index: int, width: int, *, first: bool) -> Column:
    spec = state.definition.milestones[index]
    head = COMES if first else ""
    name = cut(words.label(spec), _room(width) - len(head))
    return Column([(head + name, "dim")], None, spec.pivot, _beside(state, index))


def _beside(state: RunState, index: int) -> bool:
    """The milestone ends a branch, and the next one begins another branch of the same block."""
    ends = (branch[-1] for stage in state.definition.stages for branch in stage[:-1])
    return index in ends


def _room(width: int) -> int:
    return max(width - len(FORWARD) - len(BAR), 20)


def _cells(line: Line) -> int:
    return sum(cells(text) for text, _ in line)


def _stretch(columns: Sequence[Column], begin: int, width: int) -> int:
    """The end of the stretch that begins there: as many columns as fit, one at least."""
    used = len(FORWARD)
    for place in range(begin, len(columns)):
        column = columns[place]
        tail = 0 if place == len(columns) - 1 and column.back is None and not column.pivot else len(CORNER)
        if used + column.width + tail > width and place > begin:
            return place
        used += column.width + len(column.joint)
    return len(columns)


# --- lanes ------------------------------------------------------------------------------------------------------------


def _forward_lane(columns: Sequence[Column], begin: int, end: int) -> Line:
    line: list[Span] = [(FORWARD, "strong")]
    for place in range(begin, end):
        column, last = columns[place], place == end - 1
        line += column.forward if last else _padded(column.forward, column.width)
        line.append((_last_joint(column, goes_on=end < len(columns)) if last else column.joint, ""))
    return line


def _last_joint(column: Column, *, goes_on: bool) -> str:
    """After the last column of a stretch."""
    if column.pivot:
        return BAR_GOES_ON if goes_on else LAST_BAR
    return GOES_ON if goes_on else ""


def _undo_lane(columns: Sequence[Column], begin: int, end: int, turned: int) -> Line:
    line: list[Span] = [(BACK, "undo")]
    for place in range(begin, min(end, turned + 1)):
        column = columns[place]
        line += [("─" * column.width, "undo")] if column.back is None else _padded(column.back, column.width)
        line.append((CORNER if place == turned else GOES_ON if place == end - 1 else column.joint, "undo"))
    return line


def _padded(cell: Line, width: int) -> Line:
    return [*cell, (" " * (width - _cells(cell)), "")]
