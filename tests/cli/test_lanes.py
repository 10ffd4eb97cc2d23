"""The two lanes, drawn from states that the machine itself folds."""

from collections.abc import Sequence

import pytest

from saga_journey.cli.lanes import lanes
from saga_journey.cli.text import cells
from saga_journey.core import events as ev
from saga_journey.core.canonical import Json
from saga_journey.core.definition import JourneyDefinition, Milestone, Retry
from saga_journey.core.events import DO, UNDO, Because, Event
from saga_journey.core.evolve import evolve
from saga_journey.core.shape import Parallel, To
from saga_journey.core.state import RunState

Turns = list[Sequence[Event]]
RESERVE = Milestone("reserve", "reserve", "release")
CHARGE = Milestone("charge", "charge", "refund")
SHIP = Milestone("ship", "ship", "recall")
RECEIPT = Milestone("receipt", "receipt")
ORDER = (RESERVE, CHARGE, SHIP)
STARTED = [ev.SagaStarted(Json("{}"))]


def done(*names: str) -> Turns:
    return [[ev.MilestoneCompleted(name)] for name in names]


def refused(name: str) -> Sequence[Event]:
    """That milestone said no, and the saga turned back."""
    return [ev.MilestoneRefused(name, "no"), ev.CompensationDecided(Because("failure", name, "no"))]


def draw(
    *turns: Sequence[Event],
    milestones: Sequence[Milestone | Parallel] = ORDER,
    width: int = 100,
    now: float = 100,
) -> str:
    """The lanes after these turns, each a second after the one before."""
    state = RunState(JourneyDefinition("order", 1, tuple(milestones)), "saga_1")
    for at, turn in enumerate([STARTED, *turns]):
        state = evolve(state, turn, float(at))
    lines = ["".join(text for text, _ in line) for line in lanes(state, now, width)]
    assert all(cells(line) <= width for line in lines)
    return "\n".join(lines)


def test_going_forward() -> None:
    assert draw(*done("reserve")) == "→ reserve ✔ done ── charge ● running ── ○ to come: ship"


def test_completed() -> None:
    assert draw(*done("reserve", "charge", "ship")) == "→ reserve ✔ done ── charge ✔ done ── ship ✔ done"


def test_turned_back() -> None:
    assert draw(*done("reserve", "charge"), refused("ship"), milestones=(RESERVE, CHARGE, SHIP, RECEIPT)) == (
        "→ reserve ✔ done    ── charge ✔ done    ── ship ✘ refused\n"
        "← reserve ○ to undo ── charge ● undoing ──┘\n"
        "  ○ not reached: receipt"
    )


def test_compensated() -> None:
    undone: Turns = [[ev.MilestoneCompensated("charge")], [ev.MilestoneCompensated("reserve")]]
    assert draw(*done("reserve", "charge"), refused("ship"), *undone, [ev.SagaCompensated()]) == (
        "→ reserve ✔ done   ── charge ✔ done   ── ship ✘ refused\n← reserve ↩ undone ── charge ↩ undone ──┘"
    )


def test_the_one_that_failed_is_undone_too_when_nobody_knows() -> None:
    lost: Sequence[Event] = [
        ev.MilestoneGaveUp("ship", "timeout"),
        ev.CompensationDecided(Because("failure", "ship", "timeout")),
    ]
    assert draw(*done("reserve", "charge"), lost) == (
        "→ reserve ✔ done    ── charge ✔ done    ── ship ? unknown\n"
        "← reserve ○ to undo ── charge ○ to undo ── ship ● undoing ──┘"
    )


def test_nothing_to_undo() -> None:
    turned = [*refused("reserve"), ev.SagaCompensated()]
    assert draw(turned) == "→ reserve ✘ refused\n← nothing to undo\n  ○ not reached: charge, ship"


def test_what_nothing_undoes_stays_and_the_lane_passes_by_what_was_left_out() -> None:
    optional = Milestone("gift", "gift", "ungift", optional=True)
    mail = Milestone("mail", "mail")
    turns: Turns = [*done("mail"), [ev.MilestoneRefused("gift", "none")], *done("reserve")]
    turns.append(refused("ship"))
    assert draw(*turns, milestones=(mail, optional, RESERVE, SHIP)) == (
        "→ mail ✔ done  ── gift (optional) ✘ refused ── reserve ✔ done    ── ship ✘ refused\n"
        "← mail = stays ── ───────────────────────── ── reserve ● undoing ──┘"
    )


def test_the_pivot_is_a_bar() -> None:
    pivot = Milestone("charge", "charge", pivot=True)
    milestones = (RESERVE, pivot, RECEIPT)
    assert draw(milestones=milestones) == "→ reserve ● running ── ○ to come: charge ─┃─ receipt"
    assert draw(*done("reserve", "charge"), milestones=milestones) == (
        "→ reserve ✔ done ── charge ✔ done ─┃─ receipt ● running"
    )
    assert draw(*done("reserve", "charge"), milestones=(RESERVE, pivot)) == "→ reserve ✔ done ── charge ✔ done ┃"


