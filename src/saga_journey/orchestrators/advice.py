"""Rules over measured facts. Each recommendation names its rule and its evidence; none guesses.

A rule looks at the facts and says how many of how many runs it is about; it is silent while they are too few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from saga_journey.core.state import UNKNOWN
from saga_journey.core.tally import MilestoneTally, nearest_rank
from saga_journey.ports import Durations

ENOUGH_RUNS = 30
"""No rule speaks about fewer runs than this."""
ENOUGH_STOPS = 10
MOST_STOPS = 0.5  # of the runs that stop
LONG_TAIL = 5.0  # times the median
MANY_WAIT = 0.02  # of all runs
OFTEN = 0.05  # of all runs, of those that reached the milestone, or of its undos
OFTEN_DOUBTFUL = 0.1  # of the runs that reached the milestone
MANY_ATTEMPTS = 1.5  # for each run, on average
NEAR = 0.8  # of the timeout

Evidence = dict[str, int | float | None]


class Recommendation(TypedDict):
    """What to look at, and why. `rule` is stable; `milestone` None: the journey as a whole.

    `evidence` are the numbers that the rule looked at, with its `threshold`, the span in which the runs were started
    (`since`, `until`), and `sample`, how many journals were read, where the rule reads journals. `share` says how many
    of the runs that it looked at it is about, from 0 to 1.
    """

    rule: str
    milestone: str | None
    advice: str
    share: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Stop:
    """So many runs stopped at a milestone (None: after the last one)."""

    milestone: str | None
    runs: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured of one journey in one span; `milestones` are of the `sample` newest runs."""

    since: float | None
    until: float
    runs: int
    failed: int
    want_handlers: int
    stops: Sequence[Stop]
    durations: Durations | None
    sample: int
    milestones: Mapping[str, MilestoneTally]


def recommendations(facts: Facts) -> list[Recommendation]:
    """What these facts give reason to look at, the largest share first."""
    if facts.runs < ENOUGH_RUNS:
        return []
    span: Evidence = {"since": facts.since, "until": facts.until}
    found = [_dated(said, span) for rule in RULES for said in rule(facts)]
    found += [_dated(said, {**span, "sample": facts.sample}) for said in _of_milestones(facts)]
    return sorted(found, key=lambda r: -r["share"])


def _dated(said: Recommendation, of: Evidence) -> Recommendation:
    return {**said, "evidence": {**of, **said["evidence"]}}


# --- of all runs ------------------------------------------------------------------------------------------------------


def want_handlers(facts: Facts) -> Iterator[Recommendation]:
    """Runs that no worker can move."""
    share = facts.want_handlers / facts.runs
    if share >= MANY_WAIT:
        advice = "runs wait for a worker that has their handlers: open one, or see `saga doctor` for the names"
        evidence: Evidence = {"runs": facts.runs, "want_handlers": facts.want_handlers, "threshold": MANY_WAIT}
        yield _say("handlers_missing", None, advice, share, evidence)


def wait_for_people(facts: Facts) -> Iterator[Recommendation]:
    """Runs that wait for a person, for other reasons."""
    waiting = facts.failed - facts.want_handlers
    if waiting / facts.runs >= OFTEN:
        advice = "many runs wait for a person: decide them, and let a policy decide what people always decide alike"
        evidence: Evidence = {"runs": facts.runs, "waiting": waiting, "threshold": OFTEN}
        yield _say("many_wait_for_a_person", None, advice, waiting / facts.runs, evidence)


def one_milestone_stops_most(facts: Facts) -> Iterator[Recommendation]:
    """One milestone is behind most of what does not come through."""
    stopped = sum(stop.runs for stop in facts.stops)
    for stop in facts.stops:
        if stop.milestone is not None and stopped >= ENOUGH_STOPS and stop.runs / stopped >= MOST_STOPS:
            advice = f"{stop.milestone!r} stops most of the runs that stop: look at why it fails before anything else"
            evidence: Evidence = {
                "runs": facts.runs,
                "stopped": stopped,
                "stopped_here": stop.runs,
                "of_stopped": stop.runs / stopped,
                "threshold": MOST_STOPS,
            }
            yield _say("one_milestone_stops_most", stop.milestone, advice, stop.runs / facts.runs, evidence)


def long_tail(facts: Facts) -> Iterator[Recommendation]:
    """A few runs take far longer than most."""
    d = facts.durations
    if d is not None and d.runs >= ENOUGH_RUNS and d.median > 0 and d.p95 >= LONG_TAIL * d.median:
        advice = "one run in twenty takes far longer than most: look at what they wait for (retries, answers, pauses)"
        evidence: Evidence = {
            "completed": d.runs,
            "median_seconds": d.median,
            "p95_seconds": d.p95,
            "times_the_median": d.p95 / d.median,
            "threshold": LONG_TAIL,
        }
        yield _say("long_tail", None, advice, 0.05, evidence)


