"""A cable between a worker and its server that can be pulled: nothing goes through any more, and nobody is told."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
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
        self._cuts_at: bytes | None = None
        self.hung = asyncio.Event()
        self._clients: dict[socket.socket, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.setblocking(False)
        asyncio.get_running_loop().add_reader(self._door, self._let_in)
        return self

    async def __aexit__(self, *error: object) -> None:
        asyncio.get_running_loop().remove_reader(self._door)
        self._door.close()
        there = dict(self._clients)
        for connected in there.values():
            connected.cancel()
        await asyncio.gather(*there.values(), return_exceptions=True)
        for client in there:
            client.close()  # a task that never began has not done it

    @property
    def url(self) -> str:
        """The same database, through this proxy."""
        port = self._door.getsockname()[1]
        return urlunsplit(self._server._replace(netloc=f"postgres@127.0.0.1:{port}"))

    def hang(self) -> None:
        self._through.clear()
        self.hung.set()

    def hang_at(self, sent: bytes) -> None:
        """As soon as a client sends this, which does not arrive any more."""
        self._hangs_at = sent

    def cut_at(self, sent: bytes) -> None:
        """Whoever sends this next is cut off, and it does not arrive."""
        self._cuts_at = sent

    def go_on(self) -> None:
        """All that was sent meanwhile arrives now."""
        self._hangs_at = None
        self.hung.clear()
        self._through.set()

    def cut(self) -> None:
        """All clients are cut off, and see it. What the server is doing for them it goes on doing."""
        for client in self._clients:
            _end(client)

    def forget(self) -> None:
        """Those who are connected are never answered again, and are not told; whoever connects anew gets through."""
        self._through.clear()
        self._through = asyncio.Event()
        self._through.set()

    # --- how ---

    def _let_in(self) -> None:
        client, _ = self._door.accept()
        client.setblocking(False)
        self._clients[client] = asyncio.create_task(self._connect(client, self._through))

    async def _connect(self, client: socket.socket, through: asyncio.Event) -> None:
        """A client to the server, until one of the two has gone."""
        try:
            await through.wait()
            with suppress(OSError), socket.socket() as server:  # the server is not there
                server.setblocking(False)
                await asyncio.get_running_loop().sock_connect(server, (self._server.hostname, self._server.port))
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._pass_on(client, server, through, asking=True))
                    ways.create_task(self._pass_on(server, client, through, asking=False))
        finally:
            del self._clients[client]
            client.close()

    async def _pass_on(
        self, source: socket.socket, target: socket.socket, through: asyncio.Event, *, asking: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # one side is gone, and so is the other one
            while some := await loop.sock_recv(source, 65536):
                if asking and self._hangs_at is not None and self._hangs_at in some:
                    self.hang()
                if asking and self._cuts_at is not None and self._cuts_at in some:
                    self._cuts_at = None
                    break
                await through.wait()
                await loop.sock_sendall(target, some)
        _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
