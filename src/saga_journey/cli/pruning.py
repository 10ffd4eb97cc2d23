"""`saga db prune`: takes out what has ended long ago, a few runs at a time, so that nobody waits for it."""

from __future__ import annotations

from saga_journey.cli.desk import Desk
from saga_journey.cli.problems import USAGE, Problem
from saga_journey.cli.sending import must_agree
from saga_journey.cli.times import iso, moment
from saga_journey.cli.times import since as moment_of


async def prune(desk: Desk, older_than: str, batch: int, *, archive: bool) -> None:
    """Of every tenant: what ended before that is deleted, or archived."""
    screen, now = desk.screen, desk.now()
    before = _moment(older_than, now)
    what = "archives" if archive else "deletes for good"
    show = screen.hint if desk.given.yes else screen.insist
    show(f"prune {what} every saga that ended before {moment(before, now)}, of every tenant, in {desk.given.database}")
    must_agree(screen, "prune cannot be taken back")
    pruned = 0
    while taken := await desk.journeys.store.prune(before, batch, archive=archive):
        pruned += taken
    if desk.given.json:
        screen.json({"pruned": pruned, "before": iso(before), "archived": archive})
    else:
        screen.out(f"{'archived' if archive else 'deleted'} {pruned} saga{'' if pruned == 1 else 's'}")


def _moment(text: str, now: float) -> float:
    try:
        before = moment_of(text, now)
    except (ValueError, OverflowError, OSError):
        what = f"--older-than {text!r} is neither an age nor a date"
        raise Problem(USAGE, "not_a_moment", what, "12h, 30d, 8w, 2026-01-31") from None
    if before > now:
        raise Problem(USAGE, "not_a_moment", f"--older-than {text!r} has not come yet", "12h, 30d, 8w, 2026-01-31")
    return before
