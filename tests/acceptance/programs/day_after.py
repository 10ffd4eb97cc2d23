"""A stay in a hotel, in four releases of its code: 1 wrote it, 2 lost a handler and changed a class, 3 has the handler
back, 4 reads the class again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from saga_journey import Context, Curator, Saga, external, milestone
from tests.acceptance.sagas import AT_ONCE, ONCE, Answering, called


@dataclass
class Room:
    number: int


@dataclass
class RoomOnAFloor:
    """As release 2 has it: it does not read what release 1 wrote."""

    number: int
    floor: int


@dataclass
class Invoice:
    cents: int


Handlers = dict[str, Callable[..., Any]]


def handlers(who: Answering, room: type[Any] = Room) -> Handlers:
    """All of them by name. `room` is the class that this release knows."""

    async def book(ctx: Context[Any]) -> Any:
        return room(**await called(who, ctx, "do"))

    async def unbook(ctx: Context[Any], booked: Any) -> None:
        await called(who, ctx, "undo", booked and asdict(booked))

    async def invoice(ctx: Context[Any]) -> Invoice:
        return Invoice(**await called(who, ctx, "do"))

    async def credit(ctx: Context[Any], invoice: Invoice | None) -> None:
        await called(who, ctx, "undo", invoice and asdict(invoice))

    book.__annotations__["return"] = room
    unbook.__annotations__["booked"] = room | None
    return {"book": book, "unbook": unbook, "invoice": invoice, "credit": credit, **plain(who)}


def plain(who: Answering) -> Handlers:
    """Those whose results are plain JSON, or nothing."""

    async def ask(ctx: Context[Any]) -> Any:
        return await called(who, ctx, "do", undoable=ctx.milestone_id != "greet")

    async def take_back(ctx: Context[Any], result: Any) -> None:
        await called(who, ctx, "undo", result)

    async def unapprove(ctx: Context[Any], approval: str | None) -> None:
        await called(who, ctx, "undo", approval)

    actions = dict.fromkeys(("notify", "greet", "gift", "label"), ask)
    undos = dict.fromkeys(("unnotify", "take_gift", "unlabel"), take_back)
    return {**actions, **undos, "unapprove": unapprove}


def stay(who: Answering) -> Saga[Any]:
    """As release 1 declares it."""
    has = handlers(who)
    return Saga(
        "stay",
        version=1,
        milestones=[
            milestone(has["book"], undo=has["unbook"]),
            milestone(has["notify"], undo=has["unnotify"], **named("notify", "unnotify")),
            milestone(has["greet"], undo=None, id="greet", name="greet"),
            milestone(has["gift"], undo=has["take_gift"], optional=True, retry=ONCE, **named("gift", "take_gift")),
            milestone(has["label"], undo=has["unlabel"], retry=AT_ONCE, **named("label", "unlabel")),
            external("approval", undo=has["unapprove"], timeout=3600),
            milestone(has["invoice"], undo=has["credit"]),
        ],
    )


def named(action: str, undo: str) -> Any:
    """These share their functions, so their names have to be said."""
    return {"id": action, "name": action, "undo_name": undo}


def release(number: int, who: Answering) -> Curator:
    """What the code of that release can call."""
    curator = Curator()
    for name, fn in handlers(who, RoomOnAFloor if number in (2, 3) else Room).items():
        if not (number == 2 and name == "unnotify"):
            curator.register(fn, name)
    return curator
