"""The saga `order_processing`: four milestones, each done by a participant over HTTP, and how each is undone.

Everything a participant may answer is one of three things to a saga: it is done, it is refused (and nothing
happened), or it is still being worked on. Whatever else comes back, or does not come back, raises: then nobody
knows whether the work was done, and the engine asks again under the same key, or undoes it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from saga_journey import Context, Refused, Retry, Saga, Working, milestone
from shop import Order

TIMEOUT: Final = 0.5
DONE = frozenset({200, 201, 204})
REFUSED = frozenset({400, 402, 409, 410, 412, 422})
GONE = frozenset({404, 410})


class Unclear(Exception):
    """The participant's answer does not say whether the work was done."""


class Participants:
    """One HTTP session to all participants; `PAYMENTS_URL` and the like say where they are."""

    session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def post(self, participant: str, operation: str, body: Body, headers: Headers) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer."""
        url = f"{os.environ[f'{participant.upper()}_URL']}/{operation}"
        async with self.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != HTTPStatus.NO_CONTENT else {}


Body = dict[str, Any]
Headers = dict[str, str]
participants = Participants()


async def act(ctx: Context[Order], participant: str, operation: str, **asked: object) -> dict[str, Any]:
    """Ask a participant to do something for this order, once, however often it is asked."""
    body = {"order": ctx.input.id, "trouble": ctx.input.trouble, **asked}
    status, answer = await participants.post(participant, operation, body, {"Idempotency-Key": ctx.idempotency_key})
    if status in DONE:
        return answer
    if status in REFUSED:
        raise Refused(answer["problem"])
    raise told_to_wait(status) or Unclear(f"{operation} was answered {status}")


async def undo(ctx: Context[Order], participant: str, operation: str) -> None:
    """Ask a participant to undo what it did under this milestone's action key, if it did anything."""
    body = {"order": ctx.input.id, "trouble": ctx.input.trouble}
    headers = {"Idempotency-Key": ctx.idempotency_key, "Saga-Action-Key": ctx.action_key}
    status, answer = await participants.post(participant, operation, body, headers)
    if status in DONE or status in GONE:
        return
    if status == HTTPStatus.CONFLICT:
        raise Refused(answer["problem"])
    raise told_to_wait(status) or Unclear(f"{operation} was answered {status}")


def told_to_wait(status: int) -> Working | None:
    """202 means: accepted, ask again."""
    return Working(retry_in=0.1) if status == HTTPStatus.ACCEPTED else None


@dataclass(frozen=True, slots=True)
class Charge:
    """What was taken from the customer."""

    cents: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What lies on the packing table."""

    pieces: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is on its way."""

    address: str


async def create_order(ctx: Context[Order]) -> None:
    """Enter the order."""
    await act(ctx, "orders", "create_order", customer=ctx.input.customer)


async def cancel_order(ctx: Context[Order], _created: None) -> None:
    """Cancel the order."""
    await undo(ctx, "orders", "cancel_order")


async def charge_payment(ctx: Context[Order]) -> Charge:
    """Take the price from the customer's account."""
    answer = await act(ctx, "payments", "charge_payment", customer=ctx.input.customer, cents=ctx.input.cents)
    return Charge(cents=answer["amount"])


async def refund_payment(ctx: Context[Order], _charge: Charge | None) -> None:
    """Give it back. The action key finds the charge also when its answer was never learned."""
    await undo(ctx, "payments", "refund_payment")


async def reserve_stock(ctx: Context[Order]) -> Hold:
    """Take the pieces off the shelf."""
    answer = await act(ctx, "inventory", "reserve_stock", sku=ctx.input.sku, quantity=ctx.input.quantity)
    return Hold(pieces=answer["amount"])


async def release_stock(ctx: Context[Order], _hold: Hold | None) -> None:
    """Put them back."""
    await undo(ctx, "inventory", "release_stock")


async def book_shipment(ctx: Context[Order]) -> Parcel:
    """Send off what was reserved."""
    pieces = ctx.result(reserve_stock).pieces
    await act(ctx, "shipping", "book_shipment", address=ctx.input.address, pieces=pieces)
    return Parcel(address=ctx.input.address)


async def cancel_shipment(ctx: Context[Order], _parcel: Parcel | None) -> None:
    """Call the parcel back."""
    await undo(ctx, "shipping", "cancel_shipment")


RETRY = Retry(attempts=3, first=0.05, factor=2, most=0.2)
# an undo is not given up as easily as an action: whoever gives up an undo needs a person
UNDO_RETRY = Retry(attempts=20, first=0.05, factor=2, most=0.5)

order_processing = Saga(
    "order_processing",
    version=1,
    input=Order,
    milestones=[
        milestone(create_order, undo=cancel_order, timeout=TIMEOUT, retry=RETRY, undo_retry=UNDO_RETRY),
        milestone(charge_payment, undo=refund_payment, timeout=TIMEOUT, retry=RETRY, undo_retry=UNDO_RETRY),
        milestone(reserve_stock, undo=release_stock, timeout=TIMEOUT, retry=RETRY, undo_retry=UNDO_RETRY),
        milestone(book_shipment, undo=cancel_shipment, timeout=TIMEOUT, retry=RETRY, undo_retry=UNDO_RETRY),
    ],
)
