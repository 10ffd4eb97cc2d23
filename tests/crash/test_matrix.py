"""Killed with SIGKILL at every boundary of a shape, restarted, run to its end: every promise holds.

`python -m tests.crash.matrix` shows the same as a table; `--double` kills again in recovery.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.clean_process import told_by
from tests.crash.shapes import SHAPES

MOST_RECOVERY_MS = 2000


@pytest.mark.parametrize("shape", SHAPES)
def test_every_promise_is_kept_wherever_the_process_dies(shape: str, tmp_path: Path) -> None:
    told = told_by("tests.crash.matrix", "--shape", shape, "--lanes", "1", folder=tmp_path)
    assert told["broken"] == []
    assert told["missed"] == []
    assert told["cells_run"] == told["cells_possible"] >= 16
    assert told["repeated_at_most"] <= 1
    assert told["recovery_p99_ms"] <= MOST_RECOVERY_MS
