"""A run, once more and as naively as can be: written from the tables B1 and B2 and the rules 1 to 43 of the semantics.

It was written from the page and not from the machine, so where both agree, two readings of one text agree. One dict of
milestones, a few flags, and a method for each row of B1; a branch of it is a cell. Linear sagas and structured
journeys. It predicts everything but times: it says between which bounds the next attempt falls due, and learns when.

`cells` collects (row, column) of B1 as they are reached.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from saga_journey.core import commands as cmd
from saga_journey.core.commands import Command
from saga_journey.core.definition import JourneyDefinition, Milestone

DAY = 86400.0
AUTO = ("handler_missing", "cannot_decode")
FINISHED = ("done", "manual", "skipped", "failed")


@dataclass(frozen=True)
class Says:
    """An answer: its kind, and the code where the tables name one."""

    kind: str
    code: str | None = None


APPLIED, NOOP, DEFERRED = Says("applied"), Says("no_change"), Says("deferred")


def rej(code: str | None = None) -> Says:
    return Says("rejected", code)


@dataclass
class Tries:
    """The calls of one handler: the number of the open attempt, and what is spent."""

    earliest: float
    latest: float
    since: float
    number: int = 1
    answered: int = 0
    lost: int = 0


@dataclass
class Part:
    """One milestone."""

    spec: Milestone
    status: str = "pending"
    doubt: bool = False
    order: int = 0
    undo: str = "none"
    asking: bool = False
    undo_asking: bool = False
    do_tries: Tries | None = None
    undo_tries: Tries | None = None


@dataclass
class Model:
    definition: JourneyDefinition
    now: float
    direction: str = "do"
    final: str | None = None
    paused_at: float | None = None
    stop: str | None = None
    missed: bool = False
    because: str | None = None
    attention: list[tuple[str, str | None]] = field(default_factory=list)
    open: tuple[str, str] | None = None  # (milestone, op)
    left: list[str] = field(default_factory=list)
    started: int = 0
    events: int = 0
    cells: set[tuple[str, str]] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)  # milestones being called
    where: str = "F"  # the column in which a command arrived

    def __post_init__(self) -> None:
        self.parts = {m.id: Part(m) for m in self.definition.milestones}
        self.structured = self.definition.kind == "structured"
        self.deadline = None if self.definition.deadline is None else self.now + self.definition.deadline
        self.next()

    # --- where it stands (rule 14) ------------------------------------------------------------------------------------

    def status(self) -> str:
        if self.final:
            return self.final
        if self.attention and (self.open is None or self.blocked(self.open[0])):
            return "failed"
        if self.paused_at is not None:
            return "paused"
        return "in_progress" if self.direction == "do" else "compensating"

    def column(self) -> str:
        status = self.status()
        if status == "completed":
            return "D"
        if self.final:
            return "X"
        letter = "F" if self.direction == "do" else "U"
        return letter + {"failed": "a", "paused": "p"}.get(status, "")

    def blocked(self, name: str) -> bool:
        return any(where in (None, name) for _, where in self.attention)

    def pivot(self) -> Part | None:
        return next((p for p in self.parts.values() if p.spec.pivot), None)

    def passed(self) -> bool:
        pivot = self.pivot()
        return pivot is not None and pivot.status == "completed"

    def held(self) -> bool:
        """Being called, or in doubt without undo; a started wait may have had an effect, so it is doubt as well."""
        pivot = self.pivot()
        if pivot is None or pivot.status in ("completed", "skipped"):
            return False
        if pivot.spec.id in self.busy:
            return True
        return pivot.spec.undo is None and (pivot.doubt or pivot.status == "waiting")

    def undo_set(self) -> list[Part]:
        return [
            p
            for p in self.parts.values()
            if p.spec.undo is not None
            and (p.status in ("completed", "unknown") or (p.status == "skipped" and p.doubt))
            and p.order > 0
        ]

    def undo_view(self, part: Part) -> str:
        if part.undo == "none" and self.direction == "undo" and part in self.undo_set():
            return "pending"
        return part.undo

    def tries(self) -> Tries:
        assert self.open is not None
        part = self.parts[self.open[0]]
        found = part.do_tries if self.open[1] == "do" else part.undo_tries
        assert found is not None
        return found

    # --- one turn (rule 28) -------------------------------------------------------------------------------------------

    def turn(self, commands: Sequence[Command], now: float, calling: Collection[str]) -> list[Says | None]:
        self.now = max(self.now, now)
        self.busy = set(calling) - {self.open[0] for c in commands if self.open and self.current(c)}
        if any(isinstance(c, cmd.TakeOver) for c in commands) and self.doubtful():
            assert self.open is not None
            self.busy.add(self.open[0])  # by the owner that died, for all that anybody knows
        answers: list[Says | None] = [None] * len(commands)
        for place in sorted(range(len(commands)), key=lambda i: self._rank(commands[i])):
            answers[place] = self.take(commands[place])
            self.conclude()
        self.next()
        return answers

    def current(self, command: Command) -> bool:
        """A report of the open attempt (rule 11)."""
        if not isinstance(command, cmd.Report) or self.open is None:
            return False
        name = self.definition.milestones[command.milestone].id
        return self.open == (name, command.op) and self.tries().number == command.attempt

    def _rank(self, command: Command) -> int:
        return {cmd.Report: 0, cmd.TakeOver: 2, cmd.TimePassed: 3}.get(type(command), 1)

    def take(self, command: Command) -> Says | None:
        self.where = self.column()
        rows: dict[type, Any] = {
            cmd.Report: self.report,
            cmd.TakeOver: self.take_over,
            cmd.TimePassed: self.time_passed,
            cmd.HandlersBack: self.handlers_back,
            cmd.Advance: self.advance,
            cmd.Cancel: self.cancel,
            cmd.Compensate: self.compensate,
            cmd.Pause: self.pause,
            cmd.Resume: self.resume,
            cmd.RetryMilestone: self.retry,
            cmd.Skip: self.skip,
            cmd.StateFact: self.state_fact,
            cmd.Resolve: self.resolve,
        }
        answer: Says | None = rows[type(command)](command)
        return answer

    def cell(self, row: str) -> str:
        """This row of B1 meets the run in this column; where a cell has cases, the row says which."""
        column = self.where
        self.cells.add((row, column))
        return column

    # --- NEXT, NEXTU, DECIDE ------------------------------------------------------------------------------------------

    def next(self) -> None:
        """The intent that follows, once at the end of a turn."""
        if self.final or self.paused_at is not None or self.attention or self.open:
            return
        if self.direction == "do":
            part = next((p for p in self.parts.values() if p.status == "pending"), None)
            if part is not None:
                self.start(part)
        elif pending := [p for p in self.undo_set() if p.undo == "none"]:
            part = max(pending, key=lambda p: p.order)
            part.undo = "running"
            part.undo_tries = Tries(self.now, self.now, self.now)
            self.open = (part.spec.id, "undo")

    def start(self, part: Part) -> None:
        self.started += 1
        part.order = self.started
        part.doubt = False
        part.status = "waiting" if part.spec.action is None else "running"
        part.do_tries = Tries(self.now, self.now, self.now)
        self.open = (part.spec.id, "do")

    def conclude(self) -> None:
        """The final row, when the walk is at its end; also while paused."""
        if self.final or self.open:
            return
        if self.direction == "undo":
            if not any(p.undo == "none" for p in self.undo_set()):
                self.conclude_undo()
        elif not self.attention:
            if self.structured and self.stop in ("cancelled", "deadline"):
                self.because = self.stop
                self.end("cancelled")
            elif all(p.status != "pending" for p in self.parts.values()):
                self.end("completed")

    def conclude_undo(self) -> None:
        """Rule 17: every member done or by hand, or it is not called compensated."""
        members = self.undo_set()
        for part in members:
            if part.undo == "failed" and not any(where == part.spec.id for _, where in self.attention):
                self.attention.append(("stuck_undo", part.spec.id))
        if self.attention:
            return
        self.left = [p.spec.id for p in members if p.undo == "skipped"]
        self.end("resolved" if self.left else "compensated")

    def end(self, final: str) -> None:
        self.final = final
        self.open = None
        self.attention = []
        self.paused_at = None

    def decide(self, because: str) -> None:
        """DECIDE(b): queued intents withdrawn, waits and backoff are unknown, what is being called drains."""
        self.direction = "undo"
        self.final = self.stop = None
        self.attention = []
        self.because = because
        if because != "failure":
            self.paused_at = None
        self.interrupt()

    def interrupt(self) -> None:
        if self.open is None or self.open[1] == "undo" or self.open[0] in self.busy:
            return
        part = self.parts[self.open[0]]
        if self.never_called(part):
            self.withdraw(part)
        else:
            self.close(part, "unknown" if part.doubt or part.status == "waiting" else "refused")

    def never_called(self, part: Part) -> bool:
        fresh = part.do_tries is not None and part.do_tries.number == 1
        return part.status == "running" and fresh and not part.doubt and part.spec.id not in self.busy

    def withdraw(self, part: Part) -> None:
        part.status, part.order, part.do_tries = "pending", 0, None
        self.open = None

    def close(self, part: Part, status: str) -> None:
        part.status = status
        part.asking = False
        if status in ("unknown", "refused", "completed"):
            part.doubt = status == "unknown"
        self.open = None

    # --- what an attempt gave -----------------------------------------------------------------------------------------

    def report(self, command: cmd.Report) -> None:
        name = self.definition.milestones[command.milestone].id
        if not self.current(command):
            self.cell("stale report")  # dropped
            return
        part, outcome = self.parts[name], command.outcome
        if isinstance(outcome, cmd.Uncallable):
            self.cannot_call(part, outcome.kind)
        elif command.op == "undo":
            self.undo_report(part, outcome)
        else:
            self.do_report(part, outcome)

    def do_report(self, part: Part, outcome: cmd.Answered) -> None:
        match outcome:
            case cmd.Ok():
                self.do_ok(part)
            case cmd.No():
                self.do_refused(part)
            case cmd.StillWorking():
                self.do_working(part, outcome.retry_in)
            case cmd.TurnedAway():
                self.turned_away(part)
            case cmd.Unknown():
                self.do_unknown(part, lost=False, exhausted=outcome.exhausted)

    def do_ok(self, part: Part) -> None:
        waits = ", a stop waits" if self.stop else ""
        column = self.cell("do ok: of a request" if part.spec.kind == "external" else self.kind_of_ok(part) + waits)
        if part.spec.kind == "external":  # its request was answered: now it waits for the outside
            if column[0] == "U" or self.draining():
                self.close(part, "unknown")
            else:
                part.status, part.asking = "waiting", False
            return
        self.close(part, "completed")
        self.stop_too_late(part)

    def kind_of_ok(self, part: Part) -> str:
        return "do ok: of the pivot" if part.spec.pivot and self.direction == "do" else "do ok"

    def draining(self) -> bool:
        """A structured journey was cancelled: what is being called ends, and nothing follows."""
        return self.structured and self.stop in ("cancelled", "deadline")

    def stop_too_late(self, part: Part) -> None:
        self.clear(part)
        if part.spec.pivot and self.stop and not self.draining():
            self.missed = self.missed or self.stop == "deadline"
            self.stop = None

    def do_refused(self, part: Part) -> None:
        self.cell("do refused: in doubt" if part.doubt else "do refused")
        self.close(part, "unknown" if part.doubt else "refused")  # rule 1
        self.failed(part)

    def failed(self, part: Part) -> None:
        """The milestone ended refused or unknown: what does the run do?"""
        if self.direction == "undo" or self.draining():
            self.cell("failed: while it drains")
        elif part.spec.optional:
            self.cell("failed: optional")
        elif self.structured:
            self.cell("failed: structured")
            self.attend("milestone_failed", part)
        elif self.passed():
            self.cell("failed: past the pivot")
            self.attend("cannot_go_on", part)
        elif part.spec.pivot and part.status == "unknown" and part.spec.undo is None:
            self.cell("failed: pivot in doubt")
            self.attend("pivot_in_doubt", part)  # rule 8
        elif self.stop and part.spec.pivot:
            self.cell("failed: pivot, a stop waits")
            self.decide(self.stop)  # rule 7
        else:
            self.cell("failed: before the pivot")
            self.decide("failure")

    def attend(self, kind: str, part: Part) -> None:
        self.attention.append((kind, part.spec.id))

    def do_unknown(self, part: Part, *, lost: bool, exhausted: bool = False) -> None:
        tries, retry = self.tries(), part.spec.retry
        if lost:
            tries.lost += 1
            spent = tries.lost >= max(retry.lost, 1) or self.working_is_over(part)
        else:
            tries.answered += 1
            spent = exhausted or tries.answered >= retry.attempts or self.working_is_over(part)
        part.doubt = True
        if spent:
            self.cell("do unknown or lost, budget spent")
            self.close(part, "unknown")
            self.failed(part)
            return
        column = self.cell("do unknown or lost, budget left")
        if column[0] == "U" or self.draining():
            self.close(part, "unknown")
        elif part.spec.pivot and self.stop and part.spec.undo is not None:
            self.cell("pivot unknown, a stop waits")
            self.close(part, "unknown")
            self.decide(self.stop)
        else:
            self.again(part, tries, 0.0 if lost else retry.ceiling(tries.answered + tries.lost))

    def again(self, part: Part, tries: Tries, longest: float) -> None:
        part.status, part.asking = "running", False
        tries.number += 1
        tries.earliest, tries.latest = self.now, self.now + longest

    def within_is_over(self, part: Part) -> bool:
        """Its own bound, or for an external the whole wait, has passed (rule 23)."""
        limits = [part.spec.within, part.spec.timeout if part.spec.kind == "external" else None]
        assert part.do_tries is not None
        return any(limit is not None and self.now >= part.do_tries.since + limit for limit in limits)

    def working_is_over(self, part: Part) -> bool:
        assert part.do_tries is not None
        if part.spec.within is None and part.asking and self.now >= part.do_tries.since + DAY:
            return True
        return self.within_is_over(part)

    def do_working(self, part: Part, retry_in: float) -> None:
        column = self.cell("working")
        if column[0] == "U" or self.draining():
            self.close(part, "unknown")
        elif self.working_is_over(part):  # rule 10: unknown and exhausted
            self.do_unknown(part, lost=False, exhausted=True)
        else:
            part.status, part.asking = "waiting", True
            tries = self.tries()
            tries.earliest, tries.latest = self.now, self.now + retry_in

    def turned_away(self, part: Part) -> None:
        """Rule 12: clean, but not business. A stop that waits, or an optional milestone, needs nobody's attention."""
        tries = self.tries()
        tries.answered += 1
        part.doubt = part.doubt or part.asking  # what was accepted before may yet happen
        spent = tries.answered >= part.spec.retry.attempts or self.working_is_over(part)
        stops = part.spec.pivot and self.stop and part.spec.undo is not None
        if not (spent or stops or self.direction == "undo" or self.draining()):
            self.again(part, tries, part.spec.retry.ceiling(tries.answered + tries.lost))
            return
        self.close(part, "unknown" if part.doubt else "refused")
        if self.direction == "undo" or self.stop or part.spec.optional:
            self.failed(part)
        else:
            self.cell("cannot call: turned away")
            self.attend("participant_misconfigured", part)

    def cannot_call(self, part: Part, kind: str) -> None:
        """Rule 31: never an attempt; the intent is withdrawn and the run is parked."""
        assert self.open is not None
        op = self.open[1]
        if op == "do" and (self.direction == "undo" or self.draining()):
            self.interrupt()  # it was to drain: nobody needs its handler any more
            return
        self.cell("cannot call")
        if op == "undo" and self.tries().number == 1:
            part.undo, part.undo_tries, self.open = "none", None, None
        elif op == "do" and self.never_called(part):
            self.withdraw(part)
        self.attend(kind, part)

    # --- undo ---------------------------------------------------------------------------------------------------------

    def undo_report(self, part: Part, outcome: cmd.Answered) -> None:
        tries = self.tries()
        if isinstance(outcome, cmd.Ok):
            self.cell("undo ok")
            part.undo, self.open = "done", None
        elif isinstance(outcome, cmd.No):
            self.undo_given_up(part)
        elif isinstance(outcome, cmd.StillWorking):
            self.undo_working(part, outcome.retry_in)
        else:
            tries.answered += 1
            if tries.answered < part.spec.undo_retry.attempts:
                self.undo_again(part, part.spec.undo_retry.ceiling(tries.answered + tries.lost))
            elif isinstance(outcome, cmd.TurnedAway):
                self.cell("cannot call: turned away")
                part.undo, self.open = "failed", None
                self.attend("participant_misconfigured", part)
            else:
                self.undo_given_up(part)

    def undo_again(self, part: Part, longest: float) -> None:
        self.cell("undo unknown or lost, budget left")
        tries = self.tries()
        tries.number += 1
        tries.earliest, tries.latest = self.now, self.now + longest
        part.undo_asking = False

    def undo_working(self, part: Part, retry_in: float) -> None:
        self.cell("working")
        tries = self.tries()
        if self.now >= tries.since + DAY:
            self.undo_given_up(part)
            return
        part.undo_asking = True
        tries.earliest, tries.latest = self.now, self.now + retry_in

    def undo_given_up(self, part: Part) -> None:
        self.cell("undo refused or budget spent")
        part.undo, self.open = "failed", None
        if self.definition.on_stuck_undo == "stop":
            self.attend("stuck_undo", part)

    def end_undo(self, part: Part, how: str) -> None:
        part.undo = how
        if self.open == (part.spec.id, "undo"):
            self.open = None

    # --- what the engine notices --------------------------------------------------------------------------------------

    def doubtful(self) -> bool:
        """An open attempt that the owner before may have called (rule 3)."""
        if self.open is None or self.final or self.waits_outside():
            return False
        return self.tries().latest <= self.now and not self.blocked(self.open[0])

    def waits_outside(self) -> bool:
        if self.open is None or self.open[1] == "undo":
            return False
        part = self.parts[self.open[0]]
        return part.status == "waiting" and not part.asking

    def take_over(self, _: cmd.TakeOver) -> None:
        self.busy.clear()
        if not self.doubtful():
            return
        assert self.open is not None
        part = self.parts[self.open[0]]
        if self.open[1] == "do":
            self.do_unknown(part, lost=True)
            return
        tries = self.tries()
        tries.lost += 1
        if tries.lost >= max(part.spec.undo_retry.lost, 1):
            self.undo_given_up(part)
        else:
            self.undo_again(part, 0.0)

    def handlers_back(self, _: cmd.HandlersBack) -> None:
        self.cell("handlers back")
        self.attention = [(kind, where) for kind, where in self.attention if kind not in AUTO]

    def crash_loop(self, now: float) -> None:
        """The engine parks a run unread; what its owners may have called is in doubt (rule 22)."""
        self.now = max(self.now, now)
        self.where = self.column()
        self.cell("crash_loop")
        if self.doubtful() and self.open is not None and self.open[1] == "do":
            self.parts[self.open[0]].doubt = True
            if self.direction == "undo" or self.draining():
                self.close(self.parts[self.open[0]], "unknown")
        self.attention.append(("crash_loop", None))

    def time_passed(self, _: cmd.TimePassed) -> None:
        over = self.deadline is not None and self.now >= self.deadline
        if over:
            self.cell("run deadline")
        if self.paused_at is not None or self.final:
            return
        self.milestone_timer()
        self.conclude()
        if over:
            self.deadline_struck()

    def milestone_timer(self) -> None:
        if self.open is None or self.open[0] in self.busy or self.blocked(self.open[0]):
            return
        part = self.parts[self.open[0]]
        if self.direction == "do":
            if not self.working_is_over(part):
                return
            if self.never_called(part):
                self.close(part, "refused")  # not_attempted
            else:
                self.close(part, "unknown")
            self.failed(part)

    def deadline_struck(self) -> None:
        if self.final or self.direction == "undo" or self.stop or self.missed:
            return
        if self.structured:
            self.cell("deadline strikes: structured")
            self.drain("deadline")
        elif self.passed() or self.pivot_in_doubt():
            self.cell("deadline strikes: missed")
            self.missed = True
        elif self.held():
            self.cell("deadline strikes: pivot held")
            self.stop = "deadline"
        else:
            self.cell("deadline strikes: before the pivot")
            self.decide("deadline")

    def pivot_in_doubt(self) -> bool:
        return any(kind == "pivot_in_doubt" for kind, _ in self.attention)

    def drain(self, because: str) -> None:
        self.stop = because
        self.attention = []
        self.lift_pause()
        self.interrupt()

    # --- what people say ----------------------------------------------------------------------------------------------

    def cancel(self, _: cmd.Cancel) -> Says:
        return self.turn_back("cancel", "cancelled")

    def compensate(self, command: cmd.Compensate) -> Says:
        if command.expected is not None:
            return rej("conflict")  # the walk sends only plans of another time
        return self.turn_back("compensate", "requested")

    def turn_back(self, row: str, because: str) -> Says:
        if row == "compensate" and self.structured:
            self.cell("compensate: structured")
            return rej()  # nothing of a structured journey is undone by itself
        column = self.cell(row)
        if column == "X":
            return NOOP if self.final in ("compensated", "cancelled") else rej("final")
        if column[0] == "U":
            return NOOP
        if column == "D":
            return self.turn_back_completed(row)
        if self.structured:
            return self.stop_structured()
        return self.turn_back_forward(row, because)

    def stop_structured(self) -> Says:
        self.cell("cancel: structured")
        if self.draining():
            return NOOP
        self.drain("cancelled")
        return APPLIED

    def turn_back_forward(self, row: str, because: str) -> Says:
        if self.passed():
            self.cell(f"{row}: pivot passed")
            return rej("past_pivot")
        if self.pivot_in_doubt():
            self.cell(f"{row}: pivot in doubt")
            return rej()  # state the fact first
        if self.held():
            self.cell(f"{row}: pivot held")
            if self.stop:
                return NOOP
            self.stop = because
            self.lift_pause()
            return DEFERRED
        self.decide(because)
        return APPLIED

    def turn_back_completed(self, row: str) -> Says:
        if row == "cancel":
            return rej("finished")
        if self.passed():
            return rej("past_pivot")
        self.decide("requested")
        return APPLIED

    def pause(self, _: cmd.Pause) -> Says:
        match self.cell("pause"):
            case "Fp" | "Up":
                return NOOP
            case "Fa" | "Ua":
                return rej("in_attention")
            case "D" | "X":
                return rej("final")
        self.paused_at = self.now
        return APPLIED

    def resume(self, _: cmd.Resume) -> Says:
        match self.cell("resume"):
            case "Fp" | "Up":
                self.lift_pause()
                return APPLIED
            case "F" | "U":
                return rej("not_paused")
            case "Fa" | "Ua" if self.paused_at is not None:
                self.lift_pause()  # what ended during the pause needs a person; both have to be lifted
                return APPLIED
        return rej()

    def lift_pause(self) -> None:
        if self.paused_at is None:
            return
        span = self.now - self.paused_at
        self.paused_at = None
        if self.deadline is not None:
            self.deadline += span
        if self.open is not None:
            tries = self.tries()
            tries.since += span
            tries.latest += span

    def target(self, name: str | None, *, attention: bool) -> Part | None:
        """The milestone that is meant, when it is named or there is no choice."""
        named = [self.open[0] if self.open else None]
        if attention:
            named = [where for _, where in self.attention]
        if name is None:
            name = named[0] if len(named) == 1 else None
        return self.parts[name] if name is not None and name in named else None

    def in_backoff(self) -> bool:
        """Its next attempt, or question, falls due later; a pause stops that clock."""
        if self.open is None or self.open[0] in self.busy or self.waits_outside():
            return False
        clock = self.now if self.paused_at is None else self.paused_at
        return self.tries().latest > clock

    def retry(self, command: cmd.RetryMilestone) -> Says:
        column = self.cell("retry" if command.input is None else "retry edited")
        if self.paused_at is not None:
            return rej("paused")
        if column in ("Fa", "Ua"):
            return self.retry_in_attention(command)
        part = self.target(command.milestone, attention=False)
        if column in ("D", "X") or command.input is not None or part is None or not self.in_backoff():
            return rej()
        tries = self.tries()
        tries.earliest = tries.latest = self.now
        return APPLIED

    def retry_in_attention(self, command: cmd.RetryMilestone) -> Says:
        if ("crash_loop", None) in self.attention and command.input is None and command.milestone is None:
            self.attention.remove(("crash_loop", None))
            return APPLIED
        part = self.target(command.milestone, attention=True)
        if part is None:
            return rej()
        if command.input is not None:
            if self.direction == "undo":
                return rej()
            if part.doubt:
                return rej("in_doubt")
        if self.open is not None and self.open[0] != part.spec.id:
            return rej()  # at most one runs at a time
        self.clear(part)
        self.reopen(part)
        return APPLIED

    def clear(self, part: Part) -> None:
        self.attention = [(kind, where) for kind, where in self.attention if where != part.spec.id]

    def reopen(self, part: Part) -> None:
        """Rule 15: the same milestone, in the run's direction, with a fresh budget."""
        op = self.direction
        tries = part.do_tries if op == "do" else part.undo_tries
        if tries is None:
            return  # withdrawn before its first call: it starts by itself
        part.doubt = part.doubt or part.asking
        self.open = (part.spec.id, op)
        tries.number += 1
        tries.answered = tries.lost = 0
        tries.since = tries.earliest = tries.latest = self.now
        if op == "do":
            part.status, part.asking = ("waiting" if part.spec.action is None else "running"), False
        else:
            part.undo, part.undo_asking = "running", False

    def skip(self, command: cmd.Skip) -> Says:
        column = self.cell("skip")
        if column in ("U", "Up", "D", "X"):
            return rej()
        part = self.target(command.milestone, attention=column in ("Fa", "Ua"))
        if part is None:
            return rej()
        if column == "Ua":
            self.end_undo(part, "skipped")
            self.clear(part)
            return APPLIED
        if column in ("F", "Fp") and not self.skippable(part):
            return rej()
        if part.spec.pivot and command.result is None:
            return rej()
        self.clear(part)
        self.skip_action(part)
        return APPLIED

    def skippable(self, part: Part) -> bool:
        """Waiting or in backoff, never being called and never ahead."""
        return part.spec.id not in self.busy and (part.status == "waiting" or self.in_backoff())

    def skip_action(self, part: Part) -> None:
        if part.spec.pivot:
            self.close(part, "completed")
            self.stop_too_late(part)
        else:
            part.doubt = part.doubt or part.status in ("unknown", "waiting")
            self.close(part, "skipped")

    def state_fact(self, command: cmd.StateFact) -> Says:
        column = self.cell(command.fact)
        if command.fact == "undone":
            return self.mark_undone(command, column)
        part = self.target(command.milestone, attention=True)
        if column != "Fa" or part is None or not part.doubt:
            return rej()
        if command.fact == "happened":
            self.close(part, "completed")
            self.stop_too_late(part)
            return APPLIED
        self.clear(part)
        self.close(part, "refused")
        self.failed(part)
        return APPLIED

    def mark_undone(self, command: cmd.StateFact, column: str) -> Says:
        part = self.target(command.milestone, attention=column == "Ua")
        if part is None or column not in ("U", "Up", "Ua"):
            return rej()
        if column != "Ua" and (self.open != (part.spec.id, "undo") or not self.in_backoff()):
            return rej()
        self.end_undo(part, "manual")
        self.clear(part)
        return APPLIED

    def resolve(self, _: cmd.Resolve) -> Says:
        column = self.cell("resolve")
        if column == "X" and self.final == "resolved":
            return NOOP
        if column not in ("Fa", "Ua"):
            return rej("final" if column in ("D", "X") else None)
        begun = [
            p
            for p in self.parts.values()
            if p.spec.undo and (p.status == "waiting" or (p.status == "running" and p.doubt))
        ]
        stands = [p for p in self.undo_set() if p.undo not in ("done", "manual")]
        self.left = [p.spec.id for p in self.parts.values() if p in stands or p in begun]
        self.end("resolved")
        return APPLIED

    def advance(self, command: cmd.Advance) -> Says:
        column = self.cell("advance")
        if column[0] != "F":
            return rej()
        part = self.target(command.milestone, attention=False)
        if part is None or not (part.status == "waiting" or part.spec.kind == "external"):
            named = None if command.milestone is None else self.parts.get(command.milestone)
            return rej("not_waiting_yet" if named is not None and named.status == "pending" else "not_waiting")
        if command.expected_attempt not in (None, self.tries().number):
            return rej()
        self.clear(part)
        if command.outcome == "ok":
            self.close(part, "completed")
            self.stop_too_late(part)
        elif command.outcome == "refused":
            self.close(part, "unknown" if part.doubt else "refused")
            self.failed(part)
        else:
            self.close(part, "unknown")
            self.failed(part)
        return APPLIED
