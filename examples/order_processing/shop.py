"""What is sold, to whom, and for what: the order, and what the participants' books open with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ORDERS_FILE = Path(__file__).with_name("orders.jsonl")

CUSTOMERS = tuple(f"customer-{number:02}" for number in range(1, 25))
OPENING_CENTS = 2_000_000

# price in cents of each article on the shelves
PRICES = {"lamp": 4_990, "kettle": 3_495, "chair": 12_900, "atlas": 2_750, "teapot": 1_899, "globe": 8_450}
OPENING_PIECES = 600

# Two articles nobody can have, whatever the others buy meanwhile: so "out of stock" is real and yet foreseeable.
RARE, RARE_PRICE, RARE_PIECES = "orrery", 24_000, 1
UNKNOWN, UNKNOWN_PRICE = "unicorn", 999


@dataclass(frozen=True, slots=True)
class Order:
    """One order, as the customer placed it. `trouble` names what will go wrong on its way (see trouble.py)."""

    id: str
    customer: str
    sku: str
    quantity: int
    cents: int
    address: str
    trouble: str | None = None


def read_orders(path: Path = ORDERS_FILE) -> list[Order]:
    """Every order of a file that make_orders.py wrote, in its order."""
    with path.open(encoding="utf-8") as lines:
        return [Order(**json.loads(line)) for line in lines]
