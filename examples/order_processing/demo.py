"""The demonstration: 320 orders through four participants, while their orchestrator is killed again and again.

Starts the participants and the orchestrator as processes, kills the orchestrator with SIGKILL in mid-flight and
starts it again, until every order has its outcome. Then the participants' own books are audited.
Exits 0 only if they balance and no order is without an outcome.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from audit import balances, read_evidence, violations
from display import Display, Result, show
from kills import Kills
from processes import all_participants, orchestrator, tail
from progress import Watch
from saga_journey.testing.checker import check
from shop import read_orders
from trouble import foretold

LOOK_EVERY: Final = 0.01
TIME_LIMIT: Final = 55.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    seed: int
    kills: int
    dir: Path | None
    keep: bool


def main() -> int:
    """Run the demonstration from the command line."""
    given = settings()
    console = Console()
    with workplace(given) as directory:
        return demonstrate(directory, given, console)


def settings() -> Settings:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seed", type=int, default=1, help="shifts the moments of the kills (default 1)")
    arguments.add_argument("--kills", type=int, default=4, help="how often the orchestrator is killed (default 4)")
    arguments.add_argument("--dir", type=Path, help="keep everything in this directory, which must be new or empty")
    arguments.add_argument("--keep", action="store_true", help="keep the temporary directory, and say where it is")
    return Settings(**vars(arguments.parse_args()))


@contextmanager
def workplace(given: Settings) -> Iterator[Path]:
    """The directory of books, journal and logs: the one that was asked for, or a temporary one."""
    if given.dir is not None:
        given.dir.mkdir(parents=True, exist_ok=True)
        if any(given.dir.iterdir()):
            sys.exit(f"{given.dir} is not empty: the demonstration begins with new books")
        yield given.dir
        return
    directory = Path(tempfile.mkdtemp(prefix="order-processing-"))
    try:
        yield directory
    finally:
        if given.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)


def demonstrate(directory: Path, given: Settings, console: Console) -> int:
    """The orders, the kills, the audit, the tables; gives the exit code."""
    orders = read_orders()
    kills = Kills(given.kills, len(orders), given.seed)
    started = time.monotonic()
    with all_participants(directory) as urls, Watch(directory) as watch:
        with Display(console, len(orders)) as display:
            problem = see_to_the_end(directory, urls, watch, kills, display)
        seconds = time.monotonic() - started
        verdicts = watch.verdicts()
    evidence = read_evidence(directory, orders)
    result = Result(
        orders=len(orders),
        endings=Counter(endings[-1] for endings in evidence.claims.values()),
        otherwise=sum(evidence.claims.get(order.id) != [foretold(order.trouble)] for order in orders),
        kills=kills,
        verdicts=verdicts,
        balances=list(balances(evidence)),
        violations=violations(evidence),
        broken_promises=[str(broken) for broken in check(directory / "journeys.db")],
        problems=[*problem, *kills.missing()],
        seconds=seconds,
    )
    show(console, result)
    return 1 if result.problems or result.violations or result.broken_promises else 0


def see_to_the_end(directory: Path, urls: dict[str, str], watch: Watch, kills: Kills, display: Display) -> list[str]:
    """Keep an orchestrator running, except for the kills, until one has seen all the orders to their end.

    Gives the reason when that never happens; the audit still tells how the books stand then.
    """
    limit = time.monotonic() + TIME_LIMIT
    process = orchestrator(directory, urls)
    try:
        while process.poll() is None:
            if time.monotonic() > limit:
                return [f"not all orders had ended after {TIME_LIMIT:g} s"]
            progress = watch.look()
            display.show(progress, kills)
            if kills.is_due(progress) and killed(process):
                kills.note(progress)
                process = orchestrator(directory, urls)
            time.sleep(LOOK_EVERY)
        display.show(watch.look(), kills)
        if process.returncode == 0:
            return []
        last_words = tail(directory, "orchestrator")
        return [f"the orchestrator ended by itself, with exit code {process.returncode}:\n{last_words}"]
    finally:
        killed(process)


def killed(process: subprocess.Popen[bytes]) -> bool:
    """Kill it; False when it had already ended."""
    process.kill()
    return process.wait() == -signal.SIGKILL


if __name__ == "__main__":
    sys.exit(main())
