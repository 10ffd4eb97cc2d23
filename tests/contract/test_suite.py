"""The suite itself: no test hides another one, nothing of the port is left out, and pytest alone can run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saga_journey.ports import Figures, Store
from saga_journey.testing import conformance
from saga_journey.testing.conformance import StoreConformance

MINE = """
import pytest

from saga_journey.stores.sqlite import SqliteStore
from saga_journey.testing.conformance import StoreConformance


class TestMyStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def database(self, tmp_path):
        self.url = f"sqlite:///{tmp_path}/journeys.db"

    async def open(self):
        return await SqliteStore.open(self.url)
"""


def test_no_test_hides_another_one() -> None:
    names = [name for chapter in StoreConformance.__mro__ for name in vars(chapter) if name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("port", [Store, Figures])
def test_every_part_of_the_port_is_asked_for(port: type) -> None:
    (folder,) = conformance.__path__
    asked = "".join(path.read_text() for path in Path(folder).glob("*.py"))
    assert [name for name in vars(port) if not name.startswith("_") and f".{name}" not in asked] == []


def test_a_dozen_lines_and_pytest_alone_are_enough(tmp_path: Path) -> None:
    """What cannot be known without looking behind the port is skipped, and says so."""
    (tmp_path / "test_mine.py").write_text(MINE)
    chosen = "key_belongs_to_a_tenant or events_of_a_start"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-k", chosen, "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "1 passed, 1 skipped" in done.stdout, done.stdout
    assert "outbox() is not overridden" in done.stdout
