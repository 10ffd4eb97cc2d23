"""Sending a command: what it would do, the question, the store, the answer of the run's owner, or that it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from saga_journey.cli import as_json
from saga_journey.cli.desk import Desk, must_have
from saga_journey.cli.options import REASON
from saga_journey.cli.picture import next_commands
from saga_journey.cli.plans import Foresight, foresee, meant, plan_of, undos
from saga_journey.cli.problems import CONFLICT, INTERRUPTED, USAGE, Problem
from saga_journey.cli.screen import Screen
from saga_journey.core import commands as cmd
from saga_journey.core.codec import encode_command
from saga_journey.core.commands import Answer, External
from saga_journey.core.progress import preview
from saga_journey.core.state import RunState
from saga_journey.errors import Rejected
from saga_journey.ports import InFlight, RunRecord, Worker

STORED = Answer(True, "stored", "it will be applied when a worker opens this database")
UNANSWERED = Answer(True, "stored", "no worker has answered yet; it will be applied when one gets to it")


@dataclass(frozen=True, slots=True)
class Request:
    """A command as it was asked for. `careful`: its plan is shown and confirmed first."""

    verb: str
    saga: str
    command: External
    careful: bool = False
    wait: float = 5.0
    command_id: str | None = None


async def send(desk: Desk, request: Request) -> None:
    """From the question to the answer; raises Rejected or Problem when nothing was done."""
    record = await desk.record(request.saga)
    command_id = request.command_id or desk.journeys._runs.new_id("cmd")
    answer = await _answered_before(desk, record, request)
    if answer is None:
        request = await _weighed(desk, record, request)
        answer = await answered(desk, record, request.command, command_id, request.wait)
    _tell(desk, record, request, command_id, answer)
    if answer.code != "stored":
        _point_on(desk, await desk.state(record))


async def _answered_before(desk: Desk, record: RunRecord, request: Request) -> Answer | None:
    """The same command id again gives the same answer, whatever the saga looks like by now."""
    if request.command_id is None:
        return None
    return await desk.journeys.store.answer_to(record.key, request.command_id)


# --- before it is sent ------------------------------------------------------------------------------------------------


async def _weighed(desk: Desk, record: RunRecord, request: Request) -> Request:
    """Nothing is sent that is known to be refused where nobody would hear of it, nor what nobody has agreed to."""
    state = await desk.state(record)
    must_have(state, getattr(request.command, "milestone", None))
    seen = foresee(state, record, request.command, desk.now())
    alone = not _alive(await desk.journeys.store.workers())
    if alone or request.careful:
        _must_be_accepted(record, seen)
    if request.careful and seen.answer.code != "no_change":
        _confirm(desk, request, record, seen)
        request = replace(request, command=_bound(request.command, seen))
    if alone and request.wait:
        desk.screen.hint(f"no worker is live on this database; waiting up to {request.wait:g} s for one")
    return request


def _bound(command: External, seen: Foresight) -> External:
    """The same command about the milestone that was shown, should another one be stuck by then."""
    if isinstance(command, cmd.Skip | cmd.StateFact | cmd.Rollback):
        return replace(command, milestone=meant(seen, command))
    return command


def _must_be_accepted(record: RunRecord, seen: Foresight) -> None:
    if not seen.answer.accepted:
        raise Rejected(seen.answer.code, f"{record.saga_id}: {seen.answer.detail}")


def _confirm(desk: Desk, request: Request, record: RunRecord, seen: Foresight) -> None:
    """Shows the plan and asks."""
    screen = desk.screen
    verb, stands = request.verb, seen.before.status.replace("_", " ")
    plan = ["  " + "".join(text for text, _ in line) for line in plan_of(seen, request.command)]
    show = screen.hint if screen.given.yes else screen.insist
    show(f"{verb} {record.saga_id} ({record.journey}, {stands}):", *plan)
    must_agree(screen, f"{verb} cannot be taken back")


def must_agree(screen: Screen, why: str) -> None:
    """Asks, unless -y said so. Raises Problem when nobody can be asked, or says no."""
    if screen.given.yes:
        return
    if not screen.asks:
        raise Problem(USAGE, "not_confirmed", f"{why}, and nobody is here to be asked", "pass -y to agree to that plan")
    if not screen.ask("go on?"):
        raise Problem(INTERRUPTED, "declined", "nothing was done")


# --- sending it -------------------------------------------------------------------------------------------------------


async def answered(desk: Desk, record: RunRecord | InFlight, command: External, command_id: str, wait: float) -> Answer:
    """The owner's answer within so many seconds; else that the command is stored, which by then it is."""
    runs = desk.journeys._runs
    answer = await runs.store.send(record.key, command_id, *encode_command(command))
    if answer is not None:
        return answer
    try:
        async with asyncio.timeout(wait):
            return await runs.engine.send(record.key, command_id, command)
    except TimeoutError:
        return UNANSWERED if _alive(await runs.store.workers()) else STORED


