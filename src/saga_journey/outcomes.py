"""How a saga ended, as a value: match on it. None of these is an exception; a failed saga is part of the business."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saga_journey.core.events import Because
from saga_journey.core.operators import standing
from saga_journey.core.progress import doubtful, kept, verbs
from saga_journey.core.state import Attention, RunState, SagaStatus
from saga_journey.handlers.context import read_result
from saga_journey.handlers.curator import Curator


class Results(Mapping[str, Any]):
    """What the milestones returned, by id. Each value is read in its declared type when it is asked for."""

    __slots__ = ("_curator", "_state")

    def __init__(self, state: RunState, curator: Curator) -> None:
        self._state = state
        self._curator = curator

    def __getitem__(self, milestone: str) -> Any:
        index = self._state.definition.index[milestone]
        if self._state.milestones[index].result is None:
            raise KeyError(milestone)
        return read_result(self._state, index, self._curator)

    def of(self, action: Callable[..., Any]) -> Any:
        """By the function that is the milestone's action."""
        name = self._curator.name_of(action)
        for spec in self._state.definition.milestones:
            if spec.action == name:
                return self[spec.id]
        raise KeyError(getattr(action, "__name__", action))

    def __iter__(self) -> Iterator[str]:
        milestones = zip(self._state.definition.milestones, self._state.milestones, strict=True)
        return (spec.id for spec, m in milestones if m.result is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True)
class Completed:
    """Every milestone is done. `doubtful` are optional or skipped ones of which nobody knows what they did."""

    results: Results
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compensated:
    """Everything that was done is undone. `standing` took place and had nothing to undo (`undo=None`)."""

    because: Because
    standing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """It waits for a person: `attention` says for what, `verbs` what they can do. Not final: ask again to wait on."""

    attention: tuple[Attention, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person closed it, with a reason. `left` are milestones whose effects may still stand."""

    reason: str
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A structured journey was stopped where it was; nothing was undone."""

    because: Because
    standing: tuple[str, ...] = ()


Outcome = Completed | Compensated | Failed | Resolved | Cancelled


def outcome_of(state: RunState, curator: Curator) -> Outcome:
    """The outcome of a run that has one: it is final, or waits for a person."""
    status = state.status
    if status is SagaStatus.COMPLETED:
        return Completed(Results(state, curator), doubtful(state))
    if status is SagaStatus.COMPENSATED:
        return Compensated(_because(state), kept(state))
    if status is SagaStatus.FAILED:
        return Failed(state.attention, verbs(state))
    if status is SagaStatus.RESOLVED:
        return Resolved(state.reason or "", state.left)
    if status is SagaStatus.CANCELLED:
        return Cancelled(_because(state), standing(state))
    raise ValueError(f"{state.saga_id} is {status}: it has no outcome yet")


def _because(state: RunState) -> Because:
    assert state.because is not None, "a run that turned back knows why"
    return state.because
