"""Every template: filled, run, each of its milestones failed once, and what is left of it looked for on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import journey as orders
from audit import read_book
from processes import PARTICIPANTS
from saga_journey import Compensated, Completed, Curator, Failed, Outcome, Rejected, Run, open_journeys
from saga_journey.core import events as ev
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.design import design
from saga_journey.journey_templates import Template, example_of, read_template, template_names
from saga_journey.ports import Observation, TurnCommitted
from saga_journey.testing.checker import check
from saga_journey.testing.clock import DAY, ManualClock, store_on
from saga_journey.testing.faults import losing, refusing
from tests.examples.template_effects import EFFECTS

pytestmark = pytest.mark.anyio

WITH_OWN_BOOKS = [name for name in template_names() if name != "order_processing"]
TEMPLATES = {name: read_template(name) for name in template_names()}


def definition(template: Template) -> JourneyDefinition:
    return design(template.name, template.fill(template.example["requirements"]), {})


MILESTONES = [
    pytest.param(name, m.id, id=f"{name}-{m.id}")
    for name in WITH_OWN_BOOKS
    for m in definition(TEMPLATES[name]).milestones
    if m.kind != "timer"
]


Completions = defaultdict[str, asyncio.Event]


@dataclass
class Example:
    """One example in a directory of its own."""

    name: str
    place: Path

    def __post_init__(self) -> None:
        self.module = importlib.import_module(f"examples.{self.name}.handlers")
        self.template = TEMPLATES[self.name]
        self.curator: Curator = self.module.curator(self.place)
        self.before = self.everything()

    @property
    def database(self) -> Path:
        return self.place / "journeys.db"

    def standing(self) -> list[str]:
        found: list[str] = self.module.standing(self.place)
        return found

    def everything(self) -> set[str]:
        """Every file, and every row of every database that stands: read here, whatever the example says of itself."""
        files = [f for f in self.place.rglob("*") if ".db" not in f.name and f.name not in ("trail.jsonl", "receipts")]
        found = {f"{f.relative_to(self.place)} {f.read_bytes()!r}" if f.is_file() else f"{f}/" for f in files}
        for database in self.place.glob("*.db"):
            if database != self.database:
                found |= rows_of(database)
        return found

    @contextlib.asynccontextmanager
    async def started(
        self, handlers: Curator | None = None, *, clock: ManualClock | None = None, input: Any = None, **said: Any
    ) -> AsyncIterator[tuple[Run, Completions]]:
        """Designs it from its template with the example's requirements and others, and starts it."""
        completions: Completions = defaultdict(asyncio.Event)

        def listen(seen: Observation) -> None:
            for event in seen.events if isinstance(seen, TurnCommitted) else ():
                if isinstance(event, ev.MilestoneCompleted):
                    completions[event.milestone].set()

        url, who = f"sqlite:///{self.database}", handlers or self.curator
        store = url if clock is None else await store_on(clock, url)
        async with open_journeys(store, curator=who, clock=clock, observers=[listen]) as journeys:
            requirements = {**self.template.example["requirements"], **said}
            designed = await journeys.saga.design_saga_journey(self.name, requirements, {})
            given = input or self.template.example["input"]
            saga_id = await journeys.saga.execute_saga_journey(designed["journey_id"], "ada", given)
            yield journeys.run(saga_id), completions

    @contextlib.asynccontextmanager
    async def run(
        self, handlers: Curator | None = None, *, answer: str = "ok", **said: Any
    ) -> AsyncIterator[tuple[Run, Outcome]]:
        """As `started`, to its outcome, before the journeys close; what asks for an approval gets this answer."""
        async with self.started(handlers, **said) as (run, completions):
            approving = asyncio.create_task(approve(run, completions["ask_approver"], answer))
            yield run, await run.outcome(timeout=20)
            approving.cancel()


async def approve(run: Run, asked: asyncio.Event, answer: str) -> None:
    await asked.wait()
    await run.advance("approval", {"approved_by": "grace"}, outcome=answer, reason="as grace says")


