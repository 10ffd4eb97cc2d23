"""Databases of a server, made and dropped from synchronous code, also while an event loop is running."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit


class Databases:
    """Those that this process makes on the server at that URL, which names a database to connect to meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: set[str] = set()

    def fresh(self, template: str | None = None) -> str:
        """The URL of a new database: an empty one, or a copy of the one at the URL `template`.

        Nobody may be connected to the template. It is copied through the log of the server, as is its default: that
        takes a third of the time that a copy of its files takes.
        """
        name = f"saga_test_{uuid.uuid4().hex}"
        source = "template1" if template is None else urlsplit(template).path.lstrip("/")
        self.execute(f'create database "{name}" template "{source}"')
        self._made.add(url := with_database(self._url, name))
        return url

    def drop(self, url: str) -> None:
        """Whoever is connected to it is cut off."""
        self.execute(f'drop database if exists "{urlsplit(url).path.lstrip("/")}" with (force)')
        self._made.discard(url)

    def drop_all(self) -> None:
        """All that were made here and are still there."""
        for url in list(self._made):
            self.drop(url)

    def execute(self, statement: str) -> None:
        """One statement, by a role that may do everything."""
        with ThreadPoolExecutor(1) as thread:  # a loop of its own, and gone afterwards: the caller may fork
            thread.submit(lambda: asyncio.run(_done(self._url, statement))).result()


def with_database(url: str, name: str) -> str:
    """The same server, user and options."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _done(url: str, statement: str) -> None:
    import asyncpg  # here: without it the tests of the other stores run all the same

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
