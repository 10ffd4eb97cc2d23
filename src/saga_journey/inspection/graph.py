"""A definition as a picture: `mermaid` for pages that draw it themselves, `svg` for everywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.shape import is_choice
from saga_journey.inspection.drawing import svg
from saga_journey.inspection.paths import Edge, edges

__all__ = ["mermaid", "svg"]

LONGEST_CONDITION = 60


def mermaid(definition: JourneyDefinition) -> str:
    """The journey as a Mermaid flowchart: each milestone with what undoes it, blocks, choices, the pivot."""
    lines = ["flowchart LR", f"  start(({_text('start')}))"]
    for number in range(len(definition.stages)):
        lines += _step(definition, number)
    lines.append(f"  done(({_text('done')}))")
    lines.append(f"  start --> {_name(definition, 0)}")
    lines += [f"  {_edge(definition, edge)}" for edge in edges(definition)]
    lines.append("  classDef pivot stroke-width:4px")
    lines.append("  classDef stays stroke-dasharray:5 4")
    lines += _classes(definition)
    return "\n".join(lines) + "\n"


def _step(d: JourneyDefinition, number: int) -> Iterator[str]:
    branches = d.stages[number]
    if len(branches) == 1:
        yield f"  {_node(d, branches[0][0])}"
        return
    yield f"  subgraph s{number}[{_text('side by side')}]"
    for branch in branches:
        yield "    " + " --> ".join(_node(d, place) for place in branch)
    yield "  end"


def _name(d: JourneyDefinition, number: int) -> str:
    """How the picture names a step."""
    if number == len(d.stages):
        return "done"
    return f"n{d.stages[number][0][0]}" if len(d.stages[number]) == 1 else f"s{number}"


def _node(d: JourneyDefinition, place: int) -> str:
    m = d.milestones[place]
    before, after = _SHAPES[m.kind]
    return f"n{place}{before}{_text(m.id, *_notes(m))}{after}"


_SHAPES = {"action": ("[", "]"), "external": ("[/", "/]"), "timer": ("{{", "}}"), "child": ("[[", "]]")}


def _notes(m: Milestone) -> Iterator[str]:
    said = [word for word in ("pivot", "optional") if getattr(m, word)]
    if said:
        yield ", ".join(said)
    if m.undo is not None:
        yield f"↩ {m.undo}"
    elif m.undoable and m.child is not None:
        yield f"↩ compensate {m.child.name}"


def _edge(d: JourneyDefinition, edge: Edge) -> str:
    start, target = _name(d, edge.start), _name(d, edge.target)
    source = d.milestones[d.stages[edge.start][0][0]]
    if edge.said is not None and is_choice(source):
        when = "else" if edge.said.when is None else shortened(edge.said.when, LONGEST_CONDITION)
        return f"{start} -->|{_text(when)}| {target}"
    return f"{start} ==>|{_text('no way back')}| {target}" if source.pivot else f"{start} --> {target}"


def _classes(d: JourneyDefinition) -> Iterator[str]:
    pivots = [f"n{place}" for place, m in enumerate(d.milestones) if m.pivot]
    stays = [f"n{p}" for p, m in enumerate(d.milestones) if not m.undoable and not m.pivot and m.kind != "timer"]
    for name, nodes in (("pivot", pivots), ("stays", stays)):
        if nodes:
            yield f"  class {','.join(nodes)} {name}"


def shortened(text: str, most: int) -> str:
    """On one line, at most so many characters of it; `…` says that there was more."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _text(*lines: str) -> str:
    """A label of these lines. What could be read as anything but text is spelled out."""
    return '"' + "<br/>".join(_NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", line) for line in lines) + '"'


_NOT_PLAIN = re.compile(r"[^\w .,↩…]")
