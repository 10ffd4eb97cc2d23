"""Inventory: reserved pieces go from their shelf to the packing table, and back when they are released."""

from __future__ import annotations

from books import Body, Move
from participant import Participant, main, said
from shop import OPENING_PIECES, PRICES, RARE, RARE_PIECES
from trouble import Refusal


def reserved(body: Body) -> Move:
    """The pieces, from the shelf of their article to the packing table."""
    return Move(source=said(body, "sku", str), target="packing table", amount=said(body, "quantity", int))


INVENTORY = Participant(
    name="inventory",
    action="reserve_stock",
    undo="release_stock",
    openings=dict.fromkeys(PRICES, OPENING_PIECES) | {RARE: RARE_PIECES},
    move=reserved,
    short=Refusal(409, "not enough of it on the shelf"),
)

if __name__ == "__main__":
    main(INVENTORY)
