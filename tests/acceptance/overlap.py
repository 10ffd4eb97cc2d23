"""How many calls were under way side by side, and answering them one by one."""

from __future__ import annotations

from saga_journey.core.events import Op
from saga_journey.ports import AttemptStarting
from tests.acceptance.participant import Participant, Received, done
from tests.acceptance.story import Story


def most_at_once(story: Story, *milestones: str, op: Op = "do") -> int:
    """Of the calls of these milestones, as the workers saw them begin and end."""
    live = most = 0
    for seen in story.attempts():
        if seen.milestone in milestones and seen.op == op:
            live += 1 if isinstance(seen, AttemptStarting) else -1
            most = max(most, live)
    return most


def under_way(participant: Participant, milestone: str, op: Op = "do") -> list[Received]:
    """Calls that are held."""
    return [c for c in participant.calls if (c.milestone, c.op) == (milestone, op) and not c.decision.done()]


async def answered_one_by_one(
    participant: Participant, milestone: str, *, most: int, calls: int, op: Op = "do"
) -> None:
    """Answers so many held calls. Before each answer `most` are under way: whatever place is freed is used at once."""
    for left in range(calls, 0, -1):
        wanted = min(most, left)
        await participant.until(
            lambda: len(under_way(participant, milestone, op)) == wanted,  # noqa: B023 - asked in this turn only
            f"{wanted} of {milestone} were not under way at once",
        )
        under_way(participant, milestone, op)[0].answer(done())
