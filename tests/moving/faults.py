"""A move that something happens to: at every place between two steps, and in the middle of the rows.

    python -m tests.moving.faults SOURCE TARGET KIND NUMBER        is killed there (`saga_journey.testing.crash`)

A boundary is named by who is asked and what: `before-target.commit`, `after-source.mark`, and for each row
`source.rows.journal`.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

from saga_journey.stores.moving.move import Moved, move
from saga_journey.stores.moving.ports import Rows, Source, Target
from saga_journey.stores.postgres.taking_in import PostgresTarget
from saga_journey.stores.sqlite.reading_out import SqliteSource
from saga_journey.testing.crash import Boundaries, Boundary


class Crossing:
    """A source or a target that crosses a boundary before and after each call, and at each row that it gives."""

    def __init__(self, inner: Any, who: str, boundaries: Boundaries) -> None:
        self._inner, self._who, self._cross = inner, who, boundaries.cross

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._inner, name)
        if inspect.iscoroutinefunction(asked):
            return self._awaited(name, asked)
        return self._called(name, asked) if callable(asked) else asked

    def _awaited(self, name: str, asked: Callable[..., Any]) -> Callable[..., Any]:
        async def around(*arguments: Any) -> Any:
            self._cross(f"before-{self._who}.{name}")
            given = await asked(*arguments)
            self._cross(f"after-{self._who}.{name}")
            return given

        return around

    def _called(self, name: str, asked: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            self._cross(f"before-{self._who}.{name}")
            given = asked(*arguments)
            self._cross(f"after-{self._who}.{name}")
            if isinstance(given, Rows):
                return Rows(given.columns, self._each(f"{self._who}.{name}.{arguments[0]}", given.rows))
            return self._each(f"{self._who}.{name}", given) if name in ("contents", "journals") else given

        return around

    def _each(self, kind: str, rows: Iterator[Any]) -> Iterator[Any]:
        for row in rows:
            self._cross(kind)
            yield row


async def moved(source: str, target: str, boundaries: Boundaries | None = None) -> Moved:
    """The move, with something happening at the boundaries of both."""
    chosen = boundaries or Boundaries()
    async with PostgresTarget.opened(target) as there:
        with closing(SqliteSource(source)) as here:
            return await move(
                cast(Source, Crossing(here, "source", chosen)), cast(Target, Crossing(there, "target", chosen))
            )


if __name__ == "__main__":
    asyncio.run(moved(sys.argv[1], sys.argv[2], Boundaries(Boundary(sys.argv[3], int(sys.argv[4])))))
