"""The shapes of the crash matrix. Each is a saga and how its participants answer; nothing in them waits."""

from __future__ import annotations

from saga_journey import Retry
from saga_journey.authoring import to
from saga_journey.testing.participants import Reply
from tests.crash.plans import Block, Nested, Plan, Step


def at_once(attempts: int) -> Retry:
    return Retry(attempts=attempts, first=0.0, most=0.0)


SHORT = 0.03
"""A timeout that a shape runs into on purpose (seconds)."""

RESERVE, CHARGE, SHIP = Step("reserve", emits=True), Step("charge"), Step("ship", emits=True)


def refusing(name: str) -> Step:
    return Step(name, do=(Reply.REFUSE,))


HAPPY = Plan("happy", (RESERVE, CHARGE, SHIP, Step("thank", undo=None)), "completed")
LAST_REFUSES = Plan("last-refuses", (RESERVE, CHARGE, Step("greet", undo=None), refusing("ship")), "compensated")
FIRST_REFUSES = Plan("first-refuses", (refusing("reserve"), CHARGE, SHIP), "compensated")
MIDDLE_REFUSES = Plan("middle-refuses", (RESERVE, CHARGE, refusing("check"), SHIP), "compensated")
RETRY_THEN_OK = Plan(
    "retry-then-ok",
    (
        RESERVE,
        Step("charge", do=(Reply.ERROR, Reply.EFFECT_THEN_ERROR, Reply.OK), policy={"retry": at_once(4)}),
        Step("ship", do=(Reply.WORKING, Reply.OK), undo=None, policy={"pivot": True}),
    ),
    "completed",
)
DOUBT_THEN_REFUSED = Plan(
    "doubt-then-refused",
    (
        Step("reserve", do=(Reply.EFFECT_THEN_ERROR, Reply.OK)),
        Step("charge", do=(Reply.TIME_OUT, Reply.REFUSE), policy={"timeout": SHORT}),
        SHIP,
    ),
    "compensated",
    lease=SHORT,  # short enough for the lease to be renewed while the call hangs
)
UNKNOWN = Plan(
    "unknown",
    (RESERVE, Step("charge", do=(Reply.EFFECT_THEN_ERROR,), policy={"retry": at_once(2)}), SHIP),
    "compensated",
)
UNDO_FAILS_THEN_OK = Plan(
    "undo-fails-then-ok",
    (
        Step("reserve", undo=(Reply.EFFECT_THEN_ERROR, Reply.OK)),
        Step("charge", undo=(Reply.ERROR, Reply.WORKING, Reply.OK)),
        refusing("ship"),
    ),
    "compensated",
)
CANCEL = Plan("cancel", (RESERVE, CHARGE, SHIP), "compensated", cue_at="charge", interfere=("cancel",))
EXTERNAL = Plan("external", (RESERVE, Step("approve", external=True, undo=None), SHIP), "completed")

FLIGHT, CAR, SEAT = Step("flight", emits=True), Step("car"), Step("seat", undo=None)
PARALLEL = Plan("parallel", (RESERVE, Block(((FLIGHT,), (CAR, SEAT))), SHIP), "completed")
PARALLEL_REFUSES = Plan(
    "parallel-refuses",
    (RESERVE, Block(((refusing("flight"),), (CAR,), (Step("hotel"), SEAT))), SHIP),
    "compensated",
    cue_at="car",
    until_decided=True,
)
BRANCH = Plan(
    "branch",
    (
        Step("reserve", policy={"next_steps": [to("express", when="input.order > 40"), to("standard")]}),
        Step("express", policy={"next_steps": [to("thank")]}),
        Step("standard"),
        Step("thank", undo=None),
    ),
    "completed",
)
CHILD = Plan("child", (RESERVE, Nested("travel", (FLIGHT, CAR)), SHIP), "completed")
CHILD_UNDONE = Plan("child-undone", (RESERVE, Nested("travel", (FLIGHT, CAR)), refusing("ship")), "compensated")

SHAPES = {
    plan.name: plan
    for plan in (
        HAPPY,
        LAST_REFUSES,
        FIRST_REFUSES,
        MIDDLE_REFUSES,
        RETRY_THEN_OK,
        DOUBT_THEN_REFUSED,
        UNKNOWN,
        UNDO_FAILS_THEN_OK,
        CANCEL,
        EXTERNAL,
        PARALLEL,
        PARALLEL_REFUSES,
        BRANCH,
        CHILD,
        CHILD_UNDONE,
    )
}
