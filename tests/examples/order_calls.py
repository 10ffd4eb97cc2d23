"""Calls as a saga makes them, over real HTTP, so that a test reads as the conversation with a participant."""

from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import aiohttp

from shop import Order

OPERATIONS = {
    "orders": ("create_order", "cancel_order"),
    "payments": ("charge_payment", "refund_payment"),
    "inventory": ("reserve_stock", "release_stock"),
    "shipping": ("book_shipment", "cancel_shipment"),
}
LAMPS = Order("", "customer-01", "lamp", quantity=2, cents=9_980, address="7 Mill Lane")

Answer = tuple[int, dict[str, Any]]


def order(order_id: str, trouble: str | None = None, **changes: Any) -> Order:
    """Two lamps for customer-01, unless said otherwise."""
    return replace(LAMPS, id=order_id, trouble=trouble, **changes)


def action_key(participant: str, order_id: str) -> str:
    return f"{order_id}/{participant}/do"


def undo_key(participant: str, order_id: str) -> str:
    return f"{order_id}/{participant}/undo"


class Caller:
    """Asks participants to do and to undo; every answer is (status, body)."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def act(self, participant: str, order: Order, patience: float = 30) -> Answer:
        body = {
            "order": order.id,
            "customer": order.customer,
            "sku": order.sku,
            "quantity": order.quantity,
            "cents": order.cents,
            "address": order.address,
            "trouble": order.trouble,
        }
        headers = {"Idempotency-Key": action_key(participant, order.id)}
        return await self.post(participant, OPERATIONS[participant][0], body, headers, patience)

    async def undo(self, participant: str, order: Order) -> Answer:
        headers = {
            "Idempotency-Key": undo_key(participant, order.id),
            "Saga-Action-Key": action_key(participant, order.id),
        }
        body = {"order": order.id, "trouble": order.trouble}
        return await self.post(participant, OPERATIONS[participant][1], body, headers)

    async def post(
        self, participant: str, operation: str, body: Any, headers: dict[str, str], patience: float = 30
    ) -> Answer:
        url = f"{self._urls[participant]}/{operation}"
        limit = aiohttp.ClientTimeout(total=patience)
        async with self._session.post(url, json=body, headers=headers, timeout=limit) as answer:
            return answer.status, await answer.json()
