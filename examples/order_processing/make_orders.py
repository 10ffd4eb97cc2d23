"""Writes orders.jsonl: 320 orders, the same ones every time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final

from shop import CUSTOMERS, ORDERS_FILE, PRICES, RARE, RARE_PRICE, UNKNOWN, UNKNOWN_PRICE, Order

SEED: Final = 2077
COUNT: Final = 320

# how many orders have which trouble; all the others go through without any
TROUBLED: Mapping[str, int] = {
    "card_declined": 18,
    "no_stock": 18,
    "refused_shipment": 18,
    "slow_charge": 9,
    "slow_reserve": 9,
    "slow_ship": 9,
    "error_after_charge": 8,
    "error_after_reserve": 8,
    "error_after_ship": 8,
    "busy_ship": 5,
    "mute_reserve": 4,
    "mute_ship": 4,
    "late_charge": 5,
    "late_ship": 5,
    "error_after_refund": 4,
    "slow_release": 4,
    "refund_refused": 3,
}
STREETS: Final = ("Harbour Road", "Mill Lane", "Station Square", "Orchard Way", "Canal Street", "Hill Terrace")


def orders() -> Iterator[Order]:
    """All the orders, numbered in the sequence in which they are placed."""
    chance = random.Random(SEED)
    troubles: list[str | None] = [name for name, count in TROUBLED.items() for _ in range(count)]
    troubles += [None] * (COUNT - len(troubles))
    chance.shuffle(troubles)
    for number, trouble in enumerate(troubles, start=1):
        yield _order(number, trouble, chance)


def _order(number: int, trouble: str | None, chance: random.Random) -> Order:
    sku, price, quantity = _wish(trouble, chance)
    return Order(
        id=f"order-{number:03}",
        customer=chance.choice(CUSTOMERS),
        sku=sku,
        quantity=quantity,
        cents=price * quantity,
        address=f"{chance.randint(1, 99)} {chance.choice(STREETS)}",
        trouble=trouble,
    )


def _wish(trouble: str | None, chance: random.Random) -> tuple[str, int, int]:
    """Article, price and pieces; who is to find no stock asks for what the shelves do not hold."""
    if trouble == "no_stock":
        return chance.choice([(RARE, RARE_PRICE, 2), (RARE, RARE_PRICE, 3), (UNKNOWN, UNKNOWN_PRICE, 1)])
    sku = chance.choice(tuple(PRICES))
    return sku, PRICES[sku], chance.randint(1, 4)


def text() -> str:
    """The whole file: one order a line."""
    return "".join(json.dumps(asdict(order)) + "\n" for order in orders())


if __name__ == "__main__":
    ORDERS_FILE.write_text(text(), encoding="utf-8")
