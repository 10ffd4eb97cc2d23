"""Who watches the runs of this process: metrics, logs, tests. What one of them raises disturbs nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from saga_journey.core.codec import decode_turn
from saga_journey.core.commands import Answered
from saga_journey.core.events import Event, Op
from saga_journey.core.state import SagaStatus
from saga_journey.engines.embedded.owned import OwnedRun
from saga_journey.ports import AttemptEnded, AttemptStarting, Call, NewRun, Observation, Observer, TurnCommitted

log: logging.Logger = logging.getLogger("saga_journey.engine")


class Observers:
    """Tells all of them what happens, in the order in which they were added."""

    def __init__(self) -> None:
        self._all: list[Observer] = []
        self.anybody: bool = False
        """There is one: else nothing need be put into words."""

    def add(self, observer: Observer) -> None:
        self._all.append(observer)
        self.anybody = True

    def tell(self, seen: Observation) -> None:
        for observer in self._all:
            try:
                observer(seen)
            except Exception:
                log.exception("an observer failed on %s", type(seen).__name__)

    def turn(self, run: OwnedRun, events: Sequence[Event]) -> None:
        """It is committed, and the run's state is what it led to."""
        s = run.state
        self.tell(TurnCommitted(run.saga_id, run.tenant, s.definition.name, tuple(events), s.status, s.seq, s.at))

    def starts(self, tenant: str, children: Sequence[NewRun]) -> None:
        """A child starts in its parent's turn."""
        for new in children if self.anybody else ():
            events = tuple(decode_turn(new.turn))
            started = SagaStatus.IN_PROGRESS
            self.tell(TurnCommitted(new.saga_id, tenant, new.journey, events, started, len(events), new.at))
            self.starts(tenant, new.children)

    def call_begins(self, run: OwnedRun, call: Call) -> None:
        self.tell(AttemptStarting(*_called(run, call), call.began))

    def call_ended(self, run: OwnedRun, call: Call, outcome: Answered, now: float) -> None:
        late = max(0.0, now - call.deadline) if call.over_time else 0.0
        self.tell(AttemptEnded(*_called(run, call), now, now - call.began, outcome, late))


def _called(run: OwnedRun, call: Call) -> tuple[str, str, str, str, Op, int]:
    definition = run.state.definition
    milestone = definition.milestones[call.milestone].id
    return run.saga_id, run.tenant, definition.name, milestone, call.op, call.attempt
