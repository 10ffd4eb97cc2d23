"""What holds for all tests."""

import os
from collections.abc import Generator

import pytest

from tests.servers.postgres import Server, discard_the_server, the_server
from tests.servers.programs import NoServer
from tests.thorough import LEFT_OUT

# Coverage measures the workers of the tests, and no process that a test starts: these are killed, run out of disk,
# become nobody; and measuring hundreds of them would take minutes.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def postgres_server() -> Server:
    """A real PostgreSQL: one for each worker of pytest, started when a test first asks for it."""
    return the_server()


def pytest_unconfigure() -> None:
    discard_the_server()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Wherever a fixture asks for a PostgreSQL that is not to be had, its test is skipped."""
    try:
        return (yield)
    except NoServer as absent:
        pytest.skip(str(absent))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """The same where the test itself asks."""
    try:
        return (yield)
    except NoServer as absent:
        pytest.skip(str(absent))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tested is said, in one line at the end."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    left = sum(LEFT_OUT in reason for reason in skipped)
    if left:
        also = "and most acceptance tests on PostgreSQL (they ran on SQLite)"
        terminalreporter.write_line(f"LEFT OUT here: {left} tests that take long, {also}; make thorough runs all")
    untested = sum(str(NoServer()) in reason for reason in skipped)
    if untested:
        terminalreporter.write_line(f"PostgreSQL was NOT tested, {untested} tests skipped: {NoServer()}", yellow=True)
