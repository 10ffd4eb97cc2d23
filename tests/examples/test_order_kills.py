"""When the demonstration kills its orchestrator."""

from collections import Counter

import pytest

from kills import Kills
from progress import Progress


def looks(under_way: int, being_undone: int = 0) -> list[Progress]:
    """An orchestrator's life, from the first order to the last of a hundred."""
    return [Progress(Counter(completed=ended), under_way, being_undone) for ended in range(101)]


def moments(kills: Kills, looks: list[Progress]) -> list[int]:
    """How many orders had ended at each kill."""
    killed = []
    for look in looks:
        if kills.is_due(look):
            kills.note(look)
            killed.append(look.ended)
    return killed


@pytest.mark.parametrize("count", [0, 1, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_the_kills_are_spread_over_the_middle_of_the_run(count: int, seed: int) -> None:
    killed = moments(Kills(count, 100, seed), looks(under_way=64))
    assert len(killed) == len(set(killed)) == count
    assert all(15 <= ended <= 80 for ended in killed)


def test_nobody_is_killed_while_nothing_is_under_way() -> None:
    kills = Kills(3, 100, seed=1)
    assert moments(kills, looks(under_way=0)) == []
    assert kills.missing() == ["only 0 of 3 kills met a saga under way"]


def test_an_undo_under_way_is_the_better_moment() -> None:
    idle, undoing = Kills(3, 100, seed=1), Kills(3, 100, seed=1)
    early = moments(undoing, looks(under_way=64, being_undone=1))
    late = moments(idle, looks(under_way=64))
    assert all(sooner < later for sooner, later in zip(early, late, strict=True))
    assert (undoing.during_undos, idle.during_undos) == (3, 0)


def test_the_same_seed_kills_at_the_same_moments() -> None:
    assert moments(Kills(4, 100, 7), looks(1)) == moments(Kills(4, 100, 7), looks(1))
