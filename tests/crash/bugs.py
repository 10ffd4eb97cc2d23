"""The bugs that this class of software is known for, planted one at a time around or into a worker of a test.

Each is what somebody once wrote in good faith. `patch` runs in the worker's own process only, so neither the checker
nor any other worker is touched. A plant that no longer fits the code it is put into fails loudly.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import closing
from dataclasses import replace
from typing import Any

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core import machine, reports, stopping, walk
from saga_journey.core.codec import decode_turn, encode_turn
from saga_journey.core.commands import Answered, No, Ok, Uncallable, Unknown
from saga_journey.core.events import Event, Op
from saga_journey.core.state import RunState, UndoStatus
from saga_journey.engines.embedded.clock import LoopClock
from saga_journey.handlers import context
from saga_journey.handlers.invoke import LocalInvoker
from saga_journey.ports import Call, Claimed, Clock, Store, TurnWrite, Wanted
from saga_journey.testing.databases import look_into
from saga_journey.testing.wrapping import WrappedStore
from tests.crash.life import Planted
from tests.crash.place import Place


def everywhere(original: Callable[..., Any], planted: Callable[..., Any]) -> None:
    """Puts one function in the place of another wherever it was imported."""
    found = 0
    for name, module in list(sys.modules.items()):
        if name.startswith("saga_journey"):
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, planted)
                    found += 1
    assert found, f"{original.__name__} is nowhere: this plant is out of date"


def in_statement(of: str, name: str, text: str, planted: str) -> None:
    """Changes a statement that a module of a store asks."""
    statements = importlib.import_module(f"saga_journey.stores.{of}")._sql
    assert text in statements[name], f"{name} does not say {text!r}: this plant is out of date"
    statements[name] = statements[name].replace(text, planted)


def in_function(place: Place, name: str, *changes: tuple[str, str]) -> None:
    """Changes a function in a database on a server, for all who call it. The database is good for nothing else then."""
    if place.is_spoiled:  # by a worker that lived before
        return
    with closing(look_into(place.url, writing=True)) as looking:
        ((body,),) = looking.rows(f"select pg_get_functiondef('saga_journey.{name}'::regproc)")
        for text, planted in changes:
            assert text in body, f"{name} does not say {text!r}: this plant is out of date"
            body = body.replace(text, planted)
        looking.execute(body)
    place.spoil()


class NoEpochCheck(Planted):
    """Whoever believes to hold a run may write it."""

    def patch(self, place: Place) -> None:
        if place.is_on_postgres:
            in_function(
                place,
                "commit_turns",
                ("elsif n is distinct from one.epoch then", "elsif n is null then"),
                (" and r.epoch = t.epoch", ""),
                (" and r.epoch = p_epoch[c.place]", ""),
                (" and not o.taken", ""),
            )
        else:
            in_statement("sqlite.store", "insert_turn", " and epoch = ?4", "")
            in_statement("sqlite.store", "change_run", " and epoch = ?3", "")


class EpochByWorkerName(Planted):
    """The fence is the worker's name, and all workers of this service have the same."""

    def patch(self, place: Place) -> None:
        if place.is_on_postgres:
            for name in ("take_orphans", "take_fragile", "take_unserved", "take_due"):
                in_statement("postgres.claiming", name, "epoch = r.epoch + 1", "epoch = 1")
        else:
            in_statement("sqlite.store", "claim_run", "epoch = epoch + 1", "epoch = 1")

    def store(self, store: Store, place: Place) -> Store:
        return _NamedEpochs(store)


class _NamedEpochs(WrappedStore):
    async def claim(self, wanted: Wanted) -> Claimed:
        claimed = await super().claim(wanted)
        for run in claimed.runs:
            run.record.epoch = 1
        return claimed


class FailureAndDecisionApart(Planted):
    """The failure is committed, then the decision."""

    def store(self, store: Store, place: Place) -> Store:
        return _TwoCommits(store)


class _TwoCommits(WrappedStore):
    async def commit(self, turn: TurnWrite) -> None:
        events = decode_turn(turn.events) if turn.events is not None else []
        cut = next((i for i, e in enumerate(events) if isinstance(e, ev.CompensationDecided)), 0)
        if cut == 0:
            await super().commit(turn)
            return
        first, second = events[:cut], events[cut:]
        told = [o for o in turn.outbox if o.seq < turn.seq + cut]
        await super().commit(replace(turn, events=encode_turn(first), row=None, answers=(), outbox=told))
        left = [o for o in turn.outbox if o.seq >= turn.seq + cut]
        await super().commit(replace(turn, seq=turn.seq + cut, events=encode_turn(second), outbox=left))


class UndoForward(Planted):
    """What was done first is undone first."""

    def patch(self, place: Place) -> None:
        def first_undo(state: RunState) -> int | None:
            for index, m in enumerate(state.milestones):
                if m.undo_status is UndoStatus.NONE and walk.owes_undo(state, index):
                    return index
            return None

        everywhere(walk.next_undo, first_undo)


def _around_calls(answer: Callable[[Call, Answered], Answered]) -> None:
    original = LocalInvoker.prepare

    def prepare(self: LocalInvoker, call: Call) -> Awaitable[Answered] | Uncallable:
        prepared = original(self, call)
        if isinstance(prepared, Uncallable):
            return prepared

        async def called() -> Answered:
            return answer(call, await prepared)

        return called()

    LocalInvoker.prepare = prepare  # type: ignore[method-assign]