# --- of a milestone ---------------------------------------------------------------------------------------------------


def attempts_exhausted(t: MilestoneTally) -> Iterator[Recommendation]:
    """The policy gives up, and nobody knows what happened."""
    share = t.exhausted / t.reached
    if share >= OFTEN:
        allowed = t.spec.retry.attempts
        advice = f"{t.spec.id!r} often ends unknown after all its attempts: give it more of them, or mend what it calls"
        evidence: Evidence = {"exhausted": t.exhausted, "attempts_allowed": allowed, "threshold": OFTEN}
        yield _of_milestone("attempts_exhausted", t, advice, share, evidence)


def often_retried(t: MilestoneTally) -> Iterator[Recommendation]:
    """It takes more than one attempt as a rule."""
    average = t.attempts / t.reached
    if average >= MANY_ATTEMPTS:
        advice = f"{t.spec.id!r} takes more than one attempt as a rule: what it calls is overloaded or unstable"
        evidence: Evidence = {"retried": t.retried, "average_attempts": average, "threshold": MANY_ATTEMPTS}
        yield _of_milestone("often_retried", t, advice, t.retried / t.reached, evidence)


def optional_and_doubtful(t: MilestoneTally) -> Iterator[Recommendation]:
    """Going on without it leaves effects that nobody knows of."""
    share = t.doubtful / t.reached
    if t.spec.optional and share >= OFTEN_DOUBTFUL:
        advice = f"{t.spec.id!r} is optional, and often nobody knows whether it happened: give it time, or an undo"
        evidence: Evidence = {
            "doubtful": t.doubtful,
            "unknown": t.ended[UNKNOWN],
            "threshold": OFTEN_DOUBTFUL,
        }
        yield _of_milestone("optional_often_doubtful", t, advice, share, evidence)


def timeout_is_near(t: MilestoneTally) -> Iterator[Recommendation]:
    """What is normal takes nearly as long as is allowed."""
    usual = nearest_rank(t.first_try, 95)
    if usual is not None and len(t.first_try) >= ENOUGH_RUNS and usual >= NEAR * t.spec.timeout:
        advice = f"the timeout of {t.spec.id!r} is close to what it needs: raise it before slow days turn runs back"
        evidence: Evidence = {
            "completed_at_first_try": len(t.first_try),
            "p95_seconds": usual,
            "timeout_seconds": t.spec.timeout,
            "of_timeout": usual / t.spec.timeout,
            "threshold": NEAR,
        }
        near = sum(seconds >= NEAR * t.spec.timeout for seconds in t.first_try) / len(t.first_try)
        yield _of_milestone("timeout_is_near", t, advice, near, evidence)


def undo_gets_stuck(t: MilestoneTally) -> Iterator[Recommendation]:
    """The way back does not hold."""
    if t.undos and t.undo_failures / t.undos >= OFTEN:
        advice = f"the undo of {t.spec.id!r} is given up too often: each time a person has to put things right"
        evidence: Evidence = {"undos": t.undos, "given_up": t.undo_failures, "threshold": OFTEN}
        yield _of_milestone("undo_gets_stuck", t, advice, t.undo_failures / t.undos, evidence)


_OfMilestone = Callable[[MilestoneTally], Iterator[Recommendation]]
MILESTONE_RULES: tuple[_OfMilestone, ...] = (
    attempts_exhausted,
    often_retried,
    optional_and_doubtful,
    timeout_is_near,
    undo_gets_stuck,
)


def _of_milestones(facts: Facts) -> Iterator[Recommendation]:
    """The rules about a milestone, for each one that enough runs of the sample have reached."""
    for t in facts.milestones.values():
        if t.reached >= ENOUGH_RUNS:
            for rule in MILESTONE_RULES:
                yield from rule(t)


_Rule = Callable[[Facts], Iterator[Recommendation]]
RULES: tuple[_Rule, ...] = (want_handlers, wait_for_people, one_milestone_stops_most, long_tail)


def _of_milestone(rule: str, t: MilestoneTally, advice: str, share: float, evidence: Evidence) -> Recommendation:
    return _say(rule, t.spec.id, advice, share, {"reached": t.reached, **evidence})


def _say(rule: str, milestone: str | None, advice: str, share: float, evidence: Evidence) -> Recommendation:
    return Recommendation(rule=rule, milestone=milestone, advice=advice, share=share, evidence=evidence)
