"""One participant for all the milestones of a test: it answers as it was told to, keeps the ledger, and protests.

It does what a good participant does: it has its effect once for each key, and answers a repeated key as before. What a
saga must never do to a participant it writes down in `protests`; every test ends by looking there, and by handing the
database and the ledger to the checker (`conftest.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from saga_journey.core.events import Op
from saga_journey.testing.ledger import BARRIER, NOTHING_TO_UNDO, REPLAY, Ledger, Request

PATIENCE = 20.0
"""A test that waits longer than this (seconds) has failed."""

Kind = Literal["done", "refuse", "fail", "later", "away", "exit", "hold"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a participant answers. `effect`: whether it does what it was asked for, whatever it says."""

    kind: Kind
    value: Any = None
    effect: bool = False


OF_ITSELF = "<which milestone it is of>"


def done(value: Any = OF_ITSELF) -> Reply:
    return Reply("done", value, effect=True)


def refuse(reason: str = "no") -> Reply:
    return Reply("refuse", reason)


def fail(error: str = "connection lost", *, effect: bool = False) -> Reply:
    return Reply("fail", error, effect)


def later(retry_in: float) -> Reply:
    return Reply("later", retry_in)


def away(reason: str = "401") -> Reply:
    return Reply("away", reason)


def hold(*, effect: bool = False) -> Reply:
    """Answers when the test says what (`Received.answer`)."""
    return Reply("hold", effect=effect)


EXIT = Reply("exit")
"""The handler takes its whole process with it."""

WITHOUT_EFFECT = {"refuse": "refused", "later": "working", "hold": "held"}
IN_THE_LEDGER = {"": "applied", REPLAY: "replayed", BARRIER: "late", NOTHING_TO_UNDO: "nothing to undo"}


@dataclass(slots=True)
class Asked:
    """What a handler asks for, as its context says it."""

    saga: str
    milestone: str
    op: Op
    attempt: int
    key: str
    action_key: str
    fence: int
    known: bool
    undoable: bool
    body: Any
    given: Any = None
    tenant: str = "default"


@dataclass(slots=True, eq=False)
class Received(Asked):
    """One call, as the participant remembers it."""

    verdict: str = "held"
    live: bool = True
    claimed: bool = False
    """Some test has waited for it."""
    decision: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def answer(self, reply: Reply) -> None:
        self.decision.set_result(reply)

    def __str__(self) -> str:
        given = f" with {json.dumps(self.given)}" if self.op == "undo" else ""
        return f"{self.op} {self.milestone} #{self.attempt}{given}: {self.verdict}"


