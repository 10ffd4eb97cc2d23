"""The sagas that the programs serve, by the name of their application. A test builds the same ones to start them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saga_journey import Retry, Saga, external
from saga_journey.authoring import child, parallel
from tests.acceptance.sagas import AT_ONCE, ONCE, Answering, step

App = Callable[[Answering], list[Saga[Any]]]

SOON = Retry(attempts=10, first=1.0, factor=1.0, most=1.0)
"""Up to a second of real time lies between two of them; and there are more than a test lets fail, if one gets all."""


def queueing(who: Answering) -> list[Saga[Any]]:
    """An at_most_once charge, then a shipment."""
    return [Saga("queueing", version=1, milestones=[step(who, "charge", at_most_once=True), step(who, "ship")])]


def stuck(who: Answering) -> list[Saga[Any]]:
    """Six milestones; three attempts for an undo."""
    undo_retry = Retry(attempts=3, first=0, most=0)
    names = [f"m{number}" for number in range(1, 7)]
    return [Saga("stuck", version=1, milestones=[step(who, name, undo_retry=undo_retry) for name in names])]


def crowd(who: Answering) -> list[Saga[Any]]:
    """One milestone, one attempt."""
    return [Saga("crowd", version=1, milestones=[step(who, "work", retry=ONCE)])]


def checkout(who: Answering) -> list[Saga[Any]]:
    """Three milestones; and what needs a clock: a wait of two seconds, attempts up to a second apart."""
    milestones = [step(who, name, retry=AT_ONCE) for name in ("reserve", "charge", "ship")]
    approval = external("approval", undo=step(who, "approval").handlers["undo_approval"], timeout=2.0)
    return [
        Saga("checkout", version=1, milestones=milestones),
        Saga("approved", version=1, milestones=[approval]),
        Saga("tried", version=1, milestones=[step(who, "try", retry=SOON)]),
    ]


def travel(who: Answering) -> list[Saga[Any]]:
    """A flight and a hotel."""
    return travel_mended(who)[1:]


def travel_renamed(who: Answering) -> list[Saga[Any]]:
    """The next release: the handler of the hotel has another name, so this is another version."""
    return travel_mended(who)[:1]


def travel_mended(who: Answering) -> list[Saga[Any]]:
    """The release after it brings the old handler back beside the new one."""
    flight, hotel = step(who, "flight"), step(who, "hotel")
    renamed = step(who, "hotel", name="book_hotel", undo_name="cancel_hotel")
    return [
        Saga("travel", version=2, milestones=[flight, renamed]),
        Saga("travel", version=1, milestones=[flight, hotel]),
    ]


def holiday(who: Answering) -> list[Saga[Any]]:
    """A block of two branches, one of them of two milestones, between two milestones."""
    plan, flight, car, seat, pay = (step(who, name, retry=AT_ONCE) for name in ("plan", "flight", "car", "seat", "pay"))
    return [Saga("holiday", version=1, milestones=[plan, parallel(flight, [car, seat]), pay])]


def family(who: Answering) -> list[Saga[Any]]:
    """A parent and its child."""
    tour = children(who)[0]
    plan, pay = (step(who, name, retry=AT_ONCE) for name in ("plan", "pay"))
    return [Saga("family", version=1, milestones=[plan, child(tour), pay])]


def children(who: Answering) -> list[Saga[Any]]:
    """Only the child."""
    return [Saga("tour", version=1, milestones=[step(who, name, retry=AT_ONCE) for name in ("bus", "boat")])]


def parents(who: Answering) -> list[Saga[Any]]:
    """Only the parent: its child is another application's."""
    (parent,) = family(who)
    parent.children.clear()
    return [parent]


WITH_SHAPES = (holiday, family, children, parents)
APPS: dict[str, App] = {
    app.__name__: app for app in (queueing, stuck, crowd, checkout, travel, travel_renamed, travel_mended, *WITH_SHAPES)
}
