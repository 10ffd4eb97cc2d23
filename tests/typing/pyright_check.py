"""`python -m tests.typing.pyright_check`: basedpyright rejects every mistake of `mistakes.py`, and nothing else.

Part of `make pyright`, not of the tests: it carries Node, a big download.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.typing.marks import CHECKED, ROOT, Line, marked, misjudged

PYRIGHT = Path(sys.executable).with_name("basedpyright")


def main() -> None:
    if not PYRIGHT.exists():
        sys.exit(f"basedpyright is not installed beside {sys.executable}: run `make pyright`")
    command = [str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, *map(str, CHECKED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 1:  # 0: it saw no mistake at all; anything else: it did not come to a verdict
        sys.exit(f"basedpyright ended with {done.returncode}, which is not its verdict on mistakes:\n{done.stderr}")
    report = json.loads(done.stdout)
    if report["summary"]["filesAnalyzed"] != len(CHECKED):
        sys.exit(f"basedpyright looked at {report['summary']['filesAnalyzed']} files, not at {len(CHECKED)}")
    complaints = {
        Line.of(said["file"], said["range"]["start"]["line"] + 1): said["message"].splitlines()[0]
        for said in report["generalDiagnostics"]
        if said["severity"] in ("error", "warning")
    }
    if wrong := misjudged("pyright", complaints):
        sys.exit("\n".join(wrong))
    print(f"{len(marked('pyright'))} mistakes rejected, everything else accepted")


if __name__ == "__main__":
    main()
