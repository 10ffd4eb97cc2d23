"""Where everything of a drawing lies: a column for each step, rows for the branches of a block, ways above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.shape import is_choice
from saga_journey.inspection.lettering import CONDITION, NAME, width
from saga_journey.inspection.paths import Edge, edges, later

MARGIN, LANE = 40.0, 78.0
"""Around everything; and the room for the names of the lanes."""
HEIGHT, UNDO_HEIGHT, BETWEEN, ROWS = 54.0, 34.0, 26.0, 34.0
"""Of a milestone, of an undo, between the two, and between two branches."""
GAP, PAD = 46.0, 24.0
"""Between two columns; between a frame and what is in it."""
NARROWEST, WIDEST = 132.0, 220.0
LEVEL = 28.0
"""Between two ways that are drawn above one another."""


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
        self.d: JourneyDefinition = definition
        self.edges: list[Edge] = edges(definition)
        names = (width(m.id, NAME, mono=True) + 34 for m in definition.milestones)
        self.box: float = min(max([NARROWEST, *names]), WIDEST)
        self.ways: list[Way] = _levels([edge for edge in self.edges if not self.is_straight(edge)])
        self.blocks: bool = any(len(stage) > 1 for stage in definition.stages)
        heights = max((way.level for way in self.ways), default=0) * LEVEL
        self.top: float = 84.0 + heights + (PAD if self.blocks or self.ways else 0)
        self.cells: dict[int, Cell] = {}
        self.spans: list[Span] = []
        self._put()
        rows = max(len(stage) for stage in definition.stages)
        self.bottom: float = self.row(rows - 1).undo + UNDO_HEIGHT + (PAD if self.blocks else 0)

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
        self.end: float = x + 9

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
