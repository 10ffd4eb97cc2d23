"""When the orchestrator is killed: at moments spread over the orders, and only while sagas are under way."""

from __future__ import annotations

import random
from typing import Final

from progress import Progress

FIRST: Final = 0.15
LAST: Final = 0.75
PATIENCE: Final = 0.04


class Kills:
    """Decides, look by look, whether to kill now. The seed shifts the moments.

    When a moment has come, it waits a little for an undo to be under way, because that is the worse moment,
    but not longer than another four orders in a hundred take to end.
    """

    def __init__(self, count: int, orders: int, seed: int) -> None:
        chance = random.Random(seed)
        share = (LAST - FIRST) / max(count, 1)
        self._moments = [orders * (FIRST + share * (number + 0.6 * chance.random())) for number in range(count)]
        self._patience = orders * PATIENCE
        self.done = 0
        self.during_undos = 0

    def is_due(self, progress: Progress) -> bool:
        """Whether this is a moment to kill."""
        if self.done == len(self._moments) or not progress.under_way:
            return False
        moment = self._moments[self.done]
        return progress.ended >= moment and (progress.being_undone > 0 or progress.ended >= moment + self._patience)

    def note(self, progress: Progress) -> None:
        """It was killed, as things were then."""
        self.done += 1
        self.during_undos += progress.being_undone > 0

    def missing(self) -> list[str]:
        """The complaint that there were fewer kills than wanted, if so."""
        wanted = len(self._moments)
        return [f"only {self.done} of {wanted} kills met a saga under way"] if self.done < wanted else []
