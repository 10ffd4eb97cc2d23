"""How the engine behaves: one frozen object, every field documented. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EACH = "*"
"""In `Limits.tenants`: every tenant that is not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast a handler may be called by one worker: so many calls at once, so many begun in a second."""

    at_once: int | None = None
    per_second: float | None = None

    def __post_init__(self) -> None:
        if self.at_once is None and self.per_second is None:
            raise ValueError("a Rate without at_once= and per_second= limits nothing")
        if self.at_once is not None:
            _check_count("at_once", self.at_once)
        if self.per_second is not None:
            _check_above_zero("per_second", self.per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be under way. What is over a limit waits in the store, or for its turn; nothing is refused."""

    journeys: Mapping[str, int] = field(default_factory=dict)
    """So many runs of a journey are moved at once, over all workers."""

    tenants: Mapping[str, int] = field(default_factory=dict)
    """So many runs of a tenant are moved at once, over all workers; "*" is for each one that is not named."""

    handlers: Mapping[str, Rate] = field(default_factory=dict)
    """How fast a handler, an action or an undo, may be called by each worker."""

    def __post_init__(self) -> None:
        for kind in ("journeys", "tenants"):
            for name, most in getattr(self, kind).items():
                _check_count(f"the limit of {kind} {name!r}", most)
        for name, rate in self.handlers.items():
            if not isinstance(rate, Rate):
                raise ValueError(f"the limit of handler {name!r} is {rate!r}: it must be a Rate")

    @property
    def on_claims(self) -> bool:
        """Some of them are about how many runs are moved."""
        return bool(self.journeys or self.tenants)

    def of_tenant(self, tenant: str) -> int | None:
        return self.tenants.get(tenant, self.tenants.get(EACH))


NO_LIMITS = Limits()


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

    undo_share: float = 0.25
    """This share of `concurrency` is kept for sagas that are being undone: a rush of new ones cannot hold them up."""

    limits: Limits = NO_LIMITS
    """How many runs of a journey or a tenant are moved at once, and how fast handlers are called."""

    keep_finished: float | None = None
    """Sagas that ended so long ago are taken out of the database, by whatever worker has the time; None: never."""

    archive_finished: bool = True
    """What is taken out stays readable in the table `archive`; False: it is deleted."""

    linger: float = 30.0
    """How long the next call of a milestone waits for one that ran past its timeout and does not end."""

    handler_grace: float = 60.0
    """How long a saga whose handlers nobody has may stay unclaimed before it asks for a person."""

    handle_sigterm: bool = True
    """Close gracefully on SIGTERM, when nothing else in the program handles it."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "backlog"):
            _check_count(name, getattr(self, name))
        _check_above_zero("lease", self.lease)
        if self.keep_finished is not None:
            _check_above_zero("keep_finished", self.keep_finished)
        for name in ("grace", "linger", "handler_grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it cannot be negative")
        if not 0 <= self.undo_share < 1:
            raise ValueError(f"undo_share is {self.undo_share!r}: it is a share, from 0 to below 1")


def _check_above_zero(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:  # nor what is no number
        raise ValueError(f"{name} is {value!r}: it must be above 0")


def _check_count(name: str, value: object) -> None:
    _check_above_zero(name, value)
    if not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}: it must be a whole number")
