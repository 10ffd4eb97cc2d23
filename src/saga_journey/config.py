"""How the engine behaves: one frozen object, every field documented. Durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The defaults are meant to be right for an application that runs its own sagas."""

    concurrency: int = 256
    """How many sagas are moved at once by this process; the others wait in the store."""

    backlog: int = 10_000
    """How many started sagas may wait for a place before `start` raises Overloaded."""

    lease: float = 15.0
    """A worker that does not renew its claim for so long (it is frozen) loses its sagas to others."""

    grace: float = 30.0
    """How long a closing worker waits for the calls that are under way; what is left then counts as lost."""

    linger: float = 30.0
    """How long the next call of a milestone waits for one that ran past its timeout and does not end."""

    handler_grace: float = 60.0
    """How long a saga whose handlers nobody has may stay unclaimed before it asks for a person."""

    handle_sigterm: bool = True
    """Close gracefully on SIGTERM, when nothing else in the program handles it."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "backlog", "lease"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be above 0")
        for name in ("grace", "linger", "handler_grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it cannot be negative")
