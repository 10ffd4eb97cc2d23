"""The embedded store: one SQLite file, many processes, one writer in each, commits in groups."""

from saga_journey.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
