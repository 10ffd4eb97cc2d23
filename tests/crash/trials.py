"""Random trials: a seed picks a saga, how its participants answer, what its client does, and what befalls its workers.

The same seed is the same trial. What befalls the workers is a random subset of: kills, a worker that is frozen while
another one takes over, a deploy that has lost a handler, a wall clock that jumps.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from saga_journey import Retry
from saga_journey.testing.checker import Violation
from saga_journey.testing.crash import Boundary
from saga_journey.testing.databases import look_into
from saga_journey.testing.participants import KILLED as TAKEN_ALONG
from saga_journey.testing.participants import Reply
from tests.crash.life import Life, Pipes, Planted, work
from tests.crash.place import Place
from tests.crash.plans import OK, Block, Nested, Plan, Step
from tests.crash.processes import HUNG, KILLED, PATIENCE, ended, fork, go_on, stopped_or_ended

NAMES = ("reserve", "charge", "pack", "ship", "thank")
SHORT = 0.03
LIVES_AT_MOST = 12
"""A handler that takes its process along does so `Retry.lost` times at most."""

DO = (
    *[OK] * 8,
    (Reply.ERROR, Reply.OK),
    (Reply.EFFECT_THEN_ERROR, Reply.OK),
    (Reply.EFFECT_THEN_ERROR,),
    (Reply.EFFECT_THEN_ERROR, Reply.REFUSE),
    (Reply.REFUSE,),
    (Reply.REFUSE,),
    (Reply.WORKING, Reply.OK),
    (Reply.TIME_OUT, Reply.OK),
    (Reply.DEAF, Reply.REFUSE),
    (Reply.EXIT, Reply.OK),
    (Reply.EXIT,),
)
UNDO = (
    *[OK] * 6,
    (Reply.ERROR, Reply.OK),
    (Reply.EFFECT_THEN_ERROR, Reply.OK),
    (Reply.WORKING, Reply.OK),
    (Reply.EXIT, Reply.OK),
    (Reply.REFUSE,),
    None,
)


@dataclass(frozen=True)
class Trial:
    """A saga, and the lives of its workers, one after the other; a last one that nothing befalls follows by itself.

    `frozen`: the first worker stops at its boundary and is woken when the second one has stopped or ended.
    """

    seed: int
    plan: Plan
    lives: tuple[Life, ...]
    frozen: bool


def trial_of(seed: int) -> Trial:
    rng = random.Random(seed)
    plan = _plan(rng, seed)
    pauses = "pause" in plan.interfere  # a client that dies after it would leave the other one waiting
    frozen = not pauses and rng.random() < 0.3
    lives = _frozen_lives(rng, plan) if frozen else _lives(rng, plan)
    jump = rng.choice([0.0, 0.0, 3600.0, -3600.0])
    return Trial(seed, plan, tuple(replace(life, wall_jumps=jump) for life in lives), frozen)


def _plan(rng: random.Random, seed: int) -> Plan:
    count = rng.randint(1, len(NAMES))
    pivot = rng.randrange(count) if rng.random() < 0.25 else None
    steps = tuple(_step(rng, name, place, pivot) for place, name in enumerate(NAMES[:count]))
    interfere = rng.choice([(), (), ("cancel",), ("compensate",), ("pause", "resume"), ("pause", "cancel", "resume")])
    return Plan(
        f"trial-{seed}",
        _shaped(random.Random(f"the shape of {seed}"), steps, pivot),
        cue_at=rng.choice(steps).name if interfere else None,
        interfere=interfere,
        help=tuple(rng.choices(["retry", "skip", "mark_undone", "it_happened", "resolve"], k=rng.randint(0, 5))),
        afterwards=rng.choice([(), (), ("cancel",), ("cancel",), ("compensate",), ("cancel", "compensate")]),
        crowd=rng.choice([1, 1, 1, 3]),
        tenants=rng.choice([("acme",), ("acme", "globex")]),
        stranger=rng.choice([None, "initech"]),
        deadline=rng.choice([None, None, None, 0.05]),
        on_stuck_undo=rng.choice(["stop", "stop", "continue"]),
    )


def _shaped(rng: random.Random, steps: tuple[Step, ...], pivot: int | None) -> tuple[Step | Block | Nested, ...]:
    """Some of the steps as a block, or as a child: the same saga, but for what runs side by side, or as a saga."""
    firsts = [n for n in range(len(steps) - 1) if pivot not in (n, n + 1)]
    if not firsts or rng.random() < 0.6:
        return steps
    first = rng.choice(firsts)
    longer = first + 2 < len(steps) and pivot != first + 2 and rng.random() < 0.5
    second = steps[first + 1 : first + 3] if longer else steps[first + 1 : first + 2]
    past = pivot is not None and first > pivot
    nested = not past and rng.random() < 0.5
    part = Nested("nested", (steps[first], *second)) if nested else Block(((steps[first],), second))
    return (*steps[:first], part, *steps[first + 1 + len(second) :])


def _step(rng: random.Random, name: str, place: int, pivot: int | None) -> Step:
    policy: dict[str, object] = {"timeout": SHORT}
    first = rng.choice([0.0, 0.0, 0.0, 0.02])
    if rng.random() < 0.1:
        policy["at_most_once"] = True
    else:
        policy["retry"] = Retry(attempts=rng.randint(1, 4), first=first, most=first, lost=rng.randint(1, 3))
    if rng.random() < 0.1:
        policy["within"] = 0.05
    if place == pivot:
        policy["pivot"] = True
    elif rng.random() < 0.1:
        policy["optional"] = True
    undo = None if pivot is not None and place > pivot else rng.choice(UNDO)
    return Step(name, do=rng.choice(DO), undo=undo, policy=policy, emits=rng.random() < 0.3)


def _boundary(rng: random.Random, plan: Plan) -> Boundary:
    step = rng.choice(plan.every_step).name
    kinds = ["before-commit", "after-commit", f"before-do_{step}", f"after-do_{step}", f"after-undo_{step}"]
    kinds += ["after-start", "after-claim", "before-send", "after-send"]
    return Boundary(rng.choice(kinds), rng.choice([1, 1, 2, 3]))


def _lives(rng: random.Random, plan: Plan) -> list[Life]:
    """Some that are killed; perhaps one that has lost the code of a milestone."""
    lives = [Life(f"killed-{n}", _boundary(rng, plan)) for n in range(rng.choice([0, 1, 1, 2]))]
    if lives and rng.random() < 0.4:
        lives.append(Life("without", without=rng.choice(plan.every_step).name))
    return lives


def _frozen_lives(rng: random.Random, plan: Plan) -> list[Life]:
    step = rng.choice(plan.every_step).name
    first = rng.choice(["before-commit", "after-commit", f"before-do_{step}", f"after-do_{step}"])
    second = rng.choice(["after-claim", "after-claim", "before-commit", "after-commit", f"before-do_{step}"])
    return [
        Life("frozen", Boundary(first, rng.choice([1, 1, 2])), stops=True),
        Life("successor", Boundary(second, 1), stops=True),
    ]


def run_trial(place: Place, trial: Trial, planted: Planted | None = None) -> list[Violation | str]:
    """Every violation that the checker finds, after the last worker came to rest."""
    lives = [replace(life, planted=planted) for life in trial.lives]
    problems: list[Violation | str] = []
    ends = _freeze(place, trial, lives) if trial.frozen else [_live(place, trial, life) for life in lives]
    while HUNG not in ends and len(ends) < LIVES_AT_MOST:
        last = Life(f"last-{len(ends)}", wall_jumps=trial.lives[0].wall_jumps if trial.lives else 0.0, planted=planted)
        ends.append(_live(place, trial, last))
        if ends[-1] != TAKEN_ALONG:
            break
    problems += [f"a worker ended with status {end}" for end in ends if end not in (0, KILLED, TAKEN_ALONG, HUNG)]
    if HUNG in ends or ends[-1] != 0:
        problems.append("I15: the saga does not come to rest")
    return [*problems, *place.check()]


def _live(place: Place, trial: Trial, life: Life) -> int:
    end = ended(fork(lambda: work(place, trial.plan, life, Pipes()), _patience(life)))
    place.bury()
    return end


def _patience(life: Life) -> int:
    return PATIENCE if life.planted is None else 3  # a bug may well make it hang


def _freeze(place: Place, trial: Trial, lives: Sequence[Life]) -> list[int]:
    """The first worker is frozen, loses its lease and its saga, and wakes up beside the second one."""
    first, second = lives
    moved, moves = os.pipe()
    frozen = fork(lambda: work(place, trial.plan, first, Pipes(moved=moves)), _patience(first))
    os.close(moves)
    end = stopped_or_ended(frozen)
    if end is not None:
        os.close(moved)
        place.bury()
        return [end]
    _expire_leases(place)
    successor = fork(lambda: work(place, trial.plan, second, Pipes()), _patience(second))
    end = stopped_or_ended(successor)
    go_on(frozen)
    os.read(moved, 1)  # it has written, or was refused, or is gone
    if end is None:
        go_on(successor)
        end = ended(successor)
    os.close(moved)
    ends = [ended(frozen), end]
    place.bury()
    return ends


def _expire_leases(place: Place) -> None:
    """What time would do: the frozen worker's lease is over. On SQLite it still has its lock."""
    with closing(look_into(place.database, writing=True)) as looking:
        short = "lease = 0, " if looking.dialect == "postgres" else ""  # as tests/leases.py says
        looking.execute(f"update owner set {short}lease_until = 0")
