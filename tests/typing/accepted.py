# pyright: strict
"""Right usage: mypy and pyright accept every line, and the program runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never, assert_type

from pydantic import BaseModel
from typing_extensions import TypedDict  # pydantic reads the one of `typing` from Python 3.12 on

from saga_journey import (
    Cancelled,
    Compensated,
    Completed,
    Context,
    Curator,
    Failed,
    Journeys,
    Misconfigured,
    Outcome,
    Refused,
    Resolved,
    Retry,
    Run,
    Saga,
    SagaStatus,
    Search,
    Settings,
    Structured,
    UserContext,
    Working,
    blocking,
    child,
    external,
    milestone,
    open_journeys,
    parallel,
    timer,
    to,
)
from saga_journey.authoring import BlockOf, MilestoneOf
from saga_journey.core.commands import Answer
from saga_journey.core.progress import CompensationPlan, HistoryEntry, RunView
from saga_journey.orchestrators.designs import DesignedJourney
from saga_journey.orchestrators.structured import StepResult
from saga_journey.ports import Observation, RunRecord

DAY = 24 * 3600
ANN: UserContext = {"tenant_id": "acme", "user_id": "ann"}


# --- inputs and results: dataclasses, pydantic models, TypedDicts, plain JSON -------------------------------------


@dataclass
class Order:
    sku: str
    cents: int


@dataclass
class GiftOrder(Order):
    message: str


@dataclass
class Hold:
    sku: str


class Charge(BaseModel):
    cents: int


class Parcel(TypedDict):
    number: str


@dataclass
class Approval:
    by: str


# --- handlers: `async def`, or `def` in a thread ------------------------------------------------------------------


async def reserve_stock(ctx: Context[Order]) -> Hold:
    assert_type(ctx.input, Order)
    assert_type(ctx.idempotency_key, str)
    assert_type(ctx.attempt, int)
    assert_type(ctx.user_id, str | None)
    ctx.log.info("reserving %s", ctx.input.sku)
    if ctx.input.cents < 0:
        raise Working(retry_in=5)
    return Hold(ctx.input.sku)


async def release_stock(ctx: Context[Order], hold: Hold | None) -> None:
    assert_type(ctx.action_known, bool)
    if hold is None:
        ctx.log.info("nobody knows: looked up by %s", ctx.action_key)


def charge_card(ctx: Context[Order]) -> Charge:
    hold = ctx.result(reserve_stock)
    assert_type(hold, Hold)
    if ctx.input.cents > 10_000:
        raise Refused("card declined")
    if not hold.sku:
        raise Misconfigured("404")
    ctx.emit("charged", {"cents": ctx.input.cents})
    return Charge(cents=ctx.input.cents)


def refund_card(ctx: Context[Order], charge: Charge | None) -> None:
    assert_type(ctx.result(reservation, default=None), Hold | None)


async def pack(ctx: Context[Order]) -> Parcel:
    assert_type(ctx.params, Any)
    return {"number": f"{ctx.saga_id} {ctx.params['box']}"}


async def unpack(ctx: Context[Order], parcel: Parcel | None) -> None:
    assert_type(parcel, Parcel | None)


def list_parcels(ctx: Context[Order]) -> list[str]:
    """By the milestones' objects, or by their ids: those were made in a loop and share a function."""
    assert_type(ctx.result(parcels[0]), Parcel)
    assert_type(ctx.result("pack_2"), Any)
    assert_type(ctx.result("pack_2", default=None), Any)
    return [ctx.result(parcel)["number"] for parcel in parcels]


async def unlist_parcels(ctx: Context[Order], numbers: list[str] | None) -> None:
    assert_type(numbers, list[str] | None)


async def find_coupon(ctx: Context[Order]) -> str | None:
    """A result that may be None: `ctx.action_known` tells it from "nobody knows"."""
    return None


async def return_coupon(ctx: Context[Order], coupon: str | None) -> None:
    assert_type(ctx.result(find_coupon), str | None)