def _alive(workers: Sequence[Worker]) -> bool:
    return any(worker.alive for worker in workers)


# --- afterwards -------------------------------------------------------------------------------------------------------


def _tell(desk: Desk, record: RunRecord, request: Request, command_id: str, answer: Answer) -> None:
    if not answer.accepted:
        raise Rejected(answer.code, f"{record.saga_id}: {answer.detail}")
    screen = desk.screen
    if screen.given.json:
        screen.json(as_json.answer(record.saga_id, request.verb, command_id, answer))
    elif answer.code != "stored":
        screen.out(f"{request.verb} {record.saga_id}: {answer.code.replace('_', ' ')}" + _detail(answer))
    if answer.code == "stored":
        screen.insist(f"stored; {answer.detail}")
        again = [request.verb, record.saga_id, *_said(request.command), "--command-id", command_id]
        again += ["-y"] if request.careful else []
        screen.hint(f"ask for the answer later: {desk.given.again(*again)}")


def _detail(answer: Answer) -> str:
    return f", {answer.detail}" if answer.detail else ""


def _said(command: External) -> list[str]:
    """What the same command must say again, so that the command line is complete."""
    milestone = getattr(command, "milestone", None)
    reason = getattr(command, "reason", None)
    return ([milestone] if milestone else []) + (["--reason", reason] if reason else [])


def _point_on(desk: Desk, state: RunState) -> None:
    for command in next_commands(state, desk.given, desk.now()) or [desk.given.again("get", state.saga_id)]:
        desk.screen.hint(f"next: {command}")


# --- compensate -------------------------------------------------------------------------------------------------------


async def compensate(desk: Desk, request: Request, *, only_preview: bool) -> None:
    """As `send`, bound to what the plan was made from: if the saga moves meanwhile, nothing is done."""
    record = await desk.record(request.saga)
    assert isinstance(request.command, cmd.Compensate)
    state = await desk.state(record)
    if only_preview:
        _show(desk, record, state, request)
        return
    if request.command.expected is None:
        request = replace(request, command=replace(request.command, expected=state.seq))
    await send(desk, request)


def _show(desk: Desk, record: RunRecord, state: RunState, request: Request) -> None:
    """The plan as data. Raises Rejected when it cannot be done at all."""
    plan = preview(state)
    seen = foresee(state, record, cmd.Compensate(), desk.now())
    if desk.given.json:
        desk.screen.json(as_json.plan(record.saga_id, plan, seen.calling))
    else:
        desk.screen.out(*(plan_of(seen, request.command) if plan.refused is None else undos(plan)))
    if plan.refused is not None:
        raise Problem(CONFLICT, seen.answer.code, f"{record.saga_id} cannot be compensated: {plan.refused}")
    again = ("compensate", record.saga_id, "--expected", str(plan.seq), "--reason", REASON)
    desk.screen.hint(f"next: {desk.given.again(*again)}")
