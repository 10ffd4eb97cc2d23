"""Makes `.venv` ready: `python3 scripts/setup.py LOCK...`, each LOCK a file in requirements/ (default: standard).

A second run compares fingerprints and does nothing. Only the standard library is used, and down to the version check
only what an old Python can read: it must be able to say that it is too old.
"""

import os
import shutil
import subprocess
import sys

if sys.version_info < (3, 11):  # noqa: UP036
    for name in ("python3.13", "python3.12", "python3.11"):
        # A name on the PATH may be a version manager's shim with nothing behind it: only an answer counts.
        found = shutil.which(name)
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found, *sys.argv])
    sys.exit(
        f"saga-journey needs Python 3.11 or newer; this is {sys.version.split()[0]}, and the PATH has no newer one.\n"
        "Install one, or say where it is: make test PYTHON=/path/to/python3.12"
    )

import hashlib
import importlib.util
import json
import platform
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "ready.json"

Fingerprints = dict[str, str]


def main(locks: list[str]) -> None:
    wanted = fingerprints(["build", *locks])
    found = read_stamp()
    if wanted.items() <= found.items():
        return
    if stale(found, wanted):
        found = {}
        create()
    for lock in ["build", *locks]:
        if found.get(lock) != wanted[lock]:
            print(f"installing requirements/{lock}.lock", flush=True)
            pip("--require-hashes", "-r", f"requirements/{lock}.lock")
    # A call of its own: pip refuses `-e` beside hashes.
    pip("--no-deps", "--no-build-isolation", "-e", ".")
    STAMP.write_text(json.dumps(found | wanted, indent=2))


def fingerprints(locks: list[str]) -> Fingerprints:
    """What an environment depends on. Its place counts as well: the scripts in a moved one point to the old place."""
    files = {lock: ROOT / "requirements" / f"{lock}.lock" for lock in locks}
    missing = [lock for lock, file in files.items() if not file.is_file()]
    if missing:
        sys.exit(f"There is no lock named {' or '.join(missing)} in requirements/.")
    files["pyproject"] = ROOT / "pyproject.toml"
    hashes = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    return {"place": str(VENV), "python": platform.python_version(), **hashes}


def read_stamp() -> Fingerprints:
    if not (VENV / "bin" / "python").exists():
        return {}
    try:
        stamp: Fingerprints = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def stale(found: Fingerprints, wanted: Fingerprints) -> bool:
    """Start afresh when more than `pyproject.toml` has changed: pip adds packages, but removes none."""
    return not found or any(found.get(name, value) != value for name, value in wanted.items() if name != "pyproject")


def create() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            f"This Python {version} cannot make virtual environments. On Debian and Ubuntu:\n"
            f"    sudo apt-get install python{version}-venv"
        )
    print(f"creating .venv with Python {platform.python_version()}", flush=True)
    venv.create(VENV, clear=True, symlinks=True, with_pip=True)


def pip(*arguments: str) -> None:
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.call([*command, *arguments], cwd=ROOT) != 0:
        sys.exit(f"Set-up failed: pip could not install {arguments[-1]}. What it said is above; run the command again.")


if __name__ == "__main__":
    main(sys.argv[1:] or ["standard"])
