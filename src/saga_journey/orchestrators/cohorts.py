"""Which runs a question is about: of which journey, in which version, started when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from saga_journey.errors import InvalidInput, UnknownJourney, did_you_mean
from saga_journey.orchestrators.designs import Designs
from saga_journey.ports import Cohort, Count, Durations, Figures, Period, SampledRun, StoredJourney
from saga_journey.runs import Runs, UserContext, tenant_of

MOST_NAMES = 5


class Span(TypedDict):
    """Of which runs the figures of an answer are.

    `version` None: all versions. Runs are counted by when they were started: from `since` on, and before `until`, in
    seconds since the epoch in store time. `since` None: from the first one on. `until` is the end of the second that
    was running when nothing else was asked for.
    """

    journey: str
    version: int | None
    since: float | None
    until: float


@dataclass(frozen=True, slots=True)
class Question:
    """Runs of one journey of one tenant. Asks the store about them."""

    tenant: str
    span: Span
    cohort: Cohort
    figures: Figures

    async def counts(self) -> list[Count]:
        return await self.figures.counts(self.tenant, self.cohort)

    async def durations(self) -> Durations | None:
        return await self.figures.durations(self.tenant, self.cohort)

    async def over_time(self, periods: int) -> list[Period]:
        return await self.figures.over_time(self.tenant, self.cohort, periods)

    async def newest(self, most: int) -> list[SampledRun]:
        return await self.figures.newest(self.tenant, self.cohort, most)

    def within(self, since: float, until: float) -> Question:
        """The same question about another span."""
        span: Span = {**self.span, "since": since, "until": until}
        return Question(self.tenant, span, Cohort(self.cohort.definitions, since, until), self.figures)


async def ask(
    runs: Runs,
    journey: object,
    who: UserContext | None,
    *,
    version: int | None = None,
    since: float | None = None,
    until: float | None = None,
) -> Question:
    """`journey` is its name; or a `journey_id` that designing it gave, for the runs of exactly that definition.

    Raises UnknownJourney, which names what comes near, and InvalidInput for a version or a span that is none.
    """
    tenant, figures = tenant_of(who), runs.store.figures
    _check_version(version)
    start, end = _checked_span(since, until, runs.now())
    stored = await _stored(runs, await figures.journeys(tenant), journey, version, who)
    first = stored[0]
    only = version if version is not None or len({s.version for s in stored}) > 1 else first.version
    span = Span(journey=first.name, version=only, since=since, until=end)
    return Question(tenant, span, Cohort(tuple(s.definition for s in stored), start, end), figures)


async def _stored(
    runs: Runs, known: Sequence[StoredJourney], journey: object, version: int | None, who: UserContext | None
) -> list[StoredJourney]:
    named = [stored for stored in known if stored.name == journey]
    if not named and isinstance(journey, str) and journey.startswith("jrn_"):
        await Designs(runs).of(journey, who)  # raises UnknownJourney
        number = int(journey.split("_")[1])
        named = [stored for stored in known if stored.definition == number]
    if not named:
        raise UnknownJourney(journey, _what_there_is(journey, known))
    if version is None:
        return named
    found = [stored for stored in named if stored.version == version]
    if not found:
        versions = ", ".join(str(v) for v in sorted({stored.version for stored in named}))
        raise UnknownJourney(f"{named[0].name}, version {version}", f": it has version {versions}")
    return found


def _what_there_is(journey: object, known: Sequence[StoredJourney]) -> str:
    names = sorted({stored.name for stored in known})
    if hint := did_you_mean(journey, names):
        return hint
    if not names:
        return ": no journey was ever started or designed here"
    more = ", …" if len(names) > MOST_NAMES else ""
    return f": there is {', '.join(names[:MOST_NAMES])}{more}"


def _check_version(version: object) -> None:
    if version is not None and (type(version) is not int or version < 1):
        raise InvalidInput(f"version is {version!r}: it is a whole number from 1, or left out for all versions")


def _checked_span(since: object, until: object, now: float) -> tuple[float, float]:
    """From when to when; what has just been started is in it when nothing is said."""
    start = -math.inf if since is None else _time("since", since)
    end = math.floor(now) + 1.0 if until is None else _time("until", until)
    if start > now:
        raise InvalidInput(f"since is {start:.3f}, which is still to come: it is {now:.3f} now")
    if start >= end:
        raise InvalidInput(f"since is {start:.3f} and until is {end:.3f}: nothing lies between them")
    return start, end


def _time(what: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidInput(f"{what} is {value!r}: it is a time in seconds since the epoch")
    return float(value)
