"""The four participants of the demonstration, as processes, over real HTTP."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import make_orders
from audit import Book, read_book
from processes import PARTICIPANTS, DidNotStart, books_of, participant
from shop import OPENING_CENTS, OPENING_PIECES, ORDERS_FILE, PRICES, Order, read_orders
from tests.examples.order_calls import OPERATIONS, Caller, action_key, order
from trouble import TROUBLES, foretold, reaction


def moved(place: Path, participant: str, order: Order) -> list[tuple[str, int]]:
    """What happened to an order in a participant's books: [("do", 2), ("undo", 2)]."""
    return [(entry.way, entry.amount) for entry in read_book(place, participant).entries if entry.order_id == order.id]


def verdicts(place: Path, participant: str, order: Order) -> list[str]:
    """What a participant thought of each call about an order."""
    with closing(sqlite3.connect(books_of(place, participant))) as books:
        rows = books.execute("SELECT verdict FROM calls WHERE order_id = ? ORDER BY seq", (order.id,))
        return [verdict for (verdict,) in rows]


def balance(book: Book, account: str) -> int:
    return next(found.balance for found in book.accounts if found.name == account)


# ── once for each participant: they keep the same promises ───────────────────────────────────────────────────────────


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_the_same_call_again_gets_the_stored_answer_and_has_no_second_effect(
    caller: Caller, place: Path, name: str
) -> None:
    again = order("again")
    first = await caller.act(name, again)
    assert first[0] == 201
    assert await caller.act(name, again) == first
    assert len(moved(place, name, again)) == 1
    assert verdicts(place, name, again) == ["applied", "replayed"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_twenty_calls_at_once_under_one_key_have_one_effect(caller: Caller, place: Path, name: str) -> None:
    crowd = order("crowd")
    answers = await asyncio.gather(*(caller.act(name, crowd) for _ in range(20)))
    assert {status for status, _ in answers} == {201}
    assert len(moved(place, name, crowd)) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_the_same_key_with_another_body_is_a_violation(caller: Caller, place: Path, name: str) -> None:
    await caller.act(name, order("changed"))
    status, _ = await caller.act(name, order("changed", quantity=3, cents=14_970))
    assert status == 422
    assert len(moved(place, name, order("changed"))) == 1
    assert ("changed", "this key was used before, with another body") in read_book(place, name).protests


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_an_undo_moves_everything_back(caller: Caller, place: Path, name: str) -> None:
    back = order("back")
    await caller.act(name, back)
    assert (await caller.undo(name, back))[0] == 200
    (do, amount), (undo, same) = moved(place, name, back)
    assert (do, undo, amount) == ("do", "undo", same)


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_the_same_undo_again_gets_the_stored_answer(caller: Caller, place: Path, name: str) -> None:
    twice = order("undone-twice")
    await caller.act(name, twice)
    first = await caller.undo(name, twice)
    assert await caller.undo(name, twice) == first
    assert verdicts(place, name, twice) == ["applied", "applied", "replayed"]
    assert len(moved(place, name, twice)) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_an_action_that_comes_after_its_undo_is_too_late(caller: Caller, place: Path, name: str) -> None:
    overtaken = order("overtaken")
    assert (await caller.undo(name, overtaken))[0] == 404
    assert (await caller.act(name, overtaken))[0] == 410
    assert (await caller.act(name, overtaken))[0] == 410
    assert moved(place, name, overtaken) == []
    assert verdicts(place, name, overtaken) == ["nothing", "late", "late"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_an_action_that_was_done_and_undone_is_not_done_again(caller: Caller, place: Path, name: str) -> None:
    echo = order("echo")
    await caller.act(name, echo)
    await caller.undo(name, echo)
    assert (await caller.act(name, echo))[0] == 410
    assert [way for way, _ in moved(place, name, echo)] == ["do", "undo"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
async def test_a_second_undo_under_another_key_finds_nothing(caller: Caller, place: Path, name: str) -> None:
    once = order("undone-once")
    await caller.act(name, once)
    await caller.undo(name, once)
    headers = {"Idempotency-Key": "by hand", "Saga-Action-Key": action_key(name, once.id)}
    status, _ = await caller.post(name, OPERATIONS[name][1], {"order": once.id}, headers)
    assert status == 404
    assert len(moved(place, name, once)) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("name", PARTICIPANTS)
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"order": "o"}, {}),
        ({"order": "o", "customer": 7}, {"Idempotency-Key": "k"}),
        ({}, {"Idempotency-Key": "k"}),
        (["order"], {"Idempotency-Key": "k"}),
    ],
    ids=["no key", "wrong fields", "no order", "no object"],
)
async def test_a_request_that_means_nothing_is_turned_away(
    caller: Caller, name: str, body: Any, headers: dict[str, str]
) -> None:
    status, answer = await caller.post(name, OPERATIONS[name][0], body, headers)
    assert status == 400
    assert answer["problem"]


