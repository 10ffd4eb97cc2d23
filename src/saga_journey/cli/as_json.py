"""What `--json` prints. The keys are documented in docs/CLI.md and stay; later versions only add some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saga_journey.cli.affected import Version
from saga_journey.cli.times import iso
from saga_journey.core.commands import Answer
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.difference import Difference
from saga_journey.core.progress import CompensationPlan, HistoryEntry, MilestoneView, RunView
from saga_journey.inspection.lint import Remark
from saga_journey.inspection.rehearsal import Story
from saga_journey.ports import RunRecord

PAYLOADS = ("input", "result", "definition")


def row(record: RunRecord) -> dict[str, Any]:
    """One line of `ls`."""
    return {
        "saga_id": record.saga_id,
        "tenant": record.tenant,
        "journey": record.journey,
        "version": record.version,
        "status": record.status,
        "started_at": iso(record.started_at),
        "updated_at": iso(record.updated_at),
        "due_at": iso(record.due_at),
    }


def saga(view: RunView, record: RunRecord, commands: Sequence[str], *, payloads: bool) -> dict[str, Any]:
    """A saga with its milestones: `get`, and each line of `watch`."""
    said: dict[str, Any] = {
        **row(record),
        "status": view.status,
        "updated_at": iso(view.updated_at),
        "seq": view.seq,
        "percent": view.percent,
        "waiting_for": view.waiting_for,
        "because": view.because,
        "attention": [attention._asdict() for attention in view.attention],
        "verbs": list(view.verbs),
        "commands": list(commands),
        "milestones": [_milestone(m, payloads=payloads) for m in view.milestones],
    }
    if payloads:
        said["input"] = view.input
    return said


def _milestone(m: MilestoneView, *, payloads: bool) -> dict[str, Any]:
    said = {
        "id": m.id,
        "status": m.status,
        "undo": m.undo,
        "attempts": m.attempts,
        "undo_attempts": m.undo_attempts,
        "has_undo": m.has_undo,
        "pivot": m.pivot,
        "optional": m.optional,
        "in_doubt": m.in_doubt,
        "error": m.error,
        "next_attempt_at": iso(m.next_attempt_at),
    }
    if payloads:
        said["result"] = m.result
    return said


def event(entry: HistoryEntry, *, payloads: bool) -> dict[str, Any]:
    """One line of `history`."""
    fields = {name: value for name, value in entry.fields.items() if payloads or name not in PAYLOADS}
    return {"seq": entry.seq, "at": iso(entry.at), "event": entry.name, "fields": fields}


def answer(saga_id: str, command: str, command_id: str, given: Answer) -> dict[str, Any]:
    """What came of a command."""
    return {
        "saga_id": saga_id,
        "command": command,
        "command_id": command_id,
        "accepted": given.accepted,
        "code": given.code,
        "detail": given.detail,
    }


def plan(saga_id: str, found: CompensationPlan, calling: str | None) -> dict[str, Any]:
    """What a compensation would do: `compensate --preview`."""
    return {
        "saga_id": saga_id,
        "seq": found.seq,
        "refused": found.refused,
        "calling": calling,
        "undos": [
            {"milestone": u.milestone, "handler": u.handler, "result": u.result, "in_doubt": u.in_doubt}
            for u in found.undos
        ],
        "stays": list(found.stays),
    }


# --- definitions ------------------------------------------------------------------------------------------------------


def definition(of: JourneyDefinition) -> dict[str, Any]:
    """Which definition is meant."""
    return {"journey": of.name, "version": of.version, "kind": of.kind, "hash": of.hash}


def stored_journey(of: JourneyDefinition, in_flight: int) -> dict[str, Any]:
    """One line of `journey ls`."""
    return {**definition(of), "milestones": len(of.milestones), "in_flight": in_flight}


def journey(of: JourneyDefinition, remarks: Sequence[Remark]) -> dict[str, Any]:
    """A definition and what is worth a second thought: `journey validate`, and part of `journey get`."""
    said = {**definition(of), "milestones": len(of.milestones), "undone": sum(m.undoable for m in of.milestones)}
    return {**said, "remarks": [remark._asdict() for remark in remarks]}


def difference(found: Difference) -> dict[str, Any]:
    """What changes: `journey diff`."""
    return {
        "old": definition(found.old),
        "new": definition(found.new),
        "same": found.same,
        "only_policies": found.only_policies,
        "changes": [change._asdict() for change in found.changes],
    }


def story(told: Story) -> dict[str, Any]:
    """One line of `journey test`."""
    return {
        "milestone": told.milestone,
        "fate": told.fate,
        "status": told.status,
        "undone": [undone._asdict() for undone in told.undone],
        "stays": list(told.stays),
        "attention": told.attention,
    }


def deploy(new: JourneyDefinition, remarks: Sequence[Remark], versions: Sequence[Version]) -> dict[str, Any]:
    """What a new definition means for runs in flight: one line of `journey deploy --check`."""
    return {
        **journey(new, remarks),
        "runs": sum(version.runs for version in versions),
        "loses": any(version.loses for version in versions),
        "versions": [_version(version) for version in versions],
    }


def _version(of: Version) -> dict[str, Any]:
    old = of.between.old
    return {
        "version": old.version,
        "hash": old.hash,
        "runs": of.runs,
        "same": of.between.same,
        "only_policies": of.between.only_policies,
        "loses": of.loses,
        "changes": [change._asdict() for change in of.between.changes],
        "consequences": [
            {**affected.meant._asdict(), "runs": affected.runs, "saga_ids": affected.sagas} for affected in of.sorted()
        ],
    }
