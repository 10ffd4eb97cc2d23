"""The command line of the benchmark.

Exit code 0: all gates asked for are kept. 1: one is missed, or a measurement failed. 2: the command line is wrong, or
what it asks for is not installed. 3: none is missed, but one could not be judged because others used the machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import claims, imports, judge, judge_postgres, memory, recovery, report, scaling
from bench.contestants import CONTESTANTS, Store, absent
from bench.fresh import DISK, MeasureFailed
from bench.gate import Gate, exit_code
from bench.grounds import ground
from bench.rounds import TRIES, Bout, play

Missing = dict[Store, dict[str, str]]

ALONE: dict[Store, dict[str, Callable[[Path], list[Gate]]]] = {
    "sqlite": {"memory": memory.gates, "recovery": recovery.gates, "imports": imports.gates},
    "postgres": {"scaling": scaling.gates, "claims": claims.gates},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line asks for; the answer is the exit code."""
    parser = _command_line()
    asked = parser.parse_args(arguments)
    if asked.judge and asked.quick:
        parser.error("a quick run judges nothing: leave out --quick or --judge")
    if asked.quick:
        asked.rounds, asked.seconds = 1, 0.1
    missing = _missing(asked)
    if any(name in there for there in missing.values() for name in _needed(asked)) or not _playable(missing):
        return 2
    try:
        return _work(asked, missing) if asked.what == "w" else _verdicts(_alone(asked))
    except MeasureFailed as failed:
        print(failed, file=sys.stderr)
        return 1


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast saga-journey is, and beside whom.")
    add = parser.add_argument
    alone = [name for gates in ALONE.values() for name in gates]
    add("what", nargs="?", choices=("w", *alone), default="w", help="work W (the default), or one gate alone")
    add("--store", choices=(*CONTESTANTS, "all"), default="all", help="where W is done (default: all)")
    add("--judge", action="store_true", help="hold the figures against all gates, and exit with 1 if one is missed")
    add("--quick", action="store_true", help="one short round without the peers: shows that it runs, judges nothing")
    add("--rounds", type=int, default=3, help="turns of each contestant at each point (default: 3)")
    add("--seconds", type=float, default=3.0, help="the timed part of a point (default: 3)")
    add("--dir", type=Path, default=DISK, help="where files of SQLite lie: the disk that is measured (default: .bench)")
    add("--out", type=Path, default=DISK / "last.json", help="the file with everything (default: .bench/last.json)")
    return parser


def _stores(asked: argparse.Namespace) -> list[Store]:
    """Those that have to do with what is asked for."""
    if asked.what != "w":
        return [store for store, gates in ALONE.items() if asked.what in gates]
    return [store for store in CONTESTANTS if asked.store in (store, "all")]


def _missing(asked: argparse.Namespace) -> Missing:
    """Who cannot take part in what is asked for; each is said in a line."""
    missing = {store: absent(store) for store in _stores(asked)}
    if asked.what != "w":
        missing = {
            store: {name: names[name] for name in _needed(asked) & names.keys()} for store, names in missing.items()
        }
    for store, names in missing.items():
        for name, what in names.items():
            print(f"{name} on {report.TITLES[store]} takes no part: {what} not installed", flush=True)
    return missing


def _needed(asked: argparse.Namespace) -> set[str]:
    """Without these, on every store that is asked for, there is nothing to be said."""
    if asked.what != "w":
        return {"ours"}
    return {"ours", "floor"} if asked.judge else set()


def _playable(missing: Missing) -> list[Store]:
    return [store for store, names in missing.items() if "ours" not in names]


def _work(asked: argparse.Namespace, missing: Missing) -> int:
    disk: Path = asked.dir.resolve()
    bouts: list[Bout] = []
    gates: list[Gate] = []
    for store in _playable(missing):
        contestants = [name for name in CONTESTANTS[store] if name not in missing[store]]
        if asked.quick:
            contestants = [name for name in contestants if name in ("floor", "ours")]
        played = list(_played(asked, store, contestants))
        bouts += played
        if asked.judge:
            gates += _judged(store, played, contestants)
            gates += (gate for alone in ALONE[store].values() for gate in alone(disk))
    said = {"rounds": asked.rounds, "seconds": asked.seconds, "quick": asked.quick}
    report.write(asked.out, report.document(bouts, gates, said, missing))
    print(f"everything: {asked.out}")
    return _verdicts(gates)


def _played(asked: argparse.Namespace, store: Store, contestants: Sequence[str]) -> Iterator[Bout]:
    """The bouts, each printed as soon as it is over."""
    tries = 1 if asked.quick else TRIES
    with ground(store, asked.dir.resolve()) as lend:
        for bout in play(store, contestants, asked.rounds, tries, asked.seconds, lend):
            print("\n".join(report.table(bout)), flush=True)
            yield bout


def _judged(store: Store, bouts: Sequence[Bout], contestants: Sequence[str]) -> Iterator[Gate]:
    if store == "sqlite":
        return judge.gates(bouts, "dbos" in contestants)
    return judge_postgres.gates(bouts, contestants)


def _alone(asked: argparse.Namespace) -> list[Gate]:
    (store,) = _stores(asked)
    return ALONE[store][asked.what](asked.dir.resolve())


def _verdicts(gates: Sequence[Gate]) -> int:
    for gate in gates:
        print(gate)
    return exit_code(gates)


if __name__ == "__main__":
    sys.exit(main())