@pytest.mark.anyio
async def test_an_undo_without_the_key_of_its_action_is_turned_away(caller: Caller) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await caller.post("payments", "refund_payment", {"order": "o"}, headers))[0] == 400


# ── the troubles ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "trouble"), [("payments", "slow_charge"), ("inventory", "slow_reserve"), ("shipping", "slow_ship")]
)
async def test_slow_has_its_effect_although_nobody_waits_for_the_answer(
    caller: Caller, place: Path, name: str, trouble: str
) -> None:
    slow = order(trouble, trouble)
    with pytest.raises(TimeoutError):
        await caller.act(name, slow, patience=0.2)
    assert (await caller.act(name, slow))[0] == 201
    assert verdicts(place, name, slow) == ["applied", "replayed"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "trouble"),
    [("payments", "error_after_charge"), ("inventory", "error_after_reserve"), ("shipping", "error_after_ship")],
)
async def test_an_error_after_the_effect_is_mended_by_asking_again(
    caller: Caller, place: Path, name: str, trouble: str
) -> None:
    failing = order(trouble, trouble)
    assert (await caller.act(name, failing))[0] == 500
    assert (await caller.act(name, failing))[0] == 201
    assert verdicts(place, name, failing) == ["applied", "replayed"]


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "trouble"), [("inventory", "mute_reserve"), ("shipping", "mute_ship")])
async def test_an_effect_that_is_never_admitted_can_be_undone(
    caller: Caller, place: Path, name: str, trouble: str
) -> None:
    mute = order(trouble, trouble)
    assert [(await caller.act(name, mute))[0] for _ in range(3)] == [500, 500, 500]
    assert (await caller.undo(name, mute))[0] == 200
    assert [way for way, _ in moved(place, name, mute)] == ["do", "undo"]


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "trouble"), [("payments", "late_charge"), ("shipping", "late_ship")])
async def test_a_call_that_is_stuck_on_its_way_arrives_too_late(
    caller: Caller, place: Path, name: str, trouble: str
) -> None:
    stuck = order(trouble, trouble)
    with pytest.raises(TimeoutError):
        await caller.act(name, stuck, patience=0.1)
    second = asyncio.create_task(caller.act(name, stuck))
    assert (await caller.undo(name, stuck))[0] == 404
    assert (await second)[0] == 410
    assert moved(place, name, stuck) == []


@pytest.mark.anyio
async def test_busy_is_asked_again(caller: Caller, place: Path) -> None:
    busy = order("busy", "busy_ship")
    assert [(await caller.act("shipping", busy))[0] for _ in range(3)] == [202, 201, 201]
    assert moved(place, "shipping", busy) == [("do", 1)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "refused", "status"),
    [
        ("payments", order("declined", "card_declined"), 402),
        ("payments", order("poor", cents=99_999_999), 402),
        ("inventory", order("too-many", "no_stock", sku="orrery"), 409),
        ("inventory", order("unheard-of", "no_stock", sku="unicorn"), 409),
        ("shipping", order("far-away", "refused_shipment"), 422),
    ],
    ids=lambda value: value.id if isinstance(value, Order) else None,
)
async def test_a_refusal_changes_nothing_and_stays_a_refusal(
    caller: Caller, place: Path, name: str, refused: Order, status: int
) -> None:
    first = await caller.act(name, refused)
    assert first[0] == status
    assert await caller.act(name, refused) == first
    assert moved(place, name, refused) == []
    assert (await caller.undo(name, refused))[0] == 404


