"""The example of the README: an order is completed, and one with a card that is declined undoes itself."""

import asyncio
import sys
from dataclasses import dataclass

from saga_journey import Context, Refused, Retry, Saga, milestone, open_journeys


@dataclass
class Order:
    sku: str
    cents: int


@dataclass
class Hold:
    sku: str


async def reserve_stock(ctx: Context[Order]) -> Hold:
    return Hold(ctx.input.sku)


async def release_stock(ctx: Context[Order], hold: Hold | None) -> None:
    print("released", hold)


async def charge_card(ctx: Context[Order]) -> str:
    hold = ctx.result(reserve_stock)
    if ctx.input.cents > 10_000:
        raise Refused("card declined")
    return f"{ctx.input.cents} cents for {hold.sku}"


async def refund_card(ctx: Context[Order], charge: str | None) -> None:
    print("refunded", charge)


async def send_receipt(ctx: Context[Order]) -> None:
    print("a receipt for", ctx.result(charge_card))


checkout = Saga(
    "checkout",
    version=1,
    input=Order,
    milestones=[
        milestone(reserve_stock, undo=release_stock),
        milestone(charge_card, undo=refund_card, retry=Retry(attempts=5), timeout=10),
        milestone(send_receipt, undo=None),
    ],
)


async def main(database: str) -> None:
    async with open_journeys(f"sqlite:///{database}", sagas=[checkout]) as journeys:
        run = await journeys.start(checkout, Order(sku="A1", cents=1999), key="order-42")
        print(await run.outcome())
        run = await journeys.start(checkout, Order(sku="A1", cents=99_999), key="order-43")
        print(await run.outcome())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
