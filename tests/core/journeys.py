"""The journeys that the scenarios are about, and short ways to write others."""

from __future__ import annotations

from typing import Any

from saga_journey.core.definition import ChildJourney, JourneyDefinition, Milestone, Retry
from saga_journey.core.shape import Parallel

AT_ONCE = Retry(attempts=3, first=0.0, most=0.0, lost=3)
"""Three attempts with no time between them."""


def step(id: str, **options: Any) -> Milestone:
    """A milestone whose handlers are named after it; `undo=None` for one that has nothing to undo."""
    return Milestone(id, id, **{"undo": f"undo_{id}", "retry": AT_ONCE, "undo_retry": AT_ONCE, **options})


def wait(id: str, *, request: bool = False, **options: Any) -> Milestone:
    """A milestone that the outside completes, within 100 s; somebody is asked for it when `request`."""
    options = {"undo": f"undo_{id}", "retry": AT_ONCE, "undo_retry": AT_ONCE, "timeout": 100.0, **options}
    return Milestone(id, id if request else None, kind="external", **options)


def timer(id: str, seconds: float, **options: Any) -> Milestone:
    """A milestone that is done when its time has passed."""
    return Milestone(id, None, kind="timer", timeout=seconds, **options)


def nested(id: str, *, has_pivot: bool = False, **options: Any) -> Milestone:
    """A milestone that runs another journey; only its name matters here."""
    return Milestone(id, None, kind="child", child=ChildJourney(f"{id}_journey", 1, "0" * 32, has_pivot), **options)


def block(*branches: Milestone | tuple[Milestone, ...]) -> Parallel:
    """Branches that run side by side, each a milestone or a sequence of them."""
    return Parallel(tuple(branch if isinstance(branch, tuple) else (branch,) for branch in branches))


def saga(*steps: Milestone | Parallel, **options: Any) -> JourneyDefinition:
    return JourneyDefinition("order", 1, steps, **options)


def structured(*steps: Milestone | Parallel, **options: Any) -> JourneyDefinition:
    return JourneyDefinition("onboarding", 1, steps, kind="structured", **options)


ORDER = saga(step("reserve"), step("charge"), step("ship"))
"""Three milestones, each with an undo."""

PAID = saga(step("reserve"), step("charge", pivot=True, undo=None), step("ship", undo=None))
"""There is no way back once the card was charged."""

REFUNDABLE = saga(step("reserve"), step("charge", pivot=True), step("ship", undo=None))
"""As above, but a charge of which nobody knows can be undone."""