class Participant:
    """`database`: the URL of the journal in which it looks for the intent of each call. Its ledger is in the folder."""

    def __init__(self, database: str, folder: Path, now: Callable[[], float] | None = None) -> None:
        self.calls: list[Received] = []
        self.protests: list[str] = []
        self.side_by_side = False  # its sagas have blocks: several of their milestones ask at once, in any order
        self.goes_back = False  # a person rolls a structured journey back, and on again
        self.database = database
        self.ledger_file = folder / "ledger.db"
        self.book = Ledger(self.ledger_file, database=database, now=now, strict=False)
        self._scripts: dict[tuple[str, str, str | None], list[Reply]] = {}
        self._answers: dict[str, Reply] = {}
        self._bodies: dict[str, str] = {}
        self._fences: dict[str, int] = {}
        self._news = asyncio.Event()

    # --- what a test says ---

    def will(self, milestone: str, *replies: Reply, op: str = "do", saga: str | None = None) -> None:
        """The answers to the next calls, in order; after them it is done, or as it was answered before."""
        self._scripts.setdefault((milestone, op, saga), []).extend(replies)

    async def called(self, milestone: str, op: str = "do", *, saga: str | None = None) -> Received:
        """The next call of that milestone which no test has waited for yet."""

        def fits(call: Received) -> bool:
            return (call.milestone, call.op) == (milestone, op) and not call.claimed and saga in (None, call.saga)

        await self.until(lambda: any(map(fits, self.calls)), f"{op} {milestone} was not called")
        call = next(filter(fits, self.calls))
        call.claimed = True
        return call

    async def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Waits for the calls to say so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{otherwise}: {self.ledger()}") from None

    def give_up(self) -> None:
        """Nobody will answer what is held any more."""
        for call in self.calls:
            if not call.decision.done():
                call.answer(fail("the test is over"))

    # --- what a test reads ---

    def ledger(self, saga: str | None = None) -> list[str]:
        """Every call in the order of its arrival, and what came of it."""
        return [str(call) for call in self.calls if saga in (None, call.saga)]

    def keys(self, saga: str) -> list[tuple[str, str]]:
        """The distinct (idempotency key, action key) of its calls, as they came first."""
        return list(dict.fromkeys((call.key, call.action_key) for call in self.calls if call.saga == saga))

    def standing(self, saga: str | None = None) -> list[str]:
        """The milestones whose effects stand, the oldest first."""
        entries = [entry for entry in self.book.entries(saga) if entry.applied]
        undone = {entry.action_key for entry in entries if entry.op == "undo"}
        return [entry.milestone for entry in entries if entry.op == "do" and entry.key not in undone]

    # --- what handlers ask ---

    async def ask(self, asked: Asked) -> Reply:
        """A call, from its arrival to its answer."""
        call = Received(**asdict(asked))
        self._protest_against(call)
        self.calls.append(call)
        reply = self._scripted(call)
        if reply.kind != "hold" or reply.effect:
            self._enter(call, reply)
        self._news.set()
        try:
            answer = await call.decision if reply.kind == "hold" else reply
        except asyncio.CancelledError:
            self._enter(call, reply)
            call.verdict += " (abandoned)"
            raise
        finally:
            call.live = False
            self._news.set()
        self._enter(call, answer)
        return self._remembered(call, answer)

    def _scripted(self, call: Received) -> Reply:
        for saga in (call.saga, None):
            if script := self._scripts.get((call.milestone, call.op, saga)):
                return script.pop(0)
        return self._answers.get(call.key) or done()

    def _remembered(self, call: Received, reply: Reply) -> Reply:
        if reply.kind == "done" and reply.value == OF_ITSELF:
            reply = Reply("done", {"of": call.milestone}, effect=True)
        if reply.kind == "done":
            self._answers[call.key] = reply
        return reply

    def _enter(self, call: Received, reply: Reply) -> None:
        """The one line of this call in the ledger: when it has its effect, or once it is certain that it has none."""
        if call.verdict != "held":
            return
        unwilling = None if reply.effect else WITHOUT_EFFECT.get(reply.kind, reply.kind)
        entry = self.book.receive(_request(call), unwilling=unwilling)
        call.verdict = "undone" if entry.applied and call.op == "undo" else IN_THE_LEDGER.get(entry.why, entry.why)

    # --- what it protests against ---

    def _protest_against(self, call: Received) -> None:
        what = f"{call.op} {call.milestone} #{call.attempt} of {call.saga}"
        others = [c for c in self.calls if c.saga == call.saga]
        objections = {
            "the key was used with another body": self._bodies.setdefault(call.key, _request(call).body)
            != _request(call).body,
            "another call of this saga is under way": any(self._hinders(c, call) for c in others),
            "a fence that is not above the ones before": not self.side_by_side
            and call.fence <= self._fences.get(call.saga, 0),
            "a fence that another call had": call.fence in [c.fence for c in others],
            "an action after an undo": call.op == "do" and not self.goes_back and any(c.op == "undo" for c in others),
            "its intent is not in the journal": not self._intended(call),
        }
        self._fences[call.saga] = max(call.fence, self._fences.get(call.saga, 0))
        self.protests += [f"{what}: {objection}" for objection, holds in objections.items() if holds]

    def _hinders(self, other: Received, call: Received) -> bool:
        """An undo is alone, and no milestone asks twice at a time; what else asks at once may do so side by side."""
        alone = not self.side_by_side or other.milestone == call.milestone or "undo" in (other.op, call.op)
        return other.live and alone

    def _intended(self, call: Received) -> bool:
        """Reads the journal with a connection of its own: an intent that is not durable cannot be seen."""
        wanted = (call.milestone, call.op, call.key, call.attempt, call.fence)
        held = self.book.journal.open_intents(call.saga)
        return wanted in [(i.milestone, i.op, i.key, i.attempt, i.fence) for i in held]


def _request(call: Asked) -> Request:
    return Request(
        tenant=call.tenant,
        key=call.key,
        saga=call.saga,
        milestone=call.milestone,
        op=call.op,
        body=json.dumps([call.body, call.given], sort_keys=True),
        fence=call.fence,
        action_key=call.action_key,
        undoable=call.undoable,
        emits=0,
    )
