"""Columns that line up. Only the last one is cut to the width, so that ids can always be copied."""

from __future__ import annotations

from collections.abc import Sequence

from saga_journey.cli.screen import Line, Span
from saga_journey.cli.text import cells, cut, harmless

GAP = 2


def table(heads: Sequence[str], rows: Sequence[Sequence[Span]], width: int) -> list[Line]:
    """A head line and the rows; a last column that is empty everywhere is left out."""
    safe = [[(harmless(text), style) for text, style in row] for row in rows]
    if safe and not any(row[-1][0] for row in safe):
        heads, safe = heads[:-1], [row[:-1] for row in safe]
    all_rows = [[(head, "dim") for head in heads], *safe]
    widths = [max(cells(row[place][0]) for row in all_rows) + GAP for place in range(len(heads))]
    room = width - sum(widths[:-1])
    return [_line(row, widths, max(room, 10)) for row in all_rows]


def _line(row: Sequence[Span], widths: Sequence[int], room: int) -> Line:
    *before, (last, style) = row
    spans = [(text + " " * (width - cells(text)), s) for (text, s), width in zip(before, widths, strict=False)]
    return [*spans, (cut(last, room), style)]