def test_waiting_for_the_next_attempt() -> None:
    failed = [ev.AttemptEnded("reserve", DO, "timeout", retry_at=130.0)]
    patient = Milestone("reserve", "reserve", "release", retry=Retry(attempts=3))
    assert draw(failed, milestones=(patient,)) == "→ reserve ◔ again in 30 s, attempt 2 of 3, in doubt"
    assert draw(failed, milestones=(patient,), now=131) == "→ reserve ● running, attempt 2 of 3, in doubt"


def test_waiting_for_the_next_attempt_of_an_undo() -> None:
    turns: Turns = [
        *done("reserve"),
        refused("charge"),
    ]
    failed = [ev.AttemptEnded("reserve", UNDO, "timeout", retry_at=107.0)]
    assert draw(*turns, failed, milestones=(RESERVE, CHARGE)) == (
        "→ reserve ✔ done                                 ── charge ✘ refused\n"
        "← reserve ◔ undo again in 7.0 s, attempt 2 of 20 ──┘"
    )


def test_waiting_for_somebody() -> None:
    boss = Milestone("boss", None, kind="external")
    assert draw(*done("reserve"), milestones=(RESERVE, boss)) == "→ reserve ✔ done ── boss ◌ waits for an answer"
    working = [ev.AttemptWorking("reserve", DO, ask_at=105.0)]
    assert draw(working, milestones=(RESERVE,)) == "→ reserve ◌ still working, asked again in 5.0 s"


def test_paused_and_held() -> None:
    assert draw([ev.Paused()], milestones=(RESERVE,)) == "→ reserve ‖ paused"
    lost: Sequence[Event] = [ev.AttemptLost("reserve", DO, retry_at=3.0)]
    held = [ev.AttentionRaised("cannot_decode", "reserve", "why")]
    assert draw(lost, held, milestones=(RESERVE,)) == "→ reserve ! held, attempt 2 of 4, in doubt"


def test_what_a_person_decided() -> None:
    turns: Turns = [
        *done("reserve", "charge"),
        refused("ship"),
    ]
    by_hand = [ev.FactStated("charge", "undone")]
    assert "charge ↩ undone by hand" in draw(*turns, by_hand)
    given_up: Sequence[Event] = [ev.UndoGivenUp("charge", "no"), ev.AttentionRaised("stuck_undo", "charge", "no")]
    assert "charge ✘ not undone" in draw(*turns, given_up)
    assert "charge » undo skipped" in draw(*turns, given_up, [ev.UndoSkipped("charge")])
    left = draw(*turns, given_up, [ev.SagaResolved("enough", ("reserve", "charge"))])
    assert "reserve = left as it is ── charge ✘ not undone ──┘" in left
    skipped: Sequence[Event] = [ev.AttemptEnded("reserve", DO, "timeout", retry_at=9.0), ev.MilestoneSkipped("reserve")]
    assert draw(skipped, milestones=(RESERVE,)) == "→ reserve » skipped, in doubt"


def test_a_narrow_terminal_gets_stretches() -> None:
    assert draw(*done("reserve", "charge"), refused("ship"), width=46) == (
        "→ reserve ✔ done    ── charge ✔ done ─╴\n← reserve ○ to undo ── charge ● undoing ──┘\n→ ship ✘ refused"
    )
    assert draw(*done("reserve", "charge"), refused("ship"), width=30) == (
        "→ reserve ✔ done ─╴\n← reserve ○ to undo ─╴\n→ charge ✔ done ─╴\n← charge ● undoing ──┘\n→ ship ✘ refused"
    )


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    many = tuple(Milestone(f"milestone_{i}", f"do_{i}", f"undo_{i}") for i in range(30))
    turns: Turns = [*done(*[m.id for m in many[:20]]), [ev.CompensationDecided(Because("cancelled"))]]
    draw(*turns, milestones=many, width=width)


def test_a_name_that_is_too_long_is_cut() -> None:
    assert draw(milestones=(Milestone("m" * 100, "a"),), width=40) == f"→ {'m' * 22}… ● running"


def test_branches_side_by_side() -> None:
    block = Parallel(((CHARGE,), (SHIP, RECEIPT)))
    started: Sequence[Event] = [
        ev.MilestoneCompleted("reserve"),
        ev.AttemptStarted("charge"),
        ev.AttemptStarted("ship"),
    ]
    assert draw(started, milestones=(RESERVE, block)) == (
        "→ reserve ✔ done ── charge ● running ∥  ship ● running ── ○ to come: receipt"
    )


def test_an_arm_that_is_not_taken() -> None:
    check = Milestone("check", "check", next_steps=(To("ship", "true"), To("receipt")))
    chosen: Sequence[Event] = [ev.MilestoneCompleted("check"), ev.ArmChosen("check", "receipt")]
    assert draw(chosen, milestones=(check, SHIP, RECEIPT)) == (
        "→ check ✔ done ── ship » not taken ── receipt ● running"
    )
