"""Orders: every order takes one number from the pad, and a cancelled order gives it back."""

from __future__ import annotations

from books import Body, Move
from participant import Participant, main, said
from trouble import Refusal


def numbered(body: Body) -> Move:
    """One number, from the pad to the customer."""
    return Move(source="number pad", target=said(body, "customer", str), amount=1)


ORDERS = Participant(
    name="orders",
    action="create_order",
    undo="cancel_order",
    openings={"number pad": 1_000},
    move=numbered,
    short=Refusal(409, "no order numbers left"),
)

if __name__ == "__main__":
    main(ORDERS)
