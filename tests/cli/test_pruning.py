"""`saga db prune` takes out what has ended, a few at a time, and nothing else."""

from collections.abc import Callable

import pytest

from tests.cli.stage import Cli, Worker
from tests.cli.test_looking import keys
from tests.servers.postgres import Server


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, cli: Cli, hire: Callable[..., Worker]) -> Cli:
    """Five orders that have ended, and one that has not."""
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres_server")
        cli.use(server.databases.fresh())
    worker = hire()
    for tenant in ("default", "other"):
        for _ in range(2):
            worker.start("order", tenant)
    assert cli.outcome(worker.start("order")) == 0
    worker.start("order", ship="gate")
    worker.until("called ship")
    while len(cli.here("ls", "--json", "--tenant", "other", "-s", "completed").lines()) < 2:
        pass
    return cli


def statuses(cli: Cli, tenant: str = "default") -> list[str]:
    return [line["status"] for line in cli.here("ls", "--json", "--tenant", tenant).lines()]


def test_in_small_batches(shop: Cli) -> None:
    young = shop.here("db", "prune", "--older-than", "1h", "-y")
    assert (young.code, young.out) == (0, "deleted 0 sagas\n")
    assert "prune deletes for good every saga that ended before" in young.err
    assert len(statuses(shop)) == 4

    done = shop.here("db", "prune", "--older-than", "0s", "--batch", "2", "-y")

    assert (done.code, done.out) == (0, "deleted 5 sagas\n")
    assert (statuses(shop), statuses(shop, "other")) == (["in_progress"], [])


def test_for_programs(shop: Cli) -> None:
    done = shop.here("db", "prune", "--older-than", "0s", "--archive", "-y", "--json")
    assert set(done.json()) == keys("`db prune`")
    assert (done.json()["pruned"], done.json()["archived"], done.err) == (5, True, "")


def test_nothing_is_lost_by_not_answering(shop: Cli) -> None:
    assert shop.here("db", "prune", "--older-than", "0s").code == 2
    shown = shop.at_terminal("db", "prune", "--older-than", "0s", answer="n\n", wait_for="go on?")
    assert (shown.code, "nothing was done" in shown.out) == (130, True)
    assert len(statuses(shop)) == 4