def rows_of(database: Path) -> set[str]:
    """What stands in it: an undo leaves a row that says so, and closes its key."""
    with closing(sqlite3.connect(database)) as db:
        db.row_factory = sqlite3.Row
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [(name, dict(row)) for name in tables for row in db.execute(f"SELECT * FROM {name}")]
    gone = [r for r in rows if r[0] == "closed" or r[1].get("stands") == 0 or r[1].get("state") == "released"]
    return {f"{database.name} {name} {row}" for name, row in rows if (name, row) not in gone} | {*tables}


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Example:
    """The example of the template that the test is about."""
    return Example(request.getfixturevalue("name"), tmp_path)


def is_sound(example: Example) -> bool:
    return check(example.database) == []


# ── it works ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", WITH_OWN_BOOKS)
async def test_it_completes_and_everything_is_there(name: str, example: Example) -> None:
    before = example.standing()
    async with example.run() as (_, outcome):
        assert isinstance(outcome, Completed)
    assert set(example.standing()) - set(before) == EFFECTS[name]
    assert is_sound(example)


@pytest.mark.parametrize("name", sorted({*WITH_OWN_BOOKS} - {"payment_with_pivot", "account_onboarding"}))
async def test_a_completed_one_can_be_undone_the_day_after(name: str, example: Example) -> None:
    async with example.run() as (run, _):
        await run.compensate("the day after")
        assert isinstance(await run.outcome(timeout=20), Compensated)
    assert example.everything() == example.before
    assert is_sound(example)


@pytest.mark.parametrize("name", ["account_onboarding"])
async def test_an_account_is_closed_the_day_after_but_the_welcome_was_sent(name: str, example: Example) -> None:
    async with example.run() as (run, _):
        await run.compensate("the day after")
        assert isinstance(await run.outcome(timeout=20), Compensated)
    assert example.standing() == ["letter of A-1: Welcome, Ada: ACC-A-1"]


@pytest.mark.parametrize("name", ["payment_with_pivot"])
async def test_a_captured_payment_is_not_undone(name: str, example: Example) -> None:
    async with example.run() as (run, _):
        with pytest.raises(Rejected, match="past_pivot"):
            await run.compensate("the day after")


# ── each milestone fails once ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "milestone"), MILESTONES)
async def test_a_milestone_refuses(name: str, milestone: str, example: Example) -> None:
    handlers = refusing(example.curator, milestone)
    async with example.run(handlers, answer="refused" if milestone == "approval" else "ok") as (run, outcome):
        assert type(outcome).__name__ == ending(name, milestone)
        if isinstance(outcome, Failed):
            assert outcome.attention[0].kind == "cannot_go_on"
            await run.retry(milestone, reason="it refuses only once")
            assert isinstance(await run.outcome(timeout=20), Completed)
    settled(example, ending(name, milestone))


@pytest.mark.parametrize(("name", "milestone"), [m for m in MILESTONES if "approval" not in m.values])
async def test_the_answer_of_a_milestone_is_lost(name: str, milestone: str, example: Example) -> None:
    """It has its effect, nobody learns of it, and its undo is given None."""
    handlers = losing(example.curator, milestone)
    async with example.run(handlers, attempts=1) as (run, outcome):
        if milestone == "capture_payment":
            assert isinstance(outcome, Failed)
            assert outcome.attention[0].kind == "pivot_in_doubt"
            await run.it_happened(milestone, reason="the bank says so")
        elif isinstance(outcome, Failed):
            await run.skip(milestone, reason="the merchant says they know")
        final = await run.outcome(timeout=20)
        assert not isinstance(final, Failed)
    settled(example, type(final).__name__)


@pytest.mark.parametrize(("name", "milestone"), [m for m in MILESTONES if "approval" not in m.values])
async def test_a_milestone_is_asked_twice_and_has_one_effect(name: str, milestone: str, example: Example) -> None:
    """Its first answer is lost; the second call has the same key."""
    before = example.standing()
    async with example.run(losing(example.curator, milestone, times=1)) as (_, outcome):
        assert isinstance(outcome, Completed)
    assert set(example.standing()) - set(before) == EFFECTS[name]
    assert is_sound(example)


