# pyright: strict
"""Wrong usage, one mistake a line, each marked: mypy and pyright reject these lines, and no other.

Never imported: much of it does not survive being run. What only one of them sees is marked `# rejected by …`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from saga_journey import (
    Cancelled,
    Compensated,
    Completed,
    Context,
    Curator,
    Failed,
    Journeys,
    Outcome,
    Refused,
    Resolved,
    Retry,
    Run,
    Saga,
    Search,
    Settings,
    Structured,
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


@dataclass
class Order:
    sku: str


@dataclass
class GiftOrder(Order):
    message: str


@dataclass
class Refund:
    cents: int


@dataclass
class Hold:
    sku: str


@dataclass
class Charge:
    cents: int


@dataclass
class Approval:
    by: str


async def reserve_stock(ctx: Context[Order]) -> Hold:
    return Hold(ctx.input.sku)


async def release_stock(ctx: Context[Order], hold: Hold | None) -> None: ...


def release_in_a_thread(ctx: Context[Order], hold: Hold | None) -> None: ...


def charge_card(ctx: Context[Order]) -> Charge:
    return Charge(1)


async def refund_card(ctx: Context[Order], charge: Charge | None) -> None: ...


def refund_in_a_thread(ctx: Context[Order], charge: Charge | None) -> None: ...


async def withdraw(ctx: Context[Order], approval: Approval | None) -> None: ...


async def send_receipt(ctx: Context[Order]) -> None: ...


async def wrap_gift(ctx: Context[GiftOrder]) -> None: ...


async def pay_back(ctx: Context[Refund]) -> Hold:
    return Hold("A1")


async def take_back(ctx: Context[Refund], hold: Hold | None) -> None: ...


async def trusting(ctx: Context[Order], hold: Hold) -> None: ...


async def demanding(ctx: Context[Order], hold: Hold | None, reason: str) -> None: ...


async def telling(ctx: Context[Order], hold: Hold | None) -> str:
    return "an undo has no result"


async def without_context() -> Hold:
    return Hold("A1")


async def of_the_order(order: Order) -> Hold:
    return Hold(order.sku)


reservation = milestone(reserve_stock, undo=release_stock)
approval = external("approval", result=Approval, undo=None, timeout=60)
checkout = Saga("checkout", version=1, input=Order, milestones=[reservation, approval])
undeclared = Saga("undeclared", version=1, milestones=[reservation])
payment = milestone(charge_card, undo=refund_card)
repayment = milestone(pay_back, undo=take_back)

# --- a milestone: its undo ----------------------------------------------------------------------------------------

milestone(reserve_stock)  # rejected: missing undo
milestone(charge_card)  # rejected: missing undo of a plain function
milestone(reserve_stock, release_stock)  # rejected: an undo that is not named as such
milestone(reserve_stock, undo=refund_card)  # rejected: undo for another result
milestone(reserve_stock, undo=refund_in_a_thread)  # rejected: undo for another result
milestone(charge_card, undo=release_stock)  # rejected: undo for another result
milestone(charge_card, undo=release_in_a_thread)  # rejected: undo for another result
milestone(reserve_stock, undo=trusting)  # rejected: undo that does not take None
milestone(reserve_stock, undo=send_receipt)  # rejected: undo that takes too few arguments
milestone(reserve_stock, undo=demanding)  # rejected: undo that takes too many arguments
milestone(reserve_stock, undo=take_back)  # rejected: undo for another input
milestone(reserve_stock, undo=telling)  # rejected: undo with a result
milestone(reserve_stock, undo="release_stock")  # rejected: undo by its name

# --- a milestone: its action --------------------------------------------------------------------------------------

milestone(without_context, undo=None)  # rejected: action without a context
milestone(of_the_order, undo=None)  # rejected: action that wants the input itself
milestone(release_stock, undo=None)  # rejected: action that takes too many arguments
milestone(Hold("A1"), undo=None)  # rejected: a value as action
milestone("reserve_stock", undo=None)  # rejected: action by its name

# --- a milestone: its policy --------------------------------------------------------------------------------------

milestone(reserve_stock, undo=None, retry=3)  # rejected: a number as Retry
milestone(reserve_stock, undo=None, retries=Retry())  # rejected: misspelt keyword
milestone(reserve_stock, undo=None, time_out=10)  # rejected: misspelt keyword
milestone(reserve_stock, undo=None, timeout="10s")  # rejected: a text as seconds
milestone(reserve_stock, undo=None, timeout=None)  # rejected: an attempt without an end
milestone(reserve_stock, undo=None, pivot="yes")  # rejected: a text as bool
milestone(reserve_stock, undo=None, id=7)  # rejected: a number as id
Retry(tries=5)  # rejected: misspelt keyword
Retry(attempts="5")  # rejected: a text as number

# --- a milestone that somebody else completes ---------------------------------------------------------------------

external("approval", result=Approval, timeout=60)  # rejected: missing undo
external("approval", result=Approval, undo=None)  # rejected: missing timeout
external("approval", result=Approval, undo=release_stock, timeout=60)  # rejected: undo for another result
external("approval", result=Approval, undo=send_receipt, timeout=60)  # rejected: undo that takes too few arguments
external("approval", result=Approval(by="ann"), undo=None, timeout=60)  # rejected: a value as type
external("approval", request=withdraw, undo=None, timeout=60)  # rejected: request that takes too many arguments
external("approval", request=pay_back, undo=withdraw, timeout=60)  # rejected: request and undo for two inputs
external("approval", undo=None, timeout=60, retry=3)  # rejected: a number as Retry
external("approval", undo=None, timeout=60, at_most_once=True)  # rejected: a policy of actions

# --- blocks, choices, timers, children ----------------------------------------------------------------------------

parallel(reserve_stock, payment)  # rejected: an action as milestone
Saga("s", version=1, input=Order, milestones=[parallel(payment, [reservation, repayment])])  # rejected: another input
Saga("s", version=1, input=Refund, milestones=[parallel(payment, reservation)])  # rejected: another input
milestone(reserve_stock, undo=None, next_steps="pay")  # rejected: a text as choices
milestone(reserve_stock, undo=None, next_steps=["pay"])  # rejected: a text as choice
milestone(reserve_stock, undo=None, effects="harmless")  # rejected: unknown effects
to(charge_card)  # rejected: an action as milestone
to("pay", when=True)  # rejected: a bool as condition
timer("a_while")  # rejected: missing seconds
timer("a_while", "1h")  # rejected: a text as seconds
child("checkout")  # rejected: a saga by its name
child(checkout, undo=release_stock)  # rejected: an undo beside the child's own
child(checkout, given=payment)  # rejected: a result that is not the child's input
child(checkout, given=reserve_stock)  # rejected: an action as milestone
Saga("s", version=1, input=Refund, milestones=[child(checkout)])  # rejected: a child of another input

# --- a saga -------------------------------------------------------------------------------------------------------

Saga("s", version=1, input=Order, milestones=[milestone(pay_back, undo=take_back)])  # rejected: another input
Saga("s", version=1, input=Order, milestones=[reservation, milestone(pay_back, undo=None)])  # rejected: another input
Saga("s", version=1, milestones=[reservation, milestone(pay_back, undo=None)])  # rejected: two inputs
Saga("s", version=1, input=Refund, milestones=[reservation])  # rejected: another input
Saga("s", version=1, input=Order, milestones=[milestone(wrap_gift, undo=None)])  # rejected: an input that says less
Saga("s", version=1, input=Order("A1"), milestones=[reservation])  # rejected: a value as type
Saga("s", version=1, input=Order, milestones=[reserve_stock])  # rejected: an action as milestone
Saga("s", version=1, input=Order, milestones=reservation)  # rejected: one milestone as many
Saga("s", version="1", input=Order, milestones=[reservation])  # rejected: a text as version
Saga("s", input=Order, milestones=[reservation])  # rejected: missing version
Saga("s", version=1, input=Order)  # rejected: missing milestones
Saga("s", version=1, input=Order, milestones=[reservation], on_stuck_undo="explode")  # rejected: unknown policy
Saga("s", version=1, input=Order, milestones=[reservation], timeout=60)  # rejected: a policy of milestones
Structured("s", version=1, input=Refund, milestones=[reservation])  # rejected: another input

# --- in a handler -------------------------------------------------------------------------------------------------


def takes_charge(charge: Charge) -> None: ...


def takes_hold(hold: Hold) -> None: ...


async def misreads(ctx: Context[Order]) -> None:
    takes_charge(ctx.result(reserve_stock))  # rejected: a result as another type
    takes_hold(ctx.result(charge_card))  # rejected: a result as another type
    takes_charge(ctx.result(reservation))  # rejected: a milestone's result as another type
    takes_charge(ctx.result(approval))  # rejected: an external result as another type
    takes_hold(ctx.result(reserve_stock, default=None))  # rejected: the default forgotten
    takes_hold(ctx.result(reservation, default="none"))  # rejected: a default of another type
    print(ctx.result(reserve_stock).cents)  # rejected: a field of another result
    print(ctx.result(release_stock))  # rejected: the result of an undo
    print(ctx.result(checkout))  # rejected: the result of a saga
    print(ctx.result(1))  # rejected: a milestone by its number
    print(ctx.input.cents)  # rejected: a field of another input
    ctx.input = Order("A2")  # rejected: an input that is changed
    ctx.emit("charged")  # rejected: an event without data
    raise Working(retry_in="5s")  # rejected: a text as seconds


async def refuses(ctx: Context[Order]) -> None:
    raise Refused(402)  # rejected: a number as reason


# --- opening ------------------------------------------------------------------------------------------------------


async def opens() -> None:
    open_journeys("sqlite:///:memory:", sagas=checkout)  # rejected: one saga as many
    open_journeys("sqlite:///:memory:", sagas=["checkout"])  # rejected: a saga by its name
    open_journeys("sqlite:///:memory:", sagas=[checkout.definition])  # rejected: a definition, which has no handlers
    open_journeys(sagas=[checkout])  # rejected: missing store
    open_journeys("sqlite:///:memory:", settings={"concurrency": 4})  # rejected: a dict as Settings
    Settings(concurency=4)  # rejected: misspelt keyword
    with open_journeys("sqlite:///:memory:"):  # rejected: `with` for `async with`
        pass


def opens_blocking() -> None:
    blocking.open_journeys("sqlite:///:memory:", sagas=checkout)  # rejected: one saga as many
    blocking.open_journeys("sqlite:///:memory:", sagas=["checkout"])  # rejected: a saga by its name
    blocking.open_journeys(sagas=[checkout])  # rejected: missing store


# --- starting, asking, commanding ---------------------------------------------------------------------------------


async def starts(journeys: Journeys) -> None:
    await journeys.start(checkout, Refund(1))  # rejected: another input
    await journeys.start(undeclared, Refund(1))  # rejected: another input
    await journeys.start(checkout, Order)  # rejected: a type as input
    await journeys.start(checkout, {"sku": "A1"})  # rejected: a dict as dataclass
    await journeys.start(checkout)  # rejected: missing input
    await journeys.start("checkout", Order("A1"))  # rejected: a saga by its name
    await journeys.start(reserve_stock, Order("A1"))  # rejected: an action as saga
    await journeys.start(checkout, Order("A1"), key=42)  # rejected: a number as key
    await journeys.start(checkout, Order("A1"), user_context={"tenant": "acme"})  # rejected: misspelt field
    await journeys.search(Search(status="completed"))  # rejected: a text as status
    journeys.start(checkout, Order("A1"))  # rejected: not awaited
    print(journeys.start(checkout, Order("A1")).saga_id)  # rejected: asked before awaited


async def commands(run: Run) -> None:
    run.cancel("changed their mind")  # rejected: not awaited
    run.outcome()  # rejected: not awaited
    await run.saga_id  # rejected: awaited for nothing
    await run.skip("approval")  # rejected: missing reason
    await run.resolve()  # rejected: missing reason
    await run.compensate(expected="latest")  # rejected: a text as seq
    await run.outcome(timeout="60s")  # rejected: a text as seconds
    await run.advance(reservation, Hold("A1"))  # rejected: a milestone by its object
    print((await run.status()).stauts)  # rejected: misspelt field


def commands_blocking(journeys: blocking.Journeys, run: blocking.Run) -> None:
    journeys.start(checkout, Refund(1))  # rejected: another input
    journeys.start(checkout)  # rejected: missing input
    run.skip("approval")  # rejected: missing reason
    run.compensate(expected="latest")  # rejected: a text as seq
    print(run.outcome().results)  # rejected: only some outcomes have it


# --- outcomes -----------------------------------------------------------------------------------------------------


def forgets_those_that_wait(outcome: Outcome) -> str:
    match outcome:
        case Completed() | Compensated():
            return "over"
        case Resolved() | Cancelled():
            return "closed"
        case _:
            assert_never(outcome)  # rejected: `Failed` was forgotten


def takes_a_saga_for_its_outcome(outcome: Outcome) -> str:
    match outcome:
        case Completed() | Compensated() | Failed() | Resolved() | Run():  # rejected by pyright: no outcome is a `Run`
            return "over"
        case _:
            assert_never(outcome)  # rejected: `Cancelled` was forgotten


def misreads_outcomes(outcome: Outcome) -> None:
    print(outcome.results)  # rejected: only some outcomes have it
    match outcome:
        case Completed(result=_):  # rejected: misspelt field
            pass
        case Failed():
            print(outcome.because)  # rejected: a field of another outcome
        case Compensated():
            print(outcome.because.millestone)  # rejected: misspelt field
        case _:
            pass


# --- the second door ----------------------------------------------------------------------------------------------


async def designs(journeys: Journeys) -> None:
    door = journeys.saga
    await door.design_saga_journey("report", {})  # rejected: missing compensation_handlers
    await door.design_saga_journey("report", {}, None)  # rejected: missing compensation_handlers
    await door.design_saga_journey("report", {}, {"reserve": release_stock})  # rejected: an undo by its function
    await door.advance_saga_step("saga_1", None, None, {"result": 1})  # rejected: missing outcome
    await door.advance_saga_step("saga_1", None, None, {"outcome": 1})  # rejected: a number as outcome
    await door.advance_saga_step("saga_1", None, None, {"outcome": "ok", "reslut": 1})  # rejected: misspelt field
    await door.compensate_saga("saga_1", expected="latest")  # rejected: a text as seq
    door.get_saga_status("saga_1")  # rejected: not awaited


def registers(curator: Curator) -> None:
    curator.register("reserve_stock", reserve_stock)  # rejected: name and function the wrong way round
    curator.register("reserve_stock")  # rejected: a name without its function
