"""Starting runs and talking to them: what every door (Python, orchestrators, CLI) goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypedDict

from saga_journey import outcomes
from saga_journey.core import commands as cmd
from saga_journey.core.canonical import Json, encode, fingerprint
from saga_journey.core.codec import decode_turn, encode_definition
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.evolve import evolve
from saga_journey.core.machine import begin
from saga_journey.core.progress import CompensationPlan, HistoryEntry, RunView, history, preview, view
from saga_journey.core.state import FINAL, RunState, SagaStatus
from saga_journey.errors import Archived, InvalidInput, KeyConflict, Rejected, StillRunning, UnknownSaga, brief
from saga_journey.handlers.curator import Curator
from saga_journey.ports import Clock, Engine, InFlight, RunKey, RunRecord, Search, StartKey, Store

SETTLED = FINAL | {SagaStatus.FAILED}


class UserContext(TypedDict, total=False):
    """Who asks. Another tenant's saga does not exist for you."""

    tenant_id: str
    user_id: str


DEFAULT_TENANT = "default"


def tenant_of(who: UserContext | None) -> str:
    """The tenant that somebody acts for. Raises InvalidInput for what cannot be one."""
    return checked_text("tenant_id", (who or {}).get("tenant_id", DEFAULT_TENANT), 200)


def checked_text(what: str, text: object, longest: int) -> str:
    """The text, if that is what it is. Raises InvalidInput, or NotJson for characters that no store can keep."""
    if not isinstance(text, str) or not 0 < len(text) <= longest:
        raise InvalidInput(f"{what} is {brief(text)}: it is a text of 1 to {longest} characters")
    return _recordable(what, text)


@lru_cache(maxsize=4096)
def _recordable(what: str, text: str) -> str:
    encode(text, what)
    return text


def _user_of(who: UserContext | None) -> str | None:
    user = (who or {}).get("user_id")
    return None if user is None else checked_text("user_id", user, 200)


def _is_text(text: object) -> bool:
    return isinstance(text, str) and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


class Runs:
    """All runs of a store, as one user sees them. Used from the event loop that opened it."""

    def __init__(
        self, store: Store, engine: Engine, curator: Curator, clock: Clock, new_id: Callable[[str], str]
    ) -> None:
        self.store = store
        self.engine = engine
        self.curator = curator
        self._clock = clock
        self._stored: dict[tuple[str, str], tuple[int, int]] = {}
        self.new_id = new_id

    async def start(
        self,
        definition: JourneyDefinition,
        input: Any,
        *,
        key: str | None = None,
        who: UserContext | None = None,
        children: Sequence[JourneyDefinition] = (),
    ) -> Run:
        """Durable when it returns. The same `key` and input again give the same run.

        `children` are the definitions of all its children, when they may not be stored yet.

        Raises InvalidInput or NotJson for an input that does not fit, KeyConflict for a key with another input,
        Overloaded, StoreFull and Closed when nothing can be started now.
        """
        tenant = tenant_of(who)
        text = self.curator.input_shape(definition).dump(input, f"the input of {definition.name!r}")
        known = self._stored.get((tenant, definition.hash))
        number, stored = known or await self._store(tenant, definition, children)
        turn = begin(definition, self.new_id("saga"), text, _user_of(who), self._clock.now())
        start_key = None if key is None else _start_key(key, text)
        started = await self.engine.start(tenant, turn, stored, number, start_key)
        if started.existing is not None and not started.same:
            raise KeyConflict(definition.name, key or "", started.existing)
        return Run(self, started.existing or turn.state.saga_id, who, started.key)

    async def _store(
        self, tenant: str, definition: JourneyDefinition, children: Sequence[JourneyDefinition]
    ) -> tuple[int, int]:
        """The numbers of a tenant and of a definition there; made when they are new, looked up once."""
        number = await self.store.tenant(tenant)
        for child in children:
            await self.store.save_definition(number, child)
        stored = number, await self.store.save_definition(number, definition)
        self._stored[tenant, definition.hash] = stored
        return stored

    def now(self) -> float:
        """Store time in seconds."""
        return self._clock.now()

    def run(self, saga_id: str, who: UserContext | None = None) -> Run:
        """A handle on a run. Nothing is looked up yet; its methods raise UnknownSaga when it does not exist for you."""
        return Run(self, saga_id, who)

    async def search(self, search: Search, who: UserContext | None = None) -> list[RunRecord]:
        """Runs of your tenant, newest first."""
        if not all(map(_is_text, (search.prefix or "", search.journey or "", search.before or ""))):
            return []  # nothing can have such a name
        return await self.store.search(tenant_of(who), search)

    async def record(self, saga_id: str, who: UserContext | None) -> RunRecord:
        """Raises UnknownSaga, also for the id of a session: that has no milestones to show, advance or cancel."""
        found = await self.store.find(tenant_of(who), saga_id) if _is_text(saga_id) else None
        if found is None or found.is_session:
            archived = _is_text(saga_id) and await self.store.is_archived(tenant_of(who), saga_id)
            raise Archived(saga_id) if archived else UnknownSaga(saga_id)
        return found

    async def state(self, record: RunRecord | InFlight) -> RunState:
        definition = await self.store.definition(record.definition)
        state = RunState(definition, record.saga_id)
        for row in await self.store.load(record.key):
            state = evolve(state, decode_turn(row.events), row.at)
        return state


