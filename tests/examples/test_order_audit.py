"""The audit of the demonstration: it finds nothing in good books, and names every lie that is planted in a copy."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import audit
from claims import Claims
from processes import books_of
from tests.examples.order_calls import Caller, action_key, order

FINE = order("fine")
FAR = order("far", "refused_shipment")
STUCK = order("stuck", "refund_refused")
ORDERS = (FINE, FAR, STUCK)
ENDINGS = {"fine": "completed", "far": "compensated", "stuck": "attention"}


@pytest.fixture(scope="module")
async def history(caller: Caller, place: Path) -> Path:
    """Three orders, as a saga takes them through the four participants: one for each ending."""
    for placed in ORDERS:
        for name in ("orders", "payments", "inventory", "shipping"):
            await caller.act(name, placed)
    for undone in (FAR, STUCK):
        for name in ("inventory", "payments"):
            await caller.undo(name, undone)
    await caller.undo("orders", FAR)
    with Claims(place / "claims.jsonl") as claims:
        for order_id, ending in ENDINGS.items():
            claims.add(order_id, ending)
    return place


@pytest.fixture
def copy(history: Path, tmp_path: Path) -> Path:
    """The same books and claims, to be tampered with."""
    for name in ("orders", "payments", "inventory", "shipping"):
        with closing(sqlite3.connect(books_of(history, name))) as books:
            books.execute("VACUUM INTO ?", (str(books_of(tmp_path, name)),))
    shutil.copy(history / "claims.jsonl", tmp_path)
    return tmp_path


Rule = Callable[[audit.Evidence], Iterator[str]]


@dataclass(frozen=True)
class Lie:
    """A change to the books (`name`, `sql`) or the claims, the rule it breaks, and what the audit has to say."""

    rule: Rule
    sentence: str
    name: str = ""
    sql: str = ""
    claims: tuple[tuple[str, str], ...] = tuple(ENDINGS.items())

    def plant(self, place: Path) -> None:
        if self.sql:
            with closing(sqlite3.connect(books_of(place, self.name))) as books, books:
                assert books.execute(self.sql).rowcount == 1
        lines = [json.dumps({"order": order_id, "ending": ending}) for order_id, ending in self.claims]
        (place / "claims.jsonl").write_text("\n".join(lines))


def claimed(**changes: str) -> tuple[tuple[str, str], ...]:
    return tuple((ENDINGS | changes).items())


MOVE = "INSERT INTO moves (way, order_id, action_key, source, target, amount) VALUES"
LIES = [
    Lie(audit.every_order_has_one_outcome, "far has no outcome", claims=(("fine", "completed"),)),
    Lie(
        audit.every_order_has_one_outcome,
        "fine is claimed to be completed and compensated",
        claims=(*claimed(), ("fine", "compensated")),
    ),
    Lie(
        audit.every_order_has_one_outcome,
        "fine is claimed to be resolved",
        claims=claimed(fine="resolved"),
    ),
    Lie(
        audit.every_order_has_one_outcome,
        "ghost has an outcome, but was never placed",
        claims=claimed(ghost="completed"),
    ),
    Lie(
        audit.only_placed_orders,
        "ghost was charged, but was never placed",
        "payments",
        f"{MOVE} ('do', 'ghost', 'g', 'customer-01', 'till', 5)",
    ),
    Lie(
        audit.no_effect_twice,
        "fine was charged 2 times",
        "payments",
        f"{MOVE} ('do', 'fine', 'another key', 'customer-01', 'till', 9980)",
    ),
    Lie(
        audit.undos_answer_actions,
        "far was undone at payments without having been charged",
        "payments",
        "DELETE FROM moves WHERE order_id = 'far' AND way = 'do'",
    ),
    Lie(
        audit.undos_answer_actions,
        "far was undone at inventory without having been reserved",
        "inventory",
        f"{MOVE} ('undo', 'far', '{action_key('inventory', 'far')}', 'packing table', 'lamp', 2)",
    ),
    Lie(
        audit.undos_answer_actions,
        "far was charged 9980, but 9979 came back",
        "payments",
        "UPDATE moves SET amount = 9979 WHERE order_id = 'far' AND way = 'undo'",
    ),
    Lie(
        audit.nothing_after_its_undo,
        "fine was shipped after its undo",
        "shipping",
        f"INSERT INTO undone VALUES ('{action_key('shipping', 'fine')}', 'fine')",
    ),
    Lie(
        audit.completed_means_all,
        "fine is completed, but was shipped 0 times",
        "shipping",
        "DELETE FROM moves WHERE order_id = 'fine'",
    ),
    Lie(
        audit.completed_means_all,
        "fine is completed, but was reserved 2 times",
        "inventory",
        f"{MOVE} ('do', 'fine', 'another key', 'lamp', 'packing table', 2)",
    ),
    Lie(
        audit.completed_means_all,
        "fine is completed, but was charged 1 instead of 9980",
        "payments",
        "UPDATE moves SET amount = 1 WHERE order_id = 'fine'",
    ),
    Lie(
        audit.completed_means_all,
        "fine is completed, but was asked to be undone at shipping",
        "shipping",
        "INSERT INTO calls (way, order_id, key, verdict, status) VALUES ('undo', 'fine', 'k', 'nothing', 404)",
    ),
    Lie(
        audit.compensated_means_none,
        "far is compensated, but is still reserved (2)",
        "inventory",
        "DELETE FROM moves WHERE order_id = 'far' AND way = 'undo'",
    ),
    Lie(
        audit.compensated_means_none,
        "fine is compensated, but is still shipped (1)",
        claims=claimed(fine="compensated"),
    ),
    Lie(
        audit.attention_means_a_refused_refund,
        "fine is in attention, but no refund of it was refused",
        claims=claimed(fine="attention"),
    ),
    Lie(
        audit.attention_means_a_refused_refund,
        "stuck had its refund refused, but is not in attention",
        claims=claimed(stuck="compensated"),
    ),
    Lie(
        audit.attention_means_a_refused_refund,
        "stuck is in attention, with [] charged instead of [9980]",
        "payments",
        f"{MOVE} ('undo', 'stuck', '{action_key('payments', 'stuck')}', 'till', 'customer-01', 9980)",
    ),
    Lie(
        audit.attention_means_a_refused_refund,
        "stuck is in attention, with [2] reserved instead of []",
        "inventory",
        "DELETE FROM moves WHERE order_id = 'stuck' AND way = 'undo'",
    ),
    Lie(
        audit.accounts_balance,
        "'till' at payments holds 19961 instead of 0 +19960",
        "payments",
        "UPDATE accounts SET balance = balance + 1 WHERE name = 'till'",
    ),
    Lie(
        audit.accounts_balance,
        "'lamp' at inventory holds 597 instead of 600 -2",
        "inventory",
        "UPDATE accounts SET balance = balance - 1 WHERE name = 'lamp'",
    ),
    Lie(
        audit.participants_do_not_protest,
        "fine at orders: two bodies",
        "orders",
        "INSERT INTO violations (order_id, key, what) VALUES ('fine', 'k', 'two bodies')",
    ),
]


@pytest.mark.anyio
async def test_good_books_have_no_violation(history: Path) -> None:
    evidence = audit.read_evidence(history, ORDERS)
    assert audit.violations(evidence) == []
    assert [(sums.participant, sums.standing, sums.due) for sums in audit.balances(evidence)] == [
        ("orders", 2, 2),
        ("payments", 19_960, 19_960),
        ("inventory", 2, 2),
        ("shipping", 1, 1),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.sentence)
async def test_a_planted_lie_is_named(copy: Path, lie: Lie) -> None:
    lie.plant(copy)
    evidence = audit.read_evidence(copy, ORDERS)
    assert lie.sentence in list(lie.rule(evidence))
    assert lie.sentence in audit.violations(evidence)


def test_every_rule_has_a_lie_that_it_finds() -> None:
    assert {lie.rule for lie in LIES} == set(audit.RULES)
