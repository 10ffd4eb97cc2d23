"""What happened at the milestones, read out of journals: of one run, and of many together.

A milestone's time is from its first intent to its end: queueing, retries and waits are in it, pauses are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from saga_journey.core.codec import decode_turn
from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.evolve import evolve
from saga_journey.core.state import (
    COMPLETED,
    REFUSED,
    SKIPPED,
    UNKNOWN,
    Calls,
    MilestoneState,
    MilestoneStatus,
    RunState,
    UndoStatus,
)

ENDED = frozenset({COMPLETED, REFUSED, UNKNOWN, SKIPPED})


class Passage:
    """One milestone of one run in time. Times are store time; `seconds` is how long it took, once it is completed."""

    __slots__ = ("ended_at", "exhausted", "seconds", "started_at", "undo_failures")

    def __init__(self) -> None:
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.seconds: float | None = None
        self.exhausted: bool = False  # it ended without an answer at the last attempt that its policy allows
        self.undo_failures: int = 0


@dataclass(slots=True)
class Followed:
    """A run that was folded with an eye on its milestones: one passage for each, in their order."""

    state: RunState
    passages: list[Passage]
    attentions: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    """How often the run began to wait for a person, by (kind, milestone)."""


def follow(definition: JourneyDefinition, saga_id: str, rows: Iterable[tuple[float, str]]) -> Followed:
    """Folds a journal: the time of each turn, and its events as stored."""
    run = Followed(RunState(definition, saga_id), [Passage() for _ in definition.milestones])
    for at, text in rows:
        before, run.state = run.state, evolve(run.state, decode_turn(text), at)
        for index, (was, now) in enumerate(zip(before.milestones, run.state.milestones, strict=True)):
            if was is not now:  # a state shares what has not changed with the one before it
                _note(run.passages[index], definition.milestones[index], was, now, at)
        if run.state.attention is not before.attention:
            fresh = [a for a in run.state.attention if a not in before.attention]
            run.attentions.update((a.kind, a.milestone) for a in fresh)
    return run


def _note(passage: Passage, spec: Milestone, was: MilestoneState, now: MilestoneState, at: float) -> None:
    if now.undo_status is UndoStatus.FAILED and was.undo_status is not UndoStatus.FAILED:
        passage.undo_failures += 1
    if now.order == 0:  # never started, or taken back
        passage.started_at = passage.ended_at = passage.seconds = None
        return
    if now.order != was.order:
        passage.started_at = at
    if now.status not in ENDED:
        passage.ended_at = passage.seconds = None
    elif was.status not in ENDED:
        passage.ended_at = at
        if now.status is COMPLETED and was.do is not None:
            passage.seconds = at - was.do.since
        passage.exhausted |= now.status is UNKNOWN and _number(now.do) >= spec.retry.attempts


@dataclass(slots=True)
class MilestoneTally:
    """One milestone in many runs. Where versions differ, its policies are those of the newest run that has it."""

    spec: Milestone
    reached: int = 0
    """Runs in which it was started."""
    ended: Counter[MilestoneStatus] = field(default_factory=Counter)
    """How it has ended, in how many of these; in the others it is open."""
    attempts: int = 0
    retried: int = 0
    """Runs in which it took more than one attempt."""
    exhausted: int = 0
    doubtful: int = 0
    """Runs of which nobody knows whether it had an effect."""
    undos: int = 0
    """Runs in which its undo was called, or done by hand."""
    undo_failures: int = 0
    """Runs in which its undo was given up at least once."""
    attentions: Counter[str] = field(default_factory=Counter)
    """How often a run waited for a person here, by kind."""
    seconds: list[float] = field(default_factory=list)
    """How long it took, in the runs in which it is completed."""
    first_try: list[float] = field(default_factory=list)
    """The same, where one attempt was enough: what a timeout has to leave room for."""


def tally(runs: Iterable[Followed]) -> dict[str, MilestoneTally]:
    """The milestones of these runs, newest first, by id."""
    found: dict[str, MilestoneTally] = {}
    for run in runs:
        for spec, m, passage in zip(run.state.definition.milestones, run.state.milestones, run.passages, strict=True):
            _count(found.setdefault(spec.id, MilestoneTally(spec)), m, passage)
        for (kind, milestone), times in run.attentions.items():
            if milestone is not None:
                found[milestone].attentions[kind] += times
    return found


def _count(t: MilestoneTally, m: MilestoneState, passage: Passage) -> None:
    t.undo_failures += passage.undo_failures > 0
    if m.order == 0:
        return
    number = _number(m.do)
    t.reached += 1
    if m.status in ENDED:
        t.ended[m.status] += 1
    t.attempts += number
    t.retried += number > 1
    t.exhausted += passage.exhausted
    t.doubtful += m.status in ENDED and (m.doubt or m.status is UNKNOWN)
    t.undos += m.undo_status is not UndoStatus.NONE
    if passage.seconds is not None:
        t.seconds.append(passage.seconds)
        if number == 1:
            t.first_try.append(passage.seconds)


def _number(calls: Calls | None) -> int:
    return calls.number if calls is not None else 0


def nearest_rank(values: list[float], percent: int) -> float | None:
    """The smallest of the values that is not below so many percent of them; None when there are none."""
    return sorted(values)[(len(values) * percent - 1) // 100] if values else None
