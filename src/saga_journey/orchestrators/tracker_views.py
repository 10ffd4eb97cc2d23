"""What the milestone tracker answers: plain JSON objects, made from a run's journal each time they are asked for.

Times are seconds since the epoch in store time, durations are seconds, percent are whole numbers from 0 to 100.
"""

from __future__ import annotations

from typing import Any, TypedDict

from saga_journey.core.progress import VERBS, RunView, must_come_first, verbs, view
from saga_journey.core.state import COMPLETED, REFUSED, SKIPPED, UNKNOWN
from saga_journey.core.tally import Followed, MilestoneTally, nearest_rank
from saga_journey.orchestrators.cohorts import Span


class MilestoneStart(TypedDict):
    """A milestone that is open. `attempt` is the current one: pass it on as `expected_attempt` when you complete it.

    `waits_for_answer`: its outcome comes from outside (`track_milestone_complete`); else somebody is called, or it
    waits for a time or a child. `paused`: nothing is called meanwhile.
    """

    saga_id: str
    milestone_id: str
    status: str
    since: float
    attempt: int
    waits_for_answer: bool
    paused: bool


class MilestoneAnswer(TypedDict):
    """What a command did. `code` is "applied", "no_change" or "deferred"; what is refused raises Rejected instead."""

    saga_id: str
    milestone_id: str | None
    accepted: bool
    code: str
    detail: str


class TrackedMilestone(TypedDict):
    """A milestone as it stands. `place` counts from 1; `attempts` and `undo_attempts` count the current one.

    `started_at` is its first intent, `ended_at` its outcome, `seconds` how long it took without pauses, once it is
    completed. `in_doubt`: an attempt ended without an answer, and none has answered since. `must_come_first`: what
    leads to it and is not through. `attention`: what of it waits for a person, `verbs` what a person can do about it.
    """

    saga_id: str
    milestone_id: str
    place: int
    status: str
    optional: bool
    pivot: bool
    started_at: float | None
    ended_at: float | None
    seconds: float | None
    attempts: int
    next_attempt_at: float | None
    in_doubt: bool
    error: str | None
    result: Any
    has_undo: bool
    undo: str
    undo_attempts: int
    must_come_first: list[str]
    attention: list[str]
    verbs: list[str]


class JourneyProgress(TypedDict):
    """How far a run has come. `percent` is of the way forward, or of the undo once it has turned back.

    Each milestone is in exactly one of the lists: `completed`, `skipped` (the ones of arms not taken, too), `current`
    (running or waiting), `ended_badly` (refused or unknown), `remaining`.
    """

    saga_id: str
    journey: str
    version: int
    status: str
    percent: int
    completed: list[str]
    skipped: list[str]
    current: list[str]
    ended_badly: list[str]
    remaining: list[str]
    waiting_for: str | None
    because: str | None
    verbs: list[str]
    milestones: list[TrackedMilestone]
    started_at: float
    updated_at: float
    seq: int


class MilestoneEvent(TypedDict):
    """One event of a journal."""

    seq: int
    at: float
    name: str
    fields: dict[str, Any]


class MilestoneHistory(TypedDict):
    """All events of a run that name the milestone, oldest first. An intent is implied by the event before it."""

    saga_id: str
    milestone_id: str
    events: list[MilestoneEvent]


class MilestoneFigures(TypedDict):
    """One milestone in the runs of a sample. Shares are of the runs that `reached` it, from 0 to 1.

    `open`: it has not ended yet; `skipped` by a person. What it took is in seconds, by nearest rank, without pauses,
    of the runs in which it is completed; None when it is in none.
    `exhausted`: unknown after all its attempts. `doubtful`: nobody knows whether it had an effect. `undos`: runs in
    which its undo was called or done by hand, `undo_failures` of them had it given up. `attentions`: how often a run
    waited for a person here, by kind.
    """

    milestone_id: str
    reached: int
    completed: float
    refused: float
    unknown: float
    skipped: float
    open: float
    average_attempts: float | None
    retried: float
    exhausted: float
    doubtful: float
    median_seconds: float | None
    p95_seconds: float | None
    undos: int
    undo_failures: int
    attentions: dict[str, int]