class UnknownIsRefused(Planted):
    """An exception means that it did not happen."""

    def patch(self, place: Place) -> None:
        _around_calls(lambda call, said: No(said.error) if call.op == "do" and isinstance(said, Unknown) else said)


class LostIsNotCounted(Planted):
    """A worker that died left nothing behind: its attempt is simply made."""

    def patch(self, place: Place) -> None:
        everywhere(reports.on_take_over, lambda state, now, calling: [])


class OutboxApart(Planted):
    """The event is written when its turn is durable, in a transaction of its own."""

    def store(self, store: Store, place: Place) -> Store:
        return _OutboxLater(store, place)


class _OutboxLater(WrappedStore):
    def __init__(self, inner: Store, place: Place) -> None:
        super().__init__(inner)
        self._database = place.database

    async def commit(self, turn: TurnWrite) -> None:
        await super().commit(replace(turn, outbox=()))
        with closing(look_into(self._database, writing=True)) as looking:
            for row in turn.outbox:
                looking.rows(INSERT_OUTBOX, *turn.key, *row, turn.at)


INSERT_OUTBOX = "insert into outbox (tenant, run, seq, item, kind, body, at) values (?, ?, ?, ?, ?, ?, ?)"


def _wall_time() -> float:
    return time.time()  # looked up each time, since a trial makes it jump


class WallClock(Planted):
    """`time.time()`, what else."""

    def clock(self, store: Store) -> Clock | None:
        return LoopClock(_wall_time)


class MissingHandlerSucceeds(Planted):
    """No handler, nothing to do, done."""

    def patch(self, place: Place) -> None:
        original = LocalInvoker.prepare

        async def done() -> Answered:
            return Ok()

        def prepare(self: LocalInvoker, call: Call) -> Awaitable[Answered] | Uncallable:
            prepared = original(self, call)
            missing = isinstance(prepared, Uncallable) and prepared.kind == "handler_missing"
            return done() if missing else prepared

        LocalInvoker.prepare = prepare  # type: ignore[method-assign]
        LocalInvoker.missing = lambda self, definition: ()  # type: ignore[method-assign]


_Decision = Callable[[RunState, Any, float, Collection[int]], list[Event]]


def _cancel_with(planted: Callable[[_Decision], _Decision]) -> None:
    machine._DECISIONS[cmd.Cancel] = planted(machine._DECISIONS[cmd.Cancel])


class FinalIsNotFinal(Planted):
    """A cancel is a cancel, whenever it comes."""

    def patch(self, place: Place) -> None:
        def planted(original: _Decision) -> _Decision:
            def on_cancel(state: RunState, c: cmd.Cancel, now: float, calling: Collection[int]) -> list[Event]:
                if state.final is not None:
                    return stopping.turn_back(state, c.because(), calling)
                return original(state, c, now, calling)

            return on_cancel

        _cancel_with(planted)


class CancelDropsCompensation(Planted):
    """Cancelled means stopped."""

    def patch(self, place: Place) -> None:
        def planted(original: _Decision) -> _Decision:
            def on_cancel(state: RunState, c: cmd.Cancel, now: float, calling: Collection[int]) -> list[Event]:
                events = original(state, c, now, calling)
                decided = any(isinstance(e, ev.CompensationDecided) for e in events)
                return [*events, ev.SagaCompensated()] if decided else events

            return on_cancel

        _cancel_with(planted)


class AttemptInTheKey(Planted):
    """Each attempt is a new request, so it gets a new key."""

    def patch(self, place: Place) -> None:
        original = context.call_key

        def key(state: RunState, milestone: int, op: Op) -> str:
            m = state.milestones[milestone]
            calls = m.do if op == "do" else m.undo
            return f"{original(state, milestone, op)}#{calls.number if calls else 0}"

        everywhere(original, key)


class TenantForgotten(Planted):
    """Ids are unguessable, so the tenant need not be asked for."""

    def patch(self, place: Place) -> None:
        if place.is_on_postgres:
            in_statement("postgres.store", "find", "where t.name = $1 and", "where $1 = $1 and")
        else:
            in_statement("sqlite.store", "find", " and tenant = (select tenant from tenant where name = ?1)", "")


BUGS: dict[str, tuple[Planted, set[str]]] = {
    "no epoch check": (NoEpochCheck(), {"I13"}),
    "epoch by worker name": (EpochByWorkerName(), {"I13"}),
    "failure and decision in two transactions": (FailureAndDecisionApart(), {"I9"}),
    "undo in forward order": (UndoForward(), {"I10"}),
    "unknown treated as refused": (UnknownIsRefused(), {"I7"}),
    "lost attempts not counted": (LostIsNotCounted(), {"I16"}),
    "outbox row outside the transaction": (OutboxApart(), {"I18"}),
    "timers by wall clock": (WallClock(), {"I16", "I17"}),
    "missing handler counted as success": (MissingHandlerSucceeds(), {"I5", "I6"}),
    "final state not absorbing": (FinalIsNotFinal(), {"I12"}),
    "attempt number inside the key": (AttemptInTheKey(), {"I4"}),
    "cancel drops the compensation": (CancelDropsCompensation(), {"I7"}),
    "tenant missing in one query": (TenantForgotten(), {"I20"}),
}
"""Each with the invariants that it breaks: it counts as found when the checker names one of them, and not before."""
