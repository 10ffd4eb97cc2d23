"""Rounds: at each point of W the contestants take turns (A B C, A B C, …), each in a fresh process on a fresh place.

What is slow or fast about a machine drifts; within a round it is nearly the same for all, so ratios are taken round
by round. A round in which others used more than 10 % of the cores is played again, a few times; the last try is kept
and shown, but it is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from bench.contestants import Store
from bench.foreign import is_quiet, wait_until_quiet
from bench.fresh import answer_of
from bench.grounds import Lend
from bench.measure import Point
from bench.workload import AT_ONCE, MODES, Mode

TRIES = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Round:
    """One turn of every contestant at the same point."""

    points: dict[str, Point]

    def foreign_share(self) -> float | None:
        """The worst of its points; None when one of them does not know."""
        shares = [point.foreign_share for point in self.points.values()]
        known = [share for share in shares if share is not None]
        return max(known) if len(known) == len(shares) else None


@dataclass(frozen=True)
class Bout:
    """All rounds at one point of W."""

    store: Store
    mode: Mode
    at_once: int
    rounds: list[Round]

    @property
    def quiet(self) -> list[Round]:
        """The rounds that may be judged."""
        return [played for played in self.rounds if is_quiet(played.foreign_share())]

    def points(self, contestant: str) -> list[Point]:
        """A contestant's points, a round each."""
        return [played.points[contestant] for played in self.rounds if contestant in played.points]

    def figure(self, contestant: str, name: str) -> float | None:
        """The median of one figure of a contestant; None when it has none."""
        values = [getattr(point, name) for point in self.points(contestant)]
        return None if not values or None in values else median(values)


def ratio(rounds: Sequence[Round], contestant: str, other: str) -> float | None:
    """How many times the sagas/s of `other`: the median of the ratios of each round."""
    pairs = [(played.points.get(contestant), played.points.get(other)) for played in rounds]
    ratios = [a.sagas_per_s / b.sagas_per_s for a, b in pairs if a is not None and b is not None]
    return median(ratios) if ratios else None


def undisturbed(attempt: Callable[[], T], share: Callable[[T], float | None], tries: int = TRIES) -> T:
    """What `attempt` measures while others leave the machine alone, or its last try."""
    for _ in range(tries - 1):
        measured = attempt()
        if (foreign := share(measured)) is None or is_quiet(foreign):
            return measured
        wait_until_quiet()
    return attempt()


def play(
    store: Store, contestants: Sequence[str], rounds: int, tries: int, seconds: float, lend: Lend
) -> Iterator[Bout]:
    """All points of W, each as soon as its rounds are played."""

    def bout(mode: Mode, at_once: int) -> Bout:
        def turn_of_all() -> Round:
            return Round({name: _point(store, name, mode, at_once, seconds, lend) for name in contestants})

        return Bout(store, mode, at_once, [undisturbed(turn_of_all, Round.foreign_share, tries) for _ in range(rounds)])

    for mode in MODES:
        for at_once in AT_ONCE:
            yield bout(mode, at_once)


def _point(store: Store, contestant: str, mode: Mode, at_once: int, seconds: float, lend: Lend) -> Point:
    with lend(contestant) as place:
        where: list[str | int] = ["--at", place.url]
        for server in place.servers:
            where += ["--server", server]
        return Point(**answer_of("bench.measure", store, contestant, mode, at_once, "--seconds", seconds, *where))
