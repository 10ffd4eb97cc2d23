"""Thousands of random sagas: the machine and the naive model of `model.py` must agree after every single turn.

    SAGA_MODEL_SAGAS=200000 pytest tests/walks/test_model.py -s      more of them, with the table of what was reached
    SAGA_MODEL_SEED=123456 pytest tests/walks/test_model.py          other ones

A failure names its seed and tells the whole walk.
"""

from __future__ import annotations

import os

import pytest

from tests.walks.linear import Walk

SAGAS = int(os.environ.get("SAGA_MODEL_SAGAS", "10000"))
SEED = int(os.environ.get("SAGA_MODEL_SEED", "0"))
ENOUGH = 10_000  # sagas that reach every cell
PLENTY = 200_000  # sagas that reach the seldom ones, too

COLUMNS = ("F", "Fp", "Fa", "U", "Up", "Ua", "D", "X")
EVERYWHERE = " ".join(COLUMNS)

# The rows of table B1, and the columns in which each can arrive (in brackets: seldom). The others are impossible in a
# line: what is parked, or has ended, is not called, so nothing comes back from there; a late answer is a stale report.
REACHABLE = {
    "do ok": "F Fp U Up",
    "do ok, a stop waits": "F Fp",  # a cancelled structured journey drains
    "do ok: of the pivot": "F Fp",
    "do ok: of the pivot, a stop waits": "F Fp",
    "do ok: of a request": "F Fp U Up",
    "do refused": "F Fp U Up",
    "do refused: in doubt": "F Fp U (Up)",
    "do unknown or lost, budget left": "F Fp U Up",
    "pivot unknown, a stop waits": "F Fp",
    "do unknown or lost, budget spent": "F Fp U Up",
    "working": "F Fp U Up",
    "failed: before the pivot": "F Fp Fa",
    "failed: pivot in doubt": "F Fp (Fa)",
    "failed: pivot, a stop waits": "F Fp (Fa)",
    "failed: past the pivot": "F Fp Fa",
    "failed: optional": "F Fp (Fa)",
    "failed: structured": "F Fp Fa",
    "failed: while it drains": "F Fp U Up",
    "undo ok": "U Up",
    "undo unknown or lost, budget left": "U Up",
    "undo refused or budget spent": "U Up",
    "cancel": EVERYWHERE,
    "cancel: pivot held": "F Fp Fa",
    "cancel: pivot passed": "F Fp Fa",
    "cancel: pivot in doubt": "Fa",
    "cancel: structured": "F Fp Fa",
    "compensate": EVERYWHERE,
    "compensate: pivot held": "F Fp Fa",
    "compensate: pivot passed": "F Fp Fa",
    "compensate: pivot in doubt": "Fa",
    "compensate: structured": "F Fp Fa D X",
    "run deadline": EVERYWHERE,
    "deadline strikes: before the pivot": "F Fa",
    "deadline strikes: pivot held": "F (Fa)",
    "deadline strikes: missed": "F Fa",
    "deadline strikes: structured": "F Fa",
    "pause": EVERYWHERE,
    "resume": EVERYWHERE,
    "retry": EVERYWHERE,
    "retry edited": EVERYWHERE,
    "skip": EVERYWHERE,
    "happened": EVERYWHERE,
    "did_not_happen": EVERYWHERE,
    "undone": EVERYWHERE,
    "resolve": EVERYWHERE,
    "cannot call": "F Fp U Up",
    "cannot call: turned away": "F Fp U Up",
    "handlers back": EVERYWHERE,
    "crash_loop": "F Fp U Up",
    "advance": EVERYWHERE,
    "stale report": EVERYWHERE,
}

REACHABLE_CELLS = [(row, column) for row, columns in REACHABLE.items() for column in columns.split()]


def test_machine_and_model_agree_on_random_sagas(capsys: pytest.CaptureFixture[str]) -> None:
    cells: set[tuple[str, str]] = set()
    for seed in range(SEED, SEED + SAGAS):
        cells |= walked(seed).model.cells
    with capsys.disabled():
        print(f"\n{SAGAS} sagas from seed {SEED}: {len(cells)} cells of B1 reached")
    print(table(cells))
    seldom = {(row, column.strip("()")) for row, column in REACHABLE_CELLS if "(" in column}
    always = {cell for cell in REACHABLE_CELLS if "(" not in cell[1]}
    assert cells <= always | seldom, f"thought to be impossible: {sorted(cells - always - seldom)}"
    missed = ((always if SAGAS >= ENOUGH else set()) | (seldom if SAGAS >= PLENTY else set())) - cells
    assert not missed, f"never reached: {sorted(missed)}"


def test_the_same_seed_gives_the_same_walk() -> None:
    for seed in range(100):
        assert trace_of(seed) == trace_of(seed)


def trace_of(seed: int) -> list[str]:
    walk = Walk(seed, traced=True)
    walk.run()
    return walk.trace


def walked(seed: int) -> Walk:
    walk = Walk(seed)
    try:
        walk.run()
    except Exception as error:
        error.add_note(told(seed))
        raise
    return walk


def told(seed: int) -> str:
    """The same walk once more, this time with its story."""
    walk = Walk(seed, traced=True)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it was the first time
        walk.run()
    return "\n".join([f"seed {seed}:", *walk.trace])


def table(cells: set[tuple[str, str]]) -> str:
    """The cells as B1 draws them."""
    width = max(map(len, REACHABLE))
    rows = sorted({row for row, _ in cells}, key=list(REACHABLE).index)
    lines = [f"{row:{width}}  " + " ".join(c if (row, c) in cells else "-" * len(c) for c in COLUMNS) for row in rows]
    return "\n".join(lines)
