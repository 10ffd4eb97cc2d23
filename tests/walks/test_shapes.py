"""Thousands of random journeys of every shape, each with its children: no model, but the truth, the laws, and an end.

    SAGA_SHAPE_RUNS=200000 pytest tests/walks/test_shapes.py -s      more of them, with what they came across
    SAGA_SHAPE_SEED=123456 pytest tests/walks/test_shapes.py         other ones

After every turn of every run: its journal folds to the state that was decided; the laws of section B hold; what the run
says is true of the world; what a parent says of its child is true of the child. In the end faults stop, and every run
comes to its end. A failure names its seed and tells the whole walk.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.walks.families import Walk
from tests.walks.shape_cells import SITUATIONS

RUNS = int(os.environ.get("SAGA_SHAPE_RUNS", "10000"))
SEED = int(os.environ.get("SAGA_SHAPE_SEED", "0"))
ENOUGH = 10_000  # runs that come across everything
STEPS = 40


def test_every_promise_is_kept_by_journeys_of_every_shape(capsys: pytest.CaptureFixture[str]) -> None:
    seen: Counter[str] = Counter()
    seed, runs = SEED, 0
    while runs < RUNS:
        walk = walked(seed)
        seen.update(walk.seen)
        seed, runs = seed + 1, runs + len(walk.members)
    with capsys.disabled():
        print(f"\n{runs} runs in {seed - SEED} families from seed {SEED}: {len(seen)} situations")
    print(*(f"{count:>8}  {name}" for name, count in seen.most_common()), sep="\n")
    assert seen.keys() <= SITUATIONS
    if runs >= ENOUGH:
        assert not SITUATIONS - seen.keys(), "never come across"


def test_the_same_seed_gives_the_same_walk() -> None:
    for seed in range(40):
        assert trace_of(seed) == trace_of(seed)


def trace_of(seed: int) -> list[str]:
    walk = Walk(seed, traced=True)
    walk.run(STEPS)
    return walk.trace


def walked(seed: int) -> Walk:
    walk = Walk(seed)
    try:
        walk.run(STEPS)
    except Exception as error:
        error.add_note(told(seed))
        raise
    return walk


def told(seed: int) -> str:
    """The same walk once more, this time with its story."""
    walk = Walk(seed, traced=True)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it was the first time
        walk.run(STEPS)
    return "\n".join([f"seed {seed}:", *walk.trace])
