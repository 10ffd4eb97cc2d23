"""The milestone tracker: where a milestone stands, what became of it, and what a person can do with it."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Rejected, Saga, Structured, blocking, external, parallel, to
from saga_journey.authoring import Journey, MilestoneOf
from saga_journey.errors import InvalidInput, NotJson, UnknownJourney, UnknownMilestone, UnknownSaga
from saga_journey.orchestrators.tracker import MilestoneTracker
from saga_journey.testing.clock import START
from tests.acceptance.shop import LATER, Shop
from tests.acceptance.stage import ended

ANN: Any = {"tenant_id": "acme", "user_id": "ann"}
EVE: Any = {"tenant_id": "globex", "user_id": "eve"}


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def move(shop: Shop) -> Journey[Any]:
    """Moving house, by hand: somebody has to agree before the van is loaded."""
    return Structured(
        "move",
        version=1,
        milestones=[
            shop.step("pack"),
            external("approval", undo=None, timeout=1000, result=str),
            shop.step("photos", optional=True),
            shop.step("load"),
            shop.step("drive"),
        ],
    )


@pytest.fixture
def order(shop: Shop) -> Journey[Any]:
    return Saga("order", version=1, milestones=[shop.step("reserve"), shop.step("charge"), shop.step("ship")])


# --- open, and completed from outside ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_milestone_that_waits_is_open_and_says_since_when(
    shop: Shop, move: Journey[Any], store_url: str
) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, who=ANN)
        started = await here.tracker.track_milestone_start(run.saga_id, "approval", ANN)
        assert started == {
            "saga_id": run.saga_id,
            "milestone_id": "approval",
            "status": "waiting",
            "since": START + 1,
            "attempt": 1,
            "waits_for_answer": True,
            "paused": False,
        }
        await run.pause()
        assert (await here.tracker.track_milestone_start(run.saga_id, "approval", ANN))["paused"]


@pytest.mark.anyio
async def test_skipping_ahead_is_refused_with_what_must_come_first(
    shop: Shop, move: Journey[Any], store_url: str
) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, who=ANN)
        first = r"first comes 'approval' \(waiting\), then 'photos' \(pending\)"
        with pytest.raises(Rejected, match=f"not_yet: .*'load' has not been started; {first}"):
            await here.tracker.track_milestone_start(run.saga_id, "load", ANN)
        with pytest.raises(Rejected, match=r"not_waiting_yet: .*'load' has not been started, approval comes first"):
            await here.tracker.track_milestone_complete(run.saga_id, "load", "loaded", ANN)
        assert (await here.tracker.get_milestone_status(run.saga_id, "load", ANN))["must_come_first"] == [
            "approval",
            "photos",
        ]


@pytest.mark.anyio
async def test_in_a_block_the_neighbours_need_not_come_first(shop: Shop, store_url: str) -> None:
    papers: list[MilestoneOf[Any, Any]] = [external("papers", undo=None, timeout=1000), shop.step("stamp", undo=None)]
    sides = parallel(papers, shop.step("van", undo=None))
    trip: Journey[Any] = Structured("trip", version=1, milestones=[shop.step("pack"), sides, shop.step("drive")])
    async with shop.open(store_url, trip) as here:
        run = await here.run(trip)
        with pytest.raises(Rejected, match=r"'stamp' has not been started; first comes 'papers' \(waiting\)$"):
            await here.tracker.track_milestone_start(run.saga_id, "stamp")
        with pytest.raises(Rejected, match=r"first comes 'papers' \(waiting\), then 'stamp' \(pending\)$"):
            await here.tracker.track_milestone_start(run.saga_id, "drive")


@pytest.mark.anyio
async def test_a_milestone_is_completed_once_with_its_result(shop: Shop, move: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, who=ANN)
        tracker = here.tracker
        attempt = (await tracker.track_milestone_start(run.saga_id, "approval", ANN))["attempt"]
        shop.clock.advance(60)
        answer = await tracker.track_milestone_complete(
            run.saga_id, "approval", "carl agrees", ANN, expected_attempt=attempt
        )
        assert answer == {
            "saga_id": run.saga_id,
            "milestone_id": "approval",
            "accepted": True,
            "code": "applied",
            "detail": "",
        }
        await ended(run)
        approval = await tracker.get_milestone_status(run.saga_id, "approval", ANN)
        assert (approval["status"], approval["result"], approval["seconds"]) == ("completed", "carl agrees", 60)
        with pytest.raises(Rejected, match=r"ended: .*'approval' is completed already"):
            await tracker.track_milestone_start(run.saga_id, "approval", ANN)
        with pytest.raises(Rejected, match="not_waiting"):
            await tracker.track_milestone_complete(run.saga_id, "approval", "again", ANN)


@pytest.mark.anyio
async def test_what_cannot_be_an_outcome_changes_nothing(shop: Shop, move: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, who=ANN)
        complete = here.tracker.track_milestone_complete
        with pytest.raises(InvalidInput, match="outcome is 'done'"):
            await complete(run.saga_id, "approval", "x", ANN, outcome="done")
        with pytest.raises((InvalidInput, NotJson)):
            await complete(run.saga_id, "approval", {"not": "a text"}, ANN)
        with pytest.raises(Rejected, match="stale"):
            await complete(run.saga_id, "approval", "x", ANN, expected_attempt=2)
        assert (await here.tracker.get_milestone_status(run.saga_id, "approval", ANN))["status"] == "waiting"
        refused = await complete(run.saga_id, "approval", None, ANN, outcome="refused", reason="too far")
        assert refused["accepted"]
        progress = await here.tracker.get_journey_progress(run.saga_id, ANN)
        assert (progress["status"], progress["ended_badly"]) == ("failed", ["approval"])


# --- where it stands --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_milestone_as_it_stands(shop: Shop, order: Journey[Any], store_url: str) -> None:
    """Lost once on the way, it succeeds at the second attempt."""
    async with shop.open(store_url, order) as here:
        run = await here.run(order, {"charge": ["lost", "ok"], "ship": ["later"]})
        assert await here.tracker.get_milestone_status(run.saga_id, "charge") == {
            "saga_id": run.saga_id,
            "milestone_id": "charge",
            "place": 2,
            "status": "completed",
            "optional": False,
            "pivot": False,
            "started_at": START + 1,
            "ended_at": START + 3,
            "seconds": 2,
            "attempts": 2,
            "next_attempt_at": None,
            "in_doubt": False,
            "error": "ConnectionError: lost on the way",
            "result": f"charge of {run.saga_id[-4:]}",
            "has_undo": True,
            "undo": "none",
            "undo_attempts": 0,
            "must_come_first": [],
            "attention": [],
            "verbs": [],
        }
        ship = await here.tracker.get_milestone_status(run.saga_id, "ship")
        assert (ship["status"], ship["started_at"], ship["ended_at"]) == ("waiting", START + 3, None)
        assert ship["next_attempt_at"] == START + 4 + LATER


@pytest.mark.anyio
async def test_how_far_a_journey_has_come(shop: Shop, move: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, {"photos": ["no"], "drive": ["later"]}, ANN)
        progress = await here.tracker.get_journey_progress(run.saga_id, ANN)
        assert (progress["journey"], progress["version"], progress["status"]) == ("move", 1, "in_progress")
        assert (progress["completed"], progress["current"]) == (["pack"], ["approval"])
        assert (progress["remaining"], progress["percent"]) == (["photos", "load", "drive"], 20)
        assert progress["waiting_for"] == "an answer to approval"
        await here.tracker.track_milestone_complete(run.saga_id, "approval", "yes", ANN)
        await here.quiet()
        progress = await here.tracker.get_journey_progress(run.saga_id, ANN)
        assert (progress["completed"], progress["ended_badly"]) == (["pack", "approval", "load"], ["photos"])
        assert (progress["current"], progress["remaining"], progress["percent"]) == (["drive"], [], 80)
        assert [m["milestone_id"] for m in progress["milestones"]] == ["pack", "approval", "photos", "load", "drive"]
        assert progress["milestones"][3] == await here.tracker.get_milestone_status(run.saga_id, "load", ANN)


@pytest.mark.anyio
async def test_a_saga_that_turned_back(shop: Shop, order: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, order) as here:
        run = await here.run(order, {"ship": ["no"], "undo_charge": ["no"]})
        progress = await here.tracker.get_journey_progress(run.saga_id)
        assert (progress["status"], progress["because"], progress["percent"]) == ("failed", "ship: no", 50)
        charge = await here.tracker.get_milestone_status(run.saga_id, "charge")
        assert (charge["undo"], charge["attention"]) == ("failed", ["stuck_undo"])
        assert charge["verbs"] == ["retry", "skip", "mark_undone", "resolve"]
        with pytest.raises(Rejected, match=r"ended: .*'ship' is refused already"):
            await here.tracker.track_milestone_start(run.saga_id, "ship")


@pytest.mark.anyio
async def test_what_will_not_be_started_any_more(shop: Shop, store_url: str) -> None:
    fast, slow = shop.step("fast"), shop.step("slow")
    sent = shop.step("pack", next_steps=[to("fast", when="input.hurry"), to("slow")])
    parcel = Saga("parcel", version=1, milestones=[sent, slow, fast])
    async with shop.open(store_url, parcel) as here:
        hurried = await here.run(parcel, {"hurry": True})
        with pytest.raises(Rejected, match=r"not_taken: .*the journey went another way, 'slow' is not part of it"):
            await here.tracker.track_milestone_start(hurried.saga_id, "slow")
        stopped = await here.run(parcel, {"hurry": False, "pack": ["no"]})
        with pytest.raises(Rejected, match=r"not_forward: .* is compensated: 'slow' will not be started"):
            await here.tracker.track_milestone_start(stopped.saga_id, "slow")


# --- what a person can do ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_milestone_is_tried_again(shop: Shop, move: Journey[Any], store_url: str) -> None:
    """It waits for a person after three attempts; the fourth one succeeds."""
    async with shop.open(store_url, move) as here:
        run = await here.run(move, {"pack": ["lost", "lost", "lost", "ok"]}, ANN)
        pack = await here.tracker.get_milestone_status(run.saga_id, "pack", ANN)
        assert (pack["status"], pack["attention"], pack["in_doubt"]) == ("unknown", ["milestone_failed"], True)
        again = await here.tracker.retry_milestone(run.saga_id, "pack", ANN, reason="the door is open now")
        assert (again["accepted"], again["code"]) == (True, "applied")
        await here.quiet()
        pack = await here.tracker.get_milestone_status(run.saga_id, "pack", ANN)
        assert (pack["status"], pack["attempts"], pack["in_doubt"]) == ("completed", 4, False)
        with pytest.raises(Rejected, match="not_in_attention"):
            await here.tracker.retry_milestone(run.saga_id, "pack", ANN)


@pytest.mark.anyio
async def test_an_optional_one_is_skipped_and_another_one_with_a_reason(
    shop: Shop, move: Journey[Any], store_url: str
) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, {"photos": ["later"], "load": ["no"]}, ANN)
        await here.tracker.track_milestone_complete(run.saga_id, "approval", "yes", ANN)
        await here.quiet()
        assert (await here.tracker.skip_milestone(run.saga_id, "photos", ANN))["accepted"]
        await here.quiet()
        with pytest.raises(Rejected, match=r"needs_reason: .*it is not optional, so say why 'load' is skipped"):
            await here.tracker.skip_milestone(run.saga_id, "load", ANN)
        assert (await here.tracker.skip_milestone(run.saga_id, "load", ANN, reason="by hand", result="carried"))[
            "accepted"
        ]
        await ended(run)
        assert (await here.tracker.get_journey_progress(run.saga_id, ANN))["skipped"] == ["photos", "load"]
        reasons = [entry.fields["reason"] for entry in await run.history() if entry.name == "milestone_skipped"]
        assert reasons == ["it is optional", "by hand"]


@pytest.mark.anyio
async def test_nothing_ahead_is_skipped(shop: Shop, move: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, move) as here:
        run = await here.run(move, who=ANN)
        with pytest.raises(Rejected, match="not_skippable"):
            await here.tracker.skip_milestone(run.saga_id, "photos", ANN)


@pytest.mark.anyio
async def test_an_undo_that_is_stuck_is_skipped_only_with_a_reason(shop: Shop, store_url: str) -> None:
    """Optional or not: what the milestone did would stand."""
    gift = Saga("gift", version=1, milestones=[shop.step("wrap", optional=True), shop.step("send")])
    async with shop.open(store_url, gift) as here:
        run = await here.run(gift, {"send": ["no"], "undo_wrap": ["no"]})
        with pytest.raises(Rejected, match=r"needs_reason: .*what it did would stand"):
            await here.tracker.skip_milestone(run.saga_id, "wrap")
        assert (await here.tracker.skip_milestone(run.saga_id, "wrap", reason="kept the paper"))["accepted"]
        await ended(run)
        assert (await here.tracker.get_journey_progress(run.saga_id))["status"] == "resolved"


@pytest.mark.anyio
async def test_rollback_undoes_what_was_completed_last_and_goes_back_before_it(
    shop: Shop, move: Journey[Any], store_url: str
) -> None:
    """Its undo is really called; then the journey is paused, and takes the milestone again when it is resumed."""
    async with shop.open(store_url, move) as here:
        run = await here.run(move, {"load": ["no"]}, ANN)
        await here.tracker.track_milestone_complete(run.saga_id, "approval", "yes", ANN)
        await here.quiet()
        with pytest.raises(Rejected, match=r"not_last: .*'photos' was completed last"):
            await here.tracker.rollback_milestone(run.saga_id, "pack", ANN, reason="wrong box")
        back = await here.tracker.rollback_milestone(run.saga_id, "photos", ANN, reason="blurred")
        assert (back["accepted"], back["milestone_id"]) == (True, "photos")
        await here.quiet()
        assert shop.book == ["pack", "photos", "load", "undo_photos"]
        photos = await here.tracker.get_milestone_status(run.saga_id, "photos", ANN)
        assert (photos["status"], photos["started_at"], photos["seconds"]) == ("pending", None, None)
        assert (await here.tracker.get_journey_progress(run.saga_id, ANN))["status"] == "paused"
        await run.resume()
        await here.quiet()
        assert shop.book[4:] == ["photos", "load"]


@pytest.mark.anyio
async def test_a_saga_is_not_rolled_back_but_compensated(shop: Shop, order: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, order) as here:
        run = await here.run(order, {"ship": ["later"]})
        with pytest.raises(Rejected, match=r"not_structured: .*`compensate` undoes all of it"):
            await here.tracker.rollback_milestone(run.saga_id, "charge", reason="wrong card")
        assert shop.book == ["reserve", "charge", "ship"]


# --- what became of it ------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_history_of_a_milestone(shop: Shop, order: Journey[Any], store_url: str) -> None:
    """Its own events, and the decision that it caused."""
    async with shop.open(store_url, order) as here:
        run = await here.run(order, {"charge": ["lost", "ok"], "ship": ["no"]})
        charge = await here.tracker.get_milestone_history(run.saga_id, "charge")
        assert [event["name"] for event in charge["events"]] == [
            "attempt_ended",
            "milestone_completed",
            "milestone_compensated",
        ]
        assert charge["events"][0] == {
            "seq": 3,
            "at": START + 2,
            "name": "attempt_ended",
            "fields": {
                "milestone": "charge",
                "op": "do",
                "error": "ConnectionError: lost on the way",
                "retry_at": START + 2,
            },
        }
        ship = await here.tracker.get_milestone_history(run.saga_id, "ship")
        assert [event["name"] for event in ship["events"]] == ["milestone_refused", "compensation_decided"]


@pytest.mark.anyio
async def test_what_happens_at_the_milestones_of_many_runs(shop: Shop, order: Journey[Any], store_url: str) -> None:
    """Shares are of the runs that reached the milestone; the answer says how many journals it is from."""
    shop.seconds = {"charge": 4.0}
    stories: list[dict[str, list[str]]] = [
        *[{} for _ in range(5)],
        {"charge": ["no"]},
        {"charge": ["lost", "lost", "lost"]},
        {"ship": ["no"], "undo_charge": ["no"]},
        {"reserve": ["no"]},
        {"ship": ["later"]},
    ]
    async with shop.open(store_url, order) as here:
        for story in stories:
            await here.run(order, story, ANN)
        await here.run(order, {"reserve": ["no"]}, EVE)
        seen = await here.tracker.get_milestone_analytics("order", ANN)
        assert (seen["journey"], seen["version"], seen["since"], seen["runs"], seen["most"]) == (
            "order",
            1,
            None,
            10,
            1000,
        )
        reserve, charge, ship = seen["milestones"]
        assert charge == {
            "milestone_id": "charge",
            "reached": 9,
            "completed": 7 / 9,
            "refused": 1 / 9,
            "unknown": 1 / 9,
            "skipped": 0,
            "open": 0,
            "average_attempts": 11 / 9,
            "retried": 1 / 9,
            "exhausted": 1 / 9,
            "doubtful": 1 / 9,
            "median_seconds": 4,
            "p95_seconds": 4,
            "undos": 2,
            "undo_failures": 1,
            "attentions": {"stuck_undo": 1},
        }
        assert (reserve["reached"], reserve["refused"]) == (10, 0.1)
        assert (ship["reached"], ship["completed"], ship["open"]) == (7, 5 / 7, 1 / 7)


@pytest.mark.anyio
async def test_a_journal_that_cannot_be_read_is_left_out(shop: Shop, order: Journey[Any], tmp_path: Path) -> None:
    db = tmp_path / "journeys.db"
    async with shop.open(f"sqlite:///{db}", order) as here:
        for _ in range(3):
            await here.run(order)
    with closing(sqlite3.connect(db)) as other, other:
        other.execute("update journal set events = '[[\"from_tomorrow\",{}]]' where run = 2 and seq = 2")
    async with shop.open(f"sqlite:///{db}", order) as here:
        seen = await here.tracker.get_milestone_analytics("order")
        assert (seen["runs"], seen["unreadable"], seen["milestones"][0]["completed"]) == (2, 1, 1)


@pytest.mark.anyio
async def test_the_sample_is_bounded_and_its_span_is_chosen(shop: Shop, order: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, order) as here:
        for _ in range(4):
            await here.run(order)
        later = shop.clock.now()
        await here.run(order, {"charge": ["no"]})
        newest = await here.tracker.get_milestone_analytics("order", sample=2)
        assert (newest["runs"], newest["most"], newest["milestones"][1]["refused"]) == (2, 2, 0.5)
        recent = await here.tracker.get_milestone_analytics("order", since=later)
        assert (recent["runs"], recent["milestones"][1]["refused"]) == (1, 1)
        assert (await here.tracker.get_milestone_analytics("order", until=START + 1))["runs"] == 1
        assert (await here.tracker.get_milestone_analytics("order", until=START))["milestones"] == []
        for wrong in (0, 1001, 2.0, True, "all"):
            with pytest.raises(InvalidInput, match=r"sample is .*: it is a whole number from 1 to 1000"):
                await here.tracker.get_milestone_analytics("order", sample=wrong)  # type: ignore[arg-type]


# --- what it says no to -----------------------------------------------------------------------------------------------

Ask = Callable[[MilestoneTracker, str, str, Any], Awaitable[Any]]
OF_A_MILESTONE: dict[str, Ask] = {
    "track_milestone_start": lambda t, saga, m, who: t.track_milestone_start(saga, m, who),
    "track_milestone_complete": lambda t, saga, m, who: t.track_milestone_complete(saga, m, None, who),
    "get_milestone_status": lambda t, saga, m, who: t.get_milestone_status(saga, m, who),
    "retry_milestone": lambda t, saga, m, who: t.retry_milestone(saga, m, who),
    "skip_milestone": lambda t, saga, m, who: t.skip_milestone(saga, m, who, reason="so"),
    "rollback_milestone": lambda t, saga, m, who: t.rollback_milestone(saga, m, who, reason="so"),
    "get_milestone_history": lambda t, saga, m, who: t.get_milestone_history(saga, m, who),
}
OF_A_RUN: dict[str, Ask] = {
    **OF_A_MILESTONE,
    "get_journey_progress": lambda t, saga, _, who: t.get_journey_progress(saga, who),
}


@pytest.mark.anyio
@pytest.mark.parametrize("ask", OF_A_RUN.values(), ids=OF_A_RUN)
async def test_another_tenants_run_does_not_exist(shop: Shop, order: Journey[Any], store_url: str, ask: Ask) -> None:
    async with shop.open(store_url, order) as here:
        run = await here.run(order, {"ship": ["later"]}, ANN)
        session = await here.journeys.session.start_session("ann", {"name": "s", "areas": [{"id": "a"}]}, ANN)
        for saga_id, who in (
            (run.saga_id, EVE),
            ("saga_0", ANN),
            ("", ANN),
            (session["session_id"], ANN),
        ):
            with pytest.raises(UnknownSaga):
                await ask(here.tracker, saga_id, "ship", who)


@pytest.mark.anyio
@pytest.mark.parametrize("ask", OF_A_MILESTONE.values(), ids=OF_A_MILESTONE)
async def test_an_unknown_milestone(shop: Shop, order: Journey[Any], store_url: str, ask: Ask) -> None:
    async with shop.open(store_url, order) as here:
        run = await here.run(order, {"ship": ["later"]})
        with pytest.raises(UnknownMilestone) as error:
            await ask(here.tracker, run.saga_id, "shp", None)
        said = "no milestone 'shp' in 'order' (did you mean 'ship'?): there is reserve, charge, ship"
        assert (str(error.value), error.value.known) == (said, ("reserve", "charge", "ship"))
        for strange in ("", 7, ["ship"], "\ud800"):
            with pytest.raises(UnknownMilestone):
                await ask(here.tracker, run.saga_id, strange, None)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_milestones_of_an_unknown_journey(shop: Shop, order: Journey[Any], store_url: str) -> None:
    async with shop.open(store_url, order) as here:
        await here.run(order, who=ANN)
        with pytest.raises(UnknownJourney, match=r"no journey 'ordr' here \(did you mean 'order'\?\)"):
            await here.tracker.get_milestone_analytics("ordr", ANN)
        with pytest.raises(UnknownJourney, match="no journey was ever started or designed here"):
            await here.tracker.get_milestone_analytics("order", EVE)


def test_the_same_for_synchronous_programs(shop: Shop, order: Journey[Any], tmp_path: Path) -> None:
    """Every operation, with the same arguments."""
    asked = [name for name, _ in inspect.getmembers(MilestoneTracker, inspect.isfunction) if not name.startswith("_")]
    assert [name for name in asked if not hasattr(blocking.MilestoneTracker, name)] == []
    with blocking.open_journeys(f"sqlite:///{tmp_path / 'journeys.db'}", sagas=[order]) as journeys:
        run = journeys.start(order, {})
        run.outcome()
        assert journeys.tracker.get_journey_progress(run.saga_id)["completed"] == ["reserve", "charge", "ship"]
