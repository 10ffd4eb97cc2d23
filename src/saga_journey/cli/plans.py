"""What a command would do, found out by the machine itself on a copy of the state: shown before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from saga_journey.cli.screen import Line
from saga_journey.cli.text import compact, cut
from saga_journey.core import commands as cmd
from saga_journey.core.commands import Answer, External
from saga_journey.core.machine import decide
from saga_journey.core.operators import standing
from saga_journey.core.progress import CompensationPlan, preview
from saga_journey.core.state import RunState
from saga_journey.core.walk import intents
from saga_journey.ports import RunRecord

ARGUMENT = 60


@dataclass(frozen=True, slots=True)
class Foresight:
    """What the answer would be now, and where the run would stand then."""

    before: RunState
    after: RunState
    answer: Answer
    calling: str | None
    """The milestones whose handlers some worker is calling now, in words."""


def foresee(state: RunState, record: RunRecord, command: External, now: float) -> Foresight:
    """Decides the command on a copy. The owner of the run will decide it again, on what is true then."""
    calling = being_called(state, record, now)
    turn = decide(state, [command], now, calling)
    answer = turn.answers[0]
    assert answer is not None, "a command is always answered"
    return Foresight(state, turn.state, answer, ", ".join(_name(state, index) for index in calling) or None)


def being_called(state: RunState, record: RunRecord, now: float) -> list[int]:
    """The milestones that the owner of the run is calling, as far as can be seen from here."""
    if record.owner is None:
        return []
    return [intent.milestone for intent in intents(state) if intent.not_before <= now]


def plan_of(seen: Foresight, command: External) -> list[Line]:
    """The exact plan in words, a line for each thing that would happen."""
    if isinstance(command, cmd.Cancel | cmd.Compensate):
        return _stop(seen)
    return [[(line, "")] for line in (*_what(seen, command), *_then(seen))]


# --- cancel and compensate --------------------------------------------------------------------------------------------


def _stop(seen: Foresight) -> list[Line]:
    if seen.before.definition.kind == "structured":
        stays = ", ".join(standing(seen.before)) or "nothing"
        return [[("it stops where it is, and nothing is undone; what is done and has an undo: " + stays, "")]]
    found = undos(preview(seen.before))
    if seen.calling is not None and seen.before.because is None:
        found.insert(0, [(f"{seen.calling} is being called: {_if_it_happens(seen)}", "warn")])
    return found


def _if_it_happens(seen: Foresight) -> str:
    if seen.answer.code == "deferred":
        return "it is the pivot, and this is applied only if it does not happen"
    return "once ended, it is undone first, unless it refused"


def undos(plan: CompensationPlan) -> list[Line]:
    """The undos of a compensation in their order, with what each is given, and what cannot be undone."""
    if plan.refused is not None:
        return [[(f"cannot be undone: {plan.refused}", "bad")]]
    found: list[Line] = [
        [
            (f"{place}. ", "dim"),
            (f"undo {undo.milestone}", "undo"),
            (f": {undo.handler}({_argument(undo.result, in_doubt=undo.in_doubt)})", ""),
        ]
        for place, undo in enumerate(plan.undos, start=1)
    ]
    found = found or [[("nothing is to be undone", "")]]
    return found + [[(f"{name} stays as it is: nothing undoes it", "warn")] for name in plan.stays]


def _argument(result: object, *, in_doubt: bool) -> str:
    if in_doubt and result is None:
        return "unknown: nobody knows what it did"
    return cut(compact(result), ARGUMENT)


# --- the others -------------------------------------------------------------------------------------------------------


def _what(seen: Foresight, command: External) -> list[str]:
    named = meant(seen, command)
    match command:
        case cmd.Resolve():
            return ["the saga is closed as it is, and nothing more is called"]
        case cmd.Skip(result=result) if seen.before.because is None:
            said = [f"{named} is left out, " + (f"with the result {result}" if result else "without a result")]
            return said + [f"{named} is in doubt, and is undone should the saga turn back"] * _doubtful(seen, named)
        case cmd.Skip():
            return [f"the undo of {named} is left out: what {named} did still stands"]
        case cmd.Rollback():
            return [f"{named} is undone, and the journey is paused before it"]
        case _:
            return [f"{named} counts as undone, by hand"]


def _doubtful(seen: Foresight, milestone: str | None) -> bool:
    index = seen.after.definition.index.get(milestone or "")
    return index is not None and seen.after.milestones[index].doubt


def meant(seen: Foresight, command: External) -> str | None:
    """The milestone that a command is about, also when it was not said; None when it is about the whole saga."""
    if (said := getattr(command, "milestone", None)) is not None:
        return str(said)
    if isinstance(command, cmd.Rollback):
        back = [i for i, m in enumerate(seen.after.milestones) if m.order != seen.before.milestones[i].order or m.undo]
        return _name(seen.before, back[0]) if back else None
    waiting = [a.milestone for a in seen.before.attention if a.milestone is not None]
    opened = [_name(seen.before, i) for i in seen.before.open if i not in seen.after.open]
    return next(iter([*waiting, *opened]), None)


def _then(seen: Foresight) -> list[str]:
    after = seen.after
    if after.final is not None:
        left = f"; left as they are: {', '.join(after.left)}" if after.left else ""
        return [f"then the saga is {after.final}{left}"]
    if after.attention:
        waits = ", ".join(a.milestone or a.kind for a in after.attention)
        return [f"then it still waits for a person: {waits}"]
    steps = [_step(after, intent.milestone) for intent in intents(after)]
    return [f"then {step}" for step in steps] or ["then it waits as before"]


def _step(state: RunState, index: int) -> str:
    undo = state.op_of(index) == "undo"
    return f"{'the undo of ' if undo else ''}{_name(state, index)} is called, and the saga goes on"


def _name(state: RunState, index: int) -> str:
    return state.definition.milestones[index].id
