"""`send`, `answer_to`, `commands_for`: what people and other processes say reaches the run, once, and is answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Sequence
from typing import Any

from saga_journey.core.commands import APPLIED, Answer
from saga_journey.engines.embedded.turn import NEVER
from saga_journey.ports import Message, StoredCommand
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Journey, Run, Stage

NO = Answer(accepted=False, code="past_pivot", detail="it is too late")


class Commanding(Chapter):
    """By one process."""

    async def test_a_command_makes_its_run_due(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, due_at=NEVER)
        assert await worker.gets(checkout) == []
        assert await stage.store.send(run.key, "c-1", "cancel", '{"who":"ann"}') is None
        (claimed,) = (await worker.claim(checkout)).runs
        assert claimed.commands == [StoredCommand(run.key, "c-1", "cancel", '{"who":"ann"}')]

    async def test_a_command_makes_also_a_run_due_that_has_ended(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.ended(checkout)
        await stage.store.send(run.key, "c-1", "compensate", "{}")
        (claimed,) = (await worker.claim(checkout)).runs
        assert [command.command_id for command in claimed.commands] == ["c-1"]

    async def test_a_run_that_is_due_keeps_its_place_when_a_command_comes(self, stage: Stage) -> None:
        """Else who asks often waits for ever."""
        checkout, worker = await stage.journey(), await stage.worker()
        first, _ = await self._two_due(stage, checkout)
        await stage.store.send(first.key, "c-1", "pause", "{}")
        assert await worker.gets(checkout, room=1) == [first.key]

    async def test_a_run_that_is_due_keeps_its_place_when_a_message_comes(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        teller = await stage.start(checkout, worker)
        first, _ = await self._two_due(stage, checkout)
        await stage.store.commit(stage.turn(teller, messages=[Message(first.saga_id, "m-1", "child_ended", "{}")]))
        assert await worker.gets(checkout, room=1) == [first.key]

    async def _two_due(self, stage: Stage, journey: Journey) -> tuple[Run, Run]:
        """The one that has waited longer first; some time ago."""
        runs = []
        for _ in range(2):
            runs.append(await stage.start(journey))
            stage.clock.advance(5)
        return runs[0], runs[1]

    async def test_the_same_id_is_the_same_command(self, stage: Stage) -> None:
        """Whatever it says now."""
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        for name, body in (("cancel", "{}"), ("cancel", "{}"), ("retry", '{"milestone":"pack"}')):
            assert await stage.store.send(run.key, "c-1", name, body) is None
        assert await stage.store.commands_for(worker.owner) == [StoredCommand(run.key, "c-1", "cancel", "{}")]

    async def test_the_same_id_gets_the_same_answer(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        await stage.store.commit(stage.turn(run, answers=[("c-1", NO)], row=stage.release(run).row))
        for _ in range(2):
            assert await stage.store.send(run.key, "c-1", "cancel", "{}") == NO
        assert await stage.store.commands_for(worker.owner) == []
        assert await worker.gets(checkout) == [], "what was answered makes nothing due"

    async def test_an_id_belongs_to_a_run(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        runs = await stage.start_many(checkout, 2, worker)
        for run in runs:
            await stage.store.send(run.key, "c-1", "cancel", "{}")
        await stage.store.commit(stage.turn(runs[0], answers=[("c-1", APPLIED)]))
        assert await stage.store.answer_to(runs[1].key, "c-1") is None
        assert [command.key for command in await stage.store.commands_for(worker.owner)] == [runs[1].key]

    async def test_one_id_many_times_at_once_is_one_command(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        sent = [stage.store.send(run.key, "c-1", "cancel", "{}") for _ in range(20)]
        assert set(await asyncio.gather(*sent)) == {None}
        assert len(await stage.store.commands_for(worker.owner)) == 1

    async def test_an_answer_is_read_by_its_id(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        assert await stage.store.answer_to(run.key, "c-1") is None
        await stage.store.commit(stage.turn(run, answers=[("c-1", NO)]))
        assert await stage.store.answer_to(run.key, "c-1") == NO
        assert await stage.store.answer_to(run.key, "c-2") is None

    async def test_a_rejection_may_leave_no_trace_in_the_journal(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        write = stage.turn(run, answers=[("c-1", NO)])
        write.events = None
        await stage.store.commit(write)
        assert await stage.store.answer_to(run.key, "c-1") == NO
        assert len(await stage.store.load(run.key)) == 1

    async def test_an_owner_is_given_the_commands_for_what_it_holds(self, stage: Stage) -> None:
        """In the order in which they were sent."""
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.worker()
        mine, theirs = await stage.start_many(checkout, 2, worker), await stage.start(checkout, other)
        nobodys = await stage.start(checkout)
        sent = []
        for run, name in ((mine[1], "b"), (theirs, "x"), (mine[0], "a"), (nobodys, "y"), (mine[1], "c")):
            await stage.store.send(run.key, name, "cancel", "{}")
            sent.append(StoredCommand(run.key, name, "cancel", "{}"))
            stage.clock.advance(1)
        assert await stage.store.commands_for(worker.owner) == [sent[0], sent[2], sent[4]]
        assert await stage.store.commands_for(other.owner) == [sent[1]]

    async def test_a_held_run_stays_with_its_owner(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        assert await other.gets(checkout) == []
        await stage.store.commit(stage.turn(run))

    async def test_a_run_that_is_let_go_while_a_command_waits_stays_due(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        waits, ended = await stage.start_many(checkout, 2, worker)
        for run in (waits, ended):
            await stage.store.send(run.key, "c-1", "cancel", "{}")
        await stage.store.commit(stage.release(waits))
        await stage.store.commit(stage.ending(ended))
        claimed = (await worker.claim(checkout)).runs
        assert {run.record.key for run in claimed} == {waits.key, ended.key}
        assert [len(run.commands) for run in claimed] == [1, 1]

    async def test_a_run_that_is_let_go_and_answers_all_does_not(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run, other = await stage.start_many(checkout, 2, worker)
        for one in (run, other):
            await stage.store.send(one.key, "c-1", "cancel", "{}")
        await stage.store.commit(stage.turn(run, answers=[("c-1", APPLIED)], row=stage.release(run).row))
        assert await worker.gets(checkout) == []


class CommandingTogether(Chapter):
    """By several processes."""

    async def test_a_command_reaches_the_owner_and_its_answer_comes_back(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker(await stage.another())
        run = await stage.start(checkout, worker)
        await stage.store.send(run.key, "c-1", "cancel", "{}")
        assert len(await worker.store.commands_for(worker.owner)) == 1
        await worker.store.commit(stage.turn(run, answers=[("c-1", NO)]))
        assert await stage.store.answer_to(run.key, "c-1") == NO
        assert await stage.store.send(run.key, "c-1", "cancel", "{}") == NO

    async def test_one_id_from_many_processes_is_one_command(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        stores, run = [stage.store, *await stage.others(3)], await stage.start(checkout, worker)
        await asyncio.gather(*(store.send(run.key, "c-1", "cancel", "{}") for store in stores for _ in range(5)))
        assert len(await stage.store.commands_for(worker.owner)) == 1

    async def test_a_command_and_a_release_at_once_leave_the_run_due(self, stage: Stage) -> None:
        """Two hundred times, from two processes: whichever comes first, the command is not left lying."""
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.another()
        runs = await stage.start_many(checkout, 200, worker)
        for some in _tens(runs):
            let_go = [stage.store.commit(_lets_go(stage, place, run)) for place, run in enumerate(some)]
            await _at_once([*let_go, *(other.send(run.key, "c-1", "cancel", "{}") for run in some)])
        claimed = (await worker.claim(checkout)).runs
        assert {run.record.key for run in claimed} == {run.key for run in runs}
        assert [len(run.commands) for run in claimed] == [1] * 200

    async def test_a_message_and_a_release_at_once_leave_the_run_due(self, stage: Stage) -> None:
        checkout, worker, other = await stage.journey(), await stage.worker(), await stage.worker(await stage.another())
        runs, tellers = await stage.start_many(checkout, 100, worker), await stage.start_many(checkout, 100, other)
        for some, telling in zip(_tens(runs), _tens(tellers), strict=True):
            said = [
                stage.turn(teller, messages=[Message(run.saga_id, "m-1", "recall", "{}")])
                for run, teller in zip(some, telling, strict=True)
            ]
            let_go = [stage.store.commit(_lets_go(stage, place, run)) for place, run in enumerate(some)]
            await _at_once([*let_go, *(other.store.commit(write) for write in said)])
        claimed = (await worker.claim(checkout)).runs
        assert {run.record.key for run in claimed} == {run.key for run in runs}
        assert [len(run.commands) for run in claimed] == [1] * 100


def _lets_go(stage: Stage, place: int, run: Run) -> Any:
    """It waits, or it has ended."""
    return stage.release(run) if place % 2 else stage.ending(run)


def _tens(runs: Sequence[Run]) -> list[Sequence[Run]]:
    return [runs[first : first + 10] for first in range(0, len(runs), 10)]


async def _at_once(asked: list[Awaitable[Any]]) -> None:
    random.shuffle(asked)
    await asyncio.gather(*asked)
