"""Scenario 10: the day after. A completed stay is undone by a release that has lost a handler and changed a class."""

from __future__ import annotations

import pytest

from saga_journey import Compensated, Completed, Failed, Journeys, Rejected, Run
from saga_journey.core.progress import CompensationPlan, PlannedUndo
from saga_journey.core.state import FINAL
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import away, done, fail, hold
from tests.acceptance.programs.day_after import release, stay
from tests.acceptance.stage import ended
from tests.acceptance.story import journal

THE_DAY_BEFORE = [
    "saga_started",
    "milestone_completed book",
    "milestone_completed notify",
    "milestone_completed greet",
    "milestone_gave_up gift",
    "attempt_ended label do",
    "attempt_ended label do",
    "attempt_ended label do",
    "attempt_ended label do",
    "attention_raised label participant_misconfigured",
    "milestone_skipped label who=ann",
    "milestone_skipped approval who=ann",
    "milestone_completed invoice",
    "saga_completed",
]


@pytest.mark.anyio
async def test_the_day_after(cluster: Cluster) -> None:
    """Preview, a stale plan, a fresh one, kill -9, a release that can do it: back in reverse, with the old values."""
    async with cluster.outside() as line:
        run, stale = await the_stay(cluster, line)
        before = await rows(line, run)
        async with cluster.worker("release 2") as worker:
            await previewed(cluster, run.saga_id)
            with pytest.raises(Rejected, match=r"conflict: .* has moved on since that preview"):
                await run.compensate("the guest never came", expected=stale.seq, who="bob")
            plan = await run.preview()
            cluster.participant.will("invoice", hold(), op="undo")
            assert (await run.compensate("the guest never came", expected=plan.seq, who="bob")).code == "applied"
            await cluster.participant.called("invoice", "undo")
            await worker.killed()
        await parked_until_release_4(cluster, line, run)
        outcome = await ended(run)
        assert await rows(line, run, len(before)) == before
        told = await journal(run)
    assert isinstance(outcome, Compensated)
    assert (str(outcome.because), outcome.standing) == (
        "compensation requested by bob: the guest never came",
        ("greet",),
    )
    assert told == [
        *THE_DAY_BEFORE,
        "compensation_decided requested",
        "attempt_lost invoice undo",
        "attempt_withdrawn invoice undo",
        "attention_raised invoice handler_missing",
        "attention_cleared handler_missing",
        "milestone_compensated invoice",
        "milestone_compensated approval",
        "milestone_compensated gift",
        "milestone_compensated notify",
        "milestone_compensated book",
        "saga_compensated",
    ]
    undos = [call for call in cluster.participant.calls if call.op == "undo"]
    assert [str(call) for call in undos] == [
        'undo invoice #1 with {"cents": 9900}: held (abandoned)',
        'undo invoice #2 with {"cents": 9900}: undone',
        'undo approval #1 with "by ann": nothing to undo',
        "undo gift #1 with null: undone",
        "undo notify #1 with null: undone",
        'undo book #1 with {"number": 12}: undone',
    ]
    assert [call.known for call in undos] == [True, True, False, False, True, True]
    assert cluster.participant.standing() == ["greet"]


async def the_stay(cluster: Cluster, line: Journeys) -> tuple[Run, CompensationPlan]:
    """Release 1 completes a stay; and a preview that somebody took when the invoice was not written yet."""
    participant = cluster.participant
    participant.will("book", done({"number": 12}))
    participant.will("notify", done(None))
    participant.will("gift", fail(effect=True))
    participant.will("label", *[away()] * 4)
    participant.will("invoice", hold())
    async with cluster.outside_with(stay(participant)) as desk, cluster.worker("release 1") as worker:
        run = line.run((await desk.start(stay(participant), {"guest": "carl"})).saga_id)
        assert isinstance(await ended(run), Failed)
        await run.skip("label", reason="the printer is broken", result="by hand", who="ann")
        await cluster.seen(line, lambda: waits(run))
        await run.skip("approval", reason="the manager is away", result="by ann", who="ann")
        invoice = await participant.called("invoice")
        plan = await run.preview()
        invoice.answer(done({"cents": 9900}))
        outcome = await ended(run)
        await worker.left()
    assert isinstance(outcome, Completed)
    assert dict(outcome.results) == {
        "book": {"number": 12},
        "greet": {"of": "greet"},
        "label": "by hand",
        "approval": "by ann",
        "invoice": {"cents": 9900},
    }
    assert outcome.doubtful == ("gift", "approval")
    assert await journal(run) == THE_DAY_BEFORE
    return run, plan


