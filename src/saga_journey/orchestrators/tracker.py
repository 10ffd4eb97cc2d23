"""Milestones one by one: where they stand, what became of them, and what a person can do with them.

A tracker keeps nothing. What it says is folded from the run's journal; what it does is a command to the run.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from saga_journey.core.commands import Answer
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.events import DO
from saga_journey.core.progress import history, must_come_first
from saga_journey.core.state import PENDING, RunState
from saga_journey.core.tally import Followed, follow
from saga_journey.errors import Rejected, UnknownMilestone, did_you_mean
from saga_journey.orchestrators import tracker_views as views
from saga_journey.orchestrators.cohorts import ask
from saga_journey.orchestrators.samples import MOST, take_sample
from saga_journey.runs import Runs, UserContext


class MilestoneTracker:
    """The milestones of runs of the tenant of `user_context`; another tenant's run does not exist for you.

    Every operation on a run raises UnknownSaga; those with a milestone raise UnknownMilestone, which names the ones
    that there are. What cannot be done raises Rejected with what to do instead, and changes nothing.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    # --- asking ---

    async def track_milestone_start(
        self, saga_id: str, milestone_id: str, user_context: UserContext | None = None
    ) -> views.MilestoneStart:
        """Makes sure that the milestone is open, and says since when: a journey starts its milestones by itself.

        Raises Rejected: `not_yet` with what must come first, `ended` when it has its outcome, `not_taken` when the
        journey went another way, `not_forward` when the run has ended or turned back.
        """
        run, index = await self._milestone(saga_id, milestone_id, user_context)
        state = run.state
        if index not in state.open or state.op_of(index) != DO or state.direction != DO:
            raise _not_open(state, index)
        spec, m, calls = state.definition.milestones[index], state.milestones[index], state.calls(index)
        return views.MilestoneStart(
            saga_id=saga_id,
            milestone_id=milestone_id,
            status=m.status.value,
            since=run.passages[index].started_at or state.at,
            attempt=calls.number,
            waits_for_answer=spec.kind == "external" or (m.asking and spec.kind == "action"),
            paused=state.paused_at is not None,
        )

    async def get_milestone_status(
        self, saga_id: str, milestone_id: str, user_context: UserContext | None = None
    ) -> views.TrackedMilestone:
        """The milestone as it stands."""
        return views.tracked(*await self._milestone(saga_id, milestone_id, user_context))

    async def get_journey_progress(
        self, saga_id: str, user_context: UserContext | None = None
    ) -> views.JourneyProgress:
        """How far the run has come, milestone by milestone."""
        return views.journey_progress(await self._run(saga_id, user_context))

    async def get_milestone_history(
        self, saga_id: str, milestone_id: str, user_context: UserContext | None = None
    ) -> views.MilestoneHistory:
        """Everything that happened at the milestone, oldest first; the decision that it caused, too."""
        record = await self._runs.record(saga_id, user_context)
        _place(await self._runs.store.definition(record.definition), milestone_id)
        entries = history((row.seq, row.at, row.events) for row in await self._runs.store.load(record.key))
        events = [
            views.MilestoneEvent(seq=entry.seq, at=entry.at, name=entry.name, fields=entry.fields)
            for entry in entries
            if milestone_id in (entry.fields.get("milestone"), (entry.fields.get("because") or {}).get("milestone"))
        ]
        return views.MilestoneHistory(saga_id=saga_id, milestone_id=milestone_id, events=events)

    async def get_milestone_analytics(
        self,
        journey: str,
        user_context: UserContext | None = None,
        *,
        version: int | None = None,
        since: float | None = None,
        until: float | None = None,
        sample: int = MOST,
    ) -> views.MilestoneAnalytics:
        """What happened at each milestone of a journey, out of the journals of its newest runs, at most 1,000.

        `journey` and the span as in `JourneyAnalytics`; raises what that raises.
        """
        question = await ask(self._runs, journey, user_context, version=version, since=since, until=until)
        taken = await take_sample(self._runs, question, sample)
        return views.MilestoneAnalytics(
            **question.span,
            runs=taken.runs,
            unreadable=taken.unreadable,
            most=sample,
            milestones=[views.milestone_figures(name, t) for name, t in taken.milestones.items()],
        )

    # --- acting ---

    async def track_milestone_complete(
        self,
        saga_id: str,
        milestone_id: str,
        result: Any = None,
        user_context: UserContext | None = None,
        *,
        outcome: str = "ok",
        reason: str | None = None,
        expected_attempt: int | None = None,
    ) -> views.MilestoneAnswer:
        """Says the outcome of a milestone that waits for the outside: "ok" with its result, "refused" or "unknown".

        Raises Rejected `not_waiting_yet` with what must come first, `not_waiting`, `stale` or `wrong_result`.
        """
        await self._check(saga_id, milestone_id, user_context)
        answer = await self._runs.run(saga_id, user_context).advance(
            milestone_id, result, outcome=outcome, reason=reason, expected_attempt=expected_attempt
        )
        return _answered(saga_id, milestone_id, answer)

    async def retry_milestone(
        self,
        saga_id: str,
        milestone_id: str | None = None,
        user_context: UserContext | None = None,
        *,
        reason: str | None = None,
        input: Any = None,
    ) -> views.MilestoneAnswer:
        """Tries again what waits for a person, or now what waits in a backoff; its undo when that is what is stuck.

        `input` edits the input of the run for this milestone and those after it. Raises Rejected `not_in_attention`.
        """
        if milestone_id is not None:
            await self._check(saga_id, milestone_id, user_context)
        answer = await self._runs.run(saga_id, user_context).retry(milestone_id, input=input, reason=reason)
        return _answered(saga_id, milestone_id, answer)

    async def skip_milestone(
        self,
        saga_id: str,
        milestone_id: str,
        user_context: UserContext | None = None,
        *,
        reason: str | None = None,
        result: Any = None,
    ) -> views.MilestoneAnswer:
        """Goes on without a milestone that waits, backs off or is in attention (or without its undo that is stuck).

        An optional one is skipped without further ado; another one only with a `reason`. `result` stands in for its
        own. Raises Rejected `needs_reason`, `needs_result`, or `not_skippable` for one that is being called, has ended
        or lies ahead.
        """
        run, index = await self._milestone(saga_id, milestone_id, user_context)
        spec = run.state.definition.milestones[index]
        if not reason and not (spec.optional and run.state.direction == DO):
            what = "it is not optional" if run.state.direction == DO else "what it did would stand"
            raise Rejected("needs_reason", f"{saga_id}: {what}, so say why {milestone_id!r} is skipped (reason=…)")
        answer = await self._runs.run(saga_id, user_context).skip(
            milestone_id, reason=reason or "it is optional", result=result
        )
        return _answered(saga_id, milestone_id, answer)

    async def rollback_milestone(
        self,
        saga_id: str,
        milestone_id: str | None = None,
        user_context: UserContext | None = None,
        *,
        reason: str,
    ) -> views.MilestoneAnswer:
        """Structured journeys: undoes the milestone that was completed last and goes back before it, then pauses.

        The undo runs after this has answered. Raises Rejected: `not_structured` for a saga, which is compensated as a
        whole; `not_last`, `nothing_done`, `under_way`, `in_doubt`, `past_pivot`, `final`.
        """
        if milestone_id is not None:
            await self._check(saga_id, milestone_id, user_context)
        answer = await self._runs.run(saga_id, user_context).rollback(milestone_id, reason=reason)
        return _answered(saga_id, milestone_id, answer)

    # --- how ---

    async def _run(self, saga_id: str, who: UserContext | None) -> Followed:
        record = await self._runs.record(saga_id, who)
        definition = await self._runs.store.definition(record.definition)
        rows = await self._runs.store.load(record.key)
        return follow(definition, record.saga_id, ((row.at, row.events) for row in rows))

    async def _milestone(self, saga_id: str, milestone_id: str, who: UserContext | None) -> tuple[Followed, int]:
        run = await self._run(saga_id, who)
        return run, _place(run.state.definition, milestone_id)

    async def _check(self, saga_id: str, milestone_id: object, who: UserContext | None) -> None:
        record = await self._runs.record(saga_id, who)
        _place(await self._runs.store.definition(record.definition), milestone_id)