def send_receipt(ctx: Context[Order]) -> None:
    assert_type(ctx.result(charge_card), Charge)
    assert_type(ctx.result(charge_card, default=None), Charge | None)
    assert_type(ctx.result(charge_card, default=0), Charge | int)
    assert_type(ctx.result(payment), Charge)
    assert_type(ctx.result(listing), list[str])


async def recall_receipt(ctx: Context[Order], _: None) -> None:
    """The undo of an action that returns nothing."""


async def ask_manager(ctx: Context[Order]) -> None:
    """Asked after the intent is recorded; somebody answers by `advance`."""


async def ask_partner(ctx: Context[Order]) -> str:
    """What a request returns is not the result."""
    return "ticket 7"


async def withdraw(ctx: Context[Order], approval: Approval | None) -> None:
    assert_type(ctx.result(manager_approval), Approval)


async def wrap_gift(ctx: Context[GiftOrder]) -> str:
    assert_type(ctx.result(manager_approval, default=None), Approval | None)
    return ctx.input.message


async def keep_all(ctx: Context[Any], result: object) -> None:
    """An undo that serves any milestone."""


class Warehouse:
    """Methods are handlers as well."""

    async def reserve(self, ctx: Context[Order]) -> Hold:
        return Hold(ctx.input.sku)

    def release(self, ctx: Context[Order], hold: Hold | None) -> None:
        assert_type(hold, Hold | None)


# --- milestones ---------------------------------------------------------------------------------------------------

reservation = milestone(reserve_stock, undo=release_stock)
payment = milestone(charge_card, undo=refund_card, retry=Retry(attempts=5), timeout=10, undo_timeout=20, within=DAY)
parcels = [milestone(pack, undo=unpack, id=f"pack_{box}", params={"box": box}) for box in (1, 2)]
listing = milestone(list_parcels, undo=unlist_parcels, name="list", undo_name="unlist", undo_retry=Retry(attempts=3))
coupon = milestone(find_coupon, undo=return_coupon, optional=True)
receipt = milestone(send_receipt, undo=None, at_most_once=True)
recallable = milestone(send_receipt, undo=recall_receipt)
warehouse = Warehouse()
stored = milestone(warehouse.reserve, undo=warehouse.release)
mixed = milestone(reserve_stock, undo=warehouse.release), milestone(charge_card, undo=keep_all, pivot=True)

assert_type(reservation, MilestoneOf[Order, Hold])
assert_type(payment, MilestoneOf[Order, Charge])
assert_type(parcels, list[MilestoneOf[Order, Parcel]])
assert_type(listing, MilestoneOf[Order, list[str]])
assert_type(coupon, MilestoneOf[Order, str | None])
assert_type(receipt, MilestoneOf[Order, None])
assert_type(recallable, MilestoneOf[Order, None])
assert_type(stored, MilestoneOf[Order, Hold])

manager_approval = external("manager_approval", request=ask_manager, result=Approval, undo=None, timeout=3 * DAY)
partner_approval = external("partner", request=ask_partner, result=Approval, undo=withdraw, timeout=DAY, retry=Retry(2))
shown_approval = external("shown", result=Approval, undo=withdraw, timeout=DAY, within=DAY, params={"place": "desk"})
callback = external("callback", result=dict[str, str], undo=None, timeout=DAY, optional=True)
anything = external("anything", undo=None, timeout=DAY)

assert_type(manager_approval, MilestoneOf[Order, Approval])
assert_type(partner_approval, MilestoneOf[Order, Approval])
assert_type(shown_approval, MilestoneOf[Order, Approval])
assert_type(callback, MilestoneOf[object, dict[str, str]])
assert_type(anything, MilestoneOf[object, Any])


cooling_off = timer("cooling_off", 14 * DAY)
packed_together = parallel(payment, [*parcels, listing], anything, [cooling_off])
choice = milestone(find_coupon, undo=return_coupon, next_steps=[to("charge_card"), to(receipt)], effects="compensable")

assert_type(cooling_off, MilestoneOf[object, None])
assert_type(packed_together, BlockOf[Order])


