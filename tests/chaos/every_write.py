"""Every kind of write that a store knows, each on a stage of its own: what is there before, and the write itself.

`table`: a table that it has to change. A write gives what its caller was told; numbers are told by what they mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from saga_journey.core.canonical import encode
from saga_journey.core.commands import Answer
from saga_journey.core.session_definition import Area, SessionDefinition
from saga_journey.core.state import SagaStatus
from saga_journey.ports import Claimed, ClaimedRun, Message, OutboxRow, Started
from saga_journey.testing.conformance.stage import LEASE, Run, Stage, Worker, definition, held_by, released
from tests.chaos.traces import Traces

Write = Callable[[], Awaitable[Any]]
Told = Callable[[Any, Traces], Any]


def as_it_is(answer: Any, traces: Traces) -> Any:
    return answer


@dataclass(frozen=True)
class Kind:
    name: str
    table: str
    prepare: Callable[[Stage], Awaitable[Write]]
    told: Told = as_it_is

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


# --- starts -----------------------------------------------------------------------------------------------------------


async def _start(stage: Stage) -> Write:
    new = stage.new(await stage.journey(), saga_id="saga_1")
    return lambda: stage.store.start(new)


async def _start_owned_with_key(stage: Stage) -> Write:
    worker = await stage.worker()
    new = stage.new(await stage.journey(), key="order-1", saga_id="saga_1", owner=worker.owner)
    return lambda: stage.store.start(new)


async def _start_a_family(stage: Stage) -> Write:
    checkout = await stage.journey()
    grandchild = stage.child("saga_2", checkout, saga_id="saga_3", outbox=_told(1, "of the grandchild"))
    child = stage.child("saga_1", checkout, saga_id="saga_2", children=[grandchild])
    new = stage.new(checkout, key="order-1", saga_id="saga_1", outbox=_told(1, "of the parent"), children=[child])
    return lambda: stage.store.start(new)


async def _start_many(stage: Stage) -> Write:
    """In one batch: one whose key is taken, one whose key is taken with another input, two with the same new key."""
    checkout = await stage.journey()
    await stage.store.start(stage.new(checkout, key="taken", saga_id="saga_0"))
    news = [
        stage.new(checkout, key="taken", saga_id="saga_1"),
        stage.new(checkout, key="taken", fingerprint=b"another", saga_id="saga_2"),
        stage.new(checkout, key="new", saga_id="saga_3", outbox=_told(1, "of 3")),
        stage.new(checkout, key="new", saga_id="saga_4", outbox=_told(1, "of 4")),
        stage.new(checkout, saga_id="saga_5"),
    ]
    return lambda: _all(*(stage.store.start(new) for new in news))


def _started(answer: Any, traces: Traces) -> Any:
    if isinstance(answer, list):
        return [_started(one, traces) for one in answer]
    assert isinstance(answer, Started)
    return traces.name("run", *answer.key), answer.existing, answer.same


# --- turns ------------------------------------------------------------------------------------------------------------


async def _turn(stage: Stage) -> Write:
    _, run = await _held(stage)
    return lambda: stage.store.commit(stage.turn(run))


async def _turn_that_releases(stage: Stage) -> Write:
    _, run = await _held(stage)
    turn = stage.turn(run, row=released(stage.clock.now() + 60, lost=1))
    return lambda: stage.store.commit(turn)


async def _turn_that_ends(stage: Stage) -> Write:
    _, run = await _held(stage)
    stage.clock.advance(5)
    return lambda: stage.store.commit(stage.ending(run))


async def _release_without_events(stage: Stage) -> Write:
    _, run = await _held(stage)
    await stage.store.send(run.key, "cancel-1", "cancel", "{}")
    turn = stage.release(run)
    turn.answers = [("cancel-1", Answer(False, "past_pivot", "too late"))]
    return lambda: stage.store.commit(turn)


async def _turn_with_everything(stage: Stage) -> Write:
    worker, run = await _held(stage)
    checkout = await stage.journey()
    other = await stage.start(checkout, saga_id="saga_other")
    await stage.store.commit(stage.release(other))
    await stage.store.send(run.key, "cancel-1", "cancel", "{}")
    child = stage.child(run.saga_id, checkout, saga_id="saga_child", outbox=_told(1, "of the child"))
    turn = stage.turn(
        run,
        row=held_by(worker, stage.clock.now(), status=SagaStatus.COMPENSATING),
        answers=[("cancel-1", Answer(True, "applied"))],
        outbox=_told(run.seq, "cancelled"),
        starts=[child],
        messages=[Message("saga_other", "saga_1/2/pack", "recall", "{}")],
    )
    return lambda: stage.store.commit(turn)


async def _turn_that_moves(stage: Stage) -> Write:
    _, run = await _held(stage)
    turn = stage.turn(run, moved=definition("checkout", version=2))
    return lambda: stage.store.commit(turn)


async def _turns_of_many(stage: Stage) -> Write:
    """In one batch; one of them was claimed by somebody else meanwhile, another one has been written by somebody."""
    checkout, worker = await stage.journey(), await stage.mortal()
    runs = [await stage.start(checkout, by=worker, saga_id=f"saga_{n}") for n in range(4)]
    stage.outlive()
    taker = await stage.worker(await stage.another())
    await taker.claim(checkout, room=1)
    writer = await stage.another()
    await writer.commit(stage.turn(runs[3], "somebody else's"))
    turns = [stage.turn(run, f"of {run.saga_id}") for run in runs]
    return lambda: _all(*(stage.store.commit(turn) for turn in turns))


async def _turn_of_a_session(stage: Stage) -> Write:
    """Nobody holds it: its seq alone decides."""
    tenant = await stage.store.tenant("acme")
    spec = SessionDefinition("survey", 1, (Area("intro"), Area("details")))
    number = await stage.store.save_definition(tenant, spec)
    checkout = (await stage.journey())._replace(definition=number, name="session survey")
    session = await stage.start(checkout, saga_id="session_1", due_at=None)
    return lambda: stage.store.commit(stage.turn(session))


def _refusals(answer: Any, traces: Traces) -> Any:
    return [None if one is None else type(one).__name__ for one in answer]


# --- claims and owners ------------------------------------------------------------------------------------------------


async def _claim_from_the_queue(stage: Stage) -> Write:
    checkout, worker = await stage.journey(), await stage.worker()
    for number in range(3):  # the longest due come first
        stage.clock.advance(1)
        run = await stage.start(checkout, saga_id=f"saga_{number}")
        await stage.store.send(run.key, f"cancel-{number}", "cancel", "{}")
    return lambda: worker.claim(checkout, room=2)


async def _claim_from_the_dead(stage: Stage) -> Write:
    checkout, mortal = await stage.journey(), await stage.mortal()
    for number in range(3):
        await stage.start(checkout, by=mortal, saga_id=f"saga_{number}")
    stage.outlive()
    worker = await stage.worker()
    return lambda: worker.claim(checkout)


def _claimed(answer: Any, traces: Traces) -> Any:
    assert isinstance(answer, Claimed)
    return sorted(
        (r.record.saga_id, r.record.epoch, r.record.owner, r.taken_over, r.empty_claims, r.rows, _ids(r))
        for r in answer.runs
    )


def _ids(claimed: ClaimedRun) -> list[str]:
    return [command.command_id for command in claimed.commands]


async def _enter(stage: Stage) -> Write:
    return lambda: stage.store.enter(LEASE)


async def _renew_in_time(stage: Stage) -> Write:
    worker = await stage.mortal()
    stage.clock.advance(1)
    return lambda: stage.store.renew(worker.owner, LEASE)


async def _renew_too_late(stage: Stage) -> Write:
    """By the server's own clock, which goes on meanwhile."""
    store = await stage.another(own_time=True)
    owner = await store.enter(0.0)
    return lambda: store.renew(owner, LEASE)


