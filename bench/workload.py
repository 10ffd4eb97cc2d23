"""Work W, the same for every contestant: an order that passes five milestones with trivial async actions.

*happy*: five actions succeed. *compensate*: the fifth refuses, the four that are done are undone in reverse order.
Each input, result and undo result is about 100 bytes of JSON.
"""

from __future__ import annotations

from typing import Any, Literal

Body = dict[str, Any]
Mode = Literal["happy", "compensate"]

MODES: tuple[Mode, ...] = ("happy", "compensate")
AT_ONCE = (1, 16, 128)
MILESTONES = ("reserve", "charge", "label", "ship", "notify")
ENDS: dict[Mode, str] = {"happy": "completed", "compensate": "compensated"}


class Declined(Exception):
    """The last milestone says a definite no: nothing happened, and asking again is useless."""


def order(number: int, mode: Mode) -> Body:
    """The input of one saga; `fail` makes the last milestone decline."""
    return {"id": f"order-{number:08d}", "sku": "A-1001", "qty": 3, "cents": 4999, "fail": mode == "compensate"}


async def act(name: str, order: Body) -> Body:
    """The action of milestone `name`: its receipt, or Declined."""
    if order["fail"] and name == MILESTONES[-1]:
        raise Declined(f"{name} declined")
    return {
        "by": name,
        "order": order["id"],
        "receipt": f"{name}/{order['id']}/0001",
        "cents": order["cents"],
        "ok": True,
    }


async def undo(name: str, receipt: Body) -> Body:
    """The undo of milestone `name`: what a service would answer."""
    return {"undid": name, "order": receipt["order"], "receipt": receipt["receipt"], "ok": True}
