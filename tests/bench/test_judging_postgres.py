"""The gates on PostgreSQL: on made-up figures, nothing is measured."""

from dataclasses import replace

import pytest

from bench import claims, scaling
from bench.claims import Costs
from bench.gate import Gate
from bench.judge_postgres import gates
from bench.rounds import Bout, Round
from bench.scaling import Pace, Scaling
from bench.workload import AT_ONCE
from tests.bench.test_judging import POINT

PEERS = ("floor", "ours", "dbos", "restate")


def verdicts(ours: float, at_once: int, peers: tuple[str, ...] = PEERS, trips: float = 7.5) -> dict[str, str]:
    """Beside a floor of 1,000 sagas/s, DBOS with 10 and Restate with 60."""
    rates = {"floor": 1000.0, "ours": ours, "dbos": 10.0, "restate": 60.0}
    points = {name: replace(POINT, contestant=name, sagas_per_s=rates[name]) for name in peers}
    points["ours"] = replace(points["ours"], round_trips_per_saga=trips)
    judged: list[Gate] = list(gates([Bout("postgres", "happy", at_once, [Round(points)])], peers))
    return {gate.name.partition(" at once: ")[2]: gate.verdict for gate in judged}


@pytest.mark.parametrize(("at_once", "enough"), [(1, 30.0), (16, 250.0), (128, 600.0)])
def test_more_sagas_at_once_must_be_more_times_faster_than_dbos(at_once: int, enough: float) -> None:
    assert verdicts(enough, at_once)["times the sagas/s of DBOS"] == "ok"
    assert verdicts(enough - 1, at_once)["times the sagas/s of DBOS"] == "MISSED"


def test_where_many_share_a_commit_the_floor_restate_and_the_round_trips_are_looked_at_too() -> None:
    assert verdicts(600, at_once=128) == {
        "times the sagas/s of DBOS": "ok",
        "times the floor's sagas/s": "ok",
        "times the sagas/s of Restate": "ok",
        "round trips for each milestone": "ok",
    }
    assert verdicts(349, at_once=128)["times the floor's sagas/s"] == "MISSED"
    assert verdicts(599, at_once=128)["times the sagas/s of Restate"] == "MISSED"
    assert verdicts(600, at_once=128, trips=7.6)["round trips for each milestone"] == "MISSED"


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_a_peer_that_takes_no_part_is_not_judged(at_once: int) -> None:
    alone = verdicts(600, at_once, peers=("floor", "ours"))
    assert not [name for name in alone if "DBOS" in name or "Restate" in name]


@pytest.mark.parametrize(
    ("two", "foreign", "verdict"), [(180.0, 0.0, "ok"), (179.0, 0.0, "MISSED"), (180.0, 0.2, "not judged")]
)
def test_a_second_worker_must_be_worth_nearly_as_much_as_the_first(two: float, foreign: float, verdict: str) -> None:
    assert scaling.gate_of(Scaling(Pace(100.0, 0.0), Pace(two, foreign))).verdict == verdict


def test_one_disturbed_worker_disturbs_the_comparison() -> None:
    assert scaling.gate_of(Scaling(Pace(100.0, 0.2), Pace(200.0, 0.0))).verdict == "not judged"
    assert scaling.gate_of(Scaling(Pace(100.0, None), Pace(200.0, 0.0))).verdict == "not judged"


@pytest.mark.parametrize(
    ("many", "foreign", "verdict"), [(2.0, 0.0, "ok"), (2.1, 0.0, "MISSED"), (1.0, None, "not judged")]
)
def test_a_claim_from_a_long_queue_may_cost_twice_as_much(many: float, foreign: float | None, verdict: str) -> None:
    assert claims.gate_of("somehow", Costs(1.0, many, foreign)).verdict == verdict