def _place(definition: JourneyDefinition, milestone_id: object) -> int:
    if isinstance(milestone_id, str) and milestone_id in definition.index:
        return definition.index[milestone_id]
    hint = did_you_mean(milestone_id, definition.index)
    raise UnknownMilestone(milestone_id, definition.name, list(definition.index), hint)


def _not_open(state: RunState, index: int) -> Rejected:
    """Why a milestone is not open, and what to do."""
    name, m = state.definition.milestones[index].id, state.milestones[index]
    if m.order == 0 and m.status is not PENDING:
        return Rejected("not_taken", f"{state.saga_id}: the journey went another way, {name!r} is not part of it")
    if m.status is not PENDING:
        return Rejected("ended", f"{state.saga_id}: {name!r} is {m.status} already")
    if state.final is not None or state.direction != DO:
        return Rejected("not_forward", f"{state.saga_id} is {state.status}: {name!r} will not be started")
    return Rejected("not_yet", f"{state.saga_id}: {name!r} has not been started; {_first(state, index)}")


def _first(state: RunState, index: int) -> str:
    """What must come first, and how that stands."""
    places = state.definition.index
    said = [f"{name!r} ({state.milestones[places[name]].status})" for name in must_come_first(state, index)]
    return f"first comes {', then '.join(said)}" if said else f"the run is {state.status}"


def _answered(saga_id: str, milestone_id: str | None, answer: Answer) -> views.MilestoneAnswer:
    said = asdict(answer)
    return views.MilestoneAnswer(
        saga_id=saga_id,
        milestone_id=milestone_id,
        accepted=said["accepted"],
        code=said["code"],
        detail=said["detail"],
    )