# --- sagas --------------------------------------------------------------------------------------------------------

checkout = Saga(
    "checkout",
    version=1,
    input=Order,
    deadline=DAY,
    on_stuck_undo="continue",
    milestones=[reservation, payment, *parcels, listing, coupon, receipt],
)
approved = Saga(
    "approved",
    version=1,
    input=Order,
    milestones=[
        manager_approval,
        external("partner_callback", undo=None, timeout=DAY),
        callback,
        milestone(reserve_stock, undo=release_stock),
    ],
)
gift = Saga("gift", version=1, input=GiftOrder, milestones=[reservation, milestone(wrap_gift, undo=None)])
undeclared = Saga("undeclared", version=1, milestones=[reservation, payment, receipt])
side_by_side = Saga("side_by_side", version=1, input=Order, milestones=[reservation, packed_together, receipt])
waiting = Saga("waiting", version=1, input=Order, milestones=[cooling_off, timer("an_hour", 3600), receipt])
by_hand = Structured("by_hand", version=1, input=Order, milestones=[reservation, receipt])

assert_type(checkout, Saga[Order])
assert_type(approved, Saga[Order])
assert_type(gift, Saga[GiftOrder])
assert_type(undeclared, Saga[Order])
assert_type(side_by_side, Saga[Order])
assert_type(waiting, Saga[Order])
assert_type(by_hand, Structured[Order])


class Form(TypedDict):
    email: str


class Subscription(BaseModel):
    email: str


async def subscribe(ctx: Context[Form]) -> str:
    return ctx.input["email"]


async def unsubscribe(ctx: Context[Form], email: str | None) -> None: ...


async def greet(ctx: Context[Subscription]) -> None: ...


async def count(ctx: Context[dict[str, int]]) -> int:
    return ctx.input["n"]


subscription = Saga("subscription", version=1, input=Form, milestones=[milestone(subscribe, undo=unsubscribe)])
greeting = Saga("greeting", version=1, input=Subscription, milestones=[milestone(greet, undo=None)])
counting = Saga("counting", version=1, input=dict[str, int], milestones=[milestone(count, undo=None)])


async def read_form(ctx: Context[Form]) -> Order:
    return Order(sku=ctx.input["email"], cents=1)


order_of_form = milestone(read_form, undo=None)
ordering = Saga(
    "ordering",
    version=1,
    input=Form,
    milestones=[order_of_form, child(checkout, given=order_of_form, within=DAY), child(subscription, id="newsletter")],
)
assert_type(child(checkout), MilestoneOf[Order, dict[str, Any]])
assert_type(child(checkout, given="read_form"), MilestoneOf[object, dict[str, Any]])
assert_type(ordering, Saga[Form])


# --- starting, asking, commanding ---------------------------------------------------------------------------------


async def main(store: str) -> list[str]:
    async with open_journeys(
        store, sagas=[checkout, subscription, greeting, counting, by_hand], curator=Curator(), concurrency=64
    ) as journeys:
        assert_type(journeys, Journeys)
        run = await journeys.start(checkout, Order(sku="A1", cents=1999), key="order-42", user_context=ANN)
        assert_type(run, Run)
        told = [tell(await run.outcome(timeout=60))]
        declined = await journeys.start(checkout, Order("A1", cents=99_999))
        told.append(tell(await declined.outcome()))
        runs = [
            await journeys.start(subscription, Form(email="ann@example.org")),
            await journeys.start(greeting, Subscription(email="ann@example.org")),
            await journeys.start(counting, {"n": 3}),
            await journeys.start(by_hand, Order("A1", 0)),
        ]
        await ask(journeys, run)
        await design_and_execute(journeys)
        return told + [tell(await run.outcome()) for run in runs]


