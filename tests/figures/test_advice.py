"""The rules of the recommendations, as a table: from which figures on each one speaks, and what it says then."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from saga_journey.core.definition import Milestone, Retry
from saga_journey.core.state import COMPLETED, UNKNOWN
from saga_journey.core.tally import MilestoneTally
from saga_journey.orchestrators.advice import Facts, Stop, recommendations
from saga_journey.ports import Durations

CALM = Facts(
    since=1000.0,
    until=2000.0,
    runs=100,
    failed=0,
    want_handlers=0,
    stops=[],
    durations=Durations(90, 10.0, 10.0, 20.0, 1.0, 30.0),
    sample=100,
    milestones={},
)
"""A hundred runs of which there is nothing to say."""


def of(**changes: Any) -> Facts:
    return replace(CALM, **changes)


def at(reached: int = 100, *, policy: Any = None, **changes: Any) -> Facts:
    """The milestone `charge` in the sample: completed at the first attempt each time, but for the changes."""
    spec = Milestone("charge", "charge", "refund", **(policy or {}))
    calm: dict[str, Any] = {"attempts": reached, "ended": Counter({COMPLETED: reached}), "first_try": [1.0] * reached}
    return of(milestones={"charge": MilestoneTally(spec, reached=reached, **{**calm, **changes})})


OPTIONAL = {"optional": True}
SHORT = {"timeout": 10.0}

TABLE: list[tuple[Facts, str | None]] = [
    (CALM, None),
    # runs that nobody can move
    (of(want_handlers=1, failed=1), None),
    (of(want_handlers=2, failed=2), "handlers_missing"),
    # runs that wait for a person, for other reasons
    (of(failed=4), None),
    (of(failed=5), "many_wait_for_a_person"),
    # one milestone behind most of what stops
    (of(stops=[Stop("charge", 9)]), None),
    (of(stops=[Stop("charge", 10)]), "one_milestone_stops_most"),
    (of(stops=[Stop("ship", 6), Stop("charge", 5)]), "one_milestone_stops_most"),
    (of(stops=[Stop("a", 4), Stop("b", 4), Stop("c", 4)]), None),
    (of(stops=[Stop(None, 20)]), None),
    # a few runs that take far longer
    (of(durations=Durations(90, 10.0, 10.0, 49.0, 1.0, 99.0)), None),
    (of(durations=Durations(90, 10.0, 10.0, 50.0, 1.0, 99.0)), "long_tail"),
    (of(durations=Durations(29, 10.0, 10.0, 50.0, 1.0, 99.0)), None),
    (of(durations=Durations(90, 0.0, 0.0, 0.0, 0.0, 0.0)), None),
    (of(durations=None), None),
    # attempts that are spent
    (at(exhausted=4), None),
    (at(exhausted=5), "attempts_exhausted"),
    (at(reached=29, exhausted=29), None),
    # attempts that are needed
    (at(attempts=149, retried=49), None),
    (at(attempts=150, retried=50), "often_retried"),
    # optional, and nobody knows
    (at(policy=OPTIONAL, doubtful=9), None),
    (at(policy=OPTIONAL, doubtful=10), "optional_often_doubtful"),
    (at(doubtful=10), None),
    # a timeout that is close to what is normal
    (at(policy=SHORT, first_try=[7.9] * 100), None),
    (at(policy=SHORT, first_try=[8.0] * 100), "timeout_is_near"),
    (at(policy=SHORT, first_try=[1.0] * 94 + [9.0] * 6), "timeout_is_near"),
    (at(policy=SHORT, first_try=[1.0] * 95 + [9.0] * 5), None),
    (at(policy=SHORT, first_try=[9.0] * 29), None),
    # undos that do not hold
    (at(undos=100, undo_failures=4), None),
    (at(undos=100, undo_failures=5), "undo_gets_stuck"),
    (at(undos=0), None),
]


@pytest.mark.parametrize(("facts", "rule"), TABLE)
def test_from_where_on_a_rule_speaks(facts: Facts, rule: str | None) -> None:
    assert [said["rule"] for said in recommendations(facts)] == ([rule] if rule else [])


@pytest.mark.parametrize("facts", [facts for facts, rule in TABLE if rule])
def test_what_is_said_can_be_checked(facts: Facts) -> None:
    """With the numbers, the threshold and the span; and what was read, where journals were."""
    (said,) = recommendations(facts)
    evidence = said["evidence"]
    assert (evidence["since"], evidence["until"]) == (1000.0, 2000.0)
    assert evidence["threshold"] is not None
    assert ("sample" in evidence) == (said["rule"] in OF_JOURNALS)
    assert 0 < said["share"] <= 1
    assert (said["milestone"] or "") in said["advice"]


OF_JOURNALS = (
    "attempts_exhausted",
    "often_retried",
    "optional_often_doubtful",
    "timeout_is_near",
    "undo_gets_stuck",
)


@pytest.mark.parametrize(
    "facts",
    [
        of(runs=29, want_handlers=29, failed=29),
        of(runs=0, durations=None),
        replace(at(exhausted=100), runs=29),
    ],
)
def test_of_too_few_runs_nothing_is_said(facts: Facts) -> None:
    assert recommendations(facts) == []


def test_the_largest_share_comes_first() -> None:
    seen = recommendations(
        replace(at(exhausted=10), want_handlers=30, failed=90, stops=[Stop("charge", 40), Stop("ship", 1)])
    )
    assert [(said["rule"], said["share"]) for said in seen] == [
        ("many_wait_for_a_person", 0.6),
        ("one_milestone_stops_most", 0.4),
        ("handlers_missing", 0.3),
        ("attempts_exhausted", 0.1),
    ]


def test_the_evidence_in_full() -> None:
    facts = at(policy={"retry": Retry(attempts=7)}, exhausted=8, ended=Counter({COMPLETED: 92, UNKNOWN: 8}))
    assert recommendations(facts) == [
        {
            "rule": "attempts_exhausted",
            "milestone": "charge",
            "advice": "'charge' often ends unknown after all its attempts: give it more of them, or mend what it calls",
            "share": 0.08,
            "evidence": {
                "since": 1000.0,
                "until": 2000.0,
                "sample": 100,
                "reached": 100,
                "exhausted": 8,
                "attempts_allowed": 7,
                "threshold": 0.05,
            },
        }
    ]
