"""The command on a PostgreSQL server: the same commands, and what is wrong is told without the password."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from saga_journey.cli.findings import Finding
from saga_journey.cli.postgres_server import judged, judged_table
from saga_journey.stores.postgres.health import Server as Health
from saga_journey.stores.postgres.health import Table
from saga_journey.testing.databases import look_into
from tests.cli.stage import Cli, Worker, environment
from tests.cli.test_doctor import findings
from tests.servers.postgres import PostgresServer, Server, running_postgres
from tests.thorough import thorough

pytestmark = thorough

ROLE = f"shop_{uuid.uuid4().hex[:8]}"
SECRET = "s3cr%40t"
WITHOUT_ASYNCPG = "import sys; sys.modules['asyncpg'] = None; import saga_journey.cli; saga_journey.cli.run()"


@pytest.fixture
def shop(cli: Cli, postgres_server: Server) -> Iterator[Cli]:
    """The command on an empty database, with all rights there."""
    url = postgres_server.databases.fresh()
    cli.use(url)
    yield cli
    postgres_server.databases.drop(url)


@pytest.fixture
def role(shop: Cli) -> Iterator[str]:
    """The URL of a role that may do nothing there."""
    url = shop.url
    administer(url, f"create role {ROLE} login password 's3cr@t'")
    parts = urlsplit(url)
    yield urlunsplit(parts._replace(netloc=f"{ROLE}:{SECRET}@{parts.netloc.rpartition('@')[2]}"))
    administer(url, f"drop owned by {ROLE}; drop role {ROLE}")


def administer(url: str, script: str) -> None:
    """As `psql -1 -f` does: one text, one transaction."""

    async def run() -> None:
        db = await asyncpg.connect(url)
        try:
            await db.execute(script)
        finally:
            await db.close()

    asyncio.run(run())


def change(cli: Cli, statement: str) -> None:
    with closing(look_into(cli.url, writing=True)) as db:
        db.execute(statement)


# --- the same commands ------------------------------------------------------------------------------------------------


def test_sagas_on_a_server(shop: Cli, hire: Callable[..., Worker]) -> None:
    worker = hire()
    stuck = worker.start("order", ship="refuse", refund_card=["refuse", "ok"])
    assert shop.outcome(stuck) == 12
    found = findings(shop)
    assert found["workers"]["text"] == "1 live, moving 0 sagas"
    assert found["attention"]["hint"] == f"saga get {stuck}"
    assert {found[check]["level"] for check in ("server", "database", "commits", "clock", "schema", "rights")} == {"ok"}
    assert "time" not in found  # on a server it is the clock
    done = shop("retry", stuck, "charge_card", "--reason", "it is back")
    assert (done.code, done.out) == (0, f"retry {stuck}: applied\n")
    assert shop.outcome(stuck) == 11
    assert shop.here("ls").out.splitlines()[1].startswith(stuck)


def test_migrate(shop: Cli) -> None:
    status = shop.here("db", "status", "--json")
    assert (status.code, {line["state"] for line in status.lines()}) == (7, {"pending"})
    first = shop.here("db", "migrate", "--json").json()
    assert first["database"] == shop.url
    assert [m["number"] for m in first["applied"]] == [line["number"] for line in status.lines()]
    again = shop.here("db", "migrate")
    assert (again.code, again.out, again.err) == (0, "", f"{shop.url} is up to date\n")
    assert shop.here("db", "status").code == 0


def test_an_administrator_runs_what_is_printed(shop: Cli, role: str) -> None:
    printed = shop.here("db", "migrate", "--print", "--db", role)
    assert (printed.code, printed.err) == (0, "")
    administer(shop.url, printed.out)
    status = shop.here("db", "status", "--json", "--db", role)
    assert (status.code, {line["state"] for line in status.lines()}) == (0, {"applied"})
    assert shop.here("doctor", "--db", role).code == 0
    assert shop.here("ls", "--db", role).code == 0
    again = shop.here("db", "migrate", "--print", "--role", ROLE, "--json").json()
    assert "-- No migration is pending." in again["sql"]
    assert f'grant usage on schema saga_journey to "{ROLE}";' in again["sql"]


def test_those_rights_are_enough_for_a_worker(shop: Cli, role: str, hire: Callable[..., Worker]) -> None:
    administer(shop.url, shop.here("db", "migrate", "--print", "--role", ROLE).out)
    shop.use(role)
    worker = hire()
    assert shop.outcome(worker.start("order", ship="refuse")) == 11
    assert shop.here("db", "prune", "--older-than", "0s", "--archive", "-y").out == "archived 1 saga\n"
    worker.stop()


def test_a_role_for_what_is_not_printed(shop: Cli) -> None:
    done = shop.here("db", "migrate", "--role", "shop")
    assert (done.code, "--role goes with --print" in done.err) == (2, True)
    done = shop.here("db", "migrate", "--print", "--role", "nobody_at_all")
    assert (done.code, "has no role 'nobody_at_all'" in done.err) == (2, True)


def test_commands_that_we_print_have_no_password(shop: Cli, role: str) -> None:
    administer(shop.url, shop.here("db", "migrate", "--print", "--db", role).out)
    done = shop.here("get", "saga_nope", "--db", role)
    assert done.code == 3
    without = role.replace(f":{SECRET}", "")
    assert (
        done.err.splitlines()[1] == f"  looked in {without}, tenant default; saga ls --db {without} lists what is there"
    )


# --- what is wrong ----------------------------------------------------------------------------------------------------

ASKING = (["ls"], ["db", "status"], ["doctor"], ["db", "migrate"], ["db", "prune", "--older-than", "1d", "-y"])


@pytest.fixture(scope="module")
def strict() -> Iterator[PostgresServer]:
    """A server that asks for passwords."""
    with running_postgres() as server:
        administer(server.url(), "create role app login password 's3cr@t'")
        rules = server.folder / "pgdata" / "pg_hba.conf"
        rules.write_text("host all app all scram-sha-256\nhost all all all trust\n")
        server.stop()
        yield server.start()


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
@pytest.mark.parametrize(
    ("who", "database", "code", "said"),
    [
        ("app:s3cret", "postgres", 7, "does not accept the password of role 'app'"),
        ("nobody", "postgres", 7, "has no role 'nobody', or it may not log in"),
        (f"app:{SECRET}", "shop", 7, "there is no database 'shop' at 127.0.0.1:"),
        (f"app:{SECRET}", "shop?pooler=yes", 2, "pooler='yes' means nothing"),
        ("app:s3#cret", "shop", 2, 'it has a "#": in a password, write it as %23'),
    ],
)
def test_who_is_not_let_in(
    cli: Cli, strict: PostgresServer, words: list[str], who: str, database: str, code: int, said: str
) -> None:
    cli.use(f"postgresql://{who}@127.0.0.1:{strict.port}/{database}")
    done = cli.here(*words)
    assert done.code == code
    assert said in done.said
    assert not any(secret in done.said for secret in ("s3c", "s3#", "Traceback"))


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_nobody_listens(cli: Cli, words: list[str]) -> None:
    cli.use("postgres://app:s3cret@127.0.0.1:1/shop")
    done = cli.here(*words)
    assert done.code == 7
    assert "nobody listens on 127.0.0.1:1: check the host and the port of the URL" in done.said
    assert "s3cret" not in done.said
    assert cli.here("ls", "--json").error()["code"] == "store_unreachable"


def test_a_database_that_is_not_ours_yet(shop: Cli) -> None:
    for words in (["ls"], ["doctor"], ["pause", "@last"]):
        done = shop.here(*words)
        assert (done.code, "has no schema saga_journey yet" in done.said) == (7, True), words
    assert shop.here("ls", "--json").error()["code"] == "no_schema"


def test_a_role_without_rights(shop: Cli, role: str) -> None:
    refused = shop.here("db", "migrate", "--db", role)
    assert (refused.code, "may not make a schema in database" in refused.err) == (7, True)
    pasted = [line for line in refused.err.splitlines() if line.startswith("    grant")]
    administer(shop.url, "\n".join(pasted))
    assert shop.here("db", "migrate", "--db", role).code == 0


@pytest.mark.parametrize("words", [["ls"], ["doctor"], ["db", "status"], ["db", "migrate"]], ids=" ".join)
def test_a_role_that_may_not_look(shop: Cli, role: str, words: list[str]) -> None:
    assert shop.here("db", "migrate").code == 0
    refused = shop.here(*words, "--db", role)
    assert refused.code == 7
    pasted = [line for line in refused.said.splitlines() if line.strip().startswith(("grant", "alter"))]
    administer(shop.url, "\n".join(pasted))
    assert shop.here(*words, "--db", role).code == 0


def test_a_role_that_may_not_write(shop: Cli, role: str) -> None:
    assert shop.here("db", "migrate").code == 0
    administer(shop.url, f"grant usage on schema saga_journey to {ROLE}")
    administer(shop.url, f"grant select on all tables in schema saga_journey to {ROLE}")
    rights = one(shop, role, "rights")
    assert rights["level"] == "bad"
    assert rights["text"].startswith(f"role {ROLE} lacks insert on ")
    administer(shop.url, rights["hint"])
    assert shop.here("doctor", "--db", role).code == 0


def test_another_version(shop: Cli) -> None:
    assert shop.here("db", "migrate").code == 0
    change(shop, "insert into migration (number, name, checksum) values (9999, 'future', 'x')")
    for words in (["ls"], ["db", "migrate"], ["db", "status"], ["doctor"]):
        done = shop.here(*words)
        assert (done.code, "upgrade saga-journey" in done.said) == (7, True), words
    assert shop.here("ls", "--json").error()["code"] == "schema_too_new"
    change(shop, "delete from migration where number <> 1")
    for words in (["ls"], ["db", "status"], ["doctor"]):
        done = shop.here(*words)
        assert (done.code, "saga db migrate" in done.said) == (7, True), words
    assert shop.here("ls", "--json").error()["code"] == "schema_behind"


def test_asyncpg_is_not_installed(cli: Cli) -> None:
    for words in (["ls"], ["doctor"], ["db", "migrate"]):
        command = [sys.executable, "-c", WITHOUT_ASYNCPG, *words, "--db", "postgresql://app:s3cret@127.0.0.1/shop"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cli.folder, env=environment(), check=False)
        assert (done.returncode, done.stdout) == (7, "")
        assert 'pip install "saga-journey[postgres]"' in done.stderr
        assert "s3cret" not in done.stderr


# --- what doctor looks at ---------------------------------------------------------------------------------------------


def one(cli: Cli, url: str, check: str) -> dict[str, str]:
    found = [json.loads(line) for line in cli.here("doctor", "--json", "--db", url).out.splitlines()]
    return next(line for line in found if line["check"] == check)


def test_a_server_that_forgets(shop: Cli) -> None:
    assert shop.here("db", "migrate").code == 0
    commits = one(shop, f"{shop.url}?options=-c%20synchronous_commit%3Doff", "commits")
    assert (commits["level"], commits["text"].startswith("synchronous_commit off: raised for what")) == ("look", True)


def test_a_server_that_takes_no_writes(shop: Cli) -> None:
    assert shop.here("db", "migrate").code == 0
    url = f"{shop.url}?options=-c%20default_transaction_read_only%3Don"
    assert one(shop, url, "server")["text"].endswith("takes no writes: default_transaction_read_only is on")


HEALTHY = Health(
    version="18.4",
    major=18,
    role="app",
    database="shop",
    encoding="UTF8",
    bytes=8_000_000,
    standby=False,
    read_only=False,
    synchronous_commit="on",
    synchronous_standbys=False,
    fsync="on",
    used=80,
    connections=100,
    ahead=-60.0,
)


def level(found: list[Finding], check: str) -> str:
    return next(finding.level for finding in found if finding.check == check)


@pytest.mark.parametrize(
    ("change", "check", "expected"),
    [
        ({}, "server", "ok"),
        ({"major": 13}, "server", "bad"),
        ({"major": 14}, "server", "ok"),
        ({"standby": True, "read_only": True}, "server", "bad"),
        ({}, "database", "ok"),
        ({"encoding": "LATIN1"}, "database", "bad"),
        ({"synchronous_commit": "remote_apply"}, "commits", "ok"),
        ({"synchronous_commit": "off"}, "commits", "look"),
        ({"synchronous_commit": "local"}, "commits", "ok"),
        ({"synchronous_commit": "local", "synchronous_standbys": True}, "commits", "look"),
        ({"fsync": "off"}, "commits", "bad"),
        ({}, "clock", "ok"),
        ({"ahead": -61.0}, "clock", "look"),
        ({"ahead": 61.0}, "clock", "look"),
        ({}, "clients", "ok"),
        ({"used": 81}, "clients", "look"),
    ],
)
def test_a_server_is_judged(change: dict[str, object], check: str, expected: str) -> None:
    assert level(judged(Health(**{**plain(HEALTHY), **change})), check) == expected  # type: ignore[arg-type]


def plain(server: Health) -> dict[str, object]:
    return {name: getattr(server, name) for name in Health.__slots__}


@pytest.mark.parametrize(
    ("live", "dead", "expected"),
    [(0, 0, "ok"), (1000, 10_000, "ok"), (1000, 10_001, "look"), (40_000, 20_000, "ok"), (40_000, 20_001, "look")],
)
def test_a_table_is_judged(live: int, dead: int, expected: str) -> None:
    found = judged_table(Table("journal", 1 << 20, live, dead, ()))
    assert (found.check, found.level) == ("journal", expected)
