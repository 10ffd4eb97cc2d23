"""What analytics answers: plain JSON objects. Shares and rates are numbers from 0 to 1, durations are seconds.

Every answer begins with the fields of `Span`: of which runs it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.state import FINAL, SagaStatus
from saga_journey.core.tally import MilestoneTally, nearest_rank
from saga_journey.orchestrators.advice import Recommendation
from saga_journey.orchestrators.cohorts import Span
from saga_journey.ports import Count, Durations, Period

ENOUGH = 30
"""With fewer runs than this on a side, a comparison says that they are too few."""

SURE = 1.96
"""How many standard errors apart two rates are called different: one comparison in twenty is called so by chance."""

CLOSE = 0.1
"""Medians that differ by less than this share of the larger one are called about the same."""


class DurationView(TypedDict):
    """How long completed runs took from start to end: waits, pauses and retries are in it.

    `median_seconds` and `p95_seconds` are by nearest rank: durations that really occurred.
    """

    runs: int
    average_seconds: float
    median_seconds: float
    p95_seconds: float
    shortest_seconds: float
    longest_seconds: float


class CompletionRate(Span):
    """How many came through. `rate` is of the runs that have `ended`, whichever way; None when none has.

    A run that is compensated after it was completed counts as compensated.
    """

    runs: int
    ended: int
    completed: int
    unfinished: int
    rate: float | None


class JourneyMetrics(CompletionRate):
    """As `CompletionRate`, with where all runs stand and how long the completed ones took.

    `by_status` has every status; `want_handlers` of the failed ones wait for a worker that has their handlers.
    """

    by_status: dict[str, int]
    want_handlers: int
    durations: DurationView | None


class AverageDuration(Span):
    """How long completed runs took; None when none is completed."""

    durations: DurationView | None


class DropOffPoint(TypedDict):
    """Where runs stopped going forward, and how they stand now. `share` is of all runs, `of_stopped` of those.

    `milestone` None: they had come through, and were undone afterwards.
    """

    milestone: str | None
    runs: int
    share: float
    of_stopped: float
    by_status: dict[str, int]


class DropOffs(Span):
    """Where runs stopped, the most frequent place first.

    A run stopped at the milestone that failed; or that it had come to when a person or its deadline stopped it; or at
    which it waits for a person now. `unread` ones were parked before anybody looked where they are.
    """

    runs: int
    stopped: int
    points: list[DropOffPoint]
    unread: int


class PeriodView(TypedDict):
    """Of the runs that were started in it. `stopped` ones turned back or wait for a person; the others still go on."""

    since: float
    until: float
    completed: int
    stopped: int
    average_seconds: float | None


class MilestoneTime(TypedDict):
    """Where the time goes: how long a milestone took, in the `runs` of the sample that completed it."""

    milestone: str
    runs: int
    median_seconds: float
    p95_seconds: float
    share_of_time: float


class Performance(JourneyMetrics):
    """The metrics, how they went over time (oldest period first), where runs stopped, and where the time goes.

    `slowest` is from the journals of the `sample` newest runs, the milestone that takes most of the time first.
    """

    periods: list[PeriodView]
    points: list[DropOffPoint]
    slowest: list[MilestoneTime]
    sample: int


class Recommendations(Span):
    """What to look at, the most frequent first. `enough`: there were enough runs to say anything.

    Rules about attempts, timeouts and undos look at the journals of the `sample` newest runs.
    """

    runs: int
    sample: int
    enough: bool
    recommendations: list[Recommendation]


Verdict = Literal["first", "second", "no_clear_difference", "too_few_runs"]


class Comparison(TypedDict):
    """Two journeys, or two versions of one. What is better, or that nobody can say.

    `completes_more` compares the rates; a difference that chance makes in one case of twenty is not clear. `faster`
    compares the medians; less than a tenth is not clear. Both need 30 runs on each side.
    """

    first: JourneyMetrics
    second: JourneyMetrics
    completes_more: Verdict
    faster: Verdict


class Benchmarks(TypedDict):
    """A journey beside its own past: windows of the same length, newest first, and what changed since the one before.

    `change` has the verdicts of a comparison of the newest window (`first`) with the one before it (`second`).
    """

    journey: str
    version: int | None
    window_seconds: float
    windows: list[JourneyMetrics]
    change: dict[str, Verdict]


def duration_view(d: Durations | None) -> DurationView | None:
    if d is None:
        return None
    return DurationView(
        runs=d.runs,
        average_seconds=d.average,
        median_seconds=d.median,
        p95_seconds=d.p95,
        shortest_seconds=d.shortest,
        longest_seconds=d.longest,
    )


def completion_rate(span: Span, counts: Sequence[Count]) -> CompletionRate:
    by_status = _by_status(counts)
    runs, ended = sum(by_status.values()), sum(by_status[status] for status in FINAL)
    completed = by_status[SagaStatus.COMPLETED]
    rate = completed / ended if ended else None
    return CompletionRate(**span, runs=runs, ended=ended, completed=completed, unfinished=runs - ended, rate=rate)


def metrics(span: Span, counts: Sequence[Count], durations: Durations | None) -> JourneyMetrics:
    by_status = _by_status(counts)
    return JourneyMetrics(
        **completion_rate(span, counts),
        by_status={status.value: by_status[status] for status in SagaStatus},
        want_handlers=sum(c.want_handlers for c in counts),
        durations=duration_view(durations),
    )


def _by_status(counts: Sequence[Count]) -> Counter[SagaStatus]:
    found: Counter[SagaStatus] = Counter()
    for count in counts:
        found[count.status] += count.runs
    return found


def drop_offs(counts: Sequence[Count], definitions: Mapping[int, JourneyDefinition]) -> list[DropOffPoint]:
    """Where runs stopped, the most frequent place first; equal ones as they come in the journey."""
    places: dict[str | None, Counter[SagaStatus]] = {}
    stops = [(count, count.stopped) for count in counts if count.stopped is not None]
    for count, place in sorted(stops, key=lambda stop: (-stop[0].definition, stop[1])):
        name = milestone_id(definitions[count.definition], place)
        places.setdefault(name, Counter())[count.status] += count.runs
    everything = sum(c.runs for c in counts)
    stopped = sum(statuses.total() for statuses in places.values())
    return [
        DropOffPoint(
            milestone=name,
            runs=statuses.total(),
            share=statuses.total() / everything,
            of_stopped=statuses.total() / stopped,
            by_status={status.value: runs for status, runs in statuses.most_common()},
        )
        for name, statuses in sorted(places.items(), key=lambda place: -place[1].total())
    ]


def milestone_id(definition: JourneyDefinition, place: int) -> str | None:
    """None for the place after the last one."""
    return definition.milestones[place].id if place < len(definition.milestones) else None


def period_view(period: Period) -> PeriodView:
    return PeriodView(
        since=period.since,
        until=period.until,
        completed=period.completed,
        stopped=period.stopped,
        average_seconds=period.average,
    )


def slowest(milestones: Mapping[str, MilestoneTally]) -> list[MilestoneTime]:
    """Those that take most of the time first; without those that no run completed."""
    whole = sum(sum(t.seconds) for t in milestones.values())
    found = [
        MilestoneTime(
            milestone=name,
            runs=len(t.seconds),
            median_seconds=nearest_rank(t.seconds, 50) or 0.0,
            p95_seconds=nearest_rank(t.seconds, 95) or 0.0,
            share_of_time=sum(t.seconds) / whole if whole else 0.0,
        )
        for name, t in milestones.items()
        if t.seconds
    ]
    return sorted(found, key=lambda m: -m["share_of_time"])


def completes_more(first: CompletionRate, second: CompletionRate) -> Verdict:
    """Which one has the higher rate; two proportions, pooled."""
    a, b = first["ended"], second["ended"]
    if a < ENOUGH or b < ENOUGH:
        return "too_few_runs"
    pooled = (first["completed"] + second["completed"]) / (a + b)
    error = math.sqrt(pooled * (1 - pooled) * (1 / a + 1 / b))
    difference = first["completed"] / a - second["completed"] / b
    return "no_clear_difference" if abs(difference) <= SURE * error else "first" if difference > 0 else "second"


def faster(first: DurationView | None, second: DurationView | None) -> Verdict:
    """Which one has the smaller median."""
    if first is None or second is None or first["runs"] < ENOUGH or second["runs"] < ENOUGH:
        return "too_few_runs"
    a, b = first["median_seconds"], second["median_seconds"]
    return "no_clear_difference" if abs(a - b) <= CLOSE * max(a, b) else "first" if a < b else "second"
