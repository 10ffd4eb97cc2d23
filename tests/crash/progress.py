"""What a worker process sees of its saga as it moves: an observer, from outside of the engine."""

from __future__ import annotations

import asyncio
import os
import time

from saga_journey.core.events import CompensationDecided, MilestoneCompleted
from saga_journey.ports import AttemptStarting, Observation, TurnCommitted
from tests.crash.plans import Plan


class Progress:
    """How long after its birth the process first moved the saga; `made` is set by each turn, `decided` by the decision.

    It wakes the partner when the milestone before the external one is done. `partner` is his pipe.
    """

    def __init__(self, plan: Plan, partner: int | None) -> None:
        self.made = asyncio.Event()
        self.decided = asyncio.Event()
        self.seconds: float | None = None
        self._born = time.perf_counter()
        self._partner = partner
        names = [step.name for step in plan.every_step]
        self._before = names[names.index(plan.external) - 1] if plan.external else None

    def __call__(self, seen: Observation) -> None:
        if self.seconds is None and isinstance(seen, AttemptStarting | TurnCommitted):
            self.seconds = time.perf_counter() - self._born
        if not isinstance(seen, TurnCommitted):
            return
        self.made.set()
        if any(isinstance(e, CompensationDecided) for e in seen.events):
            self.decided.set()
        if any(isinstance(e, MilestoneCompleted) and e.milestone == self._before for e in seen.events):
            self.wake_partner()

    def wake_partner(self) -> None:
        if self._partner is not None:
            os.write(self._partner, b"!")
