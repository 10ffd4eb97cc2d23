"""What the demonstration shows: how far the orders are while it runs, and at the end what came of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from audit import Balance
from kills import Kills
from progress import Progress

REDRAW_EVERY: Final = 0.1
LINE_EVERY: Final = 1.0
NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a demonstration."""

    orders: int
    endings: Counter[str]
    otherwise: int
    kills: Kills
    verdicts: Counter[str]
    balances: Sequence[Balance]
    violations: Sequence[str]
    broken_promises: Sequence[str]
    problems: Sequence[str]
    seconds: float


class Display:
    """On a terminal a table that lives; anywhere else a line a second."""

    def __init__(self, console: Console, orders: int) -> None:
        self._console = console
        self._orders = orders
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._next_time = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, progress: Progress, kills: Kills) -> None:
        """Show how things are now, unless that was shown a moment ago."""
        if time.monotonic() < self._next_time:
            return
        self._next_time = time.monotonic() + (REDRAW_EVERY if self._live else LINE_EVERY)
        if self._live:
            self._live.update(self._table(progress, kills), refresh=True)
        else:
            self._console.print(
                f"{progress.ended}/{self._orders} ended, {progress.under_way} under way, "
                f"{progress.being_undone} being undone, {kills.done} kills"
            )

    def _table(self, progress: Progress, kills: Kills) -> RenderableType:
        table = Table(title="order_processing", show_header=False)
        table.add_row("ended", ProgressBar(total=self._orders, completed=progress.ended, width=40))
        for ending in ("completed", "compensated", "attention"):
            table.add_row(ending, str(progress.endings[ending]))
        table.add_row("under way", str(progress.under_way))
        table.add_row("being undone", str(progress.being_undone))
        table.add_row("orchestrators killed", str(kills.done))
        return table


def show(console: Console, result: Result) -> None:
    """The tables at the end, and the problems and violations by name."""
    console.print(_outcomes(result))
    console.print(_books(result.balances))
    found = [*result.violations, *result.broken_promises]
    for sentence in (*result.problems, *found[:NAMED]):
        console.print(f"[red]✗[/red] {escape(sentence)}", highlight=False)
    if len(found) > NAMED:
        console.print(f"… and {len(found) - NAMED} more: audit.py names those of the books, with --dir or --keep")
    books, journal = len(result.violations), len(result.broken_promises)
    console.print(f"violations: {len(found)} ({books} in the participants' books, {journal} in the journal)")


def _outcomes(result: Result) -> Table:
    table = Table(title="What came of the orders", show_header=False)
    for name, value in (
        ("orders", result.orders),
        ("completed", result.endings["completed"]),
        ("compensated: nothing of them is left", result.endings["compensated"]),
        ("in attention: the refund was refused", result.endings["attention"]),
        ("ended otherwise than foretold", result.otherwise),
        ("orchestrators killed", f"{result.kills.done} ({result.kills.during_undos} while undos were under way)"),
        ("answers replayed", result.verdicts["replayed"]),
        ("late calls turned away", result.verdicts["late"]),
        ("undos that found nothing to undo", result.verdicts["nothing"]),
        ("seconds", f"{result.seconds:.1f}"),
    ):
        table.add_row(name, str(value))
    return table


def _books(balances: Sequence[Balance]) -> Table:
    columns = ("participant", "unit", "done", "undone", "stands", "should stand")
    table = Table(*columns, title="The participants' own books")
    for balance in balances:
        right = balance.standing == balance.due
        table.add_row(
            balance.participant,
            balance.unit,
            *(f"{amount:,}" for amount in (balance.done, balance.undone, balance.standing)),
            f"{balance.due:,} {'[green]✓[/green]' if right else '[red]✗[/red]'}",
        )
    for column in table.columns[2:]:
        column.justify = "right"
    return table
