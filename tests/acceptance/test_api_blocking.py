"""The same journeys from a synchronous program: no `await` anywhere, and nothing is missing."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saga_journey import (
    Compensated,
    Completed,
    Context,
    Curator,
    Failed,
    Journeys,
    Refused,
    Rejected,
    Resolved,
    Run,
    Saga,
    SagaStatus,
    Search,
    blocking,
    external,
    milestone,
)
from saga_journey.config import Settings
from saga_journey.errors import Closed, KeyConflict, StillRunning, UnknownSaga
from saga_journey.orchestrators.saga import SagaJourneyOrchestrator
from saga_journey.ports import Observation
from tests.acceptance.participant import PATIENCE


class Shop:
    """Its books, and plain functions that keep them. `open` lets a charge go on."""

    def __init__(self) -> None:
        self.book: list[str] = []
        self.open = threading.Event()
        self.called = threading.Event()
        self.open.set()

    def reserve(self, ctx: Context[Any]) -> str:
        self.book.append(f"reserve {ctx.input['n']}")
        return "shelf"

    def release(self, ctx: Context[Any], place: str | None) -> None:
        self.book.append(f"release {place}")
        if ctx.input.get("stuck"):
            raise Refused("glued")

    def charge(self, ctx: Context[Any]) -> None:
        self.called.set()
        assert self.open.wait(PATIENCE)
        if ctx.input["n"] > 10:
            raise Refused("too much")


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.open.set()


@pytest.fixture
def saga(shop: Shop) -> Saga[Any]:
    return Saga(
        "shop", version=1, milestones=[milestone(shop.reserve, undo=shop.release), milestone(shop.charge, undo=None)]
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journeys.db'}"


def test_start_outcome_status_history_search(saga: Saga[Any], shop: Shop, url: str) -> None:
    with blocking.open_journeys(url, sagas=[saga]) as journeys:
        run = journeys.start(saga, {"n": 1}, key="a", user_context={"user_id": "ann"})
        outcome = run.outcome(timeout=PATIENCE)
        refused = journeys.start(saga, {"n": 11}).outcome(timeout=PATIENCE)
        assert journeys.start(saga, {"n": 1}, key="a").saga_id == run.saga_id
        with pytest.raises(KeyConflict):
            journeys.start(saga, {"n": 2}, key="a")
        with pytest.raises(UnknownSaga):
            journeys.run("saga_never").status()
        again = journeys.run(run.saga_id)
        assert again.status().status is SagaStatus.COMPLETED
        assert [entry.name for entry in again.history()][-1] == "saga_completed"
        assert [record.status for record in journeys.search(Search(journey="shop"))] == ["compensated", "completed"]
    assert isinstance(outcome, Completed)
    assert dict(outcome.results) == {"reserve": "shelf"}
    assert isinstance(refused, Compensated)
    assert shop.book == ["reserve 1", "reserve 11", "release shelf"]


def test_the_verbs(saga: Saga[Any], shop: Shop, url: str) -> None:
    """Pause, resume, cancel in mid-call; preview, compensate, a stuck undo, resolve."""
    shop.open.clear()
    with blocking.open_journeys(url, sagas=[saga]) as journeys:
        run = journeys.start(saga, {"n": 1, "stuck": True})
        assert shop.called.wait(PATIENCE)
        with pytest.raises(StillRunning):
            run.outcome(timeout=0.01)
        assert run.pause("lunch").code == "applied"
        assert run.resume().code == "applied"
        shop.open.set()
        assert isinstance(run.outcome(timeout=PATIENCE), Completed)
        with pytest.raises(Rejected, match="finished"):
            run.cancel()
        plan = run.preview()
        assert [undo.milestone for undo in plan.undos] == ["reserve"]
        assert run.compensate("sent back", expected=plan.seq).code == "applied"
        assert isinstance(run.outcome(timeout=PATIENCE), Failed)
        with pytest.raises(Rejected, match="not_waiting"):
            run.advance("charge")
        assert run.retry().code == "applied"
        assert isinstance(run.outcome(timeout=PATIENCE), Failed)
        assert run.resolve("written off").code == "applied"
        assert run.outcome(timeout=PATIENCE) == Resolved("written off", left=("reserve",))


def test_an_answer_from_outside(url: str) -> None:
    saga: Saga[None] = Saga(
        "approved", version=1, milestones=[external("approval", undo=None, timeout=1000, result=str)]
    )
    with blocking.open_journeys(url, sagas=[saga]) as journeys:
        run = journeys.start(saga, None)
        assert run.advance("approval", "yes").code == "applied"
        outcome = run.outcome(timeout=PATIENCE)
    assert isinstance(outcome, Completed)
    assert dict(outcome.results) == {"approval": "yes"}


def test_the_second_door_and_observers(shop: Shop, url: str) -> None:
    curator = Curator()
    for fn in (shop.reserve, shop.release, shop.charge):
        curator.register(fn)
    seen: list[Observation] = []
    with blocking.open_journeys(url, curator=curator) as journeys:
        journeys.observe(seen.append)
        designed = journeys.saga.design_saga_journey(
            "shop", {"milestones": [{"id": "reserve"}, {"id": "charge"}]}, {"reserve": "release", "charge": None}
        )
        saga_id = journeys.saga.execute_saga_journey(designed["journey_id"], "ann", {"n": 11})
        assert isinstance(journeys.run(saga_id).outcome(timeout=PATIENCE), Compensated)
        assert journeys.saga.get_saga_status(saga_id)["status"] == "compensated"
        assert journeys.saga.get_saga_execution_history(saga_id)[0]["name"] == "saga_started"
        assert journeys.saga.compensate_saga(saga_id)["code"] == "no_change"
    assert {observation.saga_id for observation in seen} == {saga_id}


def test_from_many_threads_at_once(saga: Saga[Any], url: str) -> None:
    """Journeys that block are safe to share between threads."""
    outcomes: list[Any] = []
    with blocking.open_journeys(url, sagas=[saga]) as journeys:

        def one(n: int) -> None:
            outcomes.append(journeys.start(saga, {"n": n}, key=str(n)).outcome(timeout=PATIENCE))

        threads = [threading.Thread(target=one, args=(n % 10,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journeys.search()) == 10
    assert [type(outcome) for outcome in outcomes] == [Completed] * 20


def test_after_the_block_everything_is_closed(saga: Saga[Any], url: str) -> None:
    with blocking.open_journeys(url, sagas=[saga]) as journeys:
        run = journeys.start(saga, {"n": 1})
    for ask in (run.status, run.outcome, journeys.search, lambda: journeys.start(saga, {"n": 1})):
        with pytest.raises(Closed, match="these journeys are closed"):
            ask()


def test_what_is_wrong_at_the_door_is_raised_there(tmp_path: Path) -> None:
    """The thread of the loop ends also when nothing could be opened."""
    from saga_journey.errors import StoreError

    before = loops()
    with pytest.raises(StoreError), blocking.open_journeys("postgres://somewhere"):
        pass
    assert loops() == before


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "saga-loop"]


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"),
    [(Run, blocking.Run), (Journeys, blocking.Journeys), (SagaJourneyOrchestrator, blocking.SagaJourneyOrchestrator)],
    ids=lambda cls: cls.__name__,
)
def test_nothing_is_missing(asynchronous: type, synchronous: type) -> None:
    """Every public method is there, with the same arguments."""
    missing = []
    for name, method in inspect.getmembers(asynchronous, inspect.isfunction):
        other = getattr(synchronous, name, None)
        if not name.startswith("_") and (other is None or parameters(other) != parameters(method)):
            missing.append(name)
    assert missing == (["close"] if asynchronous is Journeys else [])  # the block closes


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]


@pytest.mark.parametrize("handled", [True, False])
def test_sigterm_is_left_to_the_program_that_says_so(tmp_path: Path, handled: bool) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert before == signal.SIG_DFL, "the test runs in a process that handles it itself"
    for options in ({"handle_sigterm": handled}, {"settings": Settings(handle_sigterm=handled)}):
        with blocking.open_journeys(f"sqlite:///{tmp_path / 'journeys.db'}", **options):
            assert (signal.getsignal(signal.SIGTERM) != before) is handled
        assert signal.getsignal(signal.SIGTERM) == before
