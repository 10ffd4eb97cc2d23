"""The one place that decides what goes wrong, and how: by the `trouble` that an order carries, never by chance.

A trouble is a name in the order's data. It tells some calls of that order to be taken in some manner,
and foretells how the saga ends. An operation that a trouble does not mention is taken promptly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Ending = Literal["completed", "compensated", "attention"]


class Manner(Enum):
    """How a participant takes a call that it does not refuse."""

    PROMPT = "takes effect and is answered at once"
    SLOW = "takes effect; the first answer comes later than any saga waits"
    FALTERING = "takes effect; the first answer is a 500"
    MUTE = "takes effect; every answer is a 500, so the caller never learns it"
    BUSY = "is answered 202 the first time, and takes effect the second time"
    HELD = "is stuck on its way and arrives only after its own undo"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definite no: nothing happens, and this status says so."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What one trouble does to the calls of an order (by operation), and how that order's saga ends."""

    ending: Ending
    calls: Mapping[str, Manner | Refusal] = field(default_factory=dict)


NO_TROUBLE = Trouble("completed")
UNDELIVERABLE = Refusal(422, "the address cannot be delivered to")

TROUBLES: Mapping[str, Trouble] = {
    "card_declined": Trouble("compensated", {"charge_payment": Refusal(402, "card declined")}),
    "no_stock": Trouble("compensated"),  # nothing staged: the article really is not there
    "refused_shipment": Trouble("compensated", {"book_shipment": UNDELIVERABLE}),
    "slow_charge": Trouble("completed", {"charge_payment": Manner.SLOW}),
    "slow_reserve": Trouble("completed", {"reserve_stock": Manner.SLOW}),
    "slow_ship": Trouble("completed", {"book_shipment": Manner.SLOW}),
    "error_after_charge": Trouble("completed", {"charge_payment": Manner.FALTERING}),
    "error_after_reserve": Trouble("completed", {"reserve_stock": Manner.FALTERING}),
    "error_after_ship": Trouble("completed", {"book_shipment": Manner.FALTERING}),
    "busy_ship": Trouble("completed", {"book_shipment": Manner.BUSY}),
    "mute_reserve": Trouble("compensated", {"reserve_stock": Manner.MUTE}),
    "mute_ship": Trouble("compensated", {"book_shipment": Manner.MUTE}),
    "late_charge": Trouble("compensated", {"charge_payment": Manner.HELD}),
    "late_ship": Trouble("compensated", {"book_shipment": Manner.HELD}),
    "error_after_refund": Trouble("compensated", {"book_shipment": UNDELIVERABLE, "refund_payment": Manner.FALTERING}),
    "slow_release": Trouble("compensated", {"book_shipment": UNDELIVERABLE, "release_stock": Manner.SLOW}),
    "refund_refused": Trouble(
        "attention",
        {"book_shipment": UNDELIVERABLE, "refund_payment": Refusal(409, "the account is closed: needs a person")},
    ),
}


def reaction(trouble: str | None, operation: str) -> Manner | Refusal:
    """How a call of this operation is taken, given the trouble of its order."""
    return _named(trouble).calls.get(operation, Manner.PROMPT)


def foretold(trouble: str | None) -> Ending:
    """How the saga of an order with this trouble ends, if nobody is slower than the trouble says."""
    return _named(trouble).ending


def _named(trouble: str | None) -> Trouble:
    if trouble is None:
        return NO_TROUBLE
    return TROUBLES.get(trouble, NO_TROUBLE)
