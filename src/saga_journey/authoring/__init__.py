"""What users write: a saga is a declared value.

checkout = Saga("checkout", version=1, input=Order, milestones=[
    milestone(reserve_stock, undo=release_stock),
    milestone(charge_card, undo=refund_card, retry=Retry(attempts=5), timeout=10),
    parallel(milestone(book_courier, undo=cancel_courier), [milestone(pack, undo=unpack), milestone(label, undo=None)]),
    external("approval", undo=None, timeout=3 * DAY, next_steps=[to("by_air", when="…"), to("by_road")]),
    …
])
"""

from saga_journey.authoring.journeys import Journey, Saga, Structured
from saga_journey.authoring.milestones import (
    BlockOf,
    MilestoneOf,
    Policy,
    child,
    external,
    milestone,
    parallel,
    timer,
    to,
)

__all__ = [
    "BlockOf",
    "Journey",
    "MilestoneOf",
    "Policy",
    "Saga",
    "Structured",
    "child",
    "external",
    "milestone",
    "parallel",
    "timer",
    "to",
]