class MilestoneAnalytics(Span):
    """What happened at each milestone, read out of the journals of the `runs` newest runs, at most `most` of them.

    Fewer when there are fewer, or when their journals are large (32 MiB in all). `unreadable` ones are not counted.
    """

    runs: int
    unreadable: int
    most: int
    milestones: list[MilestoneFigures]


def tracked(run: Followed, index: int, whole: RunView | None = None) -> TrackedMilestone:
    """`whole`: the view of the run, when it was made already."""
    state, passage = run.state, run.passages[index]
    m = (whole or view(state)).milestones[index]
    here = [a.kind for a in state.attention if a.milestone == m.id]
    return TrackedMilestone(
        saga_id=state.saga_id,
        milestone_id=m.id,
        place=index + 1,
        status=m.status.value,
        optional=m.optional,
        pivot=m.pivot,
        started_at=passage.started_at,
        ended_at=passage.ended_at,
        seconds=passage.seconds,
        attempts=m.attempts,
        next_attempt_at=m.next_attempt_at,
        in_doubt=m.in_doubt,
        error=m.error,
        result=m.result,
        has_undo=m.has_undo,
        undo=m.undo.value,
        undo_attempts=m.undo_attempts,
        must_come_first=must_come_first(state, index) if state.final is None else [],
        attention=[*here],
        verbs=[verb for verb in verbs(state) if any(verb in VERBS[kind] for kind in here)],
    )


def journey_progress(run: Followed) -> JourneyProgress:
    whole = view(run.state)
    by_status = {m.id: m.status for m in whole.milestones}
    known = {COMPLETED, SKIPPED, REFUSED, UNKNOWN}
    started = {
        spec.id for spec, m in zip(run.state.definition.milestones, run.state.milestones, strict=True) if m.order
    }
    return JourneyProgress(
        saga_id=whole.saga_id,
        journey=whole.journey,
        version=whole.version,
        status=whole.status.value,
        percent=whole.percent,
        completed=[name for name, status in by_status.items() if status is COMPLETED],
        skipped=[name for name, status in by_status.items() if status is SKIPPED],
        current=[name for name, status in by_status.items() if status not in known and name in started],
        ended_badly=[name for name, status in by_status.items() if status in (REFUSED, UNKNOWN)],
        remaining=[name for name, status in by_status.items() if status not in known and name not in started],
        waiting_for=whole.waiting_for,
        because=whole.because,
        verbs=list(whole.verbs),
        milestones=[tracked(run, index, whole) for index in range(len(whole.milestones))],
        started_at=whole.started_at,
        updated_at=whole.updated_at,
        seq=whole.seq,
    )


def milestone_figures(name: str, t: MilestoneTally) -> MilestoneFigures:
    reached = t.reached or 1
    not_open = t.ended[COMPLETED] + t.ended[REFUSED] + t.ended[UNKNOWN] + t.ended[SKIPPED]
    return MilestoneFigures(
        milestone_id=name,
        reached=t.reached,
        completed=t.ended[COMPLETED] / reached,
        refused=t.ended[REFUSED] / reached,
        unknown=t.ended[UNKNOWN] / reached,
        skipped=t.ended[SKIPPED] / reached,
        open=(t.reached - not_open) / reached,
        average_attempts=t.attempts / t.reached if t.reached else None,
        retried=t.retried / reached,
        exhausted=t.exhausted / reached,
        doubtful=t.doubtful / reached,
        median_seconds=nearest_rank(t.seconds, 50),
        p95_seconds=nearest_rank(t.seconds, 95),
        undos=t.undos,
        undo_failures=t.undo_failures,
        attentions=dict(t.attentions),
    )