@pytest.mark.anyio
async def test_a_refused_refund_leaves_the_charge_and_can_be_asked_again(caller: Caller, place: Path) -> None:
    closed = order("closed", "refund_refused")
    await caller.act("payments", closed)
    assert [(await caller.undo("payments", closed))[0] for _ in range(2)] == [409, 409]
    assert moved(place, "payments", closed) == [("do", closed.cents)]
    assert closed.id in read_book(place, "payments").refused_undos


@pytest.mark.anyio
async def test_money_and_pieces_go_from_account_to_account(caller: Caller, place: Path) -> None:
    atlas = order("atlas", customer="customer-02", sku="atlas", quantity=3, cents=8_250)
    before = {name: read_book(place, name) for name in ("payments", "inventory")}
    for name in before:
        await caller.act(name, atlas)
    after = {name: read_book(place, name) for name in before}
    for name, account, change in (
        ("payments", "customer-02", -8_250),
        ("inventory", "atlas", -3),
    ):
        assert balance(after[name], account) == balance(before[name], account) + change
    for book in after.values():
        assert sum(account.balance for account in book.accounts) == sum(account.opening for account in book.accounts)


# ── the processes, and the orders they are fed with ──────────────────────────────────────────────────────────────────


@pytest.mark.anyio
async def test_the_books_outlive_their_process(tmp_path: Path) -> None:
    lasting = order("lasting")
    answers = []
    for _ in range(2):
        with participant("payments", tmp_path) as url:
            async with Caller({"payments": url}) as caller:
                answers.append(await caller.act("payments", lasting))
    assert answers[0] == answers[1]
    assert verdicts(tmp_path, "payments", lasting) == ["applied", "replayed"]


def test_a_participant_that_cannot_open_its_books_says_why(tmp_path: Path) -> None:
    books_of(tmp_path, "payments").mkdir()
    with pytest.raises(DidNotStart, match="unable to open database file"), participant("payments", tmp_path):
        pass


def test_the_orders_are_the_ones_that_make_orders_writes() -> None:
    assert ORDERS_FILE.read_text(encoding="utf-8") == make_orders.text()


def test_more_than_half_of_the_orders_have_no_trouble_and_every_trouble_is_met() -> None:
    orders = read_orders()
    assert len(orders) == 320
    assert 0.55 <= sum(order.trouble is None for order in orders) / len(orders) <= 0.60
    assert {order.trouble for order in orders} == {None, *TROUBLES}
    assert 2 <= sum(foretold(order.trouble) == "attention" for order in orders) <= 3


def test_every_trouble_concerns_operations_that_exist() -> None:
    operations = {operation for both in OPERATIONS.values() for operation in both}
    assert {operation for trouble in TROUBLES.values() for operation in trouble.calls} <= operations


def test_nobody_runs_out_of_money_or_stock_but_those_who_are_meant_to() -> None:
    """Otherwise the ending of an order would depend on which of them is served first."""
    money: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for placed in read_orders():
        money[placed.customer] += placed.cents
        pieces[placed.sku] += placed.quantity
    assert max(money.values()) <= OPENING_CENTS
    assert max(pieces[sku] for sku in PRICES) <= OPENING_PIECES


def test_a_trouble_that_nobody_knows_is_no_trouble() -> None:
    assert reaction("earthquake", "charge_payment") == reaction(None, "charge_payment")
