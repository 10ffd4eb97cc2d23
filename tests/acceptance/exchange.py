"""The way between handlers in other processes and the participant of a test: one connection for each call."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from dataclasses import asdict

from tests.acceptance.participant import Asked, Participant, Reply


@contextlib.asynccontextmanager
async def answering(participant: Participant) -> AsyncIterator[int]:
    """Answers calls that come over a port of this machine, and gives the port."""

    async def one_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            asked = Asked(**json.loads(await reader.readline()))
            if (reply := await _while_connected(participant.ask(asked), reader)) is not None:
                writer.write(json.dumps(asdict(reply)).encode() + b"\n")
                await writer.drain()

    server = await asyncio.start_server(one_call, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        participant.give_up()
        server.close()
        await server.wait_closed()


async def _while_connected(asking: Coroutine[None, None, Reply], reader: asyncio.StreamReader) -> Reply | None:
    """The answer; None when whoever asked is gone before it is known."""
    answer = asyncio.ensure_future(asking)
    gone = asyncio.ensure_future(reader.read())
    await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        gone.cancel()
        return answer.result()
    answer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await answer
    return None


class Connection:
    """What a program gives its sagas: it asks at that port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self, asked: Asked) -> Reply:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        with contextlib.closing(writer):
            writer.write(json.dumps(asdict(asked)).encode() + b"\n")
            line = await reader.readline()
        if not line:
            raise ConnectionResetError("the participant hung up")
        return Reply(**json.loads(line))