def _start_key(key: str, text: Json) -> StartKey:
    return StartKey(checked_text("key", key, 500), fingerprint(text))


class Run:
    """One saga, wherever it is running. Cheap to make; holds no state of its own."""

    __slots__ = ("_key", "_runs", "_who", "saga_id")

    def __init__(self, runs: Runs, saga_id: str, who: UserContext | None, key: RunKey | None = None) -> None:
        self._runs = runs
        self._who = who
        self._key = key
        self.saga_id: str = saga_id

    def __repr__(self) -> str:
        return f"Run({self.saga_id!r})"

    # --- asking ---

    async def status(self) -> RunView:
        """The run as it stands, folded from its journal."""
        return view(await self._state())

    async def history(self) -> list[HistoryEntry]:
        """Every event, oldest first."""
        record = await self._record()
        return history((row.seq, row.at, row.events) for row in await self._runs.store.load(record.key))

    async def preview(self) -> CompensationPlan:
        """What `compensate` would do now: which undos, in which order, with what, and what cannot be undone."""
        state = await self._state()
        plan = preview(state)
        undos = {m.id: m.undo for m in state.definition.milestones}  # a child has none: it undoes itself
        named = (undos[planned.milestone] for planned in plan.undos)
        missing = tuple(name for name in named if name is not None and name not in self._runs.curator)
        return replace(plan, missing_handlers=missing)

    async def outcome(self, timeout: float | None = None) -> outcomes.Outcome:  # noqa: ASYNC109 - it says StillRunning
        """Waits until the saga ends, or waits for a person (`Failed`: call again to wait on).

        Waits through pauses. Raises StillRunning after `timeout` seconds; the saga goes on.
        """
        if timeout is None:
            return outcomes.outcome_of(await self._settled(), self._runs.curator)
        try:
            async with asyncio.timeout(timeout):
                return outcomes.outcome_of(await self._settled(), self._runs.curator)
        except TimeoutError:
            raise StillRunning(f"{self.saga_id} has no outcome after {timeout:g} s; it goes on") from None

    async def _settled(self) -> RunState:
        """Told by the engine while it moves the run here; looked up now and then while somebody else does."""
        engine = self._runs.engine
        key = self._key or (await self._record()).key
        while True:
            watcher = engine.watch(key)
            try:
                if not engine.moves(key):
                    record = await self._record()
                    if record.status in SETTLED:
                        settled = await self._runs.state(record)
                        if settled.status in SETTLED:  # between the two looks somebody may have moved it on
                            return settled
                        continue
                if (state := await watcher) is not None:
                    return state
            finally:
                engine.unwatch(key, watcher)

    # --- commanding ---

    async def advance(
        self,
        milestone: str | None = None,
        result: Any = None,
        *,
        outcome: str = "ok",
        reason: str | None = None,
        expected_attempt: int | None = None,
        next_step: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """The outcome of a milestone that waits for the outside: ok (with its result), refused or unknown.

        `next_step`: where the journey is to go on, one of the milestone's own; its conditions are not asked then.
        """
        if outcome not in ("ok", "refused", "unknown"):
            raise InvalidInput(f"outcome is {outcome!r}: it is 'ok', 'refused' or 'unknown'")
        text = await self._result(milestone, result)
        return await self._send(
            cmd.Advance(milestone, outcome, text, reason, expected_attempt, self._by(None), next_step),  # type: ignore[arg-type]
            command_id,
        )

    async def cancel(
        self, reason: str | None = None, *, who: str | None = None, command_id: str | None = None
    ) -> cmd.Answer:
        """Stop, and undo what is done."""
        return await self._send(cmd.Cancel(self._by(who), reason), command_id)

    async def compensate(
        self,
        reason: str | None = None,
        *,
        expected: int | None = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """Undo what is done, of a completed saga too. `expected`: the `seq` of the preview you looked at."""
        return await self._send(cmd.Compensate(expected, self._by(who), reason), command_id)

    async def pause(
        self, reason: str | None = None, *, who: str | None = None, command_id: str | None = None
    ) -> cmd.Answer:
        """No new attempt starts until `resume`; what is being called ends and is recorded."""
        return await self._send(cmd.Pause(self._by(who), reason), command_id)

    async def resume(self, *, who: str | None = None, command_id: str | None = None) -> cmd.Answer:
        """Goes on; waits and deadlines move by the paused time."""
        return await self._send(cmd.Resume(self._by(who)), command_id)

    async def retry(
        self,
        milestone: str | None = None,
        *,
        input: Any = None,
        reason: str | None = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """Try again what waits for a person, or now what waits in a backoff. `input` edits the saga's input."""
        text = None
        if input is not None:
            definition = await self._definition()
            text = self._runs.curator.input_shape(definition).dump(input, f"the input of {definition.name!r}")
        return await self._send(cmd.RetryMilestone(milestone, text, self._by(who), reason), command_id)

    async def skip(
        self,
        milestone: str | None = None,
        *,
        reason: str,
        result: Any = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """Go on without this milestone (`result` stands in for its own), or without the undo that is stuck."""
        text = await self._result(milestone, result)
        return await self._send(cmd.Skip(milestone, text, self._by(who), reason), command_id)

    async def rollback(
        self, milestone: str | None = None, *, reason: str, who: str | None = None, command_id: str | None = None
    ) -> cmd.Answer:
        """Structured journeys: undo the milestone that was completed last, and go back before it; then it is paused.

        Raises Rejected `not_structured` for a saga, `not_last`, `past_pivot`, `under_way`, `in_doubt`, `nothing_done`.
        """
        return await self._send(cmd.Rollback(milestone, self._by(who), reason), command_id)

    async def choose(
        self,
        next_step: str,
        *,
        milestone: str | None = None,
        reason: str | None = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """Where the journey goes on, when no condition of a choice said so (attention `no_arm`)."""
        return await self._send(cmd.Choose(next_step, milestone, self._by(who), reason), command_id)

    async def mark_undone(
        self,
        milestone: str | None = None,
        *,
        reason: str,
        evidence: str | None = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """It was undone by hand."""
        fact = cmd.StateFact("undone", milestone, None, self._by(who), reason, evidence)
        return await self._send(fact, command_id)

    async def it_happened(
        self,
        milestone: str | None = None,
        *,
        reason: str,
        result: Any = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """The milestone in doubt did take place, with this result."""
        text = await self._result(milestone, result)
        return await self._send(cmd.StateFact("happened", milestone, text, self._by(who), reason), command_id)

    async def it_did_not_happen(
        self, milestone: str | None = None, *, reason: str, who: str | None = None, command_id: str | None = None
    ) -> cmd.Answer:
        """The milestone in doubt did not take place."""
        fact = cmd.StateFact("did_not_happen", milestone, None, self._by(who), reason)
        return await self._send(fact, command_id)

    async def move(
        self,
        to: JourneyDefinition,
        *,
        reason: str | None = None,
        who: str | None = None,
        command_id: str | None = None,
    ) -> cmd.Answer:
        """Go on under another definition of its journey, which differs in policies only (timeouts, retries, deadline).

        Raises Rejected `not_only_policies` with what else differs, or `final`.
        """
        return await self._send(cmd.Move(encode_definition(to), self._by(who), reason), command_id)

    async def resolve(self, reason: str, *, who: str | None = None, command_id: str | None = None) -> cmd.Answer:
        """Close a saga that waits for a person, as it is."""
        return await self._send(cmd.Resolve(reason, self._by(who)), command_id)

    # --- how ---

    def _by(self, who: str | None) -> str | None:
        return who or (self._who or {}).get("user_id")

    async def _send(self, command: cmd.External, command_id: str | None) -> cmd.Answer:
        """Raises Rejected, with what to do instead, when the answer is no."""
        record = await self._record()
        id = self._runs.new_id("cmd") if command_id is None else checked_text("command_id", command_id, 200)
        answer = await self._runs.engine.send(record.key, id, command)
        if not answer.accepted:
            raise Rejected(answer.code, f"{self.saga_id}: {answer.detail}")
        return answer

    async def _result(self, milestone: str | None, result: Any) -> Json | None:
        """A result given from outside, in the form its milestone's own results have."""
        if result is None:
            return None
        definition = await self._definition()
        index = definition.index.get(milestone) if milestone is not None else None
        if index is None:
            return encode(result, "result")
        return self._runs.curator.result_shape(definition, index).dump(result, f"the result of {milestone!r}")

    async def _definition(self) -> JourneyDefinition:
        return await self._runs.store.definition((await self._record()).definition)

    async def _record(self) -> RunRecord:
        return await self._runs.record(self.saga_id, self._who)

    async def _state(self) -> RunState:
        return await self._runs.state(await self._record())
