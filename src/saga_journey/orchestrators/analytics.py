"""Numbers about a journey: how many runs come through, how long it takes, where they stop, what to look at.

All of them are counted by the store over its index of runs; only what concerns single milestones is read out of
journals, of a bounded number of the newest runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Required, TypedDict

from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.state import SagaStatus
from saga_journey.errors import InvalidInput
from saga_journey.orchestrators import analytics_views as views
from saga_journey.orchestrators.advice import ENOUGH_RUNS, Facts, Stop, recommendations
from saga_journey.orchestrators.cohorts import Question, ask
from saga_journey.orchestrators.samples import take_sample
from saga_journey.ports import Count
from saga_journey.runs import Runs, UserContext

WEEK = 7 * 24 * 3600.0
MOST_PERIODS = 100


class JourneyVersion(TypedDict, total=False):
    """One side of a comparison."""

    journey: Required[str]
    version: int | None


class JourneyAnalytics:
    """Figures of the tenant of `user_context`; another tenant's runs are in none of them.

    `journey` is its name (all versions, or one `version`), or the `journey_id` of a designed one. Runs are counted by
    when they were started: from `since` on and before `until`, in seconds since the epoch. Every operation raises
    UnknownJourney, which names what comes near, and InvalidInput for a version or a span that is none.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def calculate_journey_metrics(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> views.JourneyMetrics:
        """How many runs stand where, how many came through, and how long that took."""
        return await self._metrics(await self._ask(journey, user_context, version, since, until))

    async def get_completion_rate(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> views.CompletionRate:
        """Of the runs that have ended, how many came through."""
        question = await self._ask(journey, user_context, version, since, until)
        return views.completion_rate(question.span, await question.counts())

    async def get_average_duration(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> views.AverageDuration:
        """How long completed runs took: average, median, p95, shortest, longest."""
        question = await self._ask(journey, user_context, version, since, until)
        return views.AverageDuration(**question.span, durations=views.duration_view(await question.durations()))

    async def identify_drop_off_points(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> views.DropOffs:
        """At which milestones runs stopped: failed, turned back, cancelled, or waiting for a person."""
        question = await self._ask(journey, user_context, version, since, until)
        counts = await question.counts()
        return views.DropOffs(
            **question.span,
            runs=sum(c.runs for c in counts),
            stopped=sum(c.runs for c in counts if c.stopped is not None),
            points=views.drop_offs(counts, await self._definitions(counts)),
            unread=sum(c.runs for c in counts if c.stopped is None and c.status is SagaStatus.FAILED),
        )

    async def analyze_journey_performance(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
        periods: int = 7,
    ) -> views.Performance:
        """The metrics of the last week (or of the span asked for), period by period, and where the time goes."""
        _check_number("periods", periods, MOST_PERIODS)
        question = await self._ask(journey, user_context, version, since, until)
        if since is None:
            question = question.within(question.span["until"] - WEEK, question.span["until"])
        counts, durations, sample, over_time = await asyncio.gather(
            question.counts(), question.durations(), take_sample(self._runs, question), question.over_time(periods)
        )
        return views.Performance(
            **views.metrics(question.span, counts, durations),
            periods=[views.period_view(period) for period in over_time],
            points=views.drop_offs(counts, await self._definitions(counts)),
            slowest=views.slowest(sample.milestones),
            sample=sample.runs,
        )

    async def get_optimization_recommendations(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> views.Recommendations:
        """What the measured facts give reason to look at (`orchestrators.advice` has the rules), with the evidence."""
        question = await self._ask(journey, user_context, version, since, until)
        counts, durations, sample = await asyncio.gather(
            question.counts(), question.durations(), take_sample(self._runs, question)
        )
        points = views.drop_offs(counts, await self._definitions(counts))
        facts = Facts(
            since=question.span["since"],
            until=question.span["until"],
            runs=sum(c.runs for c in counts),
            failed=sum(c.runs for c in counts if c.status is SagaStatus.FAILED),
            want_handlers=sum(c.want_handlers for c in counts),
            stops=[Stop(point["milestone"], point["runs"]) for point in points],
            durations=durations,
            sample=sample.runs,
            milestones=sample.milestones,
        )
        return views.Recommendations(
            **question.span,
            runs=facts.runs,
            sample=sample.runs,
            enough=facts.runs >= ENOUGH_RUNS,
            recommendations=recommendations(facts),
        )

    async def compare_journeys(
        self,
        first: str | JourneyVersion,
        second: str | JourneyVersion,
        user_context: UserContext | None = None,
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> views.Comparison:
        """Two journeys, or two versions: {"journey": "checkout", "version": 2}. Says when there are too few runs."""
        asked = [
            await self._ask(name, user_context, version, since, until) for name, version in map(_side, (first, second))
        ]
        sides = await asyncio.gather(*map(self._metrics, asked))
        return views.Comparison(
            first=sides[0],
            second=sides[1],
            completes_more=views.completes_more(sides[0], sides[1]),
            faster=views.faster(sides[0]["durations"], sides[1]["durations"]),
        )

    async def get_journey_benchmarks(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        window: float = WEEK,
        windows: int = 2,
    ) -> views.Benchmarks:
        """The journey beside its own past: this window (seconds, up to now) and the ones before it, newest first.

        Of the newest window more runs are still under way; rates are of those that have ended.
        """
        _check_number("windows", windows, MOST_PERIODS, least=2)
        question = await self._ask(journey, user_context, version, None, None)
        end = question.span["until"]
        _check_window(window, end / windows)
        spans = [question.within(end - window * (n + 1), end - window * n) for n in range(windows)]
        found = await asyncio.gather(*map(self._metrics, spans))
        change: dict[str, views.Verdict] = {
            "completes_more": views.completes_more(found[0], found[1]),
            "faster": views.faster(found[0]["durations"], found[1]["durations"]),
        }
        name, only = question.span["journey"], question.span["version"]
        return views.Benchmarks(journey=name, version=only, window_seconds=float(window), windows=found, change=change)

    # --- how ---

    async def _ask(
        self, journey: object, who: UserContext | None, version: int | None, since: float | None, until: float | None
    ) -> Question:
        return await ask(self._runs, journey, who, version=version, since=since, until=until)

    async def _metrics(self, question: Question) -> views.JourneyMetrics:
        counts, durations = await asyncio.gather(question.counts(), question.durations())
        return views.metrics(question.span, counts, durations)

    async def _definitions(self, counts: list[Count]) -> Mapping[int, JourneyDefinition]:
        numbers = {c.definition for c in counts if c.stopped is not None}
        return {number: await self._runs.store.definition(number) for number in numbers}


def _side(side: object) -> tuple[object, int | None]:
    if not isinstance(side, Mapping):
        return side, None
    if strange := sorted(str(name) for name in set(side) - set(JourneyVersion.__annotations__)):
        raise InvalidInput(f"a side has {', '.join(strange)}: it has journey and version")
    if "journey" not in side:
        raise InvalidInput('a side names no journey: {"journey": "checkout", "version": 2}')
    return side["journey"], side.get("version")


def _check_number(what: str, number: object, most: int, least: int = 1) -> None:
    if type(number) is not int or not least <= number <= most:
        raise InvalidInput(f"{what} is {number!r}: it is a whole number from {least} to {most}")


def _check_window(window: object, most: float) -> None:
    if not isinstance(window, int | float) or isinstance(window, bool) or not 0 < window < most:
        raise InvalidInput(f"window is {window!r}: it is a number of seconds above 0, as long as one window is")
