"""A cable between a worker and its server that can be pulled: nothing goes through any more, and nobody is told."""

from __future__ import annotations

import asyncio
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Stands before a server, for the event loop that entered it.

    What is sent while it hangs waits in it, in both directions, and goes on when it does; new connections wait, too.
    """

    def __init__(self, url: str) -> None:
        """`url`: of a database on the server."""
        self._server = urlsplit(url)
        self._through = asyncio.Event()
        self._through.set()
        self._hangs_at: bytes | None = None
        self.hung = asyncio.Event()
        self._ways: set[asyncio.Task[None]] = set()
        self._clients: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._door = await asyncio.start_server(self._came_in, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._door.close()
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)
        await self._door.wait_closed()

    @property
    def url(self) -> str:
        """The same database, through this proxy."""
        port = self._door.sockets[0].getsockname()[1]
        return urlunsplit(self._server._replace(netloc=f"postgres@127.0.0.1:{port}"))

    def hang(self) -> None:
        self._through.clear()
        self.hung.set()

    def hang_at(self, sent: bytes) -> None:
        """As soon as a client sends this, which does not arrive any more."""
        self._hangs_at = sent

    def go_on(self) -> None:
        """All that was sent meanwhile arrives now."""
        self._hangs_at = None
        self.hung.clear()
        self._through.set()

    def cut(self) -> None:
        """All clients are cut off, and see it. What the server is doing for them it goes on doing."""
        for client in self._clients:
            client.transport.abort()
        self._clients.clear()

    def forget(self) -> None:
        """Those who are connected are never answered again, and are not told; whoever connects anew gets through."""
        self._through.clear()
        self._through = asyncio.Event()
        self._through.set()

    # --- how ---

    async def _came_in(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        through = self._through
        self._clients.append(to_client)
        await through.wait()
        from_server, to_server = await asyncio.open_connection(self._server.hostname, self._server.port)
        for source, target, asking in ((from_client, to_server, True), (from_server, to_client, False)):
            way = asyncio.create_task(self._pass_on(source, target, through, asking=asking))
            self._ways.add(way)
            way.add_done_callback(self._ways.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, through: asyncio.Event, *, asking: bool
    ) -> None:
        try:
            while some := await source.read(65536):
                if asking and self._hangs_at is not None and self._hangs_at in some:
                    self.hang()
                await through.wait()
                target.write(some)
                await target.drain()
        except OSError:
            pass  # one side is gone, and so is the other one
        finally:
            target.close()
