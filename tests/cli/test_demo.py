"""The demo fails where it is told to, undoes itself, and leaves a database that can be looked into."""

import re

import pytest

from tests.cli.stage import Cli


def test_demo(cli: Cli) -> None:
    done = cli("demo", "--pace", "0")
    assert done.code == 0
    assert "← reserve_stock ↩ undone ── charge_card ↩ undone ──┘" in done.out
    looks = re.findall(r"^  saga (.+)$", done.err, re.MULTILINE)
    assert [look.split()[0] for look in looks] == ["get", "history", "ls", "doctor"]
    for look in looks:
        assert cli(*look.split()).code == 0
    assert cli.path.exists() is False  # its database is its own


@pytest.mark.parametrize(
    ("fail_at", "status"),
    [("none", "completed"), ("reserve_stock", "compensated"), ("send_receipt", "compensated")],
)
def test_fail_elsewhere(cli: Cli, fail_at: str, status: str) -> None:
    done = cli("demo", "--pace", "0", "--fail-at", fail_at, "--json")
    assert (done.code, done.lines()[-1]["status"], done.err) == (0, status, "")


def test_demo_at_a_terminal(cli: Cli) -> None:
    done = cli.at_terminal("demo", "--pace", "0")
    assert done.code == 0
    assert "\x1b[?25l" in done.out  # it moves
    assert re.search(r"compensated.*ship: no carrier", done.out)
    still = cli.at_terminal("demo", "--pace", "0", "--no-color", CI="1")
    assert "\x1b" not in still.out
    assert "saga_compensated" in still.out