def tell(outcome: Outcome) -> str:
    """Every way a saga ends: the last case is never reached, and type checkers know it."""
    match outcome:
        case Completed(results=results):
            assert_type(results.get("reserve_stock"), Any | None)
            return f"completed {sorted(results)}"
        case Compensated(because=because, standing=standing):
            assert_type(standing, tuple[str, ...])
            return f"compensated: {because}"
        case Failed(attention=attention, verbs=verbs):
            return f"{[(a.kind, a.milestone) for a in attention]} waits for one of {verbs}"
        case Resolved(reason=reason, left=left):
            return f"resolved: {reason}, left {left}"
        case Cancelled(because=because):
            return f"cancelled: {because}"
        case _:
            assert_never(outcome)


async def ask(journeys: Journeys, run: Run) -> None:
    assert_type(await run.status(), RunView)
    assert_type(await run.history(), list[HistoryEntry])
    assert_type(await run.preview(), CompensationPlan)
    assert_type(await journeys.search(Search(status=SagaStatus.COMPLETED, limit=5), ANN), list[RunRecord])
    assert_type(journeys.run(run.saga_id, user_context=ANN), Run)
    journeys.observe(observe)


def observe(seen: Observation) -> None:
    assert_type(seen.saga_id, str)


async def command(run: Run) -> None:
    assert_type(await run.advance("manager_approval", Approval(by="ann"), expected_attempt=1), Answer)
    await run.advance("partner", outcome="refused", reason="not today", command_id="c-1")
    await run.cancel("changed their mind", who="ann")
    await run.compensate(expected=(await run.preview()).seq)
    await run.pause()
    await run.resume()
    await run.retry("charge_card", input=Order("A1", 1))
    await run.skip("send_receipt", reason="no address", result=None)
    await run.mark_undone("charge_card", reason="by hand", evidence="refund 7")
    await run.it_happened("charge_card", reason="on the statement", result=Charge(cents=1))
    await run.it_did_not_happen("charge_card", reason="not on the statement")
    await run.resolve("settled")


# --- the second door: plain data ----------------------------------------------------------------------------------


async def design_and_execute(journeys: Journeys) -> None:
    designed = await journeys.saga.design_saga_journey(
        journey_type="order_processing",
        requirements={"milestones": [{"id": "approve", "kind": "external", "timeout": DAY}]},
        compensation_handlers={"approve": None},
        user_context=ANN,
    )
    assert_type(designed, DesignedJourney)
    saga_id = await journeys.saga.execute_saga_journey(designed["journey_id"], "ann", {"n": 1}, user_context=ANN)
    assert_type(saga_id, str)
    assert_type(await journeys.saga.get_saga_status(saga_id, user_context=ANN), dict[str, Any])
    assert_type(await journeys.saga.get_saga_execution_history(saga_id, user_context=ANN), list[dict[str, Any]])


async def advance(journeys: Journeys, saga_id: str, journey_id: str) -> None:
    said: StepResult = {"milestone_id": "approve", "outcome": "ok", "result": {"by": "ann"}}
    await journeys.saga.advance_saga_step(saga_id, journey_id, "ann", said, user_context=ANN)
    await journeys.saga.advance_saga_step(saga_id, None, None, {"outcome": "refused", "reason": "no"})
    await journeys.saga.compensate_saga(saga_id, user_context=ANN, reason="returned", expected=3)


# --- synchronous programs: the same, without a word of `await` ----------------------------------------------------


def synchronous(store: str) -> str:
    with blocking.open_journeys(store, sagas=[checkout], settings=Settings(concurrency=4)) as journeys:
        run = journeys.start(checkout, Order(sku="A1", cents=1999), key="order-42", user_context=ANN)
        assert_type(run, blocking.Run)
        outcome = run.outcome(timeout=60)
        assert_type(outcome, Outcome)
        assert_type(run.status(), RunView)
        assert_type(run.history(), list[HistoryEntry])
        assert_type(journeys.search(Search(journey="checkout"), ANN), list[RunRecord])
        assert_type(journeys.saga.get_saga_status(run.saga_id, user_context=ANN), dict[str, Any])
        return tell(outcome)


def synchronous_commands(run: blocking.Run) -> None:
    assert_type(run.advance("manager_approval", Approval(by="ann")), Answer)
    run.skip("send_receipt", reason="no address")
    run.compensate(expected=run.preview().seq)
