"""`on_change`: who waits for what another process does hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from saga_journey.core.commands import APPLIED
from saga_journey.ports import Message, Store
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Stage

WITHIN = 5.0
"""Seconds in which word has come. Two are much already, on a machine that is not busy."""


class HearingTogether(Chapter):
    """By several processes."""

    async def test_a_start_is_heard_of(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        new = stage.new(checkout)

        async def is_there() -> bool:
            return await stage.store.find("acme", new.saga_id) is not None

        await _heard(stage.store, lambda: other.start(new), is_there)

    async def test_a_command_is_heard_of(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.another()
        run = await stage.start(checkout, worker)

        async def is_there() -> bool:
            return bool(await stage.store.commands_for(worker.owner))

        await _heard(stage.store, lambda: other.send(run.key, "c-1", "cancel", "{}"), is_there)

    async def test_an_answer_is_heard_of(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker(await stage.another())
        run = await stage.start(checkout, worker)
        await stage.store.send(run.key, "c-1", "cancel", "{}")

        async def is_there() -> bool:
            return await stage.store.answer_to(run.key, "c-1") is not None

        write = stage.turn(run, answers=[("c-1", APPLIED)])
        await _heard(stage.store, lambda: worker.store.commit(write), is_there)

    async def test_a_message_is_heard_of(self, stage: Stage) -> None:
        checkout, worker, here = await stage.journey(), await stage.worker(await stage.another()), await stage.worker()
        run, mine = await stage.start(checkout, worker), await stage.start(checkout, here)

        async def is_there() -> bool:
            return bool(await stage.store.commands_for(here.owner))

        write = stage.turn(run, messages=[Message(mine.saga_id, "m-1", "recall", "{}")])
        await _heard(stage.store, lambda: worker.store.commit(write), is_there)

    async def test_the_end_of_a_run_is_heard_of(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker(await stage.another())
        run = await stage.start(checkout, worker)

        async def is_there() -> bool:
            return (await stage.record(checkout, run)).due_at is None

        await _heard(stage.store, lambda: worker.store.commit(stage.ending(run)), is_there)

    async def test_all_who_listen_hear_and_those_who_stopped_do_not(self, stage: Stage) -> None:
        checkout, other = await stage.journey(), await stage.another()
        gone, heard = asyncio.Event(), [asyncio.Event() for _ in range(3)]
        stop = stage.store.on_change(gone.set)
        stops = [stage.store.on_change(_here(event)) for event in heard]
        stop()
        await other.start(stage.new(checkout))
        async with asyncio.timeout(WITHIN):
            for event in heard:
                await event.wait()
        assert not gone.is_set()
        for stop in stops:
            stop()


async def _heard(store: Store, write: Callable[[], Awaitable[object]], is_there: Callable[[], Awaitable[bool]]) -> None:
    """Who looks only when it is called finds what was written."""
    heard = asyncio.Event()
    stop = store.on_change(_here(heard))
    assert not await is_there()
    writing = asyncio.ensure_future(write())
    async with asyncio.timeout(WITHIN):
        await heard.wait()
        while not await is_there():
            heard.clear()
            await heard.wait()
    await writing
    stop()


def _here(event: asyncio.Event) -> Callable[[], None]:
    """Sets the event; what is called outside of this loop fails."""
    loop = asyncio.get_running_loop()

    def callback() -> None:
        assert asyncio.get_running_loop() is loop
        event.set()

    return callback
