"""ls, get, validate, diff, graph and test of `saga journey`: definitions, looked at without touching anything."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from saga_journey.cli import as_json
from saga_journey.cli.desk import Desk
from saga_journey.cli.journey_files import request_of
from saga_journey.cli.options import Given
from saga_journey.cli.problems import NOT_FOUND, VALIDATION, Problem, did_you_mean
from saga_journey.cli.screen import Line, Screen, Span
from saga_journey.cli.shelf import kept, meant
from saga_journey.cli.table import table
from saga_journey.cli.text import pretty
from saga_journey.cli.times import span
from saga_journey.cli.words import ICONS
from saga_journey.core.definition import ACTION_RETRY, JourneyDefinition, Milestone
from saga_journey.core.difference import Change, difference
from saga_journey.core.state import SagaStatus
from saga_journey.inspection.graph import mermaid, svg
from saga_journey.inspection.lint import Remark, lint
from saga_journey.inspection.rehearsal import Fate, Story, rehearse

SHORT_HASH = 12


# --- ls and get -------------------------------------------------------------------------------------------------------


async def ls(desk: Desk) -> None:
    """What is stored, and how many runs of each are unfinished."""
    found = await kept(desk)
    for one in found if desk.given.json else ():
        desk.screen.json(as_json.stored_journey(one.definition, one.in_flight))
    if desk.given.json:
        return
    if not found:
        desk.screen.say("no journeys yet: one is stored when it is designed, or when its first saga is started")
        return
    rows: list[list[Span]] = [
        [
            (one.definition.name, ""),
            (str(one.definition.version), ""),
            (one.definition.kind, ""),
            (str(len(one.definition.milestones)), ""),
            (str(one.in_flight), "live" if one.in_flight else "dim"),
            (one.definition.hash[:SHORT_HASH], "dim"),
        ]
        for one in found
    ]
    heads = ("JOURNEY", "VERSION", "KIND", "MILESTONES", "IN FLIGHT", "HASH")
    desk.screen.out(*table(heads, rows, desk.screen.room))
    newest = found[0].definition
    desk.screen.hint(f"next: {desk.given.again('journey', 'get', f'{newest.name}@{newest.version}')}")


async def get(desk: Desk, reference: str, *, only_request: bool) -> None:
    """One definition: its milestones, its runs in flight, and what is worth a second thought; or its request."""
    definition = await meant(desk, reference)
    in_flight = next((one.in_flight for one in await kept(desk) if one.definition.hash == definition.hash), 0)
    screen = desk.screen
    if only_request:
        screen.out(*pretty(request_of(definition)))
    elif desk.given.json:
        said = as_json.journey(definition, lint(definition))
        screen.json({**said, "in_flight": in_flight, "request": request_of(definition)})
    else:
        runs = "no run" if not in_flight else "1 run" if in_flight == 1 else f"{in_flight} runs"
        screen.out(*_headline(definition, f"{runs} in flight"), [], *milestones(definition, screen.room))
        screen.out(*_remarks(lint(definition)))
        named = f"{definition.name}@{definition.version}"
        screen.hint(f"next: {desk.given.again('journey', 'test', named)}")


def _headline(d: JourneyDefinition, more: str) -> list[Line]:
    policies = [f"deadline {span(d.deadline)}"] if d.deadline is not None else []
    policies += ["goes on with the others when an undo is stuck"] if d.on_stuck_undo == "continue" else []
    return [
        [(d.name, "strong"), (f" version {d.version}, {d.kind}", "")],
        [("; ".join([more, *policies, f"hash {d.hash}"]), "dim")],
    ]


def milestones(d: JourneyDefinition, width: int) -> list[Line]:
    """A row for each: what it calls, what undoes it, how long and how often."""
    heads = ("#", "MILESTONE", "ACTION", "UNDO", "TIMEOUT", "ATTEMPTS", "GOES ON")
    return table(heads, [_row(d, place) for place in range(len(d.milestones))], width)


def _row(d: JourneyDefinition, place: int) -> list[Span]:
    m = d.milestones[place]
    kind = {"external": "an answer", "timer": "a timer"}.get(m.kind) or (f"child {m.child.name}" if m.child else "-")
    return [
        (str(place + 1), "dim"),
        (m.id + _flags(d, m, place), ""),
        (m.action or kind, ""),
        (m.undo or ("its compensation" if m.undoable else "-"), "" if m.undoable else "dim"),
        (span(m.timeout) if m.kind != "child" else span(m.within) if m.within else "-", ""),
        (str(m.retry.attempts) if m.action is not None else "-", "" if m.retry != ACTION_RETRY else "dim"),
        (_goes_on(m), "dim"),
    ]


def _flags(d: JourneyDefinition, m: Milestone, place: int) -> str:
    beside = any(place in branch for stage in d.stages if len(stage) > 1 for branch in stage)
    words = [("pivot", m.pivot), ("optional", m.optional), ("at most once", m.at_most_once), ("side by side", beside)]
    said = [word for word, is_so in words if is_so] + ([m.effects.replace("_", " ")] if m.effects else [])
    return f" ({', '.join(said)})" if said else ""


def _goes_on(m: Milestone) -> str:
    ways = [step.milestone + (f" when {step.when}" if step.when is not None else "") for step in m.next_steps]
    return ", else ".join(ways)


# --- validate ---------------------------------------------------------------------------------------------------------


def validate(given: Given, definition: JourneyDefinition, *, strict: bool) -> int:
    """It can run, since it could be made; what is worth a second thought is said. 6 when --strict and one is bad."""
    screen, remarks = Screen(given), lint(definition)
    if given.json:
        screen.json(as_json.journey(definition, remarks))
    else:
        undone = sum(m.undoable for m in definition.milestones)
        count = f"{_count(len(definition.milestones), 'milestone')}, {undone} of them undone"
        screen.out([ICONS["ok"], (f" {definition.name} version {definition.version}: {count}", "")])
        screen.out(*_remarks(remarks))
    return VALIDATION if strict and any(remark.severity == "bad" for remark in remarks) else 0


def _remarks(remarks: Sequence[Remark]) -> list[Line]:
    found: list[Line] = []
    for remark in remarks:
        found.append([ICONS[remark.severity], (f" {remark.sentence}", ""), (f"  [{remark.code}]", "dim")])
        found.append([(f"    {remark.advice}", "dim")])
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# --- diff -------------------------------------------------------------------------------------------------------------


def diff(given: Given, old: JourneyDefinition, new: JourneyDefinition) -> None:
    """What changes from one definition to another."""
    screen, between = Screen(given), difference(old, new)
    if given.json:
        screen.json(as_json.difference(between))
        return
    screen.out(*_changes(between.changes))
    if between.same:
        screen.say("they are the same")
    elif between.only_policies:
        screen.say("only policies differ: a run of the one can be moved to the other")


def _changes(changes: Sequence[Change]) -> list[Line]:
    signs: dict[str, Span] = {"added": ("+", "good"), "removed": ("−", "bad"), "moved": ("↕", "warn")}
    return [[signs.get(change.kind, ("~", "warn")), (f" {change.sentence}", "")] for change in changes]


# --- graph and test ---------------------------------------------------------------------------------------------------


def graph(given: Given, definition: JourneyDefinition, format: str) -> None:
    drawn = svg(definition) if format == "svg" else mermaid(definition)
    screen = Screen(given)
    if given.json:
        screen.json({"journey": definition.name, "version": definition.version, "format": format, "graph": drawn})
    else:
        screen.out(*drawn.splitlines())


def test(given: Given, definition: JourneyDefinition, only: Sequence[str]) -> None:
    """What would be undone when something goes wrong at each milestone, or at the named ones."""
    for name in only:
        if name not in definition.index:
            what = f"{name!r} is no milestone of {definition.name!r}"
            raise Problem(NOT_FOUND, "unknown_milestone", what, did_you_mean(name, list(definition.index)))
    screen, shown = Screen(given), None
    for story in rehearse(definition, only or None):
        if given.json:
            screen.json(as_json.story(story))
            continue
        if story.milestone != shown:
            screen.out([(story.milestone, "strong")])
        shown = story.milestone
        screen.out(*_told(definition, story, screen.room))


FATES: dict[Fate, str] = {"refused": "refuses", "unknown": "ends unknown", "undo_refused": "cannot be undone"}
CHILD_FATES: dict[Fate, str] = {**FATES, "refused": "undoes itself", "unknown": "is closed by a person"}


def _told(d: JourneyDefinition, story: Story, width: int) -> list[Line]:
    """`refuses   ↩ compensated: refund(charge), release(reserve); approve stays`, wrapped at words."""
    fates = CHILD_FATES if d.milestones[d.index[story.milestone]].kind == "child" else FATES
    word, style = _outcome(story)
    head = f"  {fates[story.fate]:<18}"
    called = [f"{undone.handler}({undone.milestone}{': unknown' * undone.blind})" for undone in story.undone]
    undone = [", ".join(call for call, one in zip(called, story.undone, strict=True) if one.done)]
    refused = [f"{call} refuses" for call, one in zip(called, story.undone, strict=True) if not one.done]
    stays = [f"{', '.join(story.stays)} {'stays' if len(story.stays) == 1 else 'stay'}"] if story.stays else []
    what = "; ".join(said for said in (*undone, *refused, *stays) if said)
    first, *rest = wrap(head + word + (f": {what}" if what else ""), width, subsequent_indent=" " * len(head))
    return [[(head, ""), (word, style), (first[len(head + word) :], "")], *([(row, "")] for row in rest)]


def _outcome(story: Story) -> Span:
    if story.attention is not None:
        return f"! needs a person, {NEEDED[story.attention]}", "bad"
    if story.status is SagaStatus.COMPENSATED:
        return "↩ compensated", "undo"
    return "✔ goes on without it", "good"


NEEDED: dict[str, str] = {
    "stuck_undo": "its undo is stuck",
    "pivot_in_doubt": "nobody knows whether this pivot happened",
    "cannot_go_on": "there is no way back behind the pivot",
    "milestone_failed": "a structured journey is not undone by itself",
    "child_resolved": "what the child did may stand",
}
