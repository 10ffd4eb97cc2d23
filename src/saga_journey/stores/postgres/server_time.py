"""Store time on PostgreSQL: the server's clock, read between two answers of the server by the clock of this host.

This host's wall clock does not matter, however wrong it is. What is read is never ahead of the server: it is behind by
at most the time that the quickest answer took.
"""

from __future__ import annotations

from saga_journey.stores.boot_clock import boot_clock


class ServerTime:
    """Call it for the time now; tell it what the server said."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch. Never runs backwards."""
        assert self._offset is not None, "the server was never asked"
        now = boot_clock() + self._offset
        if now > self._last:
            self._last = now
        return self._last

    def said(self, time: float, asked: float, answered: float) -> None:
        """The server said `time`, at some moment between these two readings of the boot clock."""
        least, most = time - answered, time - asked
        if self._offset is None or self._offset > most:  # the first answer, or somebody has set the server's clock back
            self._offset = least
        else:
            self._offset = max(self._offset, least)