async def waits(run: Run) -> bool:
    return (await run.status()).waiting_for == "an answer to approval"


async def previewed(cluster: Cluster, saga: str) -> None:
    """What release 2 would do, and what it cannot."""
    async with cluster.outside_with(curator=release(2, cluster.participant)) as desk:
        plan = await desk.run(saga).preview()
    assert plan == CompensationPlan(
        seq=len(THE_DAY_BEFORE),
        refused=None,
        undos=(
            PlannedUndo("invoice", "credit", {"cents": 9900}, in_doubt=False),
            PlannedUndo("approval", "unapprove", "by ann", in_doubt=True),
            PlannedUndo("gift", "take_gift", None, in_doubt=True),
            PlannedUndo("notify", "unnotify", None, in_doubt=False),
            PlannedUndo("book", "unbook", {"number": 12}, in_doubt=False),
        ),
        stays=("greet",),
        missing_handlers=("unnotify",),
    )


async def parked_until_release_4(cluster: Cluster, line: Journeys, run: Run) -> None:
    """Release 2 again: it counts the lost undo and asks for a person; killed; release 4 needs nobody to go on."""
    async with cluster.worker("release 2") as worker:
        outcome = await ended(run)
        assert isinstance(outcome, Failed)
        assert [(a.kind, a.milestone, a.detail) for a in outcome.attention] == [
            ("handler_missing", "invoice", "no worker here has unnotify: open one that registers them")
        ]
        await worker.killed()
    async with cluster.worker("release 4") as worker:
        await cluster.seen(line, lambda: is_final(run))
        await worker.left()


async def is_final(run: Run) -> bool:
    return (await run.status()).status in FINAL


async def rows(line: Journeys, run: Run, count: int | None = None) -> list[str]:
    """The journal's bytes, as they are stored."""
    record = await line.store.find("default", run.saga_id)
    assert record is not None
    return [row.events for row in await line.store.load(record.key)][:count]


@pytest.mark.anyio
async def test_the_day_after_with_a_class_that_reads_nothing(cluster: Cluster) -> None:
    """Nothing is called with what it cannot read: the saga waits, and goes on by itself once the class reads it."""
    async with cluster.outside() as line:
        run, _ = await the_stay(cluster, line)
        async with cluster.worker("release 3") as worker:
            assert (await run.compensate("the guest never came", who="bob")).code == "applied"
            outcome = await ended(run)
            await worker.killed()
        assert isinstance(outcome, Failed)
        assert [(a.kind, a.milestone, a.detail) for a in outcome.attention] == [
            ("cannot_decode", "book", "the stored result does not fit RoomOnAFloor: floor: Field required")
        ]
        async with cluster.worker("release 4") as worker:
            await cluster.seen(line, lambda: is_final(run))
            await worker.left()
        told = await journal(run)
    assert told[len(THE_DAY_BEFORE) :] == [
        "compensation_decided requested",
        "milestone_compensated invoice",
        "milestone_compensated approval",
        "milestone_compensated gift",
        "milestone_compensated notify",
        "attempt_withdrawn book undo",
        "attention_raised book cannot_decode",
        "attention_cleared cannot_decode",
        "milestone_compensated book",
        "saga_compensated",
    ]
    assert cluster.participant.ledger()[-1] == 'undo book #1 with {"number": 12}: undone'
    assert cluster.participant.standing() == ["greet"]
