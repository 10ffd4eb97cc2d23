"""A journey as JSON: what HTTP, CLI and templates send, and what `plain(definition)` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from saga_journey.core.canonical import encode
from saga_journey.core.definition import (
    ACTION_RETRY,
    ONE_CALL,
    UNDO_RETRY,
    ChildJourney,
    Effects,
    JourneyKind,
    Milestone,
    MilestoneKind,
    OnStuckUndo,
    Retry,
)
from saga_journey.core.shape import Parallel, To


class _Request(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True, extra="forbid", strict=True)


class RetryRequest(_Request):
    """A retry policy as JSON; what is left out stays at the default of its kind."""

    attempts: int | None = None
    first: float | None = None
    factor: float | None = None
    most: float | None = None
    lost: int | None = None

    def over(self, default: Retry) -> Retry:
        return Retry(**{**asdict(default), **self.model_dump(exclude_none=True)})


class ToRequest(_Request):
    """Where a journey may go on; `when` is a condition in CEL."""

    milestone: str
    when: str | None = None


def _kind_of_next(step: Any) -> str:
    return "a name" if isinstance(step, str) else "a choice"


NextRequest = Annotated[
    Annotated[str, Tag("a name")] | Annotated[ToRequest, Tag("a choice")], Discriminator(_kind_of_next)
]


class ChildRequest(_Request):
    """The journey that a milestone of kind child runs, as it was designed."""

    name: str
    version: int
    hash: str
    pivot: bool = False


class MilestoneRequest(_Request):
    """A milestone as JSON. `id` names the action too when `action` is left out; `undo: null` says "nothing to undo".

    A `timer` waits `timeout` seconds. A `child` runs a journey that was designed before, and is given the result of the
    milestone `given`, or the journey's own input. A next step is a name, or a name with a condition.
    """

    id: str
    action: str | None = None
    undo: str | None = None
    kind: MilestoneKind = "action"
    timeout: float = 60.0
    undo_timeout: float = 60.0
    within: float | None = None
    retry: RetryRequest | None = None
    undo_retry: RetryRequest = Field(default_factory=RetryRequest)
    pivot: bool = False
    optional: bool = False
    at_most_once: bool = False
    params: Any = None
    next_steps: list[NextRequest] = Field(default_factory=list)
    child: ChildRequest | None = None
    given: str | None = None
    effects: Effects | None = None

    def says_undo(self) -> bool:
        return "undo" in self.model_fields_set or self.kind in ("timer", "child")

    def steps(self) -> tuple[To, ...]:
        return tuple(To(step) if isinstance(step, str) else To(step.milestone, step.when) for step in self.next_steps)

    def build(self) -> Milestone:
        """Raises NotJson when the params cannot be recorded."""
        return Milestone(
            id=self.id,
            action=self.action or (self.id if self.kind == "action" else None),
            undo=self.undo,
            kind=self.kind,
            timeout=self.timeout,
            undo_timeout=self.undo_timeout,
            within=self.within,
            retry=self._retry(),
            undo_retry=self.undo_retry.over(UNDO_RETRY),
            pivot=self.pivot,
            optional=self.optional,
            at_most_once=self.at_most_once,
            params=None if self.params is None else encode(self.params, f"milestone {self.id!r}: params"),
            next_steps=self.steps(),
            child=None if self.child is None else ChildJourney(**self.child.model_dump()),
            given=self.given,
            effects=self.effects,
        )

    def _retry(self) -> Retry:
        if self.retry is None:
            return ONE_CALL if self.at_most_once else ACTION_RETRY
        return self.retry.over(ACTION_RETRY)


class ParallelRequest(_Request):
    """A block: a branch is a milestone, or a list of them."""

    parallel: list[list[MilestoneRequest]]

    def build(self) -> Parallel:
        return Parallel(tuple(tuple(m.build() for m in branch) for branch in self.parallel))


def _kind_of_step(row: Any) -> str:
    block = isinstance(row, ParallelRequest) or (isinstance(row, Mapping) and "parallel" in row)
    return "a block" if block else "a milestone"


StepRequest = Annotated[
    Annotated[MilestoneRequest, Tag("a milestone")] | Annotated[ParallelRequest, Tag("a block")],
    Discriminator(_kind_of_step),
]


class JourneyRequest(_Request):
    """A journey as JSON; what `plain(definition)` writes, this reads."""

    version: int = 1
    kind: JourneyKind = "saga"
    deadline: float | None = None
    on_stuck_undo: OnStuckUndo = "stop"
    milestones: list[StepRequest]

    def every_milestone(self) -> list[MilestoneRequest]:
        """Those of all blocks, too."""
        blocks = [[[step]] if isinstance(step, MilestoneRequest) else step.parallel for step in self.milestones]
        return [m for block in blocks for branch in block for m in branch]


def put_in_line(milestones: Sequence[MilestoneRequest]) -> list[MilestoneRequest]:
    """In the order that their `next_steps` give, when these make one line of all of them; else as they stand."""
    following = {m.id: m.steps() for m in milestones if m.next_steps}
    if any(len(steps) != 1 or steps[0].when is not None for steps in following.values()):
        return list(milestones)
    by_id = {m.id: m for m in milestones}
    targets = {steps[0].milestone for steps in following.values()}
    if not targets <= by_id.keys():
        return list(milestones)
    at: str | None = next((m.id for m in milestones if m.id not in targets), None)
    line: dict[str, MilestoneRequest] = {}
    while at in by_id and at not in line:
        line[at] = by_id[at].model_copy(update={"next_steps": []})
        at = following[at][0].milestone if at in following else None
    return list(line.values()) if following and len(line) == len(milestones) else list(milestones)