async def _leave(stage: Stage) -> Write:
    worker = await stage.mortal()
    return lambda: stage.store.leave(worker.owner)


# --- the rest ---------------------------------------------------------------------------------------------------------


async def _tenant(stage: Stage) -> Write:
    return lambda: stage.store.tenant("acme")


def _tenant_named(answer: Any, traces: Traces) -> Any:
    return traces.name("tenant", answer)


async def _save_definition(stage: Stage) -> Write:
    tenant = await stage.store.tenant("acme")
    return lambda: stage.store.save_definition(tenant, definition())


def _definition_hashed(answer: Any, traces: Traces) -> Any:
    return traces.name("definition", answer)


async def _send(stage: Stage) -> Write:
    run = await stage.start(await stage.journey(), saga_id="saga_1")
    await stage.store.commit(stage.release(run))
    stage.clock.advance(5)
    return lambda: stage.store.send(run.key, "cancel-1", "cancel", "{}")


async def _wake_needy(stage: Stage) -> Write:
    checkout = await stage.journey()
    run = await stage.start(checkout, saga_id="saga_1")
    await stage.store.commit(stage.release(run, needs=True, status=SagaStatus.FAILED))
    stage.clock.advance(5)
    return lambda: stage.store.wake_needy([checkout.definition])


async def _prune(stage: Stage) -> Write:
    """Three have ended; at most two of them are to go."""
    checkout = await stage.journey()
    for number in range(3):
        await stage.ended(checkout, saga_id=f"saga_{number}")
        stage.clock.advance(1)
    return lambda: stage.store.prune(stage.clock.now() + 60, 2, archive=True)


async def _held(stage: Stage) -> tuple[Worker, Run]:
    """A run, and the worker that moves it."""
    worker = await stage.worker()
    return worker, await stage.start(await stage.journey(), by=worker, saga_id="saga_1")


def _told(seq: int, what: str) -> list[OutboxRow]:
    return [OutboxRow(seq, 0, what, encode({"what": what}))]


async def _all(*writes: Awaitable[Any]) -> list[Any]:
    """All at once, so that they go in one batch; what was refused is told as well."""
    return await asyncio.gather(*writes, return_exceptions=True)


KINDS = (
    Kind("start", "run", _start, _started),
    Kind("start owned with key", "run", _start_owned_with_key, _started),
    Kind("start a family", "run", _start_a_family, _started),
    Kind("start many", "run", _start_many, _started),
    Kind("turn", "journal", _turn),
    Kind("turn that releases", "run", _turn_that_releases),
    Kind("turn that ends", "run", _turn_that_ends),
    Kind("release without events", "run", _release_without_events),
    Kind("turn with everything", "command", _turn_with_everything),
    Kind("turn that moves", "definition", _turn_that_moves),
    Kind("turns of many", "journal", _turns_of_many, _refusals),
    Kind("turn of a session", "journal", _turn_of_a_session),
    Kind("claim from the queue", "run", _claim_from_the_queue, _claimed),
    Kind("claim from the dead", "run", _claim_from_the_dead, _claimed),
    Kind("enter", "owner", _enter),
    Kind("renew in time", "owner", _renew_in_time),
    Kind("renew too late", "owner", _renew_too_late),
    Kind("leave", "owner", _leave),
    Kind("tenant", "tenant", _tenant, _tenant_named),
    Kind("save definition", "definition", _save_definition, _definition_hashed),
    Kind("send", "command", _send),
    Kind("wake needy", "run", _wake_needy),
    Kind("prune", "run", _prune),
)
