"""What one saga of a test is to go through: its milestones, how its participants answer, what its client does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saga_journey import Context, Retry, Saga
from saga_journey.authoring import MilestoneOf
from saga_journey.core.definition import OnStuckUndo
from saga_journey.testing.ledger import Ledger
from saga_journey.testing.participants import Participant, Reply

AT_ONCE = Retry(attempts=3, first=0.0, most=0.0)
"""Tries again at once, so that no cell waits."""

OK = (Reply.OK,)


@dataclass(frozen=True)
class Step:
    """One milestone. `undo=None`: there is nothing to undo. `policy` is what `milestone(…)` takes."""

    name: str
    do: tuple[Reply, ...] = OK
    undo: tuple[Reply, ...] | None = OK
    policy: Mapping[str, Any] = field(default_factory=dict)
    external: bool = False
    emits: bool = False


@dataclass(frozen=True)
class Plan:
    """A saga and its client. `ends` is how it ends when nothing disturbs it; None: nobody knows beforehand."""

    name: str
    steps: tuple[Step, ...]
    ends: str | None = None
    cue_at: str | None = None
    """The client interferes while this milestone is being called, after its effect …"""
    interfere: tuple[str, ...] = ()
    """… with these verbs, one after the other."""
    help: tuple[str, ...] = ()
    """What the client says while the saga waits for a person, one after the other."""
    afterwards: tuple[str, ...] = ()
    """What it says when the saga has an outcome."""
    crowd: int = 1
    """How many sagas of this kind are started at once, by the tenants in turn."""
    tenants: tuple[str, ...] = ("acme",)
    stranger: str | None = None
    """Another tenant, who asks after these sagas and must hear nothing."""
    lease: float = 15.0
    deadline: float | None = None
    on_stuck_undo: OnStuckUndo = "stop"

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    @property
    def external(self) -> str | None:
        """The milestone that another process completes."""
        return next((step.name for step in self.steps if step.external), None)


@dataclass
class Cue:
    """Where a handler waits for its client: `called` when its effect is there, `go_on` when it may return."""

    called: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


class CuedParticipant(Participant):
    """Returns from its action when the client says so."""

    cue: Cue

    async def do(self, ctx: Context[Any]) -> dict[str, str]:
        result = await super().do(ctx)
        self.cue.called.set()
        await self.cue.go_on.wait()
        return result


def build(plan: Plan, ledger: Ledger, *, without: str | None = None) -> tuple[Saga[Any], Cue]:
    """The saga of a plan, its participants writing into this ledger. `without`: leaves that milestone's code out."""
    cue = Cue()
    milestones = [_milestone(plan, step, ledger, cue) for step in plan.steps]
    saga: Saga[Any] = Saga(
        plan.name, version=1, milestones=milestones, deadline=plan.deadline, on_stuck_undo=plan.on_stuck_undo
    )
    if without is not None:
        saga.handlers = {name: fn for name, fn in saga.handlers.items() if name != f"do_{without}"}
    return saga, cue


def _milestone(plan: Plan, step: Step, ledger: Ledger, cue: Cue) -> MilestoneOf[Any, Any]:
    cued = step.name == plan.cue_at
    kind = CuedParticipant if cued else Participant
    emits = f"{step.name}.done" if step.emits else None
    reads = [s.name for s in plan.steps[: plan.steps.index(step)]]
    participant = kind(ledger, step.name, do=step.do, undo=step.undo, reads=reads, emits=emits)
    if isinstance(participant, CuedParticipant):
        participant.cue = cue
    if step.external:
        return participant.external(timeout=3600, pivot=step.policy.get("pivot", False))
    policy: dict[str, Any] = {"undo_retry": AT_ONCE, **step.policy}
    if not policy.get("at_most_once"):
        policy.setdefault("retry", AT_ONCE)
    return participant.milestone(**policy)
