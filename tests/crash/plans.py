"""What one saga of a test is to go through: its milestones, how its participants answer, what its client does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saga_journey import Context, Retry, Saga
from saga_journey.authoring import MilestoneOf, child, parallel, timer
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
    seconds: float | None = None
    """It is a timer, and nobody is called."""


@dataclass(frozen=True)
class Block:
    """Branches that run side by side, each a sequence of steps."""

    branches: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class Nested:
    """A milestone that is a saga of these steps."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """A saga and its client. `ends` is how it ends when nothing disturbs it; None: nobody knows beforehand."""

    name: str
    steps: tuple[Step | Block | Nested, ...]
    ends: str | None = None
    cue_at: str | None = None
    """The client interferes while this milestone is being called, after its effect …"""
    interfere: tuple[str, ...] = ()
    """… with these verbs, one after the other."""
    until_decided: bool = False
    """That call ends only when the saga has turned back."""
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

    @property
    def every_step(self) -> tuple[Step, ...]:
        """Also those of blocks and children."""
        return tuple(step for part in self.steps for step in _steps_of(part))

    @property
    def nested(self) -> tuple[str, ...]:
        """The milestones that run a child."""
        return tuple(part.name for part in self.steps if isinstance(part, Nested))

    def step(self, name: str) -> Step:
        return next(step for step in self.every_step if step.name == name)

    @property
    def external(self) -> str | None:
        """The milestone that another process completes."""
        return next((step.name for step in self.every_step if step.external), None)


def _steps_of(part: Step | Block | Nested) -> tuple[Step, ...]:
    if isinstance(part, Block):
        return tuple(step for branch in part.branches for step in branch)
    return part.steps if isinstance(part, Nested) else (part,)


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
    milestones: list[Any] = []
    before: list[str] = []
    for part in plan.steps:
        milestones.append(_part(plan, part, before, ledger, cue))
        before += [part.name] if isinstance(part, Nested) else [step.name for step in _steps_of(part)]
    saga: Saga[Any] = Saga(
        plan.name, version=1, milestones=milestones, deadline=plan.deadline, on_stuck_undo=plan.on_stuck_undo
    )
    if without is not None:
        saga.handlers = {name: fn for name, fn in saga.handlers.items() if name != f"do_{without}"}
    return saga, cue


def _part(plan: Plan, part: Step | Block | Nested, before: Sequence[str], ledger: Ledger, cue: Cue) -> Any:
    if isinstance(part, Step):
        return _milestone(plan, part, before, ledger, cue)
    if isinstance(part, Block):
        return parallel(*[_row(plan, branch, before, ledger, cue) for branch in part.branches])
    own: Saga[Any] = Saga(f"{plan.name}.{part.name}", version=1, milestones=_row(plan, part.steps, (), ledger, cue))
    return child(own, id=part.name)


def _row(
    plan: Plan, steps: Sequence[Step], before: Sequence[str], ledger: Ledger, cue: Cue
) -> list[MilestoneOf[Any, Any]]:
    """Milestones one after the other. Each reads what came before it for certain: nothing of a sibling."""
    return [
        _milestone(plan, step, [*before, *[s.name for s in steps[:place]]], ledger, cue)
        for place, step in enumerate(steps)
    ]


def _milestone(plan: Plan, step: Step, reads: Sequence[str], ledger: Ledger, cue: Cue) -> MilestoneOf[Any, Any]:
    if step.seconds is not None:
        return timer(step.name, step.seconds)
    cued = step.name == plan.cue_at
    kind = CuedParticipant if cued else Participant
    emits = f"{step.name}.done" if step.emits else None
    participant = kind(ledger, step.name, do=step.do, undo=step.undo, reads=reads, emits=emits)
    if isinstance(participant, CuedParticipant):
        participant.cue = cue
    if step.external:
        return participant.external(timeout=3600, pivot=step.policy.get("pivot", False))
    policy: dict[str, Any] = {"undo_retry": AT_ONCE, **step.policy}
    if not policy.get("at_most_once"):
        policy.setdefault("retry", AT_ONCE)
    return participant.milestone(**policy)
