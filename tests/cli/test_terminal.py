"""At a terminal: questions, colour, motion and width; and none of it elsewhere."""

import pytest

from saga_journey.cli.text import cells
from tests.cli.stage import Cli, Worker

WHY = ("--reason", "why not")


@pytest.fixture
def saga(cli: Cli, worker: Worker) -> str:
    """One that waits for a person."""
    saga = worker.start("order", ship="refuse", refund_card=["refuse", "ok"])
    assert cli.outcome(saga) == 12
    return saga


def test_the_plan_is_shown_and_a_person_asked(cli: Cli, saga: str) -> None:
    no = cli.at_terminal("skip", saga, *WHY, answer="n\n")
    assert no.code == 130
    assert "the undo of charge_card is left out: what charge_card did still stands" in no.out
    assert "go on? [y/N]" in no.out
    assert "nothing was done" in no.out
    assert cli.at_terminal("skip", saga, *WHY, answer="\n").code == 130  # no is the default
    assert cli("get", saga, "--exit-status").code == 12
    assert cli.at_terminal("skip", saga, *WHY, answer="yes\n").code == 0
    assert cli.outcome(saga) == 10


def test_nobody_is_asked_who_has_agreed(cli: Cli, saga: str) -> None:
    agreed = cli.at_terminal("resolve", saga, *WHY, "-y")
    assert (agreed.code, "go on?" in agreed.out) == (0, False)


def test_nobody_is_asked_in_ci(cli: Cli, saga: str) -> None:
    assert cli.at_terminal("resolve", saga, *WHY, CI="true").code == 2


def test_ctrl_c_at_the_question(cli: Cli, saga: str) -> None:
    done = cli.at_terminal("skip", saga, *WHY, answer="\x03", wait_for="go on?")
    assert (done.code, "interrupted" in done.out) == (130, True)
    assert cli("get", saga, "--exit-status").code == 12


def test_colour(cli: Cli, saga: str) -> None:
    assert "\x1b[" in cli.at_terminal("get", saga).out
    assert "\x1b[" not in cli.at_terminal("get", saga, "--no-color").out
    assert "\x1b[" not in cli.at_terminal("get", saga, NO_COLOR="1").out
    assert "\x1b[" not in cli.at_terminal("get", saga, TERM="dumb").out
    assert "\x1b[" not in cli.at_terminal("get", saga, "--json").out
    assert "\x1b[" not in cli("get", saga).out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_width(cli: Cli, saga: str, width: int) -> None:
    shown = cli.at_terminal("get", saga, "--no-color", "--quiet", width=width).out
    assert shown.startswith(saga)
    pasted = ("saga_", "    saga ")  # ids and commands are never cut
    assert all(cells(line) <= width for line in shown.splitlines() if not line.startswith(pasted)), shown
    listed = cli.at_terminal("ls", "--no-color", "--quiet", width=width).out
    assert "stuck_undo charge_card\n" in listed


def test_watch_moves_and_ends(cli: Cli, saga: str) -> None:
    done = cli.at_terminal("watch", saga)
    assert done.code == 12
    assert done.out.startswith("\x1b[?25l")
    assert "needs a person" in done.out
