"""`saga journey move`: chosen runs go on under another definition, which differs in policies only.

Every run is asked on a copy of its state first, and nothing is sent unless all of them can be moved. Then each gets its
command, which its owner decides again on what is true then; a run that has ended meanwhile is left as it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from saga_journey.cli import as_json
from saga_journey.cli.deploying import runs
from saga_journey.cli.desk import Desk
from saga_journey.cli.problems import CONFLICT, NOT_FOUND, USAGE, Problem
from saga_journey.cli.sending import answered, must_agree
from saga_journey.cli.shelf import in_flight, meant
from saga_journey.core import commands as cmd
from saga_journey.core.codec import encode_definition
from saga_journey.core.commands import Answer
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.difference import difference
from saga_journey.core.machine import decide
from saga_journey.ports import InFlight, RunRecord

AT_ONCE = 100
TOLD = 5

Chosen = RunRecord | InFlight


async def move(
    desk: Desk,
    to: JourneyDefinition,
    sagas: Sequence[str],
    origin: str | None,
    command: tuple[str, str | None],
    wait: float,
) -> int:
    """`command`: why, and the id that makes it safe to repeat. 4 when the answer of a run was no."""
    if bool(sagas) == (origin is not None):
        raise Problem(USAGE, "which_runs", "say which runs: their ids, or --from VERSION for all of that version")
    chosen = await _chosen(desk, to, sagas, origin)
    reason, command_id = command
    asked = cmd.Move(encode_definition(to), desk.given.user, reason)
    old = await _must_be_movable(desk, to, chosen, asked)
    _confirm(desk, to, old, len(chosen))
    refused = 0
    for start in range(0, len(chosen), AT_ONCE):
        some = chosen[start : start + AT_ONCE]
        name = command_id or desk.journeys._runs.new_id("cmd")
        answers = await asyncio.gather(*[answered(desk, run, asked, name, wait) for run in some])
        for run, answer in zip(some, answers, strict=True):
            _tell(desk, run, name, answer)
            refused += not answer.accepted
    return CONFLICT if refused else 0


async def _chosen(desk: Desk, to: JourneyDefinition, sagas: Sequence[str], origin: str | None) -> list[Chosen]:
    if origin is None:
        return [await desk.record(saga) for saga in dict.fromkeys(sagas)]
    reference = origin if not origin.isdecimal() or len(origin) > 9 else f"{to.name}@{origin}"
    old = await meant(desk, reference)
    chosen: list[Chosen] = []
    async for run in in_flight(desk, old.name, desk.given.tenant):
        if (await desk.journeys.store.definition(run.definition)).hash == old.hash:
            chosen.append(run)
    if not chosen:
        raise Problem(NOT_FOUND, "no_runs", f"no run of {old.name} version {old.version} is in flight")
    return chosen


async def _must_be_movable(
    desk: Desk, to: JourneyDefinition, chosen: Sequence[Chosen], asked: cmd.Move
) -> list[JourneyDefinition]:
    """What they run now, each once. Raises Problem when one of them cannot be moved."""
    refused: Counter[str] = Counter()
    found: dict[str, JourneyDefinition] = {}
    for run in chosen:
        state = await desk.journeys._runs.state(run)
        found[state.definition.hash] = state.definition
        answer = decide(state, [asked], desk.now()).answers[0]
        if answer is not None and not answer.accepted:
            refused[f"{answer.detail} ({answer.code})"] += 1
    if refused:
        told = [f"{runs(count)}: {why}" for why, count in refused.most_common(TOLD)]
        what = f"{runs(refused.total())} cannot be moved, so none is"
        raise Problem(CONFLICT, "not_movable", what, "\n".join(told))
    return [old for old in found.values() if old.hash != to.hash]


def _confirm(desk: Desk, to: JourneyDefinition, old: Sequence[JourneyDefinition], count: int) -> None:
    screen = desk.screen
    show = screen.hint if screen.given.yes else screen.insist
    for definition in old:
        sentences = [change.sentence for change in difference(definition, to).changes]
        show(f"from {definition.name} version {definition.version}:", *(f"  {sentence}" for sentence in sentences))
    would = f"{runs(count)} would be moved to {to.name} version {to.version}"
    show(would)
    must_agree(screen, would)


def _tell(desk: Desk, run: Chosen, command_id: str, answer: Answer) -> None:
    if desk.given.json:
        desk.screen.json(as_json.answer(run.saga_id, "move", command_id, answer))
    else:
        detail = f", {answer.detail}" if answer.detail else ""
        desk.screen.out(f"move {run.saga_id}: {answer.code.replace('_', ' ')}{detail}")