def ending(name: str, milestone: str) -> str:
    """How a template ends when that milestone refuses, by what it says of it."""
    journey = definition(TEMPLATES[name])
    place, pivot = journey.index[milestone], journey.pivot
    if journey.milestones[place].optional:
        return "Completed"
    return "Failed" if pivot is not None and place > pivot else "Compensated"


def settled(example: Example, how: str) -> None:
    """Undone means: nothing is left of it but what says that it was undone."""
    if how == "Compensated":
        assert example.everything() == example.before
    else:
        assert example.everything() != example.before
    assert is_sound(example)


# ── what is special about each ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["travel_booking"])
async def test_a_trip_can_do_without_a_car(name: str, example: Example) -> None:
    async with example.run(refusing(example.curator, "book_car"), car_optional=True) as (_, outcome):
        assert isinstance(outcome, Completed)
    assert {"T-1 has a flight", "T-1 has a hotel", "2 × car free"} <= set(example.standing())


@pytest.mark.parametrize("name", ["account_onboarding"])
async def test_an_approver_who_says_nothing_is_reminded_once(name: str, example: Example) -> None:
    """A week later the question is withdrawn, and the applicant erased. The letter was sent."""
    clock = ManualClock()
    async with example.started(clock=clock, remind_after=DAY, approval_within=7 * DAY) as (run, completions):
        await completions["ask_approver"].wait()
        await clock.leap(DAY)
        await completions["remind_approver"].wait()
        await clock.leap(6 * DAY)
        outcome = await run.outcome(timeout=20)
    assert isinstance(outcome, Compensated)
    assert outcome.because.milestone == "approval"
    assert example.standing() == ["letter of A-1: grace, Ada is still waiting"]
    assert is_sound(example)


@pytest.mark.parametrize("name", ["compliance_workflow"])
async def test_what_is_not_serious_is_not_reported(name: str, example: Example) -> None:
    async with example.run(reported_from=100, input={"case": "C-2", "subject": "a shop", "amounts": [100, 950_000]}):
        pass
    assert example.standing() == [
        "C-2 opened a shop",
        "C-2 evidence 2 transactions",
        "C-2 assessed score 50",
        "C-2 closed",
    ]


@pytest.mark.parametrize("name", ["compliance_workflow"])
async def test_the_trail_keeps_what_was_undone_and_marks_it(name: str, example: Example) -> None:
    async with example.run(refusing(example.curator, "close_case")):
        pass
    lines = example.module.read_trail(example.place / "trail.jsonl")
    done, marks = lines[:4], lines[4:]
    assert {f"C-1 {line['what']}" for line in done} == EFFECTS["compliance_workflow"] - {"C-1 closed"}
    assert [line["marks"] for line in marks] == [line["key"] for line in reversed(done)]
    assert example.module.is_whole(lines)
    assert not example.module.is_whole(lines[1:])
    assert not example.module.is_whole([*lines[:2], {**lines[2], "what": "assessed score 0"}, *lines[3:]])


@pytest.mark.parametrize("name", ["content_migration"])
async def test_what_was_in_the_store_before_stays(name: str, example: Example) -> None:
    taken = example.place / "store" / "spring" / "index.json"
    taken.parent.mkdir()
    taken.write_text("mine", "utf-8")
    before = example.everything()
    async with example.run() as (_, outcome):
        assert isinstance(outcome, Compensated)
        assert outcome.because.error == "there already: index.json"
    assert example.everything() == before


@pytest.mark.parametrize("name", ["content_migration"])
@pytest.mark.parametrize("folder", ["..", "../inbox/spring", "summer", "/etc"])
async def test_no_folder_but_one_of_the_inbox_is_read(name: str, folder: str, example: Example) -> None:
    async with example.run(input={"folder": folder}) as (_, outcome):
        assert isinstance(outcome, Compensated)
    assert example.everything() == example.before


