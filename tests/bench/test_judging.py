"""What may be judged, and what a gate says: on made-up rounds, nothing is measured."""

from dataclasses import replace

import pytest

from bench.gate import Gate, at_least, at_most, exit_code
from bench.judge import gates, timed
from bench.measure import Point
from bench.rounds import Bout, Round, ratio, undisturbed

POINT = Point(
    contestant="floor",
    mode="happy",
    at_once=1,
    sagas=100,
    seconds=1.0,
    sagas_per_s=100.0,
    p50_ms=1.0,
    p99_ms=2.0,
    commits_per_saga=6.0,
    round_trips_per_saga=None,
    cpu_ms_per_saga=0.1,
    server_cpu_ms_per_saga=None,
    database_bytes_per_saga=1000.0,
    peak_rss_mb=30.0,
    foreign_share=0.0,
)


def round_of(ours: float, floor: float = 100.0, foreign: float | None = 0.0) -> Round:
    fast = replace(POINT, contestant="ours", sagas_per_s=ours, foreign_share=foreign)
    return Round({"floor": replace(POINT, sagas_per_s=floor), "ours": fast})


def test_ratios_are_taken_round_by_round() -> None:
    drifting = [round_of(80, floor=100), round_of(8, floor=10), round_of(800, floor=1000)]
    assert ratio(drifting, "ours", "floor") == pytest.approx(0.8)


def test_disturbed_rounds_do_not_count() -> None:
    bout = Bout("sqlite", "happy", 1, [round_of(80), round_of(80), round_of(5, foreign=0.3)])
    assert timed(bout, "floor") == pytest.approx(0.8)


@pytest.mark.parametrize("foreign", [0.3, None])
def test_a_point_is_not_judged_when_most_of_its_rounds_were_disturbed(foreign: float | None) -> None:
    bout = Bout("sqlite", "happy", 1, [round_of(80), round_of(5, foreign=foreign), round_of(5, foreign=foreign)])
    assert timed(bout, "floor") is None


def test_a_disturbed_round_is_played_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.rounds.wait_until_quiet", lambda: None)
    shares = iter([0.5, 0.2, 0.01, 0.0])
    assert undisturbed(lambda: next(shares), lambda share: share) == 0.01
    noise = iter([0.5, 0.4, 0.3, 0.2, 0.1])
    assert undisturbed(lambda: next(noise), lambda share: share, tries=4) == 0.2


def test_a_gate_is_kept_at_its_bound() -> None:
    assert at_least("rate", 0.7, 0.7).verdict == "ok"
    assert at_least("rate", 0.69, 0.7).verdict == "MISSED"
    assert at_most("commits", 6.0, 6).verdict == "ok"
    assert at_most("commits", 6.01, 6).verdict == "MISSED"


@pytest.mark.parametrize(("figures", "code"), [([1.0], 0), ([1.0, None], 3), ([None, 9.0], 1), ([], 0)])
def test_a_missed_gate_is_worse_than_one_that_was_not_judged(figures: list[float | None], code: int) -> None:
    assert exit_code([at_most("figure", figure, 2.0) for figure in figures]) == code


def test_the_gates_of_one_point_are_its_rate_its_commits_and_its_bytes() -> None:
    verdicts = {gate.name: gate.verdict for gate in happy_gates(round_of(69))}
    assert verdicts == {
        "happy, 1 at once: times the floor's sagas/s": "MISSED",
        "happy, 1 at once: commits per saga": "ok",
        "happy: database bytes per saga, the worst of all points": "ok",
    }


def happy_gates(played: Round) -> list[Gate]:
    return [gate for gate in gates([Bout("sqlite", "happy", 1, [played])], dbos=False) if gate.name.startswith("happy")]
