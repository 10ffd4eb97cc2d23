"""On PostgreSQL a lease outlives its worker. What time would do is done when a process ends, so that no test waits."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing

from saga_journey.stores.server_url import is_postgres
from saga_journey.testing.databases import look_into


class Leases:
    """The leases of the workers on a database. Of SQLite nothing is to be said: there a lock tells who is alive."""

    def __init__(self, url: str) -> None:
        self._url = url

    def owners(self) -> set[int]:
        """Those that are registered now."""
        if not is_postgres(self._url):
            return set()
        with closing(look_into(self._url)) as looking:
            return {owner for (owner,) in looking.rows("select owner from owner")}

    def end(self, owners: Collection[int] | None = None) -> None:
        """The leases of these, or of all, are over."""
        if not is_postgres(self._url) or owners == set():
            return
        which = "true" if owners is None else f"owner in ({', '.join(map(str, owners))})"
        with closing(look_into(self._url, writing=True)) as looking:
            # a short one: after the server came up, every lease gets its time once more
            looking.execute(f"update owner set lease = 0, lease_until = 0 where {which}")
