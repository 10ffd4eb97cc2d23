"""A run while this process owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from saga_journey.core.commands import Command, External, Uncallable
from saga_journey.core.state import RunState
from saga_journey.core.walk import next_call
from saga_journey.ports import RunKey


class Sent(NamedTuple):
    """A command that somebody sent: it is stored under its id, and gets an answer."""

    command: External
    command_id: str


Arrival = Command | Sent
NO_LANES: Mapping[int, asyncio.Task[None]] = MappingProxyType({})


class OwnedRun:
    """The claim, the newest durable state, what has arrived since, and the call under way.

    At most one commit is in flight; `state` advances only when it is acknowledged. `gone` means that this process does
    not own the run any more: released, ended, or lost to another worker.
    """

    __slots__ = (
        "alone",
        "calling",
        "committing",
        "deadline_at",
        "epoch",
        "gone",
        "in_line_since",
        "inbox",
        "key",
        "lanes",
        "lost",
        "next",
        "saga_id",
        "seen",
        "settled",
        "sleeper",
        "spoiled",
        "state",
        "task",
        "tenant",
        "uncallable",
    )

    def __init__(self, key: RunKey, tenant: str, epoch: int, state: RunState, lost: int = 0) -> None:
        self.key: RunKey = key
        self.tenant: str = tenant
        self.saga_id: str = state.saga_id
        self.epoch: int = epoch
        self.state: RunState = state
        self.lost: int = lost  # as its index row says
        self.alone: bool = False  # it may be a poison: no other such run is claimed beside it
        self.next: int | None = next_call(state)  # the milestone to be called next, if any
        self.inbox: list[Arrival] = []
        self.seen: set[str] | None = None  # command ids that are in hand already
        self.calling: tuple[int, ...] = ()
        self.deadline_at: float | None = None  # the run's deadline, while a call is under way
        self.committing: bool = False
        self.gone: bool = False
        self.spoiled: bool = False  # what a call gave could not be recorded: nothing more is called under this claim
        self.in_line_since: float | None = None  # it waits for its turn with a handler that is called so fast only
        self.settled: asyncio.Future[None] | None = None
        self.sleeper: asyncio.Future[None] | None = None
        self.lanes: dict[int, asyncio.Task[None]] | Mapping[int, asyncio.Task[None]] = NO_LANES  # calls side by side
        self.task: asyncio.Task[None] | None = None
        self.uncallable: Uncallable | None = None  # why this process cannot call its handlers

    def wake(self) -> None:
        """Ends a short sleep between two attempts: the run has changed."""
        if self.sleeper is not None and not self.sleeper.done():
            self.sleeper.set_result(None)

    def stop(self) -> None:
        """It is not ours any more: its calls are cancelled, as far as a call can be; what they say counts no longer."""
        here = asyncio.current_task()
        for task in (*self.lanes.values(), self.task):
            if task is not None and task is not here:
                task.cancel()

    def has_settled(self) -> None:
        """Tells those who wait that no commit is under way any more."""
        if self.settled is not None:
            if not self.settled.done():
                self.settled.set_result(None)
            self.settled = None

    def first_seen(self, command_id: str) -> bool:
        """False when this command is in hand already, by another way."""
        if self.seen is None:
            self.seen = set()
        elif command_id in self.seen:
            return False
        self.seen.add(command_id)
        return True
