"""`saga worker` moves what others start, says what a person must know, and ends as it is told."""

import asyncio
import json
import logging
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest

from saga_journey import Saga, milestone, open_journeys
from saga_journey.cli.options import Given
from saga_journey.cli.screen import Screen
from saga_journey.cli.worker import Report, Stop
from tests.cli.stage import Cli
from tests.cli.test_looking import keys
from tests.servers.postgres import Server

PROGRAM = """
import asyncio
from pathlib import Path
from saga_journey import Context, Curator, Saga, Structured, milestone

print("imported")


async def pack(ctx: Context[dict]) -> str:
    Path("packed").touch()
    while ctx.input.get("slow") and not Path("go").exists():
        await asyncio.sleep(0.01)
    return "packed"


def unpack(ctx: Context[dict], parcel: str | None) -> None: ...


parcel = Saga("parcel", version=3, milestones=[milestone(pack, undo=unpack)])
steps = Structured("steps", version=1, milestones=[milestone(pack, undo=unpack)])
both = [parcel, steps]
curator = Curator()
curator.register(pack)
curator.register(unpack)
other = Curator()
wrong = [parcel, 3]
empty = []
number = 3


def made() -> list[Saga]:
    print("made")
    return [parcel]


async def later() -> Saga:
    return parcel


def broken() -> Saga:
    raise KeyError("no such setting")
"""


async def pack(ctx: Any) -> str:
    return "not called here"


def unpack(ctx: Any, parcel: str | None) -> None: ...


parcel: Saga[dict[str, bool]] = Saga("parcel", version=3, milestones=[milestone(pack, undo=unpack)])


@pytest.fixture
def shop(cli: Cli) -> Cli:
    (cli.folder / "shop.py").write_text(PROGRAM)
    (cli.folder / "lacking.py").write_text("import no_such_package\n")
    (cli.folder / "ending.py").write_text("raise SystemExit('not today')\n")
    return cli


