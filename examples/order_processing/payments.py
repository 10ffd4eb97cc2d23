"""Payments: an order's cents leave the customer's account for the till, and a refund brings them back."""

from __future__ import annotations

from books import Body, Move
from participant import Participant, main, said
from shop import CUSTOMERS, OPENING_CENTS
from trouble import Refusal


def charged(body: Body) -> Move:
    """The price, from the customer to the till."""
    return Move(source=said(body, "customer", str), target="till", amount=said(body, "cents", int))


PAYMENTS = Participant(
    name="payments",
    action="charge_payment",
    undo="refund_payment",
    openings=dict.fromkeys(CUSTOMERS, OPENING_CENTS),
    move=charged,
    short=Refusal(402, "the account does not cover it"),
)

if __name__ == "__main__":
    main(PAYMENTS)
