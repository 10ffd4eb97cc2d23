"""Scenario 2: the queue is not a crash. Limit 1, fifty sagas, each with an at_most_once first milestone."""

import signal

import pytest

from saga_journey import Compensated, Completed
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import done, hold

FIFTY = 50
STRAIGHT = ["saga_started", "milestone_completed charge", "milestone_completed ship", "saga_completed"]


@pytest.mark.anyio
async def test_sigterm_while_49_queue(cluster: Cluster) -> None:
    """The one that is called gets its answer while the worker closes; nothing is lost, nothing is undone."""
    cluster.participant.will("charge", hold())
    async with cluster.worker("queueing", concurrency=1) as worker:
        worker.say(f"start {FIFTY}")
        await worker.line("started")
        call = await cluster.participant.called("charge")
        worker.signal(signal.SIGTERM)
        await worker.line("closing")
        call.answer(done())
        assert await worker.ended() == -signal.SIGTERM
    assert (worker.logged, worker.errors) == ([], "")
    assert cluster.participant.ledger() == ["do charge #1: applied"]
    async with cluster.worker("queueing", concurrency=1) as successor:
        stories = await cluster.stories()
        await successor.left()
    assert [told for _, told in stories] == [STRAIGHT] * FIFTY
    assert all(isinstance(outcome, Completed) for outcome, _ in stories)
    assert sorted(cluster.participant.ledger()) == ["do charge #1: applied"] * FIFTY + ["do ship #1: applied"] * FIFTY


@pytest.mark.anyio
async def test_kill_9_while_49_queue(cluster: Cluster) -> None:
    """Only the one that was claimed is in doubt; it is at_most_once, so it is undone; the others never notice."""
    cluster.participant.will("charge", hold(effect=True))
    async with cluster.worker("queueing", concurrency=1) as worker:
        worker.say(f"start {FIFTY}")
        await worker.line("started")
        claimed = await cluster.participant.called("charge")
        await worker.killed()
    async with cluster.worker("queueing", concurrency=1) as successor:
        stories = await cluster.stories()
        await successor.left()
    others = [told for outcome, told in stories if isinstance(outcome, Completed)]
    ((_, told),) = [story for story in stories if isinstance(story[0], Compensated)]
    assert told == [
        "saga_started",
        "attempt_lost charge do",
        "milestone_gave_up charge",
        "compensation_decided failure",
        "milestone_compensated charge",
        "saga_compensated",
    ]
    assert cluster.participant.ledger(claimed.saga) == [
        "do charge #1: applied (abandoned)",
        "undo charge #1 with null: undone",
    ]
    assert others == [STRAIGHT] * (FIFTY - 1)
    assert sum(call.op == "undo" for call in cluster.participant.calls) == 1
    assert sorted(cluster.participant.standing()) == ["charge"] * (FIFTY - 1) + ["ship"] * (FIFTY - 1)
