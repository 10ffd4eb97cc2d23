"""`saga worker`: moves runs without an application around it, until somebody says stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

from saga_journey.bootstrap import open_journeys
from saga_journey.cli.database_url import database_of
from saga_journey.cli.options import Given
from saga_journey.cli.problems import UNREACHABLE
from saga_journey.cli.references import Program
from saga_journey.cli.screen import Screen
from saga_journey.config import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SAME = 0.5
"""A signal that comes so soon after the first (seconds) is the same one: to the process, and to its group."""


async def work(given: Given, program: Program, settings: Settings) -> int:
    """Moves runs until a signal comes, then waits for the calls under way. 7: it can write no more; start it anew."""
    stop, report = Stop(), Report(Screen(given))
    with report.of_the_log(stop), stop.on_signals():
        await database_of(given).migrate()
        async with open_journeys(
            given.db, sagas=program.journeys, curator=program.curator, settings=settings
        ) as opened:
            report.working(program, list(opened.curator))
            await stop.asked.wait()
            report.ending(settings.grace)
        report.ended()
    return stop.code


@dataclass(slots=True)
class Stop:
    """Set by the first signal; the second one takes its usual course, which is to end this process at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    _again: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in SIGNALS}
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # not on Windows: Ctrl-C ends it at once
            for number in SIGNALS:
                loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            self._as_usual()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self) -> None:
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(SAME, self._as_usual)
        self.asked.set()

    def _as_usual(self) -> None:
        for number in SIGNALS:
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    def broken(self) -> None:
        """This process can write no more: whoever watches over it starts another one."""
        self.code = UNREACHABLE
        self.asked.set()


class Report:
    """What a person must know, each a line on stdout."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def working(self, program: Program, handlers: list[str]) -> None:
        database, pid = self._screen.given.database, os.getpid()
        journeys = [{"journey": j.name, "version": j.definition.version} for j in program.journeys]
        names = ", ".join(f"{j.name} version {j.definition.version}" for j in program.journeys)
        names = names or f"any journey of the handlers {', '.join(handlers)}"
        self._say(
            f"working: {names}; {database}, pid {pid}",
            {"event": "working", "journeys": journeys, "handlers": handlers, "database": database, "pid": pid},
        )

    def ending(self, grace: float) -> None:
        text = f"ending: waits up to {grace:g} s for the calls under way; the same signal again ends it at once"
        self._say(text, {"event": "ending", "grace": grace})

    def ended(self) -> None:
        self._say("ended", {"event": "ended"})

    def logged(self, record: logging.LogRecord) -> None:
        text, level = record.getMessage(), record.levelname.lower()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        self._say(f"{level}: {text}", {"event": level, "logger": record.name, "message": text})

    def _say(self, text: str, said: dict[str, object]) -> None:
        if self._screen.given.json:
            self._screen.json(said)
        else:
            self._screen.out(text.replace("\n", " "))

    @contextlib.contextmanager
    def of_the_log(self, stop: Stop) -> Iterator[None]:
        """Warnings and errors of the library are told for as long as the block lasts."""
        log = logging.getLogger("saga_journey")
        before, handler = log.level, _Told(self, stop)
        log.setLevel(min(before, logging.WARNING))
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(before)


class _Told(logging.Handler):
    def __init__(self, report: Report, stop: Stop) -> None:
        super().__init__(logging.WARNING)
        self._report, self._stop = report, stop
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        """From whatever thread."""
        try:
            self._report.logged(record)
            if record.levelno >= logging.CRITICAL:
                self._loop.call_soon_threadsafe(self._stop.broken)
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)
