"""Scenario 6: poison among 127 neighbours. Its action takes the process with it; a supervisor starts the next one."""

from __future__ import annotations

import pytest

from saga_journey import Compensated, Completed
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import EXIT, hold

CROWD = 128
LOSSES = 5
EXIT_STATUS = 9


@pytest.mark.anyio
async def test_a_poison_spends_its_own_budget_only(cluster: Cluster) -> None:
    """Twice it takes all its neighbours down in mid-call; from then on it is claimed alone, and alone it dies."""
    cluster.participant.will("work", *[hold()] * (2 * CROWD - 1))  # the last one is the poison's own
    poison = ""
    for life in range(1, LOSSES + 1):
        async with cluster.worker("crowd") as worker:
            if life == 1:
                worker.say(f"start {CROWD}")
            if life <= 2:
                poison = await everybody_is_called(cluster, life)
            assert await worker.ended() == EXIT_STATUS
    async with cluster.worker("crowd") as worker:
        stories = await cluster.stories()
        await worker.left()
    neighbours = [told for outcome, told in stories if isinstance(outcome, Completed)]
    assert len(neighbours) == CROWD - 1
    assert max(told.count("attempt_lost work do") for told in neighbours) == 2
    assert all(told[-2:] == ["milestone_completed work", "saga_completed"] for told in neighbours)
    (lost,) = [told for outcome, told in stories if isinstance(outcome, Compensated)]
    assert lost == [
        "saga_started",
        *["attempt_lost work do"] * LOSSES,
        "milestone_gave_up work",
        "compensation_decided failure",
        "milestone_compensated work",
        "saga_compensated",
    ]
    assert cluster.participant.ledger(poison) == [
        *[f"do work #{attempt}: exit" for attempt in range(1, LOSSES + 1)],
        "undo work #1 with null: nothing to undo",
    ]
    assert cluster.participant.standing(poison) == []
    assert len(cluster.participant.standing()) == CROWD - 1


async def everybody_is_called(cluster: Cluster, life: int) -> str:
    """Waits until all 128 are called in this life; then the poison, always the same one, acts. Gives its id."""
    participant = cluster.participant
    await participant.until(lambda: len(participant.calls) == life * CROWD, "not all were called")
    poison = participant.calls[0].saga
    if life == 1:
        participant.will("work", hold(), *[EXIT] * (LOSSES - 2), saga=poison)
    next(call for call in participant.calls[-CROWD:] if call.saga == poison).answer(EXIT)
    return poison
