"""Shipping: a booked parcel takes one place in the van to its address, and gives it back when it is cancelled."""

from __future__ import annotations

from books import Body, Move
from participant import Participant, main, said
from trouble import Refusal


def booked(body: Body) -> Move:
    """One parcel, from the van to the address."""
    return Move(source="van", target=said(body, "address", str), amount=1)


SHIPPING = Participant(
    name="shipping",
    action="book_shipment",
    undo="cancel_shipment",
    openings={"van": 1_000},
    move=booked,
    short=Refusal(409, "the van is full"),
)

if __name__ == "__main__":
    main(SHIPPING)
