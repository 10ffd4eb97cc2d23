"""The command line of the benchmark.

Exit code 0: all gates asked for are kept. 1: one is missed, or a measurement failed. 2: the command line is wrong, or
what it asks for is not installed. 3: none is missed, but one could not be judged because others used the machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from bench import imports, judge, memory, recovery, report
from bench.contestants import CONTESTANTS, absent
from bench.fresh import DISK, MeasureFailed
from bench.gate import Gate, exit_code
from bench.rounds import TRIES, Bout, play

ALONE: dict[str, Callable[[Path], list[Gate]]] = {
    "memory": memory.gates,
    "recovery": recovery.gates,
    "imports": imports.gates,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line asks for; the answer is the exit code."""
    parser = _command_line()
    asked = parser.parse_args(arguments)
    if asked.judge and asked.quick:
        parser.error("a quick run judges nothing: leave out --quick or --judge")
    missing = absent()
    for name, package in missing.items():
        print(f"{name} takes no part: {package} is not installed")
    needed = {"ours"} if asked.what != "w" else {"ours", "floor"} if asked.judge else set()
    if needed & missing.keys() or len(missing) == len(CONTESTANTS):
        return 2
    try:
        return _work(asked, missing) if asked.what == "w" else _verdicts(ALONE[asked.what](asked.dir.resolve()))
    except MeasureFailed as failed:
        print(failed, file=sys.stderr)
        return 1


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast saga-journey is, and beside whom.")
    add = parser.add_argument
    add("what", nargs="?", choices=("w", *ALONE), default="w", help="work W (the default), or one gate alone")
    add("--judge", action="store_true", help="hold the figures against all gates, and exit with 1 if one is missed")
    add("--quick", action="store_true", help="one short round without dbos: shows that it runs, judges nothing")
    add("--rounds", type=int, default=3, help="turns of each contestant at each point (default: 3)")
    add("--seconds", type=float, default=3.0, help="the timed part of a point (default: 3)")
    add("--dir", type=Path, default=DISK, help="where the databases lie: the disk that is measured (default: .bench)")
    add("--out", type=Path, default=DISK / "last.json", help="the file with everything (default: .bench/last.json)")
    return parser


def _work(asked: argparse.Namespace, missing: Collection[str]) -> int:
    disk: Path = asked.dir.resolve()
    contestants = [name for name in CONTESTANTS if name not in missing and not (asked.quick and name == "dbos")]
    rounds, tries, seconds = (1, 1, 0.1) if asked.quick else (asked.rounds, TRIES, asked.seconds)
    bouts: list[Bout] = []
    for bout in play(contestants, rounds, tries, seconds, disk):
        bouts.append(bout)
        print("\n".join(report.table(bout)), flush=True)
    gates: list[Gate] = []
    if asked.judge:
        gates += judge.gates(bouts, "dbos" in contestants)
        gates += (gate for alone in ALONE.values() for gate in alone(disk))
    said = {"rounds": rounds, "seconds": seconds, "quick": asked.quick}
    report.write(asked.out, report.document(bouts, gates, said, missing))
    print(f"everything: {asked.out}")
    return _verdicts(gates)


def _verdicts(gates: Sequence[Gate]) -> int:
    for gate in gates:
        print(gate)
    return exit_code(gates)


if __name__ == "__main__":
    sys.exit(main())
