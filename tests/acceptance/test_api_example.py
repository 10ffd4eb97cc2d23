"""The example that everybody reads first, as a program: it prints what it says it prints."""

import subprocess
import sys
from pathlib import Path

from tests.acceptance.processes import PROGRAMS, ROOT

PRINTED = """\
a receipt for 1999 cents for A1
Completed(results={'reserve_stock': Hold(sku='A1'), 'charge_card': '1999 cents for A1'}, doubtful=())
released Hold(sku='A1')
Compensated(because=Because(kind='failure', milestone='charge_card', error='card declined', who=None, reason=None), \
standing=())
"""


def test_the_example(tmp_path: Path) -> None:
    """A second run finds both orders by their keys: the same outcomes, and nothing is done again."""
    first, second = example(tmp_path), example(tmp_path)
    assert first == PRINTED
    assert second == "".join(line for line in PRINTED.splitlines(keepends=True) if line[0] == "C")


def example(place: Path) -> str:
    command = [sys.executable, "-m", f"{PROGRAMS}.twelve_lines", str(place / "journeys.db")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
