"""What is written in batches, as the arrays that the functions of migration 0002 take.

asyncpg asks each element of a list several times what it is. For texts that is quick; for whole numbers the text of the
array is written and read in a fifth of the time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from saga_journey.core.codec import encode_answer, encode_definition
from saga_journey.ports import Conflict, Fenced, NewRun, OutboxRow, RunKey, Started, TurnWrite

WRITTEN, FENCED, CONFLICT = 0, 1, 2


def _array(values: Sequence[int | None]) -> str:
    """Whole numbers, booleans among them, as PostgreSQL reads an array."""
    return "{" + repr(values)[1:-1].replace("None", "NULL") + "}"


# --- starts ---


def start_arguments(starts: Sequence[NewRun]) -> tuple[Any, ...]:
    """For `start_runs`."""
    keys = [new.start_key for new in starts]
    sides = {place: _new_side(new) for place, new in enumerate(starts, 1) if new.outbox or new.children}
    return (
        _array([new.tenant for new in starts]),
        [new.saga_id for new in starts],
        _array([new.definition for new in starts]),
        [new.journey for new in starts],
        [new.turn for new in starts],
        [new.at for new in starts],
        [new.due_at for new in starts],
        _array([new.owner for new in starts]),
        [None if key is None else key.key for key in keys],
        [None if key is None else key.fingerprint for key in keys],
        json.dumps(sides) if sides else None,
    )


def started(new: NewRun, row: Sequence[Any]) -> Started:
    """What `start_runs` says of one of them."""
    run, saga, same = row
    return Started(RunKey(new.tenant, run), None if saga == new.saga_id else saga, same)


def _new_side(new: NewRun) -> dict[str, Any]:
    return {"outbox": _outbox(new.outbox), "children": [_child(child) for child in new.children]}


def _child(new: NewRun) -> dict[str, Any]:
    said = {"saga": new.saga_id, "definition": new.definition, "turn": new.turn, "at": new.at, "due": new.due_at}
    return said | _new_side(new)


def _outbox(rows: Sequence[OutboxRow]) -> list[list[Any]]:
    return [[row.seq, row.item, row.kind, row.body] for row in rows]


# --- turns ---


def turn_arguments(turns: Sequence[TurnWrite], owners: Collection[int], *, checked: bool) -> tuple[Any, ...]:
    """For `commit_turns`."""
    changed = [(place, turn.row) for place, turn in enumerate(turns, 1) if turn.row is not None]
    sides = {place: side for place, turn in enumerate(turns, 1) if (side := _side(turn))}
    return (
        _array(sorted(owners)),
        checked,
        _array([turn.key.tenant for turn in turns]),
        _array([turn.key.run for turn in turns]),
        _array([turn.seq for turn in turns]),
        _array([turn.epoch for turn in turns]),
        [turn.at for turn in turns],
        [turn.events for turn in turns],
        _array([place for place, _ in changed]),
        [row.status for _, row in changed],
        _array([row.owner for _, row in changed]),
        [row.due_at for _, row in changed],
        _array([row.lost for _, row in changed]),
        _array([row.needs for _, row in changed]),
        _array([row.stopped for _, row in changed]),
        json.dumps(sides) if sides else None,
    )


def verdict(turn: TurnWrite, said: int) -> Fenced | Conflict | None:
    """What `commit_turns` says of one of them, as its task is told."""
    if said == WRITTEN:
        return None
    if said == FENCED:
        return Fenced(f"run {turn.key}: epoch {turn.epoch} is not the newest claim")
    return Conflict(f"run {turn.key}: somebody else wrote seq {turn.seq}")


def _side(turn: TurnWrite) -> dict[str, Any] | None:
    """What a turn brings along beside its events and its row; most bring nothing."""
    if not (turn.answers or turn.outbox or turn.starts or turn.messages or turn.moved is not None):
        return None
    side: dict[str, Any] = {}
    if turn.answers:
        side["answers"] = [[name, encode_answer(answer)] for name, answer in turn.answers]
    if turn.outbox:
        side["outbox"] = _outbox(turn.outbox)
    if turn.starts:
        side["starts"] = [_child(child) for child in turn.starts]
    if turn.messages:
        side["messages"] = [list(message) for message in turn.messages]
    if turn.moved is not None:
        to = turn.moved
        side["moved"] = {"hash": to.hash, "name": to.name, "version": to.version, "body": encode_definition(to)}
    return side


# --- what others should hear of ---


def is_news(write: TurnWrite | NewRun) -> bool:
    """Somebody may be waiting for this: for work, for an answer, for a message."""
    if isinstance(write, NewRun):
        return (write.owner is None and write.due_at is not None) or bool(write.children)
    return bool(write.answers or write.messages or write.starts)


def is_released(write: TurnWrite | NewRun) -> bool:
    """It waits or has ended: somebody may want its outcome."""
    return isinstance(write, TurnWrite) and write.row is not None and write.row.owner is None