@contextmanager
def at_work(cli: Cli, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = cli.begin("worker", *words)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def rest(process: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), err


async def started(url: str, **input: bool) -> str:
    async with open_journeys(url, sagas=[parcel], working=False) as journeys:
        return (await journeys.start(parcel, input)).saga_id


# --- it works ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_it_says(shop: Cli, number: signal.Signals) -> None:
    with at_work(shop, "shop:both") as process:
        assert line(process) == f"working: parcel version 3, steps version 1; {shop.url}, pid {process.pid}"
        process.send_signal(number)
        code, said, err = rest(process)
    assert (code, [words.split(":")[0] for words in said], err) == (0, ["ending", "ended"], "imported\n")


def test_for_programs(shop: Cli) -> None:
    with at_work(shop, "shop:made", "shop:curator", "--json") as process:
        working = json.loads(line(process))
        process.send_signal(signal.SIGTERM)
        code, said, _ = rest(process)
    assert set(working) == keys("`worker`, `working`")
    assert (working["event"], working["pid"], working["database"]) == ("working", process.pid, shop.url)
    assert working["journeys"] == [{"journey": "parcel", "version": 3}]
    assert working["handlers"] == ["pack", "unpack"]
    assert (code, [json.loads(words)["event"] for words in said]) == (0, ["ending", "ended"])


def test_it_moves_what_others_start(shop: Cli) -> None:
    with at_work(shop, "shop:curator", "--concurrency", "2", "--lease", "5"):
        saga = asyncio.run(started(shop.url))
        assert shop.outcome(saga) == 0


def test_it_lets_a_call_end(shop: Cli) -> None:
    with at_work(shop, "shop:parcel") as process:
        line(process)
        saga = asyncio.run(started(shop.url, slow=True))
        called(shop)
        process.send_signal(signal.SIGTERM)
        assert line(process).startswith("ending: waits up to 30 s")
        (shop.folder / "go").touch()
        assert rest(process)[0] == 0
    assert shop.outcome(saga) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_says_it_twice_is_not_kept_waiting(shop: Cli, number: signal.Signals) -> None:
    with at_work(shop, "shop:parcel") as process:
        line(process)
        asyncio.run(started(shop.url, slow=True))
        called(shop)
        while process.poll() is None:  # the second one, and not the echo of the first
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        assert (process.returncode, rest(process)[1][1:]) == (-number, [])  # no "ended"


def test_a_signal_to_the_process_and_to_its_group_is_one() -> None:
    async def echoed() -> bool:
        stop = Stop()
        with stop.on_signals():
            signal.raise_signal(signal.SIGTERM)
            await stop.asked.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            return signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL

    before = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(echoed())
    assert signal.getsignal(signal.SIGTERM) is before


def called(cli: Cli) -> None:
    """Returns when its handler has been called."""
    while not (cli.folder / "packed").exists():
        pass


def test_what_a_person_must_know(shop: Cli) -> None:
    """A saga that is not the one of this code: nobody could read it, so it waits for a person."""
    saga = asyncio.run(started(shop.url))
    spoil(shop)
    with at_work(shop, "shop:parcel", "--json") as process:
        line(process)
        told = json.loads(line(process))
        assert set(told) == {"event", "logger", "message"}
        assert (told["event"], saga in told["message"]) == ("error", True)


def spoil(cli: Cli) -> None:
    with closing(sqlite3.connect(cli.path)) as db, db:
        db.execute("update journal set events = '[[\"unheard_of\"]]'")


def test_who_can_write_no_more_asks_to_be_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken() -> int:
        stop = Stop()
        with Report(Screen(Given())).of_the_log(stop):
            await asyncio.to_thread(logging.getLogger("saga_journey.store").critical, "it is\n%s", "broken")
            await stop.asked.wait()
        return stop.code

    assert asyncio.run(broken()) == 7
    assert capsys.readouterr().out == "critical: it is broken\n"


def test_on_a_server(shop: Cli, postgres_server: Server) -> None:
    shop.use(postgres_server.databases.fresh())
    with at_work(shop, "shop:parcel") as process:
        assert f"; {shop.url}, pid" in line(process)
        assert shop.outcome(asyncio.run(started(shop.url))) == 0
        process.send_signal(signal.SIGTERM)
        assert rest(process)[0] == 0
    postgres_server.databases.drop(shop.url)


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [
        ("shp:parcel", 2, "there is no module 'shp'"),
        ("shp:parcel", 2, "did you mean shop?"),
        ("shop.more:parcel", 2, "there is no module 'shop.more'"),
        ("lacking:parcel", 6, "module 'lacking' cannot be imported: ModuleNotFoundError: No module named 'no_such_"),
        ("ending:parcel", 6, "module 'ending' cannot be imported: SystemExit: not today"),
        ("shop:parcle", 2, "module 'shop' has no 'parcle'\n  did you mean shop:parcel?"),
        ("shop:zzz", 2, "there is shop:parcel, shop:steps, shop:both"),
        ("shop", 2, "'shop' names no attribute"),
        ("shop.py:parcel", 2, "a worker imports a module, by its name and not by its path\n  saga worker shop:parcel"),
        ("sh op:parcel", 2, "names no module"),
        ("shop:number", 2, "shop:number is an int\n  it has to be a Saga, a Structured, a list of them, a Curator"),
        ("shop:Saga", 2, "shop:Saga is the class Saga"),
        ("shop:wrong", 2, "shop:wrong has in its list an int"),
        ("shop:empty", 2, "shop:empty is an empty list"),
        ("shop:later", 2, "shop:later is an async function"),
        ("shop:broken", 6, "shop:broken() cannot be called: KeyError: 'no such setting'"),
    ],
)
def test_a_reference_that_means_nothing(shop: Cli, reference: str, code: int, said: str) -> None:
    done = shop("worker", reference)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert not shop.path.exists()


def test_two_curators(shop: Cli) -> None:
    done = shop("worker", "shop:curator", "shop:other")
    assert (done.code, "more than one Curator" in done.err) == (2, True)


def test_what_cannot_be(shop: Cli) -> None:
    assert shop("worker").code == 2
    assert shop("worker", "shop:parcel", "--concurrency", "0").code == 2
    assert shop("worker", "shop:parcel", "--lease", "0").code == 2
    done = shop("worker", "shop:parcel", "--db", "postgresql://app:s3cret@127.0.0.1:1/shop")
    assert (done.code, done.out) == (7, "")
    assert "nobody listens on 127.0.0.1:1" in done.err
    assert "s3cret" not in done.said
