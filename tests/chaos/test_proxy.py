"""The proxy itself: whatever a client is doing when it goes, nothing of it stays open."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest

from tests.chaos.proxy import Proxy


async def left_while_coming_in(moments: int) -> None:
    """`moments`: turns of the event loop between a client's coming and the proxy's going."""
    server = await asyncio.start_server(lambda _, answers: answers.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy(f"postgresql://postgres@127.0.0.1:{port}/any") as proxy:
        front = proxy.url.rpartition("/")[0].rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(front))):
            for _ in range(moments):
                await asyncio.sleep(0)


@pytest.mark.parametrize("moments", range(14))
def test_a_client_that_is_coming_in_when_the_proxy_goes_is_let_go_of(moments: int) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(left_while_coming_in(moments))
        gc.collect()
    assert not warned
