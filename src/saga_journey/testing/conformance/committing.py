"""`commit`: a turn is written as a whole, once, under the newest claim; or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from saga_journey.core.canonical import encode
from saga_journey.core.codec import encode_turn
from saga_journey.core.commands import APPLIED
from saga_journey.core.events import MilestoneCompleted
from saga_journey.core.state import SagaStatus
from saga_journey.ports import (
    ClaimedRun,
    Conflict,
    Fenced,
    JournalRow,
    Message,
    OutboxRow,
    RunKey,
    Search,
    Store,
    TurnWrite,
)
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import (
    Journey,
    Run,
    Stage,
    Worker,
    definition,
    events,
    held_by,
    released,
    round_trips,
)


class Committing(Chapter):
    """By one process."""

    async def test_a_turn_is_there_when_it_returns(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        first = await stage.store.load(run.key)
        stage.clock.advance(5)
        await stage.store.commit(stage.turn(run, "packed"))
        assert await stage.store.load(run.key) == [*first, JournalRow(2, 1, stage.clock.now(), events("packed"))]

    async def test_a_turn_may_have_many_events(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        done = MilestoneCompleted("pack", encode(None))
        write = stage.turn(run)
        write.events = encode_turn([done, done, done])
        await stage.store.commit(write)
        await stage.store.commit(stage.turn(run._replace(seq=5)))
        assert [row.seq for row in await stage.store.load(run.key)] == [1, 2, 5]

    async def test_the_row_says_what_the_turn_says(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        stage.clock.advance(5)
        row = held_by(worker, due=stage.clock.now() + 7, status=SagaStatus.COMPENSATING)
        await stage.store.commit(stage.turn(run, row=row))
        record = await stage.record(checkout, run)
        assert (record.status, record.owner, record.epoch) == (SagaStatus.COMPENSATING, worker.owner, 1)
        assert (record.updated_at, record.due_at) == (stage.clock.now(), stage.clock.now() + 7)
        assert record.started_at == stage.clock.now() - 5

    async def test_a_turn_without_a_row_leaves_the_row(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        before = await stage.record(checkout, run)
        await stage.store.commit(stage.turn(run))
        assert await stage.record(checkout, run) == before

    async def test_a_release_changes_the_row_alone(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        journal = await stage.store.load(run.key)
        await stage.store.commit(stage.release(run, due=stage.clock.now() + 7))
        record = await stage.record(checkout, run)
        assert (record.owner, record.due_at) == (None, stage.clock.now() + 7)
        assert await stage.store.load(run.key) == journal

    async def test_answers_children_messages_and_a_new_definition_ride_along(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run, friend = await stage.start(checkout, worker), await stage.start(checkout, worker)
        write = await loaded(stage, checkout, run, friend)
        await stage.store.commit(write)
        assert await stage.store.answer_to(run.key, "cancel-1") == APPLIED
        assert [one.command_id for one in await stage.store.commands_for(worker.owner)] == ["news-1"]
        child = await stage.store.find("acme", write.starts[0].saga_id)
        assert child is not None
        assert await stage.store.load(child.key) == [JournalRow(1, 0, write.at, write.starts[0].turn)]
        moved = await stage.record(checkout, run)
        assert moved.version == 2
        assert moved.definition == await stage.store.definition_number(checkout.tenant, definition(version=2).hash)
        assert (await stage.record(checkout, friend)).version == 1

    async def test_events_for_the_outside_ride_along(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        rows = [OutboxRow(2, item, "order.packed", encode({"item": item})) for item in (1, 2, 3)]
        await stage.store.commit(stage.turn(run, outbox=rows))
        assert await self.outbox(stage.store, run.key) == rows

    async def test_a_definition_that_is_known_is_not_stored_again(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        second = await stage.journey(version=2)
        runs = await stage.start_many(checkout, 2, worker)
        await asyncio.gather(*(stage.store.commit(stage.turn(run, moved=definition(version=2))) for run in runs))
        assert {(await stage.record(checkout, run)).definition for run in runs} == {second.definition}
        assert sorted(await stage.store.definitions()) == sorted([checkout.definition, second.definition])

    async def test_what_a_child_starts_starts_too(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        child = stage.child(run.saga_id, checkout)
        child.children = [stage.child(child.saga_id, checkout)]
        await stage.store.commit(stage.turn(run, starts=[child]))
        assert len(await worker.gets(checkout)) == 2

    async def test_a_message_makes_its_run_due(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run, waiting = await stage.start(checkout, worker), await stage.start(checkout, worker)
        await stage.store.commit(stage.release(waiting))
        await stage.store.commit(stage.turn(run, messages=[Message(waiting.saga_id, "m-1", "recall", "{}")]))
        (claimed,) = (await worker.claim(checkout)).runs
        assert [(c.key, *c[1:]) for c in claimed.commands] == [(waiting.key, "m-1", "recall", "{}")]

    async def test_a_message_that_was_sent_before_is_not_sent_again(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run, friend = await stage.start(checkout, worker), await stage.start(checkout, worker)
        for place, body in enumerate(("{}", '{"why":"again"}')):
            message = Message(friend.saga_id, "m-1", "recall", body)
            await stage.store.commit(stage.turn(run._replace(seq=2 + place), messages=[message]))
        assert [command.body for command in await stage.store.commands_for(worker.owner)] == ["{}"]

    async def test_a_message_to_nobody_is_no_mistake(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        await stage.store.commit(stage.turn(run, messages=[Message("saga_nobody", "m-1", "recall", "{}")]))
        assert len(await stage.store.load(run.key)) == 2
        assert await stage.store.commands_for(worker.owner) == []

    # --- what is not written ---

    async def test_a_claim_that_was_taken_over_writes_nothing(self, stage: Stage) -> None:
        checkout, old = await stage.journey(), await stage.mortal()
        await taken_over_and_fenced(stage, checkout, old, await stage.worker())

    async def test_a_claim_that_was_given_back_writes_nothing_once_another_one_has_it(self, stage: Stage) -> None:
        checkout, old, new = await stage.journey(), await stage.worker(), await stage.worker()
        await released_and_fenced(stage, checkout, old, new)

    async def test_a_claim_is_lost_also_to_the_very_same_worker(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        await released_and_fenced(stage, checkout, worker, worker)

    async def test_a_lease_that_is_over_fences_nobody(self, stage: Stage) -> None:
        """A worker that was frozen, and whose runs nobody took, goes on."""
        checkout, worker = await stage.journey(), await stage.mortal()
        run = await stage.start(checkout, worker)
        stage.outlive()
        await stage.store.commit(stage.turn(run))
        assert len(await stage.store.load(run.key)) == 2

    async def test_the_very_same_turn_is_no_conflict(self, stage: Stage) -> None:
        """A writer that lost the answer asks again: what is there stays, and nothing of it is done twice."""
        checkout, worker = await stage.journey(), await stage.worker()
        run, friend = await stage.start(checkout, worker), await stage.start(checkout, worker)
        write = await loaded(stage, checkout, run, friend)
        await stage.store.commit(write)
        await stage.store.commit(stage.turn(run._replace(seq=3), row=held_by(worker, due=stage.clock.now() + 9)))
        before = await stage.standing(checkout, run)
        assert await told(stage.store, write, write) == ["written", "written"]
        assert await stage.standing(checkout, run) == before
        assert len(await stage.store.search("acme", Search())) == 3

    async def test_the_very_same_turn_may_come_twice_at_once(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        write = stage.turn(run)
        assert await told(stage.store, write, write, write) == ["written"] * 3
        assert len(await stage.store.load(run.key)) == 2

    async def test_events_of_the_very_same_turn_are_told_once(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        rows = [OutboxRow(2, 1, "order.packed", encode("once"))]
        write = stage.turn(run, outbox=rows)
        for _ in range(2):
            assert await told(stage.store, write, write) == ["written"] * 2
        assert await self.outbox(stage.store, run.key) == rows

    async def test_events_of_a_turn_that_is_refused_are_not_told(self, stage: Stage) -> None:
        checkout, old, new = await stage.journey(), await stage.mortal(), await stage.worker()
        run = await stage.start(checkout, old)
        await stage.store.commit(stage.turn(run))
        late = [OutboxRow(2, 1, "order.packed", encode("late"))]
        assert await told(stage.store, stage.turn(run, "another", outbox=late)) == ["Conflict"]
        stage.outlive()
        await new.takes(checkout)
        assert await told(stage.store, stage.turn(run._replace(seq=3), outbox=late)) == ["Fenced"]
        assert await self.outbox(stage.store, run.key) == []

    async def test_another_turn_with_that_seq_is_a_conflict(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run, friend = await stage.start(checkout, worker), await stage.start(checkout, worker)
        write = await loaded(stage, checkout, run, friend)
        await stage.store.commit(stage.turn(run, "somebody else's"))
        before = await stage.standing(checkout, run)
        assert await told(stage.store, write) == ["Conflict"]
        assert await told(stage.store, stage.ending(run)) == ["Conflict"]
        assert await stage.standing(checkout, run) == before
        await nothing_rode_along(stage, run, write, worker)

    async def test_of_two_turns_with_one_seq_at_once_one_is_written(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        one, other = stage.turn(run, "one"), stage.turn(run, "other")
        assert sorted(await told(stage.store, one, other)) == ["Conflict", "written"]
        assert len(await stage.store.load(run.key)) == 2

    async def test_one_bad_turn_fails_alone(self, stage: Stage) -> None:
        """A hundred at once: one is fenced, one is in conflict, one holds half of a character."""
        checkout, worker = await stage.journey(), await stage.worker()
        runs = await stage.start_many(checkout, 100, worker)
        await stage.store.commit(stage.turn(runs[30], "another"))
        writes = [stage.turn(run, row=released(stage.clock.now() + 9)) for run in runs]
        writes[60].epoch, writes[90].events = 0, '[["\ud800",{}]]'
        came = await told(stage.store, *writes)
        assert (came[30], came[60]) == ("Conflict", "Fenced")
        assert came[90] not in ("written", "Conflict", "Fenced")
        good = [place for place in range(100) if place not in (30, 60, 90)]
        assert {came[place] for place in good} == {"written"}
        for place, run in enumerate(runs):
            record, journal = await stage.standing(checkout, run)
            assert len(journal) == (1 if place in (60, 90) else 2)
            assert record.owner == (None if place in good else worker.owner)

    async def test_many_turns_share_transactions(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        runs = await stage.start_many(checkout, 100, worker)
        before = stage.store.commits
        await asyncio.gather(*(stage.store.commit(stage.turn(run)) for run in runs))
        assert 1 <= stage.store.commits - before <= 20

    async def test_a_store_that_can_write_says_so(self, stage: Stage) -> None:
        assert stage.store.stalled is False
        await stage.store.writable()


class CommittingTogether(Chapter):
    """By several processes."""

    async def test_a_claim_that_another_process_took_over_writes_nothing(self, stage: Stage) -> None:
        checkout, old = await stage.journey(), await stage.mortal(await stage.another())
        await taken_over_and_fenced(stage, checkout, old, await stage.worker())

    async def test_a_claim_that_was_given_back_writes_nothing_once_another_process_has_it(self, stage: Stage) -> None:
        checkout, old, new = await stage.journey(), await stage.worker(await stage.another()), await stage.worker()
        await released_and_fenced(stage, checkout, old, new)

    async def test_one_run_that_was_taken_over_fails_alone(self, stage: Stage) -> None:
        """Its owner comes back, and commits a turn of each of its hundred runs."""
        checkout, owner, taker = await stage.journey(), await stage.mortal(), await stage.worker(await stage.another())
        runs = await stage.start_many(checkout, 100, owner)
        stage.outlive()
        (taken,) = await taker.gets(checkout, room=1)
        assert await stage.store.renew(owner.owner, LONG_ENOUGH) is False
        came = await told(stage.store, *(stage.turn(run) for run in runs))
        assert came == ["Fenced" if run.key == taken else "written" for run in runs]

    async def test_who_writes_while_it_is_taken_over_is_seen_or_fenced(self, stage: Stage) -> None:
        """The new owner goes on from what it was given: whatever is not in there must never be acknowledged."""
        checkout, there = await stage.journey(), await stage.another()
        taker = await stage.worker()
        for _ in range(ROUNDS):
            owner = await stage.mortal(there)
            runs = await stage.start_many(checkout, 8, owner)
            stage.outlive()
            acknowledged, seen = await asyncio.gather(_writes_on(stage, owner, runs), _takes_over(taker, checkout, 8))
            for run in runs:
                assert await stage.store.load(run.key) == seen[run.key].rows
                assert acknowledged[run.key] == len(seen[run.key].rows) - 1
                await stage.store.commit(stage.ending(Run.of(seen[run.key])))

    async def test_of_two_processes_that_write_one_seq_one_is_told_so(self, stage: Stage) -> None:
        """As with sessions, which nobody claims."""
        area, other = await stage.journey(), await stage.another()
        runs = await stage.start_many(area, 20, due_at=None)
        for run in runs:
            here, there = stage.turn(run, "here"), stage.turn(run, "there")
            came = await asyncio.gather(told(stage.store, here), told(other, there))
            assert sorted(one for (one,) in came) == ["Conflict", "written"]
            assert len(await stage.store.load(run.key)) == 2

    async def test_runs_of_two_processes_may_talk_to_one_another_at_once(self, stage: Stage) -> None:
        """Each of twenty tells all twenty of the other process something, and is let go: nobody waits for ever."""
        checkout = await stage.journey()
        mine, theirs = await stage.worker(), await stage.worker(await stage.another())
        ours = await stage.start_many(checkout, 20, mine), await stage.start_many(checkout, 20, theirs)
        writes = [[_tells(stage, run, ours[1 - side]) for run in ours[side]] for side in (0, 1)]
        came = await asyncio.gather(told(mine.store, *writes[0]), told(theirs.store, *writes[1][::-1]))
        assert {one for side in came for one in side} == {"written"}
        claimed = (await mine.claim(checkout)).runs
        assert sorted(len(run.commands) for run in claimed) == [20] * 40


LONG_ENOUGH = 100.0
ROUNDS = 10


async def loaded(stage: Stage, checkout: Journey, run: Run, friend: Run) -> TurnWrite:
    """A turn that brings along all that a turn can; `cancel-1` waits to be answered by it. But for the outbox."""
    await stage.store.send(run.key, "cancel-1", "cancel", "{}")
    return stage.turn(
        run,
        "all at once",
        row=released(0.0, owner=(await stage.record(checkout, run)).owner, status=SagaStatus.COMPENSATING),
        answers=[("cancel-1", APPLIED)],
        starts=[stage.child(run.saga_id, checkout)],
        messages=[Message(friend.saga_id, "news-1", "recall", "{}")],
        moved=definition(version=2),
    )


async def nothing_rode_along(stage: Stage, run: Run, write: TurnWrite, holder: Worker) -> None:
    """Of a turn that `loaded` made, and that was refused. `holder` holds the friend."""
    assert await stage.store.answer_to(run.key, "cancel-1") is None
    assert await stage.store.find("acme", write.starts[0].saga_id) is None
    assert "news-1" not in [command.command_id for command in await stage.store.commands_for(holder.owner)]
    assert len(await stage.store.definitions()) == 1


async def told(store: Store, *writes: TurnWrite) -> list[str]:
    """What each of these commits is told, when all are asked for at once."""
    came: Sequence[object] = await asyncio.gather(*(store.commit(write) for write in writes), return_exceptions=True)
    return [_word(one) for one in came]


def _word(came: object) -> str:
    if came is None:
        return "written"
    for kind in (Fenced, Conflict):
        if isinstance(came, kind):
            return kind.__name__
    return f"{came!r}"


async def taken_over_and_fenced(stage: Stage, checkout: Journey, old: Worker, new: Worker) -> None:
    """`old` dies while it holds a run, and `new` takes it over."""
    run, friend = await stage.start(checkout, old), await stage.start(checkout, new)
    write = await loaded(stage, checkout, run, friend)
    stage.outlive()
    assert await new.gets(checkout) == [run.key]
    before = await stage.standing(checkout, run)
    for late in (write, stage.turn(run), stage.release(run), stage.ending(run)):
        assert await told(old.store, late) == ["Fenced"]
    assert await stage.standing(checkout, run) == before
    await nothing_rode_along(stage, run, write, new)
    await stage.store.commit(stage.turn(run._replace(epoch=2)))
    assert await told(old.store, stage.turn(run, "late")) == ["Fenced"], "its seq is taken, by a newer claim"


async def released_and_fenced(stage: Stage, checkout: Journey, old: Worker, new: Worker) -> None:
    """`old` gives a run back, `new` claims it, and `old` writes under the claim that it had."""
    run = await stage.start(checkout, old)
    await old.store.commit(stage.release(run, due=stage.clock.now()))
    assert await new.gets(checkout) == [run.key]
    before = await stage.standing(checkout, run)
    for late in (stage.turn(run), stage.release(run), stage.ending(run)):
        assert await told(old.store, late) == ["Fenced"]
    assert await stage.standing(checkout, run) == before


async def _writes_on(stage: Stage, owner: Worker, runs: Sequence[Run]) -> dict[RunKey, int]:
    """A turn of each run, and the next one, until it is told that they are its own no more; how many were written."""
    written, seq, mine = dict.fromkeys([run.key for run in runs], 0), 2, list(runs)
    while mine:
        came = await told(owner.store, *(stage.turn(run._replace(seq=seq), f"number {seq}") for run in mine))
        assert set(came) <= {"written", "Fenced"}
        mine, seq = [run for run, one in zip(mine, came, strict=True) if one == "written"], seq + 1
        for run in mine:
            written[run.key] += 1
    return written


async def _takes_over(taker: Worker, journey: Journey, runs: int) -> dict[RunKey, ClaimedRun]:
    """Some at a time, until it has all of them; beginning at some moment while they are being written."""
    seen: dict[RunKey, ClaimedRun] = {}
    await round_trips(taker.store)
    while len(seen) < runs:
        claimed = (await taker.claim(journey, room=5)).runs
        assert not {run.record.key for run in claimed} & seen.keys()
        seen |= {run.record.key: run for run in claimed}
    return seen


def _tells(stage: Stage, run: Run, others: Sequence[Run]) -> TurnWrite:
    said = [Message(other.saga_id, f"{run.saga_id}/2", "recall", "{}") for other in others]
    return stage.turn(run, messages=said, row=released())
