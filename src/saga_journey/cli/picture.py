"""A saga on one screen: what it is, its lanes, its milestones, what it waits for, and what a person can do."""

from __future__ import annotations

from typing import Any

from saga_journey.cli import words
from saga_journey.cli.lanes import lanes
from saga_journey.cli.options import REASON, Given
from saga_journey.cli.screen import Line, Screen, Span
from saga_journey.cli.table import table
from saga_journey.cli.text import pretty
from saga_journey.cli.times import ago, clock, moment, span
from saga_journey.core.canonical import decode
from saga_journey.core.events import DO
from saga_journey.core.progress import VERBS, verbs
from saga_journey.core.state import FINAL, Attention, MilestoneStatus, RunState, SagaStatus, UndoStatus

NEEDS_MILESTONE = frozenset({"retry", "skip", "mark_undone", "it_happened", "it_did_not_happen"})


def picture(state: RunState, now: float, screen: Screen, *, tabled: bool) -> list[Line]:
    """The whole of it; `tabled` adds the table of milestones."""
    lines: list[Line] = [*headline(state, now), [], *lanes(state, now, screen.width)]
    lines += _legend(state)
    if tabled:
        lines += [[], *milestones(state, screen.room)]
    return lines + needs(state, screen.given)


# --- the top ----------------------------------------------------------------------------------------------------------


def headline(state: RunState, now: float) -> list[Line]:
    """Which saga, how it stands, since when."""
    d = state.definition
    name: Line = [(state.saga_id, "strong"), (f"  {d.name} version {d.version}", "")]
    return [name, [words.status(state.status), (_why(state), "")], [(_when(state, now), "dim")]]


def _why(state: RunState) -> str:
    if state.final is SagaStatus.RESOLVED:
        left = f"; left as they are: {', '.join(state.left)}" if state.left else ""
        return f": {state.reason}{left}"
    if state.because is not None and state.final is not SagaStatus.COMPLETED:
        return f", because of {state.because}" if state.because.kind == "failure" else f": {state.because}"
    if state.stop is not None:
        return f"; asked to stop ({state.stop}), applied if the pivot does not happen"
    return waits_for(state)


def waits_for(state: RunState) -> str:
    """For whom or what a run that goes on is waiting; empty when for nobody."""
    for index in state.open:
        name = state.definition.milestones[index].id
        if state.waits_outside(index):
            return f", waits for an answer to {name}"
        if state.milestones[index].asking:
            return f", waits for {name}, which is still working"
    return ""


def _when(state: RunState, now: float) -> str:
    if state.final is not None:
        took = span(state.at - state.started_at)
        return f"started {moment(state.started_at, now)}, took {took}"
    changed = f", last change {ago(state.at, now)}" if state.at - state.started_at >= 1 else ""
    return f"started {moment(state.started_at, now)}{changed}" + _deadline(state)


def _deadline(state: RunState) -> str:
    if state.deadline_missed:
        return ", its deadline was missed"
    return f", deadline {clock(state.deadline_at)}" if state.deadline_at is not None else ""


def _legend(state: RunState) -> list[Line]:
    pivot = state.definition.pivot
    if pivot is None:
        return []
    name = state.definition.milestones[pivot].id
    passed = f"{name} is done: there is no way back" if state.past_pivot else f"after {name} there is no way back"
    return [[("┃ ", ""), (f"the pivot: {passed}", "dim")]]


# --- the milestones ---------------------------------------------------------------------------------------------------


def milestones(state: RunState, width: int) -> list[Line]:
    """A row for each: its calls and what went wrong."""
    rows = [_row(state, index) for index in range(len(state.milestones))]
    return table(("#", "MILESTONE", "ACTION", "UNDO", "CALLS", "LAST ERROR"), rows, width)


def _row(state: RunState, index: int) -> list[Span]:
    spec, m = state.definition.milestones[index], state.milestones[index]
    forward, back = words.calls_of(m)
    return [
        (str(index + 1), "dim"),
        (words.label(spec) + (" (pivot)" if spec.pivot else ""), ""),
        (spec.action or "(from outside)", ""),
        (spec.undo or "-", ""),
        (f"{forward} + {back}" if back else str(forward), ""),
        (error_of(state, index) or "", "bad"),
    ]


def error_of(state: RunState, index: int) -> str | None:
    """What went wrong last with a milestone that is not through."""
    m = state.milestones[index]
    if m.undo is not None and m.undo_status in (UndoStatus.RUNNING, UndoStatus.FAILED) and m.undo.error:
        return f"undo: {m.undo.error}"
    through = (MilestoneStatus.COMPLETED, MilestoneStatus.SKIPPED)
    return m.do.error if m.do is not None and m.status not in through else None


def payloads(state: RunState) -> list[Line]:
    """The input, every revision of it, and what the milestones gave."""
    found: list[Line] = []
    for revision, text in enumerate(state.inputs, start=1):
        name = "INPUT" if revision == 1 else f"INPUT, revision {revision}"
        found += [[], [(name, "strong")], *_indented(decode(text))]
    for spec, m in zip(state.definition.milestones, state.milestones, strict=True):
        if m.result is not None:
            found += [[], [(f"RESULT of {spec.id}", "strong")], *_indented(decode(m.result))]
    return found


def _indented(value: Any) -> list[Line]:
    return [[(f"  {line}", "")] for line in pretty(value)]


# --- what it needs ----------------------------------------------------------------------------------------------------


def needs(state: RunState, given: Given) -> list[Line]:
    """What it waits for a person for, and the commands that help, ready to be pasted."""
    found: list[Line] = []
    for attention in state.attention:
        found += [[], [("! needs a person: ", "bad"), (words.attention(attention), "")]]
        found.append([("  why: ", "dim"), (attention.detail, "")])
    for command, meaning in commands(state, given):
        found += [[(f"  {meaning}:", "dim")], [(f"    {command}", "strong")]]
    return found


def commands(state: RunState, given: Given) -> list[tuple[str, str]]:
    """What a person can do with a saga that waits for one: the command line, and what it means."""
    found = []
    for verb in verbs(state):
        about = [a for a in state.attention if verb in VERBS[a.kind]]
        for attention in about if verb in NEEDS_MILESTONE else about[:1]:
            found.append((_command(state, given, verb, attention), words.VERB_WORDS[verb]))
    return found


def _command(state: RunState, given: Given, verb: str, attention: Attention) -> str:
    named = [attention.milestone] if verb in NEEDS_MILESTONE and attention.milestone else []
    return given.again(verb.replace("_", "-"), state.saga_id, *named, "--reason", REASON)


def next_commands(state: RunState, given: Given) -> list[str]:
    """The next sensible commands, when it does not wait for a person."""
    saga_id = state.saga_id
    if state.attention:
        return []
    if waiting := [i for i in state.open if state.waits_outside(i)]:
        name = state.definition.milestones[waiting[0]].id
        return [given.again("advance", saga_id, name, "--outcome", "ok", "--result", "{}")]
    if state.status is SagaStatus.PAUSED:
        return [given.again("resume", saga_id)]
    if state.status not in FINAL:
        return [given.again("watch", saga_id)]
    if state.status is SagaStatus.COMPLETED and state.direction == DO and not state.past_pivot:
        return [given.again("compensate", saga_id, "--preview")]
    return [given.again("history", saga_id)]
