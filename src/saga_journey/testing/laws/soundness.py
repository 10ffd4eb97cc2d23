"""The journal in itself: whole, folding to what is stored, ended once, written by whoever held the claim, pinned."""

from __future__ import annotations

import itertools

from saga_journey.core import events as ev
from saga_journey.core.codec import decode_definition
from saga_journey.core.difference import difference
from saga_journey.testing.evidence import SagaEvidence
from saga_journey.testing.laws import Broken
from saga_journey.testing.laws.transitions import problem_with

FINAL_EVENTS = (ev.SagaCompleted, ev.SagaCompensated, ev.SagaResolved, ev.SagaCancelled)


def whole(s: SagaEvidence) -> Broken:
    """I2: seq is 1..n, no gap and no repeat; time does not run backwards."""
    expected, last = 1, 0.0
    for turn in s.turns:
        if turn.seq != expected:
            yield "I2", f"its journal goes on with event {turn.seq} where {expected} is next"
        if turn.at < last:
            yield "I2", f"event {turn.seq} happened {last - turn.at:.3f} s before the one it follows"
        if not turn.facts:
            yield "I2", f"the row at {turn.seq} holds no event"
        expected, last = turn.seq + len(turn.facts), turn.at


def never_changed(s: SagaEvidence) -> Broken:
    """I2: what is written stays as it is."""
    for seq, what in s.changes:
        if seq > 0:
            yield "I2", f"its journal row {seq} was {what}"


def folds_to_what_is_stored(s: SagaEvidence) -> Broken:
    """I2, I19: today's code reads the journal, and finds the state that the index row says."""
    if s.unreadable:
        yield "I2", f"its journal does not fold: {s.unreadable}"
    elif not s.turns:
        yield "I1", "it has an index row and no journal"
    elif s.state.status != s.row.status:
        yield "I2", f"its journal says {s.state.status}, its index row {s.row.status}"


def follows_the_tables(s: SagaEvidence) -> Broken:
    """I2: every event may follow the state that it met."""
    for fact in s.facts:
        if problem := problem_with(fact):
            yield "I2", f"event {fact.seq} ({type(fact.event).__name__}): {problem}"


def failure_and_decision_are_one_commit(s: SagaEvidence) -> Broken:
    """I9: what ends a saga's way forward is recorded with the decision that follows from it, or with attention."""
    for turn in s.turns:
        failed = [f for f in turn.facts if isinstance(f.event, ev.MilestoneRefused | ev.MilestoneGaveUp)]
        for fact in failed:
            event = fact.event
            assert isinstance(event, ev.MilestoneRefused | ev.MilestoneGaveUp)
            after = turn.after
            waits = any(a.milestone in (None, event.milestone) for a in after.attention)
            stopped = after.direction == "undo" or waits or after.stop is not None
            if not stopped and not s.spec(event.milestone).optional:
                yield "I9", f"{event.milestone} failed at event {fact.seq}, and the decision is not in that commit"


def one_end(s: SagaEvidence) -> Broken:
    """I12: one final row, and after a completed saga was undone on request exactly one more."""
    ends = [f for f in s.facts if isinstance(f.event, FINAL_EVENTS)]
    for earlier, later in itertools.pairwise(ends):
        between = [f for f in s.facts if earlier.seq < f.seq < later.seq]
        asked = between and isinstance(between[0].event, ev.CompensationDecided)
        if not (isinstance(earlier.event, ev.SagaCompleted) and asked):
            yield "I12", f"it ended at event {earlier.seq} and again at event {later.seq}"
    for end in ends:
        after = next((f for f in s.facts if f.seq == end.seq + 1), None)
        if after is not None and not isinstance(after.event, ev.CompensationDecided):
            yield "I12", f"it ended at event {end.seq}, and {type(after.event).__name__} follows"
        elif after is not None and (problem := problem_with(after)):
            yield "I12", f"it ended at event {end.seq}, and was left: {problem}"


def epochs_rise(s: SagaEvidence) -> Broken:
    """I13: epoch never falls along seq, has one owner, and none is written below the newest claim."""
    newest = -1
    for turn in s.turns:
        if turn.epoch < newest:
            yield "I13", f"event {turn.seq} was written under epoch {turn.epoch}, after one under {newest}"
        newest = max(newest, turn.epoch)
    if newest > s.row.epoch:
        yield "I13", f"its journal knows epoch {newest}, its index row {s.row.epoch}"
    owners: dict[int, set[int]] = {}
    for epoch, owner in s.holders:
        owners.setdefault(epoch, set()).add(owner)
    for epoch, who in owners.items():
        if len(who) > 1:
            yield "I13", f"epoch {epoch} had more than one owner: {sorted(who)}"
    for seq, epoch, latest, _ in s.writes:
        if epoch < latest:
            yield "I13", f"event {seq} was written under epoch {epoch} when {latest} had been claimed"


def pinned(s: SagaEvidence) -> Broken:
    """I19: a saga stays with its definition, unless its journal says that it was moved, over policies only.

    The stored definition is the one that its hash names.
    """
    if s.definition.hash != s.definition_hash:
        yield "I19", f"its definition is stored as {s.definition_hash} and reads as {s.definition.hash}"
    moves = list(s.facts_of(ev.DefinitionMoved))
    for fact in moves:
        assert isinstance(fact.event, ev.DefinitionMoved)
        after = decode_definition(fact.event.definition)
        if fact.before.definition.hash != fact.event.before:
            yield "I19", f"event {fact.seq} moves it from {fact.event.before}, and it was {fact.before.definition.hash}"
        if not difference(fact.before.definition, after).only_policies:
            yield "I19", f"event {fact.seq} moves it to a definition that differs in more than policies"
    for _, what in [change for change in s.changes if change.seq == 0][len(moves) :]:
        yield "I19", f"the run was {what}"
    if s.readable and s.state.definition.hash != s.definition_hash:
        yield "I19", f"its journal pins it to {s.state.definition.hash}, its index row to {s.definition_hash}"


LAWS = (
    whole,
    never_changed,
    folds_to_what_is_stored,
    follows_the_tables,
    failure_and_decision_are_one_commit,
    one_end,
    epochs_rise,
    pinned,
)
