"""The command starts quickly, and without the extra it says how to get it."""

import subprocess
import sys

from tests.cli.stage import Cli, environment
from tests.cli.test_looking import keys

PROGRAM = """
import sys
from saga_journey.__main__ import main
sys.argv = ["saga", *sys.argv[1:]]
try:
    main()
finally:
    print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("rich", "pygments")), file=sys.stderr)
"""


def python(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def test_the_version_needs_nothing_heavy() -> None:
    done = python(PROGRAM, "--version")
    assert done.stdout.startswith("saga-journey ")
    assert done.stderr.strip() == ""


def test_neither_does_anything_that_is_not_at_a_terminal(cli: Cli) -> None:
    assert cli("db", "migrate").code == 0
    done = python(PROGRAM, "doctor", "--db", cli.url)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_without_the_extra() -> None:
    done = python("import sys; sys.modules['typer'] = None\n" + PROGRAM, "ls")
    assert done.returncode == 2
    assert 'pip install "saga-journey[standard]"' in done.stderr


def test_version(cli: Cli) -> None:
    assert set(cli("version", "--json").json()) == keys("`version`")
    assert cli("--version").out.split()[1] == cli("version").out.split()[1]
