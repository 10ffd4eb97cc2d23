"""Journeys that finish, or undo themselves.

    from saga_journey import Context, Saga, milestone, open_journeys

See `saga_journey.authoring` for what you write, `saga_journey.outcomes` for how a saga ends.
"""

from saga_journey.authoring import Saga, Structured, child, external, milestone, parallel, timer, to
from saga_journey.bootstrap import open_journeys
from saga_journey.config import Limits, Rate, Settings
from saga_journey.core.definition import Retry
from saga_journey.core.state import SagaStatus
from saga_journey.errors import Misconfigured, Refused, Rejected, SagaJourneyError, Working
from saga_journey.handlers.context import Context
from saga_journey.handlers.curator import Curator
from saga_journey.journeys import Journeys
from saga_journey.outcomes import Cancelled, Compensated, Completed, Failed, Outcome, Resolved
from saga_journey.ports import Search
from saga_journey.runs import Run, UserContext

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "Compensated",
    "Completed",
    "Context",
    "Curator",
    "Failed",
    "Journeys",
    "Limits",
    "Misconfigured",
    "Outcome",
    "Rate",
    "Refused",
    "Rejected",
    "Resolved",
    "Retry",
    "Run",
    "Saga",
    "SagaJourneyError",
    "SagaStatus",
    "Search",
    "Settings",
    "Structured",
    "UserContext",
    "Working",
    "child",
    "external",
    "milestone",
    "open_journeys",
    "parallel",
    "timer",
    "to",
]
