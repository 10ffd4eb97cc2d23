"""Scenario 5: stuck, mended, stuck. Five are done, the sixth refuses, the undo of the third says no.

Every verb is said while nobody is there to hear it; the worker that hears it is killed before the next event; every
verb is said again, with its own id and with another one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from saga_journey import Compensated, Failed, Rejected, Resolved, Run, SagaStatus, Search
from saga_journey.core import commands as cmd
from saga_journey.core.codec import encode_command
from tests.acceptance.cluster import Cluster
from tests.acceptance.participant import fail, hold, refuse
from tests.acceptance.stage import ended
from tests.acceptance.story import journal

FORWARD = [
    "saga_started",
    *[f"milestone_completed m{n}" for n in range(1, 6)],
    "milestone_refused m6",
    "compensation_decided failure",
    "milestone_compensated m5",
    "milestone_compensated m4",
    "undo_given_up m3",
    "attention_raised m3 stuck_undo",
]
RETRIED = [
    *FORWARD,
    "milestone_retried m3 undo who=ann",
    "attempt_lost m3 undo",
    "attempt_ended m3 undo",
    "attempt_ended m3 undo",
    "undo_given_up m3",
    "attention_raised m3 stuck_undo",
]
BY_HAND = [
    *RETRIED,
    "fact_stated m3 undone who=bob",
    "attempt_lost m2 undo",
    "milestone_compensated m2",
    "milestone_compensated m1",
    "saga_compensated",
]
LEFT_OUT = [
    *FORWARD,
    "undo_skipped m3 who=ann",
    "attempt_lost m2 undo",
    "milestone_compensated m2",
    "milestone_compensated m1",
    "saga_resolved left=['m3']",
]


@pytest.mark.anyio
async def test_retried_then_undone_by_hand(cluster: Cluster) -> None:
    """The retry stays unknown as often as it may; then a person undoes the third by hand: 5, 4, 3, 2, 1."""
    participant = cluster.participant
    await stuck(cluster)
    participant.will("m3", hold(), fail(), fail(), fail(), op="undo")
    await said_to_nobody(cluster, "retry", cmd.RetryMilestone("m3", who="ann"))
    await killed_in_the_call_that_follows(cluster, "m3", "retry", lambda run, said: run.retry("m3", command_id=said))
    await failed_again(cluster)
    participant.will("m2", hold(), op="undo")
    await said_to_nobody(cluster, "by hand", cmd.StateFact("undone", "m3", who="bob", reason="paid it back"))
    await killed_in_the_call_that_follows(
        cluster, "m2", "by hand", lambda run, said: run.mark_undone("m3", reason="paid it back", command_id=said)
    )
    async with cluster.worker("stuck") as worker:
        outcome, told = await cluster.story()
        await worker.left()
    assert isinstance(outcome, Compensated)
    assert told == BY_HAND
    assert participant.ledger() == [
        *[f"do m{n} #1: applied" for n in range(1, 6)],
        "do m6 #1: refused",
        *[f"undo m{n} #1 with {of(n)}: undone" for n in (5, 4)],
        f"undo m3 #1 with {of(3)}: refused",
        f"undo m3 #2 with {of(3)}: held (abandoned)",
        *[f"undo m3 #{attempt} with {of(3)}: fail" for attempt in (3, 4, 5)],
        f"undo m2 #1 with {of(2)}: held (abandoned)",
        f"undo m2 #2 with {of(2)}: undone",
        f"undo m1 #1 with {of(1)}: undone",
    ]
    assert participant.standing() == ["m3"]  # what a person undid by hand, no participant has heard of


@pytest.mark.anyio
async def test_skipped(cluster: Cluster) -> None:
    """Left as it is: the others are undone, and the saga says what still stands; it is not called compensated."""
    await stuck(cluster)
    cluster.participant.will("m2", hold(), op="undo")
    await said_to_nobody(cluster, "skip", cmd.Skip("m3", who="ann", reason="not worth it"))
    await killed_in_the_call_that_follows(
        cluster, "m2", "skip", lambda run, said: run.skip("m3", reason="not worth it", command_id=said)
    )
    async with cluster.worker("stuck") as worker:
        outcome, told = await cluster.story()
        await worker.left()
    assert outcome == Resolved("undone, but for what was skipped", left=("m3",))
    assert told == LEFT_OUT
    assert cluster.participant.standing() == ["m3"]


def of(number: int) -> str:
    return json.dumps({"of": f"m{number}"})


async def stuck(cluster: Cluster) -> None:
    """The undo of m3 says no; the worker is killed while the saga waits for a person."""
    cluster.participant.will("m6", refuse("sold out"))
    cluster.participant.will("m3", refuse("the account is closed"), op="undo")
    async with cluster.worker("stuck") as worker:
        worker.say("start 1")
        await cluster.participant.called("m3", "undo")
        outcome, told = await cluster.story()
        await worker.killed()
    assert isinstance(outcome, Failed)
    assert outcome.verbs == ("retry", "skip", "mark_undone", "resolve")
    assert [(a.kind, a.milestone, a.detail) for a in outcome.attention] == [
        ("stuck_undo", "m3", "refused: the account is closed")
    ]
    assert told == FORWARD


async def said_to_nobody(cluster: Cluster, command_id: str, command: cmd.External) -> None:
    """The verb is durable, and no worker lives: sent twice with its id, it is one command, not answered yet."""
    async with cluster.outside() as journeys:
        (record,) = await journeys.search(Search())
        for _ in range(2):
            assert await journeys.store.send(record.key, command_id, *encode_command(command)) is None
        assert record.status is SagaStatus.FAILED


Verb = Callable[[Run, str], Awaitable[cmd.Answer]]


async def killed_in_the_call_that_follows(cluster: Cluster, milestone: str, command_id: str, verb: Verb) -> None:
    """A worker hears the verb and calls; it is killed before the next event. Said again, the verb does nothing."""
    async with cluster.worker("stuck") as worker, cluster.outside() as journeys:
        await cluster.participant.called(milestone, "undo")
        run = await cluster.run(journeys)
        before = await journal(run)
        assert await verb(run, command_id) == cmd.Answer(True, "applied")
        with pytest.raises(Rejected, match="not_in_attention"):
            await verb(run, f"{command_id} once more")
        assert await journal(run) == before
        await worker.killed()


async def failed_again(cluster: Cluster) -> None:
    """The next worker counts the loss, spends the fresh budget, and asks a person again; then it is killed as well."""
    async with cluster.worker("stuck") as worker, cluster.outside() as journeys:
        await cluster.participant.until(lambda: cluster.participant.ledger()[-1].startswith("undo m3 #5"), "no fifth")
        run = await cluster.run(journeys)
        assert isinstance(await ended(run), Failed)
        assert await journal(run) == RETRIED
        await worker.killed()