@pytest.mark.parametrize("name", ["money_transfer"])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cents": 40_000}, "ada does not have that much"),
        ({"cents": 60_000}, "more than one transfer may move"),
        ({"target": "nobody"}, "nobody has no account in EUR here"),
        ({"source": "charles"}, "charles has no account in EUR here"),
    ],
)
async def test_a_bank_says_no(name: str, change: dict[str, Any], why: str, example: Example) -> None:
    async with example.run(input={**example.template.example["input"], **change}) as (_, outcome):
        assert isinstance(outcome, Compensated)
        assert outcome.because.error == why
    assert example.everything() == example.before


@pytest.mark.parametrize("waves", [1, 7, 30])
@pytest.mark.parametrize("name", ["wave_migration"])
async def test_any_number_of_waves_moves_every_row_once(name: str, waves: int, example: Example) -> None:
    async with example.run(waves=waves) as (run, outcome):
        assert isinstance(outcome, Completed)
        assert len((await run.status()).milestones) == waves + 3
    assert set(example.standing()) >= EFFECTS["wave_migration"]
    assert len(example.standing()) == 10 + 3


# ── the template of the big example ──────────────────────────────────────────────────────────────────────────────────


def test_the_template_is_the_saga_that_the_demonstration_runs() -> None:
    template = TEMPLATES["order_processing"]
    assert definition(template) == orders.order_processing.definition
    assert definition(template).hash == orders.order_processing.definition.hash


def moved(place: Path, order: str) -> dict[str, int]:
    """What stands of an order in the books of each participant."""
    books = {name: read_book(place, name).standing() for name in PARTICIPANTS}
    return {name: e.amount for name, entries in books.items() for e in entries if e.order_id == order}


@pytest.mark.parametrize("milestone", [None, *definition(TEMPLATES["order_processing"]).index])
@pytest.mark.parametrize("fault", [refusing, losing])
async def test_an_order_is_done_or_undone_by_four_services(
    milestone: str | None,
    fault: Any,
    urls: dict[str, str],
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, url in urls.items():
        monkeypatch.setenv(f"{name.upper()}_URL", url)
    template, handlers = TEMPLATES["order_processing"], Curator()
    orders.order_processing.register_in(handlers)
    handlers = fault(handlers, milestone) if milestone else handlers
    order = {**template.example["input"], "id": f"{fault.__name__}-{milestone}"}
    database = tmp_path / "journeys.db"
    async with orders.participants, open_journeys(f"sqlite:///{database}", curator=handlers) as journeys:
        said = template.example["requirements"] | ({"attempts": 1} if fault is losing and milestone else {})
        designed = await journeys.saga.design_saga_journey("order_processing", said, {})
        run = journeys.run(await journeys.saga.execute_saga_journey(designed["journey_id"], "ada", order))
        outcome = await run.outcome(timeout=20)
    assert isinstance(outcome, Compensated if milestone else Completed)
    done = {"orders": 1, "payments": 9980, "inventory": 2, "shipping": 1}
    assert moved(place, order["id"]) == ({} if milestone else done)
    assert check(database) == []


# ── the programs ─────────────────────────────────────────────────────────────────────────────────────────────────────

LAST = {name: list(definition(template).index)[-1] for name, template in TEMPLATES.items()}
SHOWN = {
    "account_onboarding": "remind_approver: refused, undo: none",
    "payment_with_pivot": "notify_merchant: refused, undo: none",
    "compliance_workflow": "trail: undone: reported",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_program_of_an_example_shows_what_is_undone(name: str, tmp_path: Path) -> None:
    folder = example_of(name)
    assert folder is not None
    command = [sys.executable, str(folder / "run.py"), "--dir", str(tmp_path / "here"), "--fail-at", LAST[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert SHOWN.get(name, f"{LAST[name]}: refused, undo: none\n") in done.stdout
    assert check(tmp_path / "here" / "journeys.db") == []
