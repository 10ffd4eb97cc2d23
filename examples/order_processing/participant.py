"""A participant as a process: its books behind an HTTP API, with the manners that its callers' troubles ask for.

It serves `POST /<action>` and `POST /<undo>` on 127.0.0.1 at a free port, says so in one line on its standard
output (`ready <name> <url>`), and lives until it is told to end or its standard input closes, so it never
outlives whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web

from books import Answer, Body, Books, Call, Move, Way
from trouble import Manner, Refusal, reaction

SLOW_SECONDS: Final = 0.8  # longer than the 0.5 s that a saga waits for an answer
Content = TypeVar("Content", str, int)


class BadRequest(Exception):
    """The request lacks something without which it means nothing; answered 400, and nothing is recorded."""


@dataclass(frozen=True, slots=True)
class Participant:
    """What makes one participant different from the others: its two operations and what they move."""

    name: str
    action: str
    undo: str
    openings: Mapping[str, int]
    move: Callable[[Body], Move]
    short: Refusal


def said(body: Body, name: str, kind: type[Content]) -> Content:
    """A field of a request, of the type it must have."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise BadRequest(f"{name!r} must be given, as {kind.__name__}")
    return value


class Desk:
    """Takes the calls of one participant, one transaction each, and answers in the manner of the order's trouble."""

    def __init__(self, participant: Participant, books: Books) -> None:
        self._participant = participant
        self._books = books
        self._undo_came: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def application(self) -> web.Application:
        """The two operations, as routes."""
        application = web.Application(middlewares=[_bad_request_is_400])
        application.router.add_post(f"/{self._participant.action}", self.act)
        application.router.add_post(f"/{self._participant.undo}", self.undo)
        return application

    async def act(self, request: web.Request) -> web.Response:
        """The action: moves what the order asks for."""
        call = await _call(request, "do")
        manner = self._reaction(call, self._participant.action)
        if manner is Manner.HELD:
            await self._undo_came[call.action_key].wait()
        if manner is Manner.BUSY and (busy := self._books.put_off(call)):
            return await _answered(busy, manner)
        refusal = manner if isinstance(manner, Refusal) else None
        move = self._participant.move(call.body)
        return await _answered(self._books.act(call, move, self._participant.short, refusal), manner)

    async def undo(self, request: web.Request) -> web.Response:
        """The undo: moves it back, if it was ever moved, and lets in whoever was held up until now."""
        call = await _call(request, "undo")
        manner = self._reaction(call, self._participant.undo)
        answer = self._books.undo(call, manner if isinstance(manner, Refusal) else None)
        self._undo_came[call.action_key].set()
        return await _answered(answer, manner)

    def _reaction(self, call: Call, operation: str) -> Manner | Refusal:
        trouble = call.body.get("trouble")
        return reaction(trouble if isinstance(trouble, str) else None, operation)


async def _call(request: web.Request, way: Way) -> Call:
    try:
        body = await request.json()
    except ValueError as unreadable:
        raise BadRequest("the body must be JSON") from unreadable
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    key = _header(request, "Idempotency-Key")
    action_key = key if way == "do" else _header(request, "Saga-Action-Key")
    return Call(way, key, action_key, said(body, "order", str), body)


def _header(request: web.Request, name: str) -> str:
    value = request.headers.get(name)
    if not value:
        raise BadRequest(f"the header {name} is missing")
    return value


async def _answered(answer: Answer, manner: Manner | Refusal) -> web.Response:
    """The answer, or what becomes of it on the way back. The effect is committed by now, whatever happens here."""
    if manner is Manner.SLOW and answer.verdict == "applied":
        await asyncio.sleep(SLOW_SECONDS)
    faltered = manner is Manner.FALTERING and answer.verdict == "applied"
    muted = manner is Manner.MUTE and answer.verdict in ("applied", "replayed")
    if faltered or muted:
        return web.json_response({"problem": "broken, after the work was done"}, status=500)
    return web.json_response(answer.body, status=answer.status)


@web.middleware
async def _bad_request_is_400(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequest as bad:
        return web.json_response({"problem": str(bad)}, status=400)


def main(participant: Participant) -> None:
    """Run this participant as a process: `--books FILE` says where its books are."""
    arguments = argparse.ArgumentParser(description=f"The participant {participant.name!r} of the demonstration.")
    arguments.add_argument("--books", type=Path, required=True, help="the SQLite file to keep the books in")
    asyncio.run(_serve(participant, arguments.parse_args().books))


async def _serve(participant: Participant, path: Path) -> None:
    books = Books(path, participant.openings)
    # calls that were held for an undo that never came are let go at once
    runner = web.AppRunner(Desk(participant, books).application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    print(f"ready {participant.name} http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await _told_to_end()
    await runner.cleanup()
    books.close()


class _Leash(asyncio.Protocol):
    """Notices that standard input has closed, which means that whoever started this process is gone."""

    def __init__(self, end: asyncio.Event) -> None:
        self._end = end

    def connection_lost(self, _why: Exception | None) -> None:
        """Called once, at the end of the input."""
        self._end.set()


async def _told_to_end() -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, end.set)
    await loop.connect_read_pipe(lambda: _Leash(end), sys.stdin)
    await end.wait()
