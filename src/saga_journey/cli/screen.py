"""Where output goes: data on stdout, everything else on stderr, colour and motion only on a terminal.

Every character passes through `harmless` here, so nothing that a saga contains can do anything to the terminal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from saga_journey.cli.options import Given
from saga_journey.cli.problems import Problem
from saga_journey.cli.text import compact, harmless, machine

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Span = tuple[str, str]
"""Text and the name of its style, which only adds to what the text says; `""` for none."""
Line = Sequence[Span]

STYLES = {
    "good": "green",
    "bad": "bold red",
    "undo": "yellow",
    "warn": "yellow",
    "live": "cyan",
    "dim": "dim",
    "strong": "bold",
}
WITHOUT_TERMINAL = 100
UNBOUNDED = 100_000


class Screen:
    """The three streams of this process."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.terminal: bool = _is_terminal(sys.stdout)
        self.colors: bool = self.terminal and given.color and not given.json
        self.moves: bool = self.terminal and given.live and not given.json
        self.asks: bool = given.live and _is_terminal(sys.stdin) and _is_terminal(sys.stderr)
        self._console: Console | None = None

    @property
    def width(self) -> int:
        return max(shutil.get_terminal_size((WITHOUT_TERMINAL, 24)).columns, 20)

    @property
    def room(self) -> int:
        """How wide a table may be: in a pipe nothing is cut."""
        return self.width if self.terminal else UNBOUNDED

    # --- stdout ---

    def out(self, *lines: Line | str) -> None:
        """Data; each line at once, for somebody may follow it through a pipe."""
        for line in lines:
            spans = [(line, "")] if isinstance(line, str) else line
            if self.colors and any(style for _, style in spans):
                self.console.print(_text([spans], colors=True), soft_wrap=True)
            else:
                said = "".join(harmless(text) for text, _ in spans).rstrip()
                print(said, flush=True)  # noqa: T201 - this is where it is done

    def json(self, value: Any) -> None:
        """Data for programs: one line."""
        print(machine(value, only_ascii=not _writes_unicode(sys.stdout)), flush=True)  # noqa: T201

    @contextlib.contextmanager
    def moving(self) -> Iterator[Callable[[Sequence[Line]], None]]:
        """Gives what draws a picture over the one before; it is gone at the end."""
        from rich.live import Live

        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            yield lambda lines: live.update(_text(lines, colors=self.colors), refresh=True)

    @property
    def console(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
        return self._console

    # --- stderr ---

    def say(self, *lines: str) -> None:
        """Beside the data; nothing when --quiet."""
        if not self.given.quiet:
            self.insist(*lines)

    def hint(self, *lines: str) -> None:
        """What one might do next: for people only."""
        if not self.given.json:
            self.say(*lines)

    def insist(self, *lines: str) -> None:
        """Beside the data, and said in any case."""
        for line in lines:
            print(harmless(line), file=sys.stderr, flush=True)  # noqa: T201

    def complain(self, problem: Problem) -> None:
        """What is wrong, and what to do."""
        if self.given.json:
            self.insist(compact(problem.plain()))
            return
        first, *rest = problem.message.split("\n")
        self.insist(f"saga: {first}", *rest)
        for line in (problem.hint or "").splitlines():
            self.insist(f"  {line}")

    def ask(self, question: str) -> bool:
        """Yes or no, with no as the default. Only where `asks` is true; Ctrl-C is KeyboardInterrupt, also in a loop."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # first: it may come as soon as one can read
        try:
            sys.stderr.write(f"{harmless(question)} [y/N] ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        finally:
            signal.signal(signal.SIGINT, before)


def _text(lines: Sequence[Line], *, colors: bool) -> Text:
    from rich.text import Text

    joined = Text(no_wrap=False)
    for place, line in enumerate(lines):
        if place:
            joined.append("\n")
        for text, style in line:
            joined.append(harmless(text), STYLES.get(style) if colors else None)
    return joined


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _writes_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
