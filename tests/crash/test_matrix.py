"""Killed with SIGKILL at every boundary of a shape, restarted, run to its end: every promise holds.

`python -m tests.crash.matrix` shows the same as a table; `--double` kills again in recovery.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.clean_process import told_by
from tests.crash.on_stores import on_stores, server_for
from tests.crash.shapes import SHAPES

MOST_RECOVERY_MS = 2000


@pytest.mark.parametrize(("shape", "store"), on_stores(SHAPES, quick="doubt-then-refused"))
def test_every_promise_is_kept_wherever_the_process_dies(
    shape: str, store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    arguments = ("--store", store, "--shape", shape, "--lanes", "1")
    told = told_by("tests.crash.matrix", *arguments, folder=tmp_path, environment=server_for(store, request))
    assert told["broken"] == []
    assert told["missed"] == []
    assert told["cells_run"] == told["cells_possible"] >= 16
    assert told["repeated_at_most"] <= 1
    assert told["recovery_p99_ms"] <= MOST_RECOVERY_MS
