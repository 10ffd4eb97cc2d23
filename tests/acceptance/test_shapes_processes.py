"""Blocks and children over several processes: killed, told to leave, and each serving only a part of a family."""

from __future__ import annotations

import signal

import pytest

from saga_journey import Compensated, Completed, Journeys, Run
from saga_journey.core.children import child_id
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import Received, done, hold, refuse
from tests.acceptance.processes import Program
from tests.acceptance.stage import ended
from tests.acceptance.story import journal

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cluster(cluster: Cluster) -> Cluster:
    cluster.participant.side_by_side = True
    return cluster


async def in_the_middle(cluster: Cluster, worker: Program) -> tuple[Received, Received]:
    """Both branches are being called."""
    worker.say("start 1")
    await worker.line("started")
    return await cluster.participant.called("flight"), await cluster.participant.called("car")


async def test_kill_9_in_the_middle_of_a_block(cluster: Cluster) -> None:
    """Both calls are lost, and repeated under their keys: each has its effect once."""
    cluster.participant.will("flight", hold(effect=True))
    cluster.participant.will("car", hold(effect=True))
    async with cluster.worker("holiday") as worker:
        await in_the_middle(cluster, worker)
        await worker.killed()
    async with cluster.worker("holiday") as successor:
        outcome, told = await cluster.story()
        await successor.left()
    assert isinstance(outcome, Completed)
    assert told[:6] == [
        "saga_started",
        "milestone_completed plan",
        "attempt_started flight",
        "attempt_started car",
        "attempt_lost flight do",
        "attempt_lost car do",
    ]
    assert sorted(cluster.participant.standing()) == ["car", "flight", "pay", "plan", "seat"]
    repeated = [call.milestone for call in cluster.participant.calls if call.attempt == 2]
    assert sorted(repeated) == ["car", "flight"]


async def test_kill_9_while_a_block_drains(cluster: Cluster) -> None:
    """One branch has refused: what the other one did is undone, although nobody heard of it."""
    cluster.participant.will("flight", hold())
    cluster.participant.will("car", hold(effect=True))
    async with cluster.worker("holiday") as worker:
        flight, _ = await in_the_middle(cluster, worker)
        flight.answer(refuse())
        async with cluster.outside() as journeys:
            run = await cluster.run(journeys)
            await cluster.seen(journeys, lambda: _decided(run))
        await worker.killed()
    async with cluster.worker("holiday") as successor:
        outcome, told = await cluster.story()
        await successor.left()
    assert isinstance(outcome, Compensated)
    assert told[-5:] == [
        "attempt_lost car do",
        "milestone_gave_up car",
        "milestone_compensated car",
        "milestone_compensated plan",
        "saga_compensated",
    ]
    assert cluster.participant.standing() == []


async def _decided(run: Run) -> bool:
    return "compensation_decided failure" in await journal(run)


async def test_sigterm_in_the_middle_of_a_block(cluster: Cluster) -> None:
    cluster.participant.will("flight", hold(effect=True))
    cluster.participant.will("car", hold(effect=True))
    async with cluster.worker("holiday") as worker:
        flight, car = await in_the_middle(cluster, worker)
        worker.signal(signal.SIGTERM)
        await worker.line("closing")
        car.answer(done())
        flight.answer(done())
        assert await worker.ended() == -signal.SIGTERM
    assert (worker.logged, worker.errors) == ([], "")
    async with cluster.worker("holiday") as successor:
        outcome, told = await cluster.story()
        await successor.left()
    assert isinstance(outcome, Completed)
    assert not [line for line in told if line.startswith("attempt_lost")]
    assert {call.attempt for call in cluster.participant.calls} == {1}


async def test_a_child_is_served_by_another_process_than_its_parent(cluster: Cluster) -> None:
    async with cluster.outside("family") as journeys, cluster.worker("parents", name="worker") as parents:
        run = await journeys.start(cluster.sagas("family")["family"], {})
        await cluster.participant.called("plan")
        own = child_id(run.saga_id, "tour", 1)
        await cluster.seen(journeys, lambda: _is_there(journeys, own))
        async with cluster.worker("children", name="worker") as children:
            assert isinstance(await ended(run), Completed)
            await children.left()
        await parents.left()
    assert cluster.participant.standing() == ["plan", "bus", "boat", "pay"]


async def _is_compensated(run: Run) -> bool:
    return (await run.status()).status == "compensated"


async def _is_there(journeys: Journeys, saga_id: str) -> bool:
    return any(record.saga_id == saga_id for record in await journeys.search())


async def test_both_processes_of_a_family_are_killed_one_after_the_other(cluster: Cluster) -> None:
    """The child's in mid-call, the parent's while it waits: nothing of either is lost, and all of it is undone."""
    cluster.participant.will("boat", hold(effect=True))
    cluster.participant.will("pay", refuse())
    async with cluster.outside("family") as journeys:
        async with cluster.worker("parents") as parents, cluster.worker("children") as children:
            run = await journeys.start(cluster.sagas("family")["family"], {})
            await cluster.participant.called("boat")
            await children.killed()
            await parents.killed()
        async with cluster.worker("children") as children, cluster.worker("parents") as parents:
            await cluster.seen(journeys, lambda: _is_compensated(run))  # parked meanwhile, until its code is back
            await parents.left()
            await children.left()
    assert cluster.participant.standing() == []
    undone = [call.milestone for call in cluster.participant.calls if call.op == "undo"]
    assert undone == ["boat", "bus", "plan"]
