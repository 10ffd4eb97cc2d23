"""A saga on one screen: what it is, its lanes, its milestones, what it waits for, and what a person can do."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from saga_journey.cli import words
from saga_journey.cli.lanes import lanes
from saga_journey.cli.options import REASON, Given
from saga_journey.cli.screen import Line, Screen, Span
from saga_journey.cli.table import table
from saga_journey.cli.text import harmless, pretty
from saga_journey.cli.times import ago, clock, moment, span
from saga_journey.core.canonical import decode
from saga_journey.core.progress import VERBS, verbs
from saga_journey.core.state import FINAL, Attention, MilestoneStatus, RunState, SagaStatus, UndoStatus

LONG = 10.0
"""A next attempt that is further away than this (seconds) is worth a `retry`."""
NEEDS_MILESTONE = frozenset({"choose", "retry", "skip", "mark_undone", "it_happened", "it_did_not_happen"})


def picture(state: RunState, now: float, screen: Screen, *, tabled: bool) -> list[Line]:
    """The whole of it; `tabled` adds the table of milestones."""
    lines: list[Line] = [*headline(state, now, screen.width), [], *lanes(state, now, screen.width)]
    lines += _legend(state)
    if tabled:
        lines += [[], *milestones(state, now, screen.room)]
    return lines + needs(state, screen)


# --- the top ----------------------------------------------------------------------------------------------------------


def headline(state: RunState, now: float, width: int) -> list[Line]:
    """Which saga, how it stands, since when."""
    d = state.definition
    word, style = words.status(state.status)
    name: Line = [(state.saga_id, "strong"), (f"  {d.name} version {d.version}", "")]
    when = [[(row, "dim")] for row in wrap(_when(state, now), width)]
    return [name, *_prose(word, style, _why(state), width, indent="  "), *when]


def _why(state: RunState) -> str:
    if state.final is SagaStatus.RESOLVED:
        left = f"; left as they are: {', '.join(state.left)}" if state.left else ""
        return f": {state.reason}{left}"
    if state.because is not None and state.final is not SagaStatus.COMPLETED:
        turned = ", waits for a person; turned back" if state.attention else ""
        because = " because of" if turned else ", because of"
        return f"{turned}{because if state.because.kind == 'failure' else ':'} {state.because}"
    if state.stop is not None:
        return f"; asked to stop ({state.stop}), applied if the pivot does not happen"
    return _waits_for(state)


def _waits_for(state: RunState) -> str:
    """For whom or what a run is waiting; empty when for nobody."""
    if state.attention:
        return ", waits for a person"
    for index in state.open:
        name = state.definition.milestones[index].id
        if state.waits_outside(index):
            return WAITS[state.definition.milestones[index].kind].format(milestone=name)
        if state.milestones[index].asking:
            return f", waits for {name}, which is still working"
    return ""


WAITS = {
    "action": ", waits for an answer to {milestone}",
    "external": ", waits for an answer to {milestone}",
    "timer": ", waits for the time of {milestone}",
    "child": ", waits for the child of {milestone}",
}


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
    name = f"the pivot {state.definition.milestones[pivot].id}"
    said = f"{name} is done: there is no way back" if state.past_pivot else f"after {name} there is no way back"
    return [[("┃ ", ""), (said, "dim")]]


# --- the milestones ---------------------------------------------------------------------------------------------------


def milestones(state: RunState, now: float, width: int) -> list[Line]:
    """A row for each: its handlers, its attempts, what went wrong."""
    rows = [_row(state, index, now) for index in range(len(state.milestones))]
    heads = ["#", "MILESTONE", "ACTION", "UNDO", "ATTEMPTS", "LAST ERROR"]
    if all(spec.action in (spec.id, None) for spec in state.definition.milestones):
        del heads[2]
        rows = [[*row[:2], *row[3:]] for row in rows]
    return table(heads, rows, width)


def _row(state: RunState, index: int, now: float) -> list[Span]:
    spec = state.definition.milestones[index]
    kind = {"external": " (from outside)", "timer": " (timer)", "child": " (child)"}.get(spec.kind, "")
    forward, back = words.attempts(state, index, now)
    return [
        (str(index + 1), "dim"),
        (words.label(spec) + (" (pivot)" if spec.pivot else "") + kind, ""),
        (spec.action or "-", ""),
        (spec.undo or "-", ""),
        (f"{forward}, undo {back}" if back else str(forward), ""),
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


def needs(state: RunState, screen: Screen) -> list[Line]:
    """What it waits for a person for, and the commands that help, ready to be pasted."""
    found: list[Line] = []
    for attention in state.attention:
        found += [[], *_prose("! needs a person: ", "bad", words.attention(attention), screen.width)]
        found += _prose("  why: ", "dim", attention.detail, screen.width)
    for command, meaning in commands(state, screen.given):
        found += [[(f"  {meaning}:", "dim")], [(f"    {command}", "strong")]]
    return found


def _prose(head: str, style: str, text: str, width: int, indent: str | None = None) -> list[Line]:
    """A sentence that goes on from its head, wrapped at words; what follows is indented as far, or so far."""
    first, *rest = wrap(head + harmless(text), width, subsequent_indent=" " * len(head) if indent is None else indent)
    return [[(head, style), (first[len(head) :], "")], *([(row, "")] for row in rest)]


def commands(state: RunState, given: Given) -> list[tuple[str, str]]:
    """What a person can do with a saga that waits for one: the command line, and what it means."""
    found = []
    for verb in verbs(state):
        about = [a for a in state.attention if verb in VERBS[a.kind]]
        for attention in about if verb in NEEDS_MILESTONE else about[:1]:
            found.append((_command(state, given, verb, attention), words.meaning(verb, attention)))
    return found


def _command(state: RunState, given: Given, verb: str, attention: Attention) -> str:
    said = [attention.milestone] if verb in NEEDS_MILESTONE and attention.milestone else []
    if verb == "choose" and attention.milestone:
        index = state.definition.index[attention.milestone]
        said += ["--next", state.definition.milestones[index].next_steps[0].milestone]
    return given.again(verb.replace("_", "-"), state.saga_id, *said, "--reason", REASON)


def next_commands(state: RunState, given: Given, now: float) -> list[str]:
    """The next sensible commands. A saga that waits for a person says itself what helps."""
    saga_id = state.saga_id
    if state.attention:
        return []
    if waiting := [i for i in state.open if state.waits_outside(i) and _is_answered(state, i)]:
        return [given.again("advance", saga_id, _name(state, waiting[0]), "--outcome", "ok")]
    if state.status is SagaStatus.PAUSED:
        return [given.again("resume", saga_id)]
    if late := [i for i in state.open if state.calls(i).not_before > now + LONG]:
        return [given.again("retry", saga_id, _name(state, late[0]), "--reason", REASON)]
    if state.status not in FINAL:
        return [given.again("watch", saga_id)]
    if state.status is SagaStatus.COMPLETED and state.definition.kind == "saga" and not state.past_pivot:
        return [given.again("compensate", saga_id, "--preview")]
    return [given.again("history", saga_id)]


def _is_answered(state: RunState, index: int) -> bool:
    """Somebody outside answers it; a timer and a child come by themselves."""
    return state.definition.milestones[index].kind not in ("timer", "child")


def _name(state: RunState, index: int) -> str:
    return state.definition.milestones[index].id
