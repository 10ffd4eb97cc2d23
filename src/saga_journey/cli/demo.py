"""`saga demo`: an order of four milestones in this very process, with participants that only pretend."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from saga_journey.authoring import Saga, milestone
from saga_journey.bootstrap import open_journeys
from saga_journey.cli.asking import accompany
from saga_journey.cli.desk import Desk
from saga_journey.cli.options import Given
from saga_journey.cli.problems import USAGE, Problem, did_you_mean
from saga_journey.cli.screen import Screen
from saga_journey.errors import Refused
from saga_journey.handlers.context import Context


@dataclass(frozen=True, slots=True)
class Order:
    """What is ordered, and which milestone is to refuse it."""

    sku: str
    cents: int
    fail_at: str
    pace: float


async def reserve_stock(ctx: Context[Order]) -> dict[str, str]:
    await _called(ctx, "out of stock")
    return {"hold": f"H-{ctx.input.sku}"}


async def release_stock(ctx: Context[Order], hold: dict[str, str] | None) -> None:
    await asyncio.sleep(ctx.input.pace)


async def charge_card(ctx: Context[Order]) -> dict[str, int]:
    await _called(ctx, "card declined")
    return {"charged_cents": ctx.input.cents}


async def refund_card(ctx: Context[Order], charge: dict[str, int] | None) -> None:
    await asyncio.sleep(ctx.input.pace)


async def ship(ctx: Context[Order]) -> dict[str, str]:
    await _called(ctx, "no carrier")
    return {"parcel": "P-1"}


async def recall_parcel(ctx: Context[Order], parcel: dict[str, str] | None) -> None:
    await asyncio.sleep(ctx.input.pace)


async def send_receipt(ctx: Context[Order]) -> None:
    await _called(ctx, "no such address")


async def _called(ctx: Context[Order], refusal: str) -> None:
    """What a participant does here: takes its time, and refuses when it was told to."""
    await asyncio.sleep(ctx.input.pace)
    if ctx.milestone_id == ctx.input.fail_at:
        raise Refused(refusal)


order: Saga[Order] = Saga(
    "order",
    version=1,
    input=Order,
    milestones=[
        milestone(reserve_stock, undo=release_stock),
        milestone(charge_card, undo=refund_card),
        milestone(ship, undo=recall_parcel),
        milestone(send_receipt, undo=None),
    ],
)
MILESTONES = [spec.id for spec in order.definition.milestones]
NOWHERE = "none"


async def demo(given: Given, fail_at: str | None, pace: float) -> None:
    """Shows it live, keeps the database, and says how to look into it."""
    fail_at = fail_at or MILESTONES[2]
    _check(given, fail_at)
    path = Path(tempfile.mkdtemp(prefix="saga-demo-")) / "demo.db"
    given = replace(given, db=f"sqlite:///{path}", db_said=True, tenant="default")
    screen = Screen(given)
    screen.hint(*_introduction(fail_at), "")
    async with open_journeys(given.db, sagas=[order]) as journeys:
        run = await journeys.start(order, Order("A1", 1999, fail_at, pace))
        desk = Desk(given, screen, journeys)
        await accompany(desk, await desk.record(run.saga_id))
    screen.hint("", f"All of it is in {path}. Look around:")
    for words in (("get", "@last", "--payloads"), ("history", "@last"), ("ls",), ("doctor",)):
        screen.hint(f"  {given.again(*words)}")


def _check(given: Given, fail_at: str) -> None:
    if given.db_said:
        what = "the demo makes a database of its own, and never touches yours"
        raise Problem(USAGE, "db_not_used", what, "leave out --db")
    if fail_at not in (*MILESTONES, NOWHERE):
        what = f"--fail-at: the order has no milestone {fail_at!r}"
        raise Problem(USAGE, "unknown_milestone", what, did_you_mean(fail_at, [*MILESTONES, NOWHERE]))


def _introduction(fail_at: str) -> list[str]:
    first = f"An order of {len(MILESTONES)} milestones, each done by a service that only pretends."
    if fail_at == NOWHERE:
        return [first, "None of them fails this time; --fail-at ship makes one refuse."]
    return [first, f"{fail_at} is going to refuse: what was done before it is undone, the last first."]
