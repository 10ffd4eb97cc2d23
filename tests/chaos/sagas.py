"""The mix that is moved through a bad day: every shape; a third of them fail, and are undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saga_journey import Retry, Saga
from saga_journey.authoring import MilestoneOf, child, parallel, timer
from saga_journey.testing.ledger import Ledger
from saga_journey.testing.participants import Participant, Reply
from tests.chaos.slow_participants import BlockingParticipant, SlowParticipant

OK = (Reply.OK,)
NO = (Reply.REFUSE,)

SOON = Retry(attempts=6, first=0.1, most=0.5, lost=30)
"""A worker may die in the same attempt again and again; here that is no reason to give up."""

APPROVAL = "approve"
"""The milestone that asks somebody in another process, who answers."""


class Cast:
    """The participants of one saga: each has its own books in the shared ledger, and its own script."""

    def __init__(self, ledger: Ledger, saga: str) -> None:
        self._ledger = ledger
        self._saga = saga

    def step(
        self,
        name: str,
        *,
        do: Sequence[Reply] = OK,
        undo: Sequence[Reply] | None = OK,
        emits: bool = False,
        kind: type[Participant] = SlowParticipant,
        **policy: Any,
    ) -> MilestoneOf[Any, Any]:
        participant = kind(self._ledger, name, do=do, undo=undo, emits=f"{name}.done" if emits else None)
        undone_by = {} if undo is None else {"undo_name": f"{self._saga}.{name}.undo"}
        policy = {"retry": SOON, "undo_retry": SOON, **undone_by, **policy}
        return participant.milestone(id=name, name=f"{self._saga}.{name}", **policy)

    def approval(self) -> MilestoneOf[Any, Any]:
        return SlowParticipant(self._ledger, APPROVAL, undo=None).external(timeout=3600, asked=True)


def mix(ledger: Ledger) -> list[Saga[Any]]:
    """Twelve sagas; four of them fail."""
    return [
        *(_line(ledger, fails=fails) for fails in (False, True)),
        *(_block(ledger, fails=fails) for fails in (False, True)),
        *(_family(ledger, fails=fails) for fails in (False, True)),
        *(_doubtful(ledger, fails=fails) for fails in (False, True)),
        _asking(ledger),
        _waiting(ledger),
        _blocking(ledger),
        _past_the_pivot(ledger),
    ]


def _saga(name: str, *milestones: Any) -> Saga[Any]:
    return Saga(name, version=1, milestones=milestones)


def _line(ledger: Ledger, *, fails: bool) -> Saga[Any]:
    name = "order_refused" if fails else "order"
    cast = Cast(ledger, name)
    last = cast.step("ship", do=NO) if fails else cast.step("ship", emits=True)
    return _saga(name, cast.step("reserve", emits=True), cast.step("charge"), cast.step("greet", undo=None), last)


def _block(ledger: Ledger, *, fails: bool) -> Saga[Any]:
    name = "trip_refused" if fails else "trip"
    cast = Cast(ledger, name)
    hotel = cast.step("hotel", do=NO if fails else OK)
    sides = parallel(cast.step("flight", emits=True), [cast.step("car"), cast.step("seat", undo=None)], hotel)
    return _saga(name, cast.step("reserve"), sides, cast.step("thank", undo=None))


def _family(ledger: Ledger, *, fails: bool) -> Saga[Any]:
    name = "tour_refused" if fails else "tour"
    cast, own = Cast(ledger, name), Cast(ledger, f"{name}_travel")
    travel = _saga(f"{name}_travel", own.step("flight", emits=True), own.step("car"))
    last = cast.step("bill", do=NO if fails else OK)
    return _saga(name, cast.step("reserve"), child(travel, id="travel"), last)


def _doubtful(ledger: Ledger, *, fails: bool) -> Saga[Any]:
    """Answers get lost on the way forward and on the way back."""
    name = "doubt_refused" if fails else "doubt"
    cast = Cast(ledger, name)
    first = cast.step("reserve", do=(Reply.EFFECT_THEN_ERROR, Reply.OK), undo=(Reply.EFFECT_THEN_ERROR, Reply.OK))
    second = cast.step("charge", do=(Reply.ERROR, Reply.WORKING, Reply.OK), undo=(Reply.ERROR, Reply.WORKING, Reply.OK))
    last = cast.step("ship", do=(Reply.EFFECT_THEN_ERROR, Reply.REFUSE if fails else Reply.OK))
    return _saga(name, first, second, last)


def _asking(ledger: Ledger) -> Saga[Any]:
    cast = Cast(ledger, "loan")
    return _saga("loan", cast.step("reserve"), cast.approval(), cast.step("pay", emits=True))


def _waiting(ledger: Ledger) -> Saga[Any]:
    """It is released while it waits, and claimed by whoever has room then."""
    cast = Cast(ledger, "trial")
    return _saga("trial", cast.step("open"), timer("month", 1.5), cast.step("bill", emits=True))


def _blocking(ledger: Ledger) -> Saga[Any]:
    cast = Cast(ledger, "report")
    names = ("collect", "render", "send")
    return _saga("report", *(cast.step(name, kind=BlockingParticipant) for name in names))


def _past_the_pivot(ledger: Ledger) -> Saga[Any]:
    cast = Cast(ledger, "payment")
    pivot = cast.step("pay", do=(Reply.WORKING, Reply.OK), undo=None, pivot=True)
    optional = cast.step("coupon", do=NO, undo=None, optional=True)
    return _saga("payment", cast.step("reserve"), pivot, optional, cast.step("thank", undo=None, emits=True))
